"""The identities that change what flows back."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.autodiff import stop
from symtensor.autodiff.forward import Rop
from symtensor.autodiff.gradient import grad
from symtensor.autodiff.verify import evaluate
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError

GATES = [
    stop.disconnected_grad,
    stop.zero_grad,
    stop.consider_constant,
    stop.undefined_grad,
    lambda x: stop.grad_clip(x, -1, 1),
    lambda x: stop.grad_scale(x, 3.0),
]


@pytest.mark.parametrize("gate", GATES)
def test_value_is_the_input(gate):
    x = T.fmatrix("x")
    y = gate(x)
    assert y.type == x.type
    data = np.arange(6, dtype="float32").reshape(2, 3)
    assert evaluate([y], {x: data})[0] is data
    assert y.owner.op.expand(x) is x
    assert y.owner.op.infer_shape(y.owner, [("a", "b")]) == [("a", "b")]


@pytest.mark.parametrize(
    ("gate", "at", "want"),
    [
        (stop.disconnected_grad, 2.0, 2.0),
        (stop.zero_grad, 2.0, 2.0),
        (stop.consider_constant, 2.0, 2.0),
        (lambda x: stop.grad_clip(x, -1, 1.5), 2.0, 2.0 + 1.5),
        (lambda x: stop.grad_clip(x, -1, 1.5), -2.0, -2.0 - 1.0),
        (lambda x: stop.grad_clip(x, -1, 1.5), 0.5, 1.0),
        (lambda x: stop.grad_scale(x, 3), 2.0, 8.0),
    ],
)
def test_gradient_of_product_with_gate(gate, at, want):
    x = T.dscalar("x")
    assert evaluate([grad(x * gate(x), x)], {x: np.asarray(at)})[0] == want


def test_disconnected_and_zero_differ():
    x = T.dscalar("x")
    with pytest.raises(DisconnectedInputError):
        grad(stop.disconnected_grad(x), x)
    assert evaluate([grad(stop.zero_grad(x), x)], {x: np.asarray(1.0)})[0] == 0.0
    with pytest.raises(NullTypeGradError, match="UndefinedGrad"):
        grad(stop.undefined_grad(x), x)


def test_equal_gates_are_equal_ops():
    assert stop.GradClip(-1, 1) == stop.GradClip(-1, 1)
    assert stop.GradScale(2.0) != stop.GradScale(3.0)


def test_float32_stays():
    x = T.fvector("x")
    for gate in (lambda x: stop.grad_clip(x, -0.1, 0.1), lambda x: stop.grad_scale(x, 0.1)):
        assert grad(gate(x).sum(), x).type.dtype == "float32"


def test_forward():
    x, v = T.dscalars("x", "v")
    givens = {x: np.asarray(2.0), v: np.asarray(1.0)}
    assert evaluate([Rop(stop.grad_scale(x, 3.0) * x, x, v)], givens)[0] == 8.0
    assert evaluate([Rop(stop.grad_clip(x, -1, 1) * x, x, v)], givens)[0] == 4.0
    assert evaluate([Rop(stop.disconnected_grad(x) * x, x, v)], givens)[0] == 2.0
    with pytest.raises(NullTypeGradError):
        Rop(stop.undefined_grad(x), x, v)


def test_bounds_are_checked():
    with pytest.raises(ValueError, match="upper bound -1 is below the lower bound 1"):
        stop.grad_clip(T.dscalar(), 1, -1)
