"""What a run-time error says: the op, its inputs, the user's line that made it.

The class of the exception stays what it was, so that an IndexError can be caught as one; the original is its
cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import WrapperDescriptorType
from typing import Any

import numpy as np

from symtensor.graph.trace import describe_origin, describe_step, trail
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable

__all__ = ["checked_output", "describe_node", "details", "run_time_error"]

details: list[Callable[[Apply], str]] = []
"""Further texts on a node for the end of a message: the printed graph, for those who want it."""

_SHOWN_SIZE = 6


class _AlreadyExplained:
    """Marks an exception that `run_time_error` made: nested functions add no second context."""


def run_time_error(error: Exception, node: Apply, inputs: Sequence[Any] = ()) -> Exception:
    """``error`` with the context of ``node``: same class, ``error`` as its cause. Raise what this returns.

    Parameters
    ----------
    error : what `perform` raised, or what a native program reports.
    node : the node that failed.
    inputs : the values (arrays) of its inputs where they are at hand.
    """
    if getattr(error, "_context", None) is _AlreadyExplained:
        return error
    steps = trail(error)
    nodes = [inner for _, inner, _ in steps] + [node]
    lines = [describe_node(nodes[0], steps[0][2] if steps else inputs)]
    lines += [describe_step(step, loop.op, loop.origin) for (step, _, _), loop in
              zip(steps, nodes[1:], strict=True)]
    context = "\n".join(lines)
    first = str(error).rstrip() or type(error).__name__
    explained = _same_class(error, f"{first}\n{context}")
    if explained is None:
        error.add_note(context)
        explained = error
    else:
        explained.__cause__ = error
    explained._context = _AlreadyExplained  # type: ignore[attr-defined]
    return explained


def _same_class(error: Exception, message: str) -> Exception | None:
    """An exception of the same class with another message; None where the class wants other arguments, or is
    a KeyError (which shows its message quoted)."""
    kind = type(error)
    own_init = not isinstance(kind.__init__, WrapperDescriptorType) or kind.__new__ not in _PLAIN_NEW
    if own_init or isinstance(error, KeyError):
        return None
    try:
        made = kind(message)
    except Exception:
        return None
    return made if str(made) == message else None


_PLAIN_NEW = tuple(
    {
        kind.__new__
        for kind in (
            BaseException,
            Exception,
            ValueError,
            IndexError,
            OSError,
            TypeError,
            MemoryError,
            ZeroDivisionError,
            FloatingPointError,
        )
    }
)


def describe_node(node: Apply, inputs: Sequence[Any] = ()) -> str:
    """The node, where it was made, and what its inputs are, on a few lines."""
    place = describe_origin(node.origin)
    lines = [
        f"  in {node.op}({', '.join(_brief(v) for v in node.inputs)})"
        + (f", made at {place}" if place else "")
    ]
    for index, variable in enumerate(node.inputs):
        value = inputs[index] if index < len(inputs) else None
        lines.append(f"  input {index}: {_describe_value(variable, value)}")
    lines.extend(text for detail in details if (text := detail(node)))
    return "\n".join(lines)


def _brief(variable: Variable) -> str:
    text = str(variable)
    return text if len(text) <= 40 else f"{text[:36]}..."


def _describe_value(variable: Variable, value: Any) -> str:
    if value is None:
        return f"{_brief(variable)} of type {variable.type}"
    if not isinstance(value, (np.ndarray, np.generic)):
        return f"{_brief(variable)}: a {type(value).__name__}"
    text = f"{value.dtype}, shape {value.shape}"
    if value.ndim:
        text += f", strides {value.strides}"
    if value.size <= _SHOWN_SIZE:
        text += f", value {np.array2string(np.asarray(value), threshold=_SHOWN_SIZE)}".replace("\n", "")
    return text


def checked_output(node: Apply, index: int, value: Any) -> Any:
    """What `perform` stored for output ``index``, as a value of the declared type.

    NumPy and Python scalars become 0-d arrays. TypeError naming the op where dtype, rank or a static
    dimension is not what the node declares.
    """
    kind = node.outputs[index].type
    if value is None:
        raise TypeError(f"{node.op}: perform stored nothing in outputs[{index}][0]")
    if not isinstance(kind, TensorType):
        return kind.filter(value)
    array = value if type(value) is np.ndarray else np.asarray(value)
    if array.dtype != kind.dtype or array.ndim != len(kind.shape):
        raise TypeError(
            f"{node.op}: output {index} is declared {kind}, but perform stored {array.dtype} with shape "
            f"{array.shape}; store np.asarray(result, dtype={kind.dtype!r}), or declare the type it has "
            "in make_node"
        )
    for axis, dim in enumerate(kind.shape):
        if dim is not None and array.shape[axis] != dim:
            raise TypeError(
                f"{node.op}: output {index} is declared with shape {kind.shape} (None: any), but perform "
                f"stored shape {array.shape}"
            )
    return array
