"""Operators and methods of tensor variables, by value through the compiler and by their errors."""

from __future__ import annotations

import copy
import inspect
import math
import operator
import pickle

import numpy as np
import pytest

import symtensor
from symtensor import config
from symtensor import tensor as T
from symtensor.graph.errors import SymbolicTruthError
from symtensor.ops.convert import NotScalarConstantError

A = np.array([[1.0, -2.0, 3.5], [4.0, 0.5, -6.0]])
B = np.array([[2.0, 2.0, -1.5], [0.5, 3.0, 2.0]])

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
          operator.lt,
          operator.le, operator.gt, operator.ge]
BITS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


def value(variable, **givens):
    names = {v.name: v for v in symtensor.graph.walk.graph_inputs([variable])}
    return variable.eval({names[k]: v for k, v in givens.items() if k in names})


@pytest.mark.parametrize("function", BINARY)
def test_operators_with_variables_numbers_and_arrays(function):
    x, y = T.dmatrices("x", "y")
    results = [function(x, y), function(x, 2), function(2.5, x), function(x, B), function(B, x),
               function(np.float64(2), x)]
    expected = [function(A, B), function(A, 2), function(2.5, A), function(A, B), function(B, A),
                function(2.0, A)]
    for result, wanted in zip(results, expected):
        assert isinstance(result, T.TensorVariable)
        np.testing.assert_allclose(value(result, x=A, y=B), wanted, rtol=1e-15)


@pytest.mark.parametrize("function", BITS)
def test_bit_operators(function):
    x, y = T.imatrices("x", "y")
    a, b = np.array([[12, 7], [0, 255]], "int32"), np.array([[1, 3], [2, 4]], "int32")
    np.testing.assert_array_equal(value(function(x, y), x=a, y=b), function(a, b))
    np.testing.assert_array_equal(value(function(3, x % 5), x=a), function(np.int32(3), a % 5))


def test_unary_operators_and_powers():
    x = T.dmatrix("x")
    for result, wanted in [(-x, -A), (+x, A), (abs(x), abs(A)), (x**2, A**2), (2**x, 2**A),
                           (round(x), np.rint(A)),
                           (math.floor(x), np.floor(A)), (math.ceil(x), np.ceil(A)),
                           (math.trunc(x), np.trunc(A)),
                           (~(x > 0), A <= 0), (divmod(x, 2)[0], A // 2), (divmod(7, x)[1], 7 % A)]:
        np.testing.assert_allclose(value(result, x=A), wanted)


def test_numpy_functions_make_graphs():
    x = T.dmatrix("x")
    for ufunc in (np.exp, np.negative, np.floor, np.sign, np.square, np.tanh, np.isnan):
        result = ufunc(x)
        assert isinstance(result, T.TensorVariable)
        np.testing.assert_allclose(value(result, x=A), ufunc(A))
    assert isinstance(np.maximum(A, x), T.TensorVariable)
    with pytest.raises(TypeError, match="spacing"):
        np.spacing(x)


def test_equality_is_identity():
    x, y = T.dvectors("x", "y")
    assert x == x
    assert x != y
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1


def test_other_types_get_their_turn():
    class Other:
        def __radd__(self, other):
            return "other"

    x = T.dvector("x")
    assert x + Other() == "other"
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "a"
    with pytest.raises(TypeError, match="unsupported operand"):
        x * None


def test_a_wrong_operand_keeps_its_own_error():
    with pytest.raises(TypeError, match="and_"):
        T.dvector() & 1
    with pytest.raises(ValueError, match="broadcast"):
        T.constant(np.zeros(2)) + T.constant(np.zeros(3))


@pytest.mark.parametrize("use", [bool, float, int, complex, len, lambda x: 1 in x, np.asarray,
                                 lambda x: x and x,
                                 lambda x: [1, 2][x], lambda x: range(x)])
def test_no_value_while_the_graph_is_built(use):
    with pytest.raises(SymbolicTruthError, match="symbolic"):
        use(T.dvector("x"))


def test_chained_comparison_and_if_say_what_to_use():
    x = T.dscalar("x")
    with pytest.raises(SymbolicTruthError, match="switch"):
        assert 0 < x < 1
    with pytest.raises(SymbolicTruthError, match=r"test_variable\.py"):
        bool(x + 1)


def test_variables_do_not_change():
    x = T.dvector("x")
    with pytest.raises(TypeError, match="set_subtensor"):
        x[0] = 1


def test_iteration_where_the_length_is_known():
    x = T.tensor("float64", (3, None), name="x")
    rows = list(x)
    assert len(rows) == 3
    data = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(value(rows[1], x=data), data[1])
    rows_of, columns = T.matrix().shape
    assert rows_of.type == columns.type == T.lscalar
    with pytest.raises(TypeError, match="scan"):
        iter(T.vector("v"))
    with pytest.raises(TypeError, match="scalar"):
        iter(T.scalar("s"))


def test_properties():
    x = T.tensor("float32", (None, 1, 3), name="x")
    assert (x.dtype, x.ndim, x.broadcastable, x.name) == ("float32", 3, (False, True, False), "x")
    data = np.zeros((2, 1, 3), "float32")
    assert value(x.shape, x=data).tolist() == [2, 1, 3]
    assert value(x.size, x=data) == 6
    assert value(T.vector("v").size, v=np.zeros(4)) == 4
    assert x.T.type.shape == (3, 1, None)
    assert x.owner is None
    assert (x + 1).owner.op is T.add
    assert x.type() is not x
    assert x.clone().type == x.type


METHODS = [
    ("sum", (), A.sum()), ("sum", (0,), A.sum(0)), ("prod", (1,), A.prod(1)), ("mean", ((0, 1),), A.mean()),
    ("mean", (-1,), A.mean(-1)), ("var", (0,), A.var(0)), ("std", (1,), A.std(1)), ("max", (0,), A.max(0)),
    ("min", (), A.min()), ("argmax", (1,), A.argmax(1)), ("argmin", (), A.argmin()),
    ("ptp", (0,), np.ptp(A, 0)),
    ("norm", (2,), np.linalg.norm(A)), ("norm", (1, 0), np.abs(A).sum(0)), ("norm", (np.inf,), 6.0),
    ("norm", (3, 1), (np.abs(A) ** 3).sum(1) ** (1 / 3)), ("clip", (-1, 1), A.clip(-1, 1)),
    ("round", (), np.rint(A)),
    ("round", ("half_away_from_zero",), np.array([[1, -2, 4], [4, 1, -6]])), ("trunc", (), np.trunc(A)),
    ("dimshuffle", (1, "x", 0), A.T[:, None]), ("dimshuffle", ((1, 0),), A.T), ("transpose", (), A.T),
    ("transpose", (1, 0), A.T), ("transpose", ([1, 0],), A.T), ("transpose", (None,), A.T),
    ("swapaxes", (0, 1), A.T),
    ("reshape", ((3, 2),), A.reshape(3, 2)), ("reshape", ((-1,), 1), A.ravel()), ("flatten", (), A.ravel()),
    ("ravel", (), A.ravel()), ("dot", (B.T,), A.dot(B.T)), ("copy", (), A), ("conj", (), A),
    ("take", ([0, 2], 1), A.take([0, 2], 1)), ("fill", (3.0,), np.full_like(A, 3)), ("zeros_like", (), 0 * A),
    ("ones_like", (), np.ones_like(A)), ("astype", ("int32",), A.astype("int32")),
    ("nonzero_values", (), A[A != 0]), ("__getitem__", ((slice(None), 1),), A[:, 1]),
    ("__matmul__", (B.T,), A @ B.T),
    ("squeeze", (), A), ("repeat", (2, 1), A.repeat(2, 1)), ("repeat", (3,), A.repeat(3)),
    ("repeat", ([2, 0, 1], 1), A.repeat([2, 0, 1], 1)), ("sort", (), np.sort(A)), ("sort", (0,), np.sort(A, 0)),
    ("argsort", (), A.argsort()), ("argsort", (0, "mergesort"), A.argsort(0)), ("cumsum", (), A.cumsum()),
    ("cumsum", (1,), A.cumsum(1)), ("cumprod", (0,), A.cumprod(0)), ("diagonal", (1,), A.diagonal(1)),
    ("trace", (), A.trace()), ("transfer", ("cpu",), A), ("var", (0, 1), A.var(0, ddof=1)),
    ("mean", (0, None, True), A.mean(0, keepdims=True)), ("ptp", (), np.ptp(A)), ("conjugate", (), A),
    ("flatten", (2,), A),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), METHODS,
                         ids=lambda item: item if isinstance(item, str) else "")
def test_methods(name, arguments, expected):
    result = getattr(T.dmatrix("x"), name)(*arguments)
    got = value(result, x=A)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert got.dtype.name == result.dtype


def test_methods_of_integers_conditions_and_sorted_vectors():
    picks, data = T.lvector("x"), np.array([1, 0, 1])
    np.testing.assert_array_equal(value(picks.choose([A[0], A[1]]), x=data), data.choose([A[0], A[1]]))
    np.testing.assert_array_equal(value(picks.compress(A, axis=1), x=data), A.compress(data, axis=1))
    ladder = T.dvector("x")
    assert value(ladder.searchsorted(2.5), x=np.arange(5.0)) == 3
    assert value(ladder.searchsorted([1.0], side="right"), x=np.arange(5.0)).tolist() == [2]


def test_a_shape_in_pieces_is_refused():
    with pytest.raises(TypeError, match=r"reshape\(\(2, 3\)\)"):
        T.dvector("x").reshape(2, 3)


def test_transfer_to_an_unknown_device():
    with pytest.raises(ValueError, match="device"):
        T.dvector("x").transfer("cuda9")


def test_methods_are_documented_and_show_their_arguments():
    for name, method in vars(T.TensorVariable.__mro__[1]).items():
        if not name.startswith("_") and name != "type":
            assert method.__doc__, name
    assert list(inspect.signature(T.dmatrix("x").sum).parameters) == ["axis", "dtype", "keepdims", "acc_dtype"]
    assert list(inspect.signature(T.dmatrix("x").reshape).parameters) == ["shape", "ndim"]


def test_truth_reductions_and_nonzero():
    x = T.dmatrix("x")
    assert value((x > -10).all(), x=A)
    assert value((x > 3).any(axis=1), x=A).tolist() == [True, True]
    rows, columns = x.nonzero()
    np.testing.assert_array_equal(value(rows, x=A), A.nonzero()[0])
    np.testing.assert_array_equal(value(columns, x=A), A.nonzero()[1])


def test_complex_parts():
    z = T.zvector("z")
    data = np.array([1 + 2j, -3.5j])
    np.testing.assert_array_equal(value(z.real, z=data), data.real)
    np.testing.assert_array_equal(value(z.imag, z=data), data.imag)
    np.testing.assert_array_equal(value(z.conj(), z=data), data.conj())
    np.testing.assert_allclose(value(T.complex_from_polar(2.0, T.angle(z)), z=data), 2 * data / abs(data))


@pytest.mark.parametrize("repeats", [2, [1, 0, 3], [2]])
def test_repeat_gradient_and_errors(repeats):
    T.verify_grad(lambda x: x.repeat(repeats, 1), [A], rng=np.random.RandomState(1))
    x = T.dmatrix("x")
    with pytest.raises(TypeError, match="integer"):
        x.repeat(1.5)
    with pytest.raises(ValueError, match="axis"):
        x.repeat(2, 2)
    with pytest.raises(ValueError, match="repeat"):
        x.repeat(T.constant([1, 2]), 1).eval({x: A})


def test_norm_of_order_0():
    with pytest.raises(NotImplementedError, match="neq"):
        T.vector().norm(0)


def test_copy_is_a_new_variable_with_a_name():
    x = T.dvector("x")
    y = x.copy(name="y")
    assert y is not x
    assert y.name == "y"


def test_round_with_digits():
    with pytest.raises(TypeError, match="ndigits"):
        round(T.dscalar("x"), 2)


def test_division_of_integers_when_refused():
    with config.change_flags(int_division="raise"):
        with pytest.raises(TypeError, match="int_division"):
            T.ivector("i") / T.ivector("j")
        assert (T.ivector("i") / 2.0).dtype == "float64"


def test_printed_forms():
    x = T.fmatrix("x")
    assert repr(x) == "x"
    assert repr(T.fmatrix()) == "<TensorType(float32, matrix)>"
    assert str(x + 1) == "Elemwise{add}.0"
    assert str(T.constant(2.5)) == "TensorConstant{2.5}"
    assert repr(T.dmatrix) == "TensorType(float64, matrix)"
    assert repr(T.drow) == "TensorType(float64, row)"


def test_constant_values():
    x = T.dmatrix("x")
    assert T.get_scalar_constant_value(3) == 3
    assert T.get_scalar_constant_value(T.constant(2) * 3 + 1) == 7
    assert T.alloc(5.0, 3, x.shape[0]).get_scalar_constant_value() == 5.0
    assert T.get_scalar_constant_value(T.tensor("float64", (4, None)).shape[0]) == 4
    for unknown in (x, x.shape[0], T.constant([1, 2]), x.sum() + 1):
        with pytest.raises(NotScalarConstantError):
            T.get_scalar_constant_value(unknown)


def test_copy_and_pickle_of_graphs():
    x = T.dvector("x")
    y = T.exp(x * 2).sum()
    assert copy.deepcopy(y) is y
    again = pickle.loads(pickle.dumps(y))
    assert str(again.owner.op) == str(y.owner.op)
    np.testing.assert_allclose(value(again, x=np.array([1.0, 2.0])), np.exp([2.0, 4.0]).sum())
    deep = x
    for _ in range(5000):
        deep = deep + 1
    assert pickle.loads(pickle.dumps(deep)).type == deep.type


def test_shared_variables_have_the_operators():
    w = symtensor.shared(A, name="w")
    assert isinstance(w, T.TensorSharedVariable)
    np.testing.assert_allclose((w * 2 + 1).T.eval(), (A * 2 + 1).T)
