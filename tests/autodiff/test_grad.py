"""`grad`: what it means and what it takes."""

from __future__ import annotations

import numpy as np
import pytest
from derivative_graphs import value

import symtensor
from symtensor import tensor as T
from symtensor.autodiff.checks import format_as
from symtensor.autodiff.gradient import Lop, grad, hessian_vector_product, subgraph_grad
from symtensor.autodiff.null import DisconnectedType
from symtensor.autodiff.stop import disconnected_grad
from symtensor.autodiff.verify import evaluate
from symtensor.graph.errors import DisconnectedInputError
from symtensor.graph.trace import describe_origin
from symtensor.graph.walk import toposort

# -- meaning ------------------------------------------------------------


def test_square():
    x = T.dvector("x")
    assert value(grad((x**2).sum(), x), x=[1.0, 2.0, -3.0]).tolist() == [2.0, 4.0, -6.0]


def test_result_is_single_list_or_tuple_as_wrt_is():
    x, y = T.dscalars("x", "y")
    cost = x * y
    assert not isinstance(grad(cost, x), (list, tuple))
    assert isinstance(grad(cost, [x]), list)
    assert isinstance(grad(cost, (x, y)), tuple)
    assert len(grad(cost, [x, y, x])) == 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_gradient_has_type_of_variable(dtype):
    x = T.tensor(dtype, (None, 1), name="x")
    y = T.dmatrix("y")
    g = grad(T.real(x * y * 2.5).sum(), x)
    assert g.type.dtype == dtype
    got = value(g, x=np.ones((3, 1), dtype), y=np.arange(12.0).reshape(3, 4))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, 2.5 * np.arange(12.0).reshape(3, 4).sum(1, keepdims=True), rtol=1e-3)


def test_variable_used_several_times_gets_one_sum():
    x = T.dscalar("x")
    cost = x * 2.0 + x * 3.0 + x * 4.0 + T.exp(x)
    g = grad(cost, x)
    adds = [node for node in toposort([g]) if str(node.op) == "Elemwise{add}" and node not in toposort([cost])]
    assert [len(node.inputs) for node in adds] == [4]
    assert value(g, x=0.0) == 10.0


def test_gradient_needs_every_input_of_its_cost():
    """As in Theano: a function of the derivative of 2 x takes x, though it does not depend on its value."""
    x, y = T.dscalars("x", "y")
    assert symtensor.function([x], grad(2.0 * x, x))(3.0) == 2.0
    assert symtensor.function([x, y], grad(2.0 * x + y, x))(3.0, 4.0) == 2.0


def test_cost_itself_and_intermediates():
    x = T.dscalar("x")
    y = x**2
    cost = y * 3.0
    dcost, dy, dx = grad(cost, [cost, y, x])
    assert [float(value(v, x=2.0)) for v in (dcost, dy, dx)] == [1.0, 3.0, 12.0]


def test_gradient_through_integers_is_zero():
    x = T.dscalar("x")
    assert value(grad(T.cast(T.cast(x, "int64"), "float64") + 2.0 * x, x), x=2.5) == 2.0
    assert value(grad((x > 1).sum(), x), x=2.5) == 0.0


def test_mixed_dtypes_are_cast_back():
    x, y = T.fvector("x"), T.dvector("y")
    gx, gy = grad((x * y).sum(), [x, y])
    assert (gx.type.dtype, gy.type.dtype) == ("float32", "float64")


def test_integer_operand_needs_no_gradient():
    x, n = T.dvector("x"), T.ivector("n")
    assert value(grad((x * n).sum(), x), x=[1.0, 2.0], n=np.array([3, 4], "int32")).tolist() == [3.0, 4.0]


def test_complex_holomorphic_and_modulus():
    z = T.zscalar("z")
    point = 0.5 - 2.0j
    np.testing.assert_allclose(value(grad(abs(z) ** 2, z), z=point), 2 * point, rtol=1e-12)
    np.testing.assert_allclose(value(grad(T.real(z * z), z), z=point), np.conj(2 * point), rtol=1e-12)


def test_real_variable_in_complex_expression():
    x, z = T.dvector("x"), T.zvector("z")
    g = grad(T.real(x * z).sum(), x)
    assert g.type.dtype == "float64"
    assert value(g, x=[1.0, 2.0], z=[3.0 + 1.0j, -2.0j]).tolist() == [3.0, 0.0]


def test_higher_orders():
    x = T.dscalar("x")
    y, derivatives = T.sin(x) * x, []
    for _ in range(4):
        y = grad(y, x)
        derivatives.append(float(value(y, x=0.7)))
    s, c, p = np.sin(0.7), np.cos(0.7), 0.7
    np.testing.assert_allclose(
        derivatives, [s + p * c, 2 * c - p * s, -3 * s - p * c, -4 * c + p * s], rtol=1e-12
    )


def test_deep_chain_needs_no_recursion():
    x = T.dscalar("x")
    y = x
    for _ in range(5000):
        y = T.sin(y)
    g = grad(y, x)
    assert 0 < value(g, x=0.5) < 1
    assert np.isfinite(value(grad(g, x), x=0.5))


def test_origin_of_gradient_nodes_is_that_of_the_forward_node():
    x = T.dscalar("x")
    y = T.tanh(x)
    g = grad(y * 1.0, x)
    lines = {describe_origin(node.origin) for node in toposort([g])}
    assert describe_origin(y.origin) in lines
    assert len(lines) <= 3


def test_names():
    x, c = T.dscalar("x"), T.dscalar("c")
    cost, mine = x + c, c * 2.0
    cost.name = "cost"
    assert grad(cost, x, known_grads={cost: mine}) is mine
    assert mine.name is None
    assert grad(T.exp(x), x).name is None
    cost = T.exp(x) * c
    cost.name = "cost"
    assert grad(cost, x).name == "(dcost/dx)"
    assert grad(cost, x, add_names=False).name is None


# -- broadcasting at run time ------------------------------------------------------------

SHAPES = [(), (1,), (3,), (1, 1), (1, 3), (2, 1), (2, 3), (0,), (2, 0), (1, 0)]


def _fit(left, right):
    try:
        np.broadcast_shapes(left, right)
    except ValueError:
        return False
    return True


PAIRS = [(left, right) for left in SHAPES for right in SHAPES if _fit(left, right)]


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_unknown_dimensions_broadcast(left, right):
    full = np.broadcast_shapes(left, right)
    rng = np.random.default_rng(0)
    a, b, w = rng.normal(size=left), rng.normal(size=right), rng.normal(size=full)
    x, y, v = (
        T.tensor("float64", (None,) * len(s), name=n) for s, n in ((left, "x"), (right, "y"), (full, "v"))
    )
    gx, gy = grad((v * x * (y + x)).sum(), [x, y])
    want_x = _sum_to(w * (b + 2 * a), left)
    want_y = _sum_to(w * a, right)
    for g, want in ((gx, want_x), (gy, want_y)):
        got = value(g, x=a, y=b, v=w)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12)


def _sum_to(array, shape):
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    axes = tuple(i for i, (n, m) in enumerate(zip(array.shape, shape, strict=True)) if n != m)
    return array.sum(axis=axes, keepdims=True)


# -- options ------------------------------------------------------------


def test_consider_constant():
    x = T.dscalar("x")
    y = x**2
    assert value(grad(x * y, x, consider_constant=[y]), x=3.0) == 9.0
    assert value(grad(x * y, x), x=3.0) == 27.0
    with pytest.raises(DisconnectedInputError):
        grad(y * 2.0, x, consider_constant=[y])
    with pytest.raises(TypeError, match="consider_constant"):
        grad(y, x, consider_constant=y)


def test_known_grads_start_or_replace():
    x = T.dvector("x")
    y = x**2
    g = grad(None, x, known_grads={y: np.array([1.0, 10.0])})
    assert value(g, x=[1.0, 2.0]).tolist() == [2.0, 40.0]
    cost = (3.0 * y).sum()
    assert value(grad(cost, x, known_grads=[(y, T.ones_like(y))]), x=[1.0, 2.0]).tolist() == [2.0, 4.0]
    assert value(grad(cost, x, known_grads={cost: T.constant(2.0)}), x=[1.0, 2.0]).tolist() == [12.0, 24.0]


def test_known_grads_errors():
    x = T.dvector("x")
    with pytest.raises(ValueError, match=r"known_grads.*shape \(\).*shape \(None,\)"):
        grad(None, x, known_grads={x * 2: T.dscalar()})
    with pytest.raises(ValueError, match="neither a cost nor known_grads"):
        grad(None, x)
    with pytest.raises(TypeError, match="no symbolic variable"):
        grad(None, x, known_grads={3: x})


def test_disconnected_modes():
    x, y = T.dvector("x"), T.dmatrix("unused_y")
    cost = x.sum()
    with pytest.raises(
        DisconnectedInputError, match=r"unused_y.*test_grad\.py:\d+ in test_disconnected_modes"
    ):
        grad(cost, [x, y])
    with pytest.warns(UserWarning, match="unused_y") as caught:
        grad(cost, y, disconnected_inputs="warn")
    assert caught[0].filename == __file__
    zero = grad(cost, y, disconnected_inputs="ignore")
    assert value(zero, unused_y=np.ones((2, 3))).tolist() == [[0.0] * 3] * 2
    assert grad(cost, y, disconnected_inputs="ignore", return_disconnected="None") is None
    assert (
        grad(cost, y, disconnected_inputs="ignore", return_disconnected="Disconnected").type
        == DisconnectedType()
    )
    with pytest.raises(ValueError, match="disconnected_inputs='no'"):
        grad(cost, y, disconnected_inputs="no")
    with pytest.raises(DisconnectedInputError):
        grad(x.shape[0] * 1.0, x)
    with pytest.raises(DisconnectedInputError, match="disconnected_grad"):
        grad(disconnected_grad(x).sum(), x)


# -- relatives ------------------------------------------------------------


def test_lop():
    x, y = T.dvectors("x", "y")
    f = [x * y, T.exp(x)]
    gx, gy = Lop(f, [x, y], [np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    givens = {"x": [0.0, 1.0], "y": [5.0, 6.0]}
    np.testing.assert_allclose(value(gx, **givens), [8.0, 12.0 + 4 * np.e])
    np.testing.assert_allclose(value(gy, **givens), [0.0, 2.0])
    with pytest.raises(ValueError, match=r"2 output\(s\) but 1 evaluation"):
        Lop(f, x, [x])
    with pytest.raises(ValueError, match="Lop: the value given"):
        Lop(f[0], x, T.dmatrix())
    with pytest.raises(DisconnectedInputError):
        Lop(T.exp(x), y, x)


def test_lop_of_an_output_and_its_ancestor_adds_both():
    x = T.dscalar("x")
    y = x * 2.0
    assert value(Lop([y, y * 5.0], x, [T.constant(1.0), T.constant(1.0)]), x=1.0) == 12.0


def test_subgraph_grad_in_two_parts_equals_grad():
    x, w1, w2 = T.dvector("x"), T.dscalar("w1"), T.dscalar("w2")
    a1 = T.tanh(x * w1)
    cost = (a1 * w2).sum() ** 2
    (g2,), (ga,) = subgraph_grad([w2], [a1], cost=cost)
    (g1,), (gx,) = subgraph_grad([w1], [x], start={a1: ga})
    for got, want in zip((g2, g1, gx), grad(cost, [w2, w1, x]), strict=True):
        given = {"x": [0.3, -0.4], "w1": 0.7, "w2": 1.3}
        np.testing.assert_allclose(value(got, **given), value(want, **given), rtol=1e-13)
    with pytest.raises(ValueError, match="neither a cost nor a start"):
        subgraph_grad([w2], [a1])


def test_hessian_vector_product():
    x, p = T.dvectors("x", "p")
    product = hessian_vector_product((x**3).sum() + x.sum() ** 2, x, p)
    given = {"x": np.array([1.0, 2.0]), "p": np.array([1.0, -3.0])}
    np.testing.assert_allclose(value(product, **given), 6 * given["x"] * given["p"] + 2 * given["p"].sum())


def test_public_names():
    assert symtensor.gradient.grad is symtensor.grad is T.grad is grad
    assert symtensor.gradient.DisconnectedInputError is DisconnectedInputError
    for name in symtensor.gradient.__all__:
        assert hasattr(symtensor.gradient, name)


@pytest.mark.parametrize("mode", ["INTERPRETER", "FAST_RUN"])
def test_compiled_gradients_broadcast_at_run_time(mode):
    a, b = T.dmatrices("a", "b")
    gradients = grad((T.tanh(a + b) * a).sum(), [a, b])
    f = symtensor.function([a, b], gradients, mode=mode)
    rng = np.random.default_rng(0)
    for left, right in (
        ((3, 4), (3, 4)),
        ((3, 1), (3, 4)),
        ((1, 4), (3, 1)),
        ((1, 1), (1, 1)),
        ((0, 4), (1, 4)),
    ):
        values = rng.normal(size=left), rng.normal(size=right)
        for got, want in zip(
            f(*values), evaluate(gradients, dict(zip((a, b), values, strict=True))), strict=True
        ):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_format_as():
    assert format_as(True, False, 1) == [1]
    assert format_as(False, True, [1, 2]) == (1, 2)
    assert format_as(False, False, [1]) == 1
    with pytest.raises(ValueError, match="cannot be returned as a single one"):
        format_as(False, False, [1, 2])
