"""What the functions of this room take, the errors where it does not fit, the form of what they return."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from symtensor.autodiff.null import DisconnectedType, NullType, is_disconnected, is_null
from symtensor.autodiff.reverse import carries_gradient, fit_dtype, zeros_for
from symtensor.graph.errors import DisconnectedInputError, NullTypeGradError
from symtensor.graph.trace import describe_origin, user_origin
from symtensor.graph.types import TensorType, is_complex
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable

__all__ = [
    "as_list", "check_choice", "check_cost", "check_known", "check_stop", "check_wrt", "fit_cotangent",
    "format_as", "refuse_null", "settle", "settle_disconnected",
]


def as_list(values: Any) -> list[Any]:
    """A list, tuple or single value as a list."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def format_as(use_list: bool, use_tuple: bool, outputs: Any) -> Any:
    """``outputs`` as a list, a tuple, or alone: as the arguments it answers came (Theano's name)."""
    if use_list and use_tuple:
        raise ValueError("format_as: a result is either a list or a tuple")
    outputs = as_list(outputs)
    if use_list:
        return outputs
    if use_tuple:
        return tuple(outputs)
    if len(outputs) != 1:
        raise ValueError(f"format_as: {len(outputs)} outputs cannot be returned as a single one")
    return outputs[0]


def check_choice(who: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    """ValueError where an option is none of its choices."""
    if value not in choices:
        raise ValueError(f"{who}: {name}={value!r} is not one of {', '.join(map(repr, choices))}")


def _described(variable: Variable) -> str:
    """A variable with its type and the line that made it."""
    place = describe_origin(variable.origin)
    return f"{variable} of type {variable.type}{f', made at {place}' if place else ''}"


def check_cost(cost: Any) -> None:
    """TypeError where a cost is no real scalar variable, naming what it is and how to get one."""
    if not isinstance(cost, Variable):
        raise TypeError(f"grad: the cost must be a symbolic variable, got {cost!r} ({type(cost).__name__})")
    if isinstance(cost.type, NullType):
        raise ValueError(f"grad: the cost is undefined: {cost.type.why_null}")
    if not isinstance(cost.type, TensorType):
        raise TypeError(f"grad: the cost must be a scalar tensor, got {_described(cost)}")
    if cost.type.ndim != 0:
        raise TypeError(
            f"grad: the cost must be a scalar (0 dimensions), got one with {cost.type.ndim} dimension(s), "
            f"{_described(cost)}. Reduce it with .sum() or .mean(); for the derivative of every element use "
            "jacobian, to weigh the elements use Lop or known_grads")
    if is_complex(cost.type.dtype):
        raise TypeError(f"grad: the cost must be real, got dtype {cost.type.dtype}: {_described(cost)}; "
                        "take real(cost), or abs(cost)")


def check_wrt(who: str, wrt: Any) -> list[Variable]:
    """``wrt`` as a list of float or complex variables; TypeError where it is not."""
    if isinstance(wrt, (set, frozenset, dict)):
        raise TypeError(f"{who}: wrt is a {type(wrt).__name__}, whose order would be that of the result; "
                        "give a list")
    targets = as_list(wrt)
    for variable in targets:
        if not isinstance(variable, Variable):
            raise TypeError(f"{who}: wrt holds {variable!r} ({type(variable).__name__}), which is no "
                            "symbolic variable")
        if not carries_gradient(variable):
            raise TypeError(
                f"{who}: wrt holds {_described(variable)}: derivatives are with respect to float or complex "
                "variables. Declare it with a float dtype, or make x = cast(variable, 'float64'), use x in "
                "the cost and differentiate with respect to x")
    return targets


def check_stop(consider_constant: Any) -> list[Variable]:
    """``consider_constant`` as a list of variables; TypeError where it is not."""
    if consider_constant is None:
        return []
    if not isinstance(consider_constant, (list, tuple, set, frozenset)):
        raise TypeError(f"grad: consider_constant is a list of variables, got {consider_constant!r}")
    for variable in consider_constant:
        if not isinstance(variable, Variable):
            raise TypeError(f"grad: consider_constant holds {variable!r}, which is no symbolic variable")
    return list(consider_constant)


def check_known(known: Any) -> dict[Variable, Any]:
    """``known_grads`` as a dict, each gradient fitted to its variable."""
    pairs = {} if known is None else dict(known)
    return {key: fit_cotangent("grad: known_grads", key, value) for key, value in pairs.items()}


def fit_cotangent(who: str, variable: Any, value: Any) -> Any:
    """A (co)tangent a user gave for ``variable``, in its dtype; ValueError where rank or shape differ."""
    if not isinstance(variable, Variable):
        raise TypeError(f"{who}: {variable!r} is no symbolic variable")
    if is_disconnected(value) or is_null(value) or not isinstance(variable.type, TensorType):
        return value
    value = as_tensor_variable(value)
    if not _may_equal(value.type.shape, variable.type.shape):
        raise ValueError(f"{who}: the value given for {variable} has shape {value.type.shape}, type "
                         f"{value.type}; {variable} has shape {variable.type.shape}, type {variable.type} "
                         "(None: any size)")
    if carries_gradient(variable):
        return fit_dtype(value, variable.type.dtype)
    if not carries_gradient(value):
        raise TypeError(f"{who}: the value given for {variable} has dtype {value.type.dtype}; gradients are "
                        "float or complex")
    return value


def _may_equal(a: Sequence[int | None], b: Sequence[int | None]) -> bool:
    return len(a) == len(b) and all(m is None or n is None or m == n for m, n in zip(a, b, strict=True))


def refuse_null(who: str, variable: Variable, term: Variable | None) -> None:
    """NullTypeGradError where the derivative found for ``variable`` is undefined."""
    if term is not None and is_null(term):
        raise NullTypeGradError(f"{who}: the gradient with respect to {variable} is undefined: "
                                f"{term.type.why_null}")


def settle(who: str, variable: Variable, term: Variable | None, cost: Variable | None, policy: str,
           given: str) -> Variable | None:
    """The gradient a user gets for ``variable`` where ``term`` was found: see `grad` for the policies."""
    if term is None:
        return zeros_for(variable)
    if not is_disconnected(term):
        return term
    what = "the known gradients do" if cost is None else f"the cost {cost} does"
    message = (f"{who}: {what} not depend on {_described(variable)}, or only in ways that carry no gradient "
               "(its shape, disconnected_grad). Take it out of wrt, or pass disconnected_inputs='ignore' for "
               "a gradient of zero ('warn' to be told)")
    return settle_disconnected(variable, message, policy, given)


def settle_disconnected(variable: Variable, message: str, policy: str, given: str) -> Variable | None:
    """What a user asked to have for something disconnected: an error, zeros, None or a `DisconnectedType`."""
    if policy == "raise":
        raise DisconnectedInputError(message)
    if policy == "warn":
        code, line = user_origin() or (settle_disconnected.__code__, 0)
        warnings.warn_explicit(message, UserWarning, code.co_filename, line)
    if given == "zero":
        return zeros_for(variable)
    return None if given == "None" else DisconnectedType().make_variable()
