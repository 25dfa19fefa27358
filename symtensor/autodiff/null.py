"""The two types of cotangents that are no tensors: disconnected, and undefined.

An op's gradient may return a variable of `DisconnectedType` for an input whose value the outputs do not
depend on (None means the same, or zero), and one of `NullType` where the derivative does not exist or is not
written yet.
"""

from __future__ import annotations

from typing import Any, NoReturn

from symtensor.graph.trace import describe_origin
from symtensor.graph.types import Type
from symtensor.graph.variable import Constant, Variable

__all__ = [
    "DisconnectedType", "NullType", "grad_not_implemented", "grad_undefined", "is_disconnected", "is_null",
]


class DisconnectedType(Type):
    """The type of the gradient with respect to something the cost does not depend on (Theano's name).

    >>> DisconnectedType()().type == DisconnectedType()
    True
    """

    variable_class = Variable
    constant_class = Constant

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> NoReturn:
        raise TypeError("a disconnected gradient has no value; the cost does not depend on the variable")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(DisconnectedType)

    def __repr__(self) -> str:
        return "DisconnectedType"


class NullType(Type):
    """The type of a gradient that is undefined or not implemented; ``why_null`` says why (Theano's name)."""

    variable_class = Variable
    constant_class = Constant

    def __init__(self, why_null: str = "(no reason given)") -> None:
        self.why_null = why_null

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> NoReturn:
        raise TypeError(f"an undefined gradient has no value: {self.why_null}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.why_null == other.why_null  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((NullType, self.why_null))

    def __repr__(self) -> str:
        return f"NullType({self.why_null})"


def is_disconnected(variable: Any) -> bool:
    """Whether this is no cotangent at all: None, or a variable of `DisconnectedType`."""
    return variable is None or isinstance(getattr(variable, "type", None), DisconnectedType)


def is_null(variable: Any) -> bool:
    """Whether this is an undefined cotangent."""
    return isinstance(getattr(variable, "type", None), NullType)


def grad_not_implemented(op: Any, x_pos: int, x: Any, comment: str = "") -> Variable:
    """What an op's `grad` returns for input ``x_pos``, the variable ``x``, whose gradient is not written yet.

    Asking for the gradient then raises NullTypeGradError with this text (Theano's name).
    """
    return _null("is not implemented", op, x_pos, x, comment)


def grad_undefined(op: Any, x_pos: int, x: Any, comment: str = "") -> Variable:
    """What an op's `grad` returns for input ``x_pos``, the variable ``x``, where no gradient exists.

    Asking for the gradient then raises NullTypeGradError with this text (Theano's name).
    """
    return _null("does not exist", op, x_pos, x, comment)


def _null(what: str, op: Any, x_pos: int, x: Any, comment: str) -> Variable:
    place = describe_origin(getattr(x, "origin", None))
    made = f", made at {place}" if place else ""
    return NullType(f"the gradient of {op} with respect to its input {x_pos} ({x}{made}) {what}"
                    f"{'. ' + comment if comment else ''}")()
