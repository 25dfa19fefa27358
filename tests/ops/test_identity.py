"""Checks, prints, views, functions as ops, files: what the generated cases do not show."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.autodiff import stop
from symtensor.compile import ops
from symtensor.compile.ops import Rebroadcast, as_op
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.walk import toposort
from symtensor.ops.identity import CheckAndRaise, ViewOp
from symtensor.printing import Print
from symtensor.tensor.io import LoadFromDisk, load
from symtensor.tensor.opt import Assert, assert_op, make_vector
from symtensor.tensor.utils import hash_from_ndarray, shape_of_variables

MODES = ["FAST_RUN", "FAST_COMPILE", "INTERPRETER"]
DVECTOR = T.dvector


# -- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_assert_survives_the_optimizer(mode):
    x, n = T.dvector("x"), T.iscalar("n")
    y = T.log(Assert("x must be positive")(x, (x > 0).all(), T.gt(n, 2)))
    f = symtensor.function([x, n], [y.sum(), symtensor.grad(y.sum(), x)], mode=mode)
    np.testing.assert_allclose(f([1.0, 2.0], 3)[1], [1, 0.5])
    for bad in (([1.0, -2.0], 3), ([1.0, 2.0], 2)):
        with pytest.raises(AssertionError, match=r"x must be positive\n.*made at .*test_identity"):
            f(*bad)


@pytest.mark.parametrize("mode", MODES)
def test_check_of_a_scalar(mode):
    s = T.dscalar("s")
    f = symtensor.function([s], CheckAndRaise(IndexError, "too large")(s, s < 5) * 2, mode=mode)
    assert f(2.0) == 4
    with pytest.raises(IndexError, match="too large"):
        f(7.0)


def test_conditions_that_hold_vanish_and_those_that_fail_wait_for_the_call():
    x = T.dvector("x")
    f = symtensor.function([x], assert_op(x, True, np.array(1)) * 2)
    assert not any("Assert" in str(node) for node in f.maker.fgraph.order)
    g = symtensor.function([x], assert_op(x, False) * 2)
    with pytest.raises(AssertionError, match="a condition that the program asserts does not hold"):
        g([1.0])


def test_what_a_check_takes():
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"a condition is a scalar, got .* use all"):
        Assert("no")(x, x > 0)
    with pytest.raises(TypeError, match="class of exceptions"):
        CheckAndRaise("no")
    assert Assert("a") == Assert("a") != Assert("b")


# -- prints ------------------------------------------------------------------------------------------------------


def test_print_at_each_call(capfd):
    x = T.dvector("x")
    y = Print("x is", attrs=["shape", "sum"])(x)
    f = symtensor.function([x], [(y**2).sum(), symtensor.grad((y**2).sum(), x), Print("one")(T.constant(1.0))])
    for _ in range(2):
        assert f([1.0, 2.0])[0] == 5
    lines = capfd.readouterr().out.splitlines()
    assert sorted(lines) == sorted(["x is shape = (2,)", "x is sum = 3.0", "one __str__ = 1.0"] * 2)


def test_print_with_a_function_of_its_own():
    seen = []
    x = T.dvector("x")
    f = symtensor.function([x], Print("m", global_fn=lambda op, value: seen.append((op.message, value.copy())))(x) + 1)
    np.testing.assert_array_equal(f([1.0, 2.0]), [2, 3])
    assert seen[0][0] == "m"
    np.testing.assert_array_equal(seen[0][1], [1, 2])


# -- views -----------------------------------------------------------------------------------------------------------


class Reverse(ViewOp):
    """As the gradient reversal layers of programs."""

    def __init__(self, factor):
        self.factor = factor

    def grad(self, inputs, output_grads):
        return [-self.factor * output_grads[0]]


def test_views_with_another_gradient():
    x = T.dvector("x")
    assert Reverse(1.0) != Reverse(2.0)  # no props: nothing is known of what makes them equal
    g = symtensor.grad((Reverse(2.0)(x) ** 2).sum() + (Reverse(3.0)(x) ** 2).sum(), x)
    np.testing.assert_array_equal(symtensor.function([x], g)([1.0]), [-10.0])


@pytest.mark.parametrize("gate", [stop.disconnected_grad, stop.zero_grad, lambda x: stop.grad_scale(x, 2.0),
                                  lambda x: stop.grad_clip(x, -1, 1), ops.view_op, ops.output_guard])
def test_rules_see_through_identities(gate):
    x = T.dmatrix("x")
    f = symtensor.function([x], T.log(gate(T.nnet.softmax(x))))
    plain = symtensor.function([x], T.nnet.logsoftmax(x))
    assert [node.op for node in f.maker.fgraph.order] == [node.op for node in plain.maker.fgraph.order]
    y = symtensor.function([x], T.exp(gate(x)).sum() * 2)
    assert not any(isinstance(node.op, ViewOp) for node in y.maker.fgraph.order)


def test_rebroadcast():
    x = T.dmatrix("x")
    row = Rebroadcast((0, True), (1, False))(x)
    assert row.type.shape == (1, None)
    assert row.eval({x: [[1.0, 2.0]]}).shape == (1, 2)
    with pytest.raises(ValueError, match="dimension 0 is 2, but 1 is expected"):
        row.eval({x: np.ones((2, 2))})
    with pytest.raises(ValueError, match="no axis 2"):
        Rebroadcast((2, True))(x)


def test_hooks_of_types_are_refused():
    for name in ops.__all__:
        if name.startswith("register_"):
            with pytest.raises(NotImplementedError, match=f"{name}: .*write Op.kernel"):
                getattr(ops, name)(*[None] * (3 if name == "register_shape_i_c_code" else 2))
    x = T.dmatrix("x")
    assert ops.shape_i(x, 1, fgraph=None).eval({x: np.ones((2, 3))}) == 3
    assert ops.SpecifyShape()(x, (2, 3)).type.shape == (2, 3)


# -- functions and files ---------------------------------------------------------------------------------------------


@as_op(itypes=[DVECTOR, T.dscalar], otypes=[DVECTOR, T.lscalar], infer_shape=lambda node, shapes: [shapes[0], ()])
def scaled(x, s):
    """x * s, and how many."""
    return x * s, np.asarray(x.size)


def test_functions_as_ops():
    x, s = T.dvector("x"), T.dscalar("s")
    f = symtensor.function([x, s], [*scaled(x, s), scaled(x, s)[0].shape])
    got = f([1.0, 2.0], 3.0)
    np.testing.assert_array_equal(got[0], [3, 6])
    assert got[1] == 2
    assert got[2] == [2]
    assert scaled.__doc__ == "x * s, and how many."
    assert scaled.__name__ == "scaled"
    assert pickle.loads(pickle.dumps(scaled)) is scaled
    assert sum("FromFunctionOp{scaled}" in str(node.op) for node in f.maker.fgraph.order) == 1
    with pytest.raises(symtensor.NullTypeGradError, match="FromFunctionOp"):
        symtensor.grad(scaled(x, s)[0].sum(), x)


def test_functions_that_misbehave():
    writes = as_op(DVECTOR, DVECTOR)(lambda x: x.__iadd__(1))
    x = T.dvector("x")
    with pytest.raises(ValueError, match="read-only"):
        symtensor.function([x], writes(x))([1.0])
    few = as_op([DVECTOR], [DVECTOR, DVECTOR])(lambda x: x)
    with pytest.raises(TypeError, match=r"returned 1 value\(s\), otypes says 2"):
        symtensor.function([x], few(x))([1.0])
    other = as_op([DVECTOR], [DVECTOR])(lambda x: x.astype("float32"))
    with pytest.raises(TypeError, match="float32"):
        symtensor.function([x], other(x))([1.0])


@pytest.mark.parametrize("mode", MODES)
def test_load(tmp_path, mode):
    path = str(tmp_path / "x.npy")
    np.save(path, np.arange(6.0).reshape(2, 3))
    for mmap_mode in (None, "c"):
        f = symtensor.function([], load(path, "float64", (False, False), mmap_mode) * 2, mode=mode)
        np.testing.assert_array_equal(f(), np.arange(0, 12.0, 2).reshape(2, 3))
    np.save(path, np.ones((1, 4)))
    np.testing.assert_array_equal(f(), np.full((1, 4), 2.0))
    np.save(path, np.ones(4))
    with pytest.raises(TypeError, match=r"holds 1 dimension\(s\) of float64, expected 2"):
        f()
    with pytest.raises(ValueError, match="mmap_mode is None or 'c'"):
        LoadFromDisk("float64", (False,), "r+")
    with pytest.raises(TypeError, match="the path is a str"):
        LoadFromDisk("float64", (False,))(3)


# -- helpers ---------------------------------------------------------------------------------------------------------


def test_hashes_and_shapes():
    a = np.arange(6).reshape(2, 3)
    assert hash_from_ndarray(a) == hash_from_ndarray(np.asfortranarray(a)) != hash_from_ndarray(a.astype("int32"))
    x, y = T.dmatrix("x"), T.dvector("y")
    z = T.dot(x[1:], y) + T.concatenate([y, y]).sum()
    shapes = shape_of_variables(FunctionGraph.build([x, y], [z]), {x: (5, 3), y: (3,)})
    assert shapes[z] == (4,)
    assert shapes[x] == (5, 3)
    assert all(len(shapes[node.outputs[0]]) == node.outputs[0].type.ndim for node in toposort([z]))
    with pytest.raises(ValueError, match="the input y is missing"):
        shape_of_variables(FunctionGraph.build([x, y], [z]), {x: (5, 3)})
    n = T.lscalar("n")
    with pytest.raises(ValueError, match="is the value of an input"):
        shape_of_variables(FunctionGraph.build([n], [T.zeros((n, 2))]), {n: ()})
    with pytest.raises(ValueError, match="depends on the values"):
        shape_of_variables(FunctionGraph.build([n], [T.zeros((n + 1, 2))]), {n: ()})
    assert make_vector(1, 2).eval().tolist() == [1, 2]
