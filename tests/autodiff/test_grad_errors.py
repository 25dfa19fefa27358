"""`grad`: what its errors say, and what it makes of the gradients that ops return."""

from __future__ import annotations

import numpy as np
import pytest
from derivative_graphs import unary, value

from symtensor import tensor as T
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.null import DisconnectedType, NullType, grad_not_implemented, grad_undefined
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply

# -- errors ------------------------------------------------------------


def test_cost_must_be_scalar():
    x = T.dmatrix("x")
    y = x * 2
    y.name = "loss"
    with pytest.raises(
        TypeError, match=r"scalar.*2 dimension.*loss of type.*test_grad_errors.*\.sum\(\) or \.mean\(\)"
    ):
        grad(y, x)


def test_cost_must_be_a_real_variable():
    z = T.zscalar("z")
    with pytest.raises(TypeError, match=r"real.*complex128.*real\(cost\)"):
        grad(z * z, z)
    with pytest.raises(TypeError, match="symbolic variable, got 3.0"):
        grad(3.0, z)
    with pytest.raises(ValueError, match="undefined: because"):
        grad(NullType("because")(), z)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_integer_wrt(dtype):
    n = T.vector("n", dtype=dtype)
    with pytest.raises(TypeError, match=rf"holds n .*{dtype}.*test_grad_errors.*float or complex.*cast\("):
        grad((n * 2.0).sum(), n)


def test_wrt_must_be_ordered_variables():
    x = T.dscalar("x")
    with pytest.raises(TypeError, match="set, whose order"):
        grad(x * 2, {x})
    with pytest.raises(TypeError, match=r"wrt holds 2\.0 \(float\)"):
        grad(x * 2, [x, 2.0])


def test_op_without_gradient():
    x = T.dvector("x")
    op = unary("Opaque", None)
    with pytest.raises(
        NullTypeGradError, match=r"respect to x.*Opaque defines no gradient.*test_grad_errors"
    ):
        grad(op(x).sum(), x)
    assert isinstance(grad(op(x).sum(), x, null_gradients="return").type, NullType)
    y = T.dvector("y")
    assert value(grad((op(x) * y).sum(), y), x=[1.0], y=[5.0]).tolist() == [2.0]


def test_null_gradients_spread_and_speak():
    x = T.dvector("x")
    undefined = unary("Undefined", lambda self, inputs, gs: [grad_undefined(self, 0, inputs[0], "It jumps.")])
    with pytest.raises(NullTypeGradError, match=r"Undefined.*input 0 .*does not exist\. It jumps\."):
        grad((undefined(x * 2) + x).sum(), x)
    todo = unary("Todo", lambda self, inputs, gs: [grad_not_implemented(self, 0, inputs[0])])
    with pytest.raises(NullTypeGradError, match="is not implemented"):
        grad(todo(T.exp(x)).sum(), x)


def test_errors_inside_a_gradient_name_the_op():
    x = T.dvector("x")

    def broken(self, inputs, output_grads):
        raise KeyError("oops")

    with pytest.raises(KeyError) as caught:
        grad(unary("Broken", broken)(x).sum(), x)
    assert "Broken" in caught.value.__notes__[0]
    assert "test_grad_errors.py" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("gradient", "error", "text"),
    [
        (lambda self, xs, gs: [], ValueError, r"Odd.*returned 0 term\(s\) for 1 input"),
        (lambda self, xs, gs: gs[0], TypeError, "Odd.*must return a list"),
        (lambda self, xs, gs: [gs[0].sum()], ValueError, r"Odd.*0 dimension\(s\).*x of type.*has 1"),
        (lambda self, xs, gs: ["text"], TypeError, "Odd.*input 0 is no tensor"),
    ],
)
def test_wrong_gradients_of_user_ops(gradient, error, text):
    x = T.dvector("x")
    with pytest.raises(error, match=text):
        grad(unary("Odd", gradient)(x).sum(), x)


def test_static_shapes_of_gradients_are_checked():
    x = T.tensor("float64", (3,), name="x")
    op = unary("Odd", lambda self, xs, gs: [T.as_tensor_variable(np.ones(4)) * 2.0])
    with pytest.raises(ValueError, match=r"shape \(4,\).*x has shape \(3,\): dimension 0 differs"):
        grad(op(x).sum(), x)


def test_gradient_of_user_op_is_cast():
    x = T.fvector("x")
    g = grad(unary("Double", lambda self, xs, gs: [T.cast(gs[0], "float64") * 2.0])(x).sum(), x)
    assert g.type.dtype == "float32"


# -- ops of several outputs ------------------------------------------------------------


class Pair(Op):
    """(x + y, 3 y); with a connection pattern when asked."""

    __props__ = ("declares",)

    def __init__(self, declares):
        self.declares = declares
        self.seen = None
        if declares:
            self.__class__ = PatternPair

    def make_node(self, x, y):
        x, y = T.as_tensor_variable(x), T.as_tensor_variable(y)
        return Apply(self, [x, y], [x.type(), y.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0], outputs[1][0] = inputs[0] + inputs[1], 3 * inputs[1]

    def grad(self, inputs, output_grads):
        Pair.last = [g.type for g in output_grads]
        first, second = (
            T.zeros_like(x) if isinstance(g.type, DisconnectedType) else g
            for x, g in zip(inputs, output_grads, strict=True)
        )
        return [first, first + 3 * second]


class PatternPair(Pair):
    def connection_pattern(self, node):
        return [[True, False], [True, True]]


def test_unused_outputs_have_zero_or_disconnected_cotangents():
    x, y = T.dvectors("x", "y")
    a, b = Pair(False)(x, y)
    assert value(grad(b.sum(), y), x=[1.0], y=[1.0]).tolist() == [3.0]
    assert Pair.last[0] == b.type
    assert value(grad(b.sum(), x), x=[1.0], y=[1.0]).tolist() == [0.0]
    assert value(grad((a * b).sum(), y), x=[1.0], y=[2.0]).tolist() == [15.0]
    a, b = Pair(True)(x, y)
    assert value(grad(b.sum(), y), x=[1.0], y=[1.0]).tolist() == [3.0]
    assert Pair.last[0] == DisconnectedType()
    with pytest.raises(DisconnectedInputError):
        grad(b.sum(), x)


def test_connection_pattern_is_checked():
    x = T.dvector("x")
    op = unary("Odd", lambda self, xs, gs: gs, connection_pattern=lambda self, node: [[True], [True]])
    with pytest.raises(ValueError, match=r"Odd.connection_pattern: expected 1 list"):
        grad(op(x).sum(), x)
