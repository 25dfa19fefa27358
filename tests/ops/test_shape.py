"""Shapes, reshaping and moving dimensions, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check, check_grad, evaluate, failing_checks
from hypothesis import given, settings
from hypothesis import strategies as st

import symtensor
from symtensor import config
from symtensor import tensor as T
from symtensor.graph.variable import Constant
from symtensor.ops import dim_math as d
from symtensor.ops import reshape as R
from symtensor.ops import shape as S
from symtensor.ops.convert import int64_constant, static_value
from symtensor.ops.index import getitem

X = np.arange(24.0).reshape(2, 3, 4)


def int_vector(*values):
    return np.array(values, dtype="int64")


def test_asking():
    check(S.shape, lambda x: int_vector(2, 3, 4), X)
    check(lambda x: S.shape(x).owner.op.expand(x), lambda x: int_vector(2, 3, 4), X)
    check(S.shape, lambda x: int_vector(), np.array(1.0))
    check(S.size, lambda x: np.array(24), X)
    check(lambda x: S.Shape_i(1)(x), lambda x: np.array(3), X)
    x = T.TensorType("float64", (None, 3))("x")
    assert static_value(S.shape_i(x, -1)) == 3
    assert S.shape_i(x, 0).owner.op == S.Shape_i(0)
    assert static_value(getitem(S.shape(x), -1)) == 3
    with pytest.raises(TypeError, match="no dimension 2"):
        S.Shape_i(2)(x)
    with pytest.raises(ValueError, match="axis 2 is outside -2..1"):
        S.shape_i(x, 2)


def test_broadcast_shape():
    x, y = T.TensorType("float64", (None, 3))("x"), T.TensorType("float64", (1, None, None))("y")
    dims = S.broadcast_shape(S.shape_of(x), S.shape_of(y))
    assert dims[0].owner is None
    assert static_value(dims[2]) == 3
    for a, b in [((2, 3), (1, 2, 3)), ((1, 3), (1, 5, 1)), ((0, 3), (1, 1, 1)), ((4, 3), (1, 1, 3))]:
        found = evaluate(dims, {x: np.zeros(a), y: np.zeros(b)})
        assert tuple(map(int, found)) == np.broadcast_shapes(a, b)
    v = T.vector()
    assert S.broadcast_shape(S.shape_of(v), ())[0].owner.op == S.Shape_i(0)
    assert S.broadcast_shape() == ()


def test_make_vector():
    check(
        lambda a, b: S.MakeVector("float64")(a, b), lambda a, b: np.array([a, b], "float64"), np.array(1.5), np.array(2)
    )
    check(lambda: S.MakeVector("int64")(), lambda: int_vector())
    check_grad(lambda a, b: S.MakeVector("float64")(a, b, a), np.array(1.5), np.array(2.0))
    with pytest.raises(TypeError, match="scalars"):
        S.MakeVector()(T.lvector())
    with pytest.raises(TypeError, match="does not fit in int64"):
        S.MakeVector("int64")(T.dscalar())


RESHAPES = [(24,), (4, 6), (-1,), (2, -1, 2), (1, 24, 1), (4, 3, 2), (3, -1)]


@pytest.mark.parametrize("target", RESHAPES, ids=str)
def test_reshape(target):
    check(lambda x: R.reshape(x, target), lambda x: x.reshape(target), X)
    check(lambda x: R.reshape(x.dimshuffle(2, 0, 1), target), lambda x: x.transpose(2, 0, 1).reshape(target), X)
    check(lambda x, t: R.reshape(x, t, ndim=len(target)), lambda x, t: x.reshape(target), X, int_vector(*target))
    check(lambda x, *ds: R.reshape(x, ds), lambda x, *ds: x.reshape(target), X, *map(np.array, target))
    check(lambda x, t: R.Reshape(len(target))(x, t), lambda x, t: x.reshape(target), X, int_vector(*target))
    check_grad(lambda x: R.reshape(x, target), X, twice=False)


def test_reshape_of_nothing():
    check(lambda x: R.reshape(x, (0, 5)), lambda x: x.reshape(0, 5), X[:0])
    check(lambda x: R.reshape(x, (-1, 5)), lambda x: x.reshape(-1, 5), X[:0])
    check(lambda x: R.reshape(x, ()), lambda x: x.reshape(()), np.ones((1, 1)))
    check(lambda x: R.reshape(x, (1, -1)), lambda x: x.reshape(1, -1), np.array(2.0))
    x = T.matrix("x")
    assert R.reshape(x, (-1, 2)).type.shape == (None, 2)
    assert R.reshape(T.TensorType("float64", (6, 2))(), (-1, 3)).type.shape == (4, 3)
    assert R.reshape(x, S.shape(T.TensorType("float64", (6, None))())).type.shape == (6, None)


def test_reshape_errors():
    x, a, b = T.dmatrix("x"), T.lscalar("a"), T.lscalar("b")
    for target, values, match in [
        ((a, 4), (3, 0), "6 element.s. do not fit in the shape .3, 4."),
        ((a, b), (-1, -1), "at most one"),
        ((a, b), (-2, -3), "no shape"),
        ((a, 4), (-1, 0), "6 element"),
        ((a, b), (-1, 0), "6 element"),
        ((-1, 5), (0, 0), "6 element"),
    ]:
        inputs = {x: np.zeros((2, 3)), a: np.array(values[0]), b: np.array(values[1])}
        output = R.reshape(x, target)
        with pytest.raises(ValueError, match=match):
            evaluate([output], inputs)
        (found,) = failing_checks(output, inputs)
        assert isinstance(found, ValueError)
        with pytest.raises(ValueError, match=match):
            raise found
    assert failing_checks(R.reshape(x, (a, b)), {x: np.zeros((0, 3)), a: np.array(0), b: np.array(-1)})
    fixed = T.TensorType("float64", (2, 3))("fixed")
    for target in [(4,), (4, -1), (-1, -1), (-2, 3), (0, -1)]:
        with pytest.raises(ValueError, match="reshape"):
            R.reshape(fixed, target)
    with pytest.raises(ValueError, match="known while the graph is built"):
        R.reshape(x, T.lvector())
    with pytest.raises(TypeError, match="integer scalar"):
        R.reshape(x, (2.5, 2))
    with pytest.raises(TypeError, match="vector of integers"):
        R.reshape(x, T.dvector(), ndim=2)


def test_flatten():
    check(R.flatten, lambda x: x.ravel(), X)
    check(lambda x: R.flatten(x, 2), lambda x: x.reshape(2, 12), X)
    check(lambda x: R.flatten(x, outdim=2), lambda x: x.reshape(2, 12), X)
    check(R.ravel, lambda x: x.ravel(), np.array(3.0))
    assert R.flatten(T.TensorType("float64", (2, 3))()).type.shape == (6,)
    with pytest.raises(ValueError, match="cannot be flattened to 4"):
        R.flatten(T.tensor3(), 4)


def test_moving_dimensions():
    check(lambda x: R.swapaxes(x, 0, -1), lambda x: x.swapaxes(0, -1), X)
    check(lambda x: R.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), X)
    check(lambda x: R.moveaxis(x, (0, 2), (2, 0)), lambda x: np.moveaxis(x, (0, 2), (2, 0)), X)
    check(lambda x: R.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1)), X)
    check(lambda x: R.expand_dims(x, 1), lambda x: np.expand_dims(x, 1), X)
    check(R.shape_padleft, lambda x: x[None], X)
    check(lambda x: R.shape_padright(x, 2), lambda x: x[..., None, None], X)
    check(lambda x: R.shape_padaxis(x, -1), lambda x: x[..., None], X)
    check(lambda x: R.squeeze(x, 1), lambda x: x.squeeze(1), X[:, :1])
    check(lambda x: R.squeeze(x, (0, -1)), lambda x: x.squeeze((0, -1)), X[:1, :, :1])
    check(R.squeeze, lambda x: x.squeeze(), X[:1, :, :1], static=(True,))
    for n, function in enumerate((R.atleast_1d, R.atleast_2d, R.atleast_3d), 1):
        for array in (X[0, 0, 0], X[0, 0], X[0], X):
            assert function(T.TensorType("float64", array.shape)()).type.ndim == max(n, array.ndim)
    with pytest.raises(ValueError, match="repeated axis"):
        R.expand_dims(T.matrix(), (0, 0))
    with pytest.raises(ValueError, match="dropped but is not 1"):
        R.squeeze(T.TensorType("float64", (2, 1))(), 0)
    with pytest.raises(TypeError, match="an axis is an int"):
        R.swapaxes(T.matrix(), 0, 1.0)
    with pytest.raises(ValueError, match="axis 0 of a scalar, which has none"):
        R.swapaxes(T.dscalar(), 0, 0)


@pytest.mark.parametrize("linker", ["c", "py"])
def test_dropped_dimensions_are_checked_at_run_time(linker):
    x = T.dmatrix("x")
    for dropped in (x.dimshuffle(0), R.squeeze(x, 1), x.dimshuffle(0).sum(), T.exp(x.dimshuffle("x", 0))):
        with config.change_flags(linker=linker):
            f = symtensor.function([x], dropped)
        assert f(np.ones((3, 1))).size in (1, 3)
        with pytest.raises(ValueError, match="axis 1 of size 2 is dropped but is not 1"):
            f(np.ones((3, 2)))


def test_stating_shapes():
    check(lambda x: S.specify_shape(x, (2, None, 4)), lambda x: x, X)
    check(lambda x: S.specify_shape(x, S.shape(x)), lambda x: x, X)
    x, n = T.dmatrix("x"), T.lscalar("n")
    assert S.specify_shape(x, (None, 3)).type.shape == (None, 3)
    assert S.specify_shape(x, (None, None)) is x
    assert S.addbroadcast(x, 1).type.broadcastable == (False, True)
    assert S.unbroadcast(T.row(), 0).type.broadcastable == (False, False)
    assert S.unbroadcast(x, 0) is x
    assert S.patternbroadcast(T.row(), (False, True)).type.broadcastable == (False, True)
    check(lambda x: S.unbroadcast(x, 0), lambda x: x, X[:1])
    check_grad(lambda x: S.unbroadcast(S.specify_shape(x, (1, 3, None)), 0), X[:1] / 10)
    for stated in ((3, None), (n, 3)):
        output = S.specify_shape(x, stated)
        values = {x: np.zeros((2, 3)), n: np.array(5)}
        with pytest.raises(ValueError, match="specify_shape: dimension 0 is 2, but"):
            evaluate([output], values)
        assert "dimension 0 is 2" in str(failing_checks(output, values)[0])
    with pytest.raises(ValueError, match="dimension 1 is 3, but 4"):
        S.specify_shape(S.specify_shape(x, (None, 3)), (None, 4))
    with pytest.raises(ValueError, match="3 dimension"):
        S.specify_shape(x, (1, 2, 3))


def test_lengths():
    assert S.get_vector_length([1, T.lscalar()]) == 2
    assert S.get_vector_length(S.shape(T.tensor3())) == 3
    with pytest.raises(ValueError, match="must be known"):
        S.get_vector_length(T.lvector("v"))
    with pytest.raises(TypeError, match="a vector is expected"):
        S.get_vector_length(T.matrix())


NAMES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "minimum": min,
    "maximum": max,
    "int_div": lambda a, b: a // b,
    "below": lambda a, b: a < b,
    "at_most": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(NAMES)), st.integers(-3, 3), st.integers(-3, 3), st.booleans(), st.booleans(), st.booleans()
)
def test_dim_math(name, a, b, a_known, b_known, natural):
    """Folding never changes a value: constants, any integers, and dimensions, which are natural."""
    if name == "int_div" and b == 0:
        return
    given_values = {}

    def operand(value, known):
        if known:
            return value
        if natural and value >= 0:
            base = T.dvector()
            given_values[base] = np.zeros(value)
            return S.shape_i(base, 0)
        scalar = T.lscalar()
        given_values[scalar] = np.array(value)
        return scalar

    left, right = operand(a, a_known), operand(b, b_known)
    (found,) = evaluate([getattr(d, name)(left, right)], given_values)
    assert found == NAMES[name](a, b)
    (found,) = evaluate([d.where(d.below(left, right), left, right)], given_values)
    assert found == min(a, b)


def test_dim_math_keeps_constants():
    n = S.shape_i(T.vector(), 0)
    assert d.add(n, 0) is n
    assert d.mul(1, n) is n
    assert static_value(d.mul(n, 0)) == 0
    assert d.maximum(n, 0) is n
    assert static_value(d.minimum(n, 0)) == 0
    assert isinstance(d.below(n, 0), Constant)
    assert d.is_natural(d.mul(n, d.add(n, 2)))
    assert not d.is_natural(d.sub(n, 1))
    assert d.product([]) is int64_constant(1)
    assert static_value(d.total([1, 2, 3])) == 6
    assert bool(d.all_of().data)
    assert not bool(d.any_of(d.below(1, 0)).data)
