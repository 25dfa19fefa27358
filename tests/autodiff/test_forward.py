"""Forward mode against reverse mode: <J v, w> = <v, J' w>, and what `Rop` takes and says."""

from __future__ import annotations

import numpy as np
import pytest
from derivative_graphs import GRAPHS, draw

from symtensor import tensor as T
from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import Lop
from symtensor.autodiff.null import DisconnectedType, grad_undefined
from symtensor.autodiff.verify import evaluate
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply


@pytest.mark.parametrize("name", GRAPHS)
def test_forward_equals_reverse(name):
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(3)
    points = [draw(rng, shape) for shape in shapes]
    xs = [T.tensor("float64", (None,) * p.ndim) for p in points]
    vs = [x.type() for x in xs]
    y = function(*xs)
    w = y.type()
    ju = Rop(y, xs, vs)
    jt = Lop(y, xs, w, disconnected_inputs="ignore")
    directions = [rng.normal(size=p.shape) for p in points]
    (shape,) = evaluate([y], dict(zip(xs, points, strict=True)))
    weight = rng.normal(size=np.shape(shape))
    givens = dict(zip([*xs, *vs, w], [*points, *directions, weight], strict=True))
    forward, *back = evaluate([ju, *jt], givens)
    assert forward.shape == weight.shape
    assert forward.dtype == y.type.dtype
    np.testing.assert_allclose(
        (forward * weight).sum(),
        sum((b * d).sum() for b, d in zip(back, directions, strict=True)),
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1,), (1,)),
        ((1,), (3,)),
        ((3,), (1,)),
        ((3,), (1, 3)),
        ((3,), (2, 1)),
        ((1, 3), (2, 1)),
        ((2, 1), (2, 3)),
        ((0,), (2, 1)),
    ],
)
def test_tangents_are_broadcast_to_the_output(left, right):
    full = np.broadcast_shapes(left, right)
    x, y = (T.tensor("float64", (None,) * len(s)) for s in (left, right))
    v = x.type()
    (got,) = evaluate([Rop(x + y, x, v)], {x: np.zeros(left), y: np.zeros(right), v: np.ones(left)})
    assert got.shape == full


def test_lists_none_and_dtypes():
    x, y, v = T.fvector("x"), T.dvector("y"), T.dvector("v")
    out = Rop([x * y, x * 2], [x, y], [v, None])
    assert [o.type.dtype for o in out] == ["float64", "float32"]
    givens = {x: np.ones(2, "float32"), y: np.array([2.0, 3.0]), v: np.array([1.0, 5.0])}
    assert [a.tolist() for a in evaluate(out, givens)] == [[2.0, 15.0], [2.0, 10.0]]
    assert isinstance(Rop((x, y), [x, y], [v, v]), tuple)


def test_complex():
    z, v = T.zscalars("z", "v")
    z0, v0 = 0.3 - 0.8j, 1.5 + 0.5j
    for out, want in (
        (z * z, 2 * z0 * v0),
        (T.conj(z), np.conj(v0)),
        (T.real(z * z), (2 * z0 * v0).real),
        (abs(z), (np.conj(z0) * v0).real / abs(z0)),
    ):
        (got,) = evaluate([Rop(out, z, v)], {z: np.asarray(z0), v: np.asarray(v0)})
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("name", GRAPHS)
def test_forward_over_reverse_equals_reverse_over_forward(name):
    function, shapes = GRAPHS[name]
    rng = np.random.default_rng(6)
    points = [draw(rng, shape) for shape in shapes]
    xs = [T.tensor("float64", (None,) * p.ndim) for p in points]
    vs = [x.type() for x in xs]
    cost = T.sin(function(*xs)).sum()
    first = Rop(Lop(cost, xs, T.constant(1.0), disconnected_inputs="ignore"), xs, vs, "ignore")
    second = Lop(Rop(cost, xs, vs), xs, T.constant(1.0), disconnected_inputs="ignore")
    directions = [rng.normal(size=p.shape) for p in points]
    values = evaluate([*first, *second], dict(zip([*xs, *vs], [*points, *directions], strict=True)))
    for a, b in zip(values[: len(xs)], values[len(xs) :], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_share_of_an_input_without_gradient_does_not_count():
    x, y, v, w = T.dmatrix("x"), T.dmatrix("y"), T.dmatrix("v"), T.dmatrix("w")
    out = Rop(T.second(x, y), [x, y], [v, w])
    givens = {x: np.ones((2, 3)), y: np.ones((1, 3)), v: np.ones((2, 3)), w: np.ones((1, 3))}
    assert evaluate([out], givens)[0].tolist() == [[1.0] * 3] * 2


def test_forward_over_reverse_and_reverse_over_forward():
    x, v = T.dvectors("x", "v")
    cost = (T.exp(x) * x.sum()).sum()
    from symtensor.autodiff.gradient import grad

    first = Rop(grad(cost, x), x, v)
    second = grad(Rop(cost, x, v), x)
    givens = {x: np.array([0.1, 0.2, 0.3]), v: np.array([1.0, -1.0, 2.0])}
    np.testing.assert_allclose(*evaluate([first, second], givens), rtol=1e-12)


class _Double(Op):
    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] * 2


def test_user_R_op_comes_first():
    class WithR(_Double):
        def R_op(self, inputs, tangents):
            return [tangents[0] * 7]

    x, v = T.dvectors("x", "v")
    assert evaluate([Rop(WithR()(x), x, v)], {x: np.ones(1), v: np.ones(1)})[0].tolist() == [7.0]

    class Wrong(_Double):
        def R_op(self, inputs, tangents):
            return [tangents[0].sum()]

    with pytest.raises(ValueError, match=r"Wrong.*0 dimension\(s\)"):
        Rop(Wrong()(x), x, v)

    class Broken(_Double):
        def R_op(self, inputs, tangents):
            raise KeyError("oops")

    with pytest.raises(KeyError) as caught:
        Rop(Broken()(x), x, v)
    assert "in R_op of Broken" in caught.value.__notes__[0]


def test_user_gradient_serves_forward_mode():
    class WithGrad(_Double):
        def grad(self, inputs, output_grads):
            return [output_grads[0] * 2]

    x, v = T.dvectors("x", "v")
    assert evaluate([Rop(WithGrad()(x * x), x, v)], {x: np.full(1, 3.0), v: np.ones(1)})[0].tolist() == [12.0]


def test_undefined():
    class Undefined(_Double):
        def grad(self, inputs, output_grads):
            return [grad_undefined(self, 0, inputs[0])]

    x, v = T.dvectors("x", "v")
    with pytest.raises(NullTypeGradError, match="Undefined"):
        Rop(T.exp(Undefined()(x)), x, v)
    with pytest.raises(NullTypeGradError, match="_Double defines no gradient"):
        Rop(_Double()(x), x, v)


def test_disconnected():
    x, y, v = T.dvectors("x", "y", "v")
    with pytest.raises(DisconnectedInputError, match="does not depend on wrt"):
        Rop(y * 2, x, v)
    zero = Rop(y * 2, x, v, disconnected_outputs="ignore")
    assert evaluate([zero], {y: np.ones(2)})[0].tolist() == [0.0, 0.0]
    assert Rop(y * 2, x, v, "ignore", "None") is None
    assert Rop(y * 2, x, v, "ignore", "Disconnected").type == DisconnectedType()
    with pytest.warns(UserWarning, match="does not depend"):
        Rop(y * 2, x, v, disconnected_outputs="warn")


def test_errors():
    x, v = T.dvectors("x", "v")
    with pytest.raises(ValueError, match=r"1 variable\(s\) in wrt but 2"):
        Rop(x * 2, x, [v, v])
    with pytest.raises(ValueError, match=r"Rop: the value given for x has shape \(None, None\)"):
        Rop(x * 2, x, T.dmatrix())
    with pytest.raises(TypeError, match="no symbolic variable"):
        Rop([1.0], x, v)
    with pytest.raises(ValueError, match="holds a variable twice"):
        Rop(x * 2, [x, x], [v, v])
    with pytest.raises(ValueError, match="disconnected_outputs='no'"):
        Rop(x * 2, x, v, disconnected_outputs="no")
    n = T.ivector("n")
    with pytest.raises(TypeError, match="float or complex"):
        Rop(n * 2.0, n, v)


def test_deep_chain_needs_no_recursion():
    x, v = T.dscalars("x", "v")
    y = x
    for _ in range(5000):
        y = T.sin(y)
    assert 0 < evaluate([Rop(y, x, v)], {x: np.asarray(0.5), v: np.asarray(1.0)})[0] < 1
