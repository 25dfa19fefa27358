"""What can go wrong in native code: the codes, and the exceptions they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.trace import describe_origin, describe_step

__all__ = ["CODES", "add_text", "make_exception", "step_lines", "with_place"]

CODES = {"ST_SHAPE": 1, "ST_INDEX": 2, "ST_EMPTY": 3, "ST_VALUE": 4, "ST_RANK": 5, "ST_SIZE": 6}
"""ST_SHAPE axis, a, b: two dimensions do not fit. ST_INDEX index, axis, size. ST_EMPTY axis: an empty reduction
without identity. ST_VALUE: the op words it. ST_RANK have, want: an op returned an array of another rank. ST_SIZE
axis, size: a negative dimension."""

_VALUES = 8
_NAMES = {number: name for name, number in CODES.items()}


def make_exception(code: int, node: int, values: Sequence[int], program: Any) -> Exception:
    """The exception for ``call->error``.

    Parameters
    ----------
    code, node, values : the fields of ``st_error``; behind its 8 values a node and a step for each loop around.
    program : the `NativeCode` that ran; its table of nodes tells op and origin.

    An op may word its own failures: ``failure(node, code, values) -> Exception | None`` gets the code's name.
    The message ends with where in the user's program the node was made.
    """
    entry = program.nodes[node] if 0 <= node < len(program.nodes) else None
    name = _NAMES.get(code, "ST_VALUE")
    error: Exception | None = None
    hook = getattr(entry.node.op, "failure", None) if entry is not None and entry.node is not None else None
    if hook is not None and entry is not None:
        error = hook(entry.node, name, list(values[:_VALUES]))
    if error is None:
        error = _default(name, entry.op if entry is not None else "a node", values, entry)
    error = with_place(error, entry.origin if entry is not None else None)
    add_text(error, step_lines(values[_VALUES:], program))
    return error


def _default(name: str, op: str, v: Sequence[int], entry: Any) -> Exception:
    if name == "ST_SHAPE":
        shapes = f" of operands of {entry.types}" if entry is not None and entry.types else ""
        return ValueError(f"{op}: the shapes do not match: axis {v[0]}{shapes} is {v[1]} and {v[2]}; "
                          "they must be equal, or one of them 1 where operands broadcast")
    if name == "ST_INDEX":
        return IndexError(f"{op}: index {v[0]} is out of range for axis {v[1]} of size {v[2]}; "
                          f"indices are {-v[2]} to {v[2] - 1}" if v[2] > 0 else
                          f"{op}: index {v[0]} is out of range for axis {v[1]}, which is empty")
    if name == "ST_EMPTY":
        return ValueError(f"{op}: zero-size array to reduction without identity (axis {v[0]}); "
                          "check that the array is not empty, or add an element")
    if name == "ST_RANK":
        return TypeError(f"{op}: perform returned an array of {v[0]} dimension(s), its type says {v[1]}")
    if name == "ST_SIZE":
        return ValueError(f"{op}: dimension {v[0]} would be {v[1]}; a size cannot be negative")
    return ValueError(f"{op}: invalid value(s) {', '.join(map(str, v[:3]))}")


def with_place(error: Exception, origin: Any) -> Exception:
    """The exception with the user's line added to its message."""
    place = describe_origin(origin)
    if not place or not error.args or place in str(error.args[0]):
        return error
    error.args = (f"{error.args[0]}\nmade at {place}", *error.args[1:])
    return error


def step_lines(loops: Sequence[int], program: Any) -> str:
    """In which steps a failure was, innermost first: of pairs of a node and the number of its step."""
    pairs = [(step, program.nodes[node]) for node, step in zip(loops[::2], loops[1::2], strict=True)]
    return "\n".join(describe_step(step, entry.op, entry.origin) for step, entry in reversed(pairs))


def add_text(error: BaseException, text: str) -> None:
    """More lines at the end of a message; as a note where the class words its messages itself."""
    if not text:
        return
    before = str(error)
    if error.args and error.args[0] == before:
        error.args = (f"{before}\n{text}", *error.args[1:])
    if str(error) == before:
        error.add_note(text)
