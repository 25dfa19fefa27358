"""Identities whose gradient is not the identity: they stop, zero, clip or scale what flows back through them.

All compute their input unchanged; compiled programs do not contain them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.autodiff.null import grad_undefined
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.identity import ViewOp

__all__ = ["consider_constant", "disconnected_grad", "grad_clip", "grad_scale", "undefined_grad", "zero_grad"]


class DisconnectedGrad(ViewOp):
    """Nothing flows back, and the input counts as disconnected."""

    __props__ = ()

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False]]


class ZeroGrad(ViewOp):
    """Zeros flow back: the input counts as connected."""

    __props__ = ()

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None]


class UndefinedGrad(ViewOp):
    """What flows back is undefined: asking for it is an error."""

    __props__ = ()

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [grad_undefined(self, 0, inputs[0])]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [grad_undefined(self, 0, inputs[0])]


class GradClip(ViewOp):
    """What flows back is clipped; forward derivatives pass unchanged, for the clip is a matter of the reverse
    sweep.
    """

    __props__ = ("lower_bound", "upper_bound")

    def __init__(self, lower_bound: float, upper_bound: float) -> None:
        if not upper_bound >= lower_bound:
            raise ValueError(f"grad_clip: the upper bound {upper_bound} is below the lower bound "
                             f"{lower_bound}")
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.elementwise import clip

        return [clip(output_grads[0], self.lower_bound, self.upper_bound)]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [tangents[0]]


class GradScale(ViewOp):
    """What flows back is multiplied by a number."""

    __props__ = ("multiplier",)

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.elementwise import mul

        return [mul(output_grads[0], self.multiplier)]


def disconnected_grad(x: Any) -> Variable:
    """``x``, as a constant for `grad`: what is only reached through it counts as disconnected (Theano's
    name).

    >>> from symtensor import grad, tensor as T
    >>> x = T.dscalar("x")
    >>> grad(x * disconnected_grad(x), x).eval({x: 3.0})
    array(3.)
    """
    result: Variable = DisconnectedGrad()(x)
    return result


def zero_grad(x: Any) -> Variable:
    """``x``, with a gradient of zero; unlike `disconnected_grad`, what lies behind counts as connected
    (Theano's name).
    """
    result: Variable = ZeroGrad()(x)
    return result


def consider_constant(x: Any) -> Variable:
    """The same as `zero_grad` (Theano's older name)."""
    return zero_grad(x)


def undefined_grad(x: Any) -> Variable:
    """``x``, whose gradient is undefined: asking for it raises NullTypeGradError (Theano's name)."""
    result: Variable = UndefinedGrad()(x)
    return result


def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> Variable:
    """``x``, with the gradient that flows back through it clipped to an interval (Theano's name).

    ValueError where the bounds are in the wrong order.

    >>> from symtensor import grad, tensor as T
    >>> x = T.dscalar("x")
    >>> grad(grad_clip(x, -1, 1) ** 2, x).eval({x: 5.0})
    array(1.)
    """
    result: Variable = GradClip(lower_bound, upper_bound)(x)
    return result


def grad_scale(x: Any, multiplier: float) -> Variable:
    """``x``, with the gradient that flows back through it multiplied by a number (Theano's name)."""
    result: Variable = GradScale(multiplier)(x)
    return result
