"""Where in the user's program a node was made.

The innermost frame outside the package is remembered as (code object, line): two pointers and an int, so that
tracing costs about a microsecond a node. It stays outside equality and hashing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

__all__ = ["Origin", "add_to_trail", "describe_origin", "describe_step", "made_at", "trail", "user_origin"]

Origin: TypeAlias = tuple[CodeType, int] | None

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"


class _Override(threading.local):
    """The origin that `made_at` imposes, per thread: one thread's rewrites never mark another's nodes."""

    origin: Origin = None


_override = _Override()


def user_origin() -> Origin:
    """The innermost frame that is not in the package: (code, line), or None when there is none."""
    if _override.origin is not None:
        return _override.origin
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return frame.f_code, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


@contextmanager
def made_at(origin: Origin) -> Iterator[None]:
    """Nodes made inside the block count as made at ``origin`` (rewrites, gradients)."""
    before, _override.origin = _override.origin, origin
    try:
        yield
    finally:
        _override.origin = before


def describe_origin(origin: Origin) -> str:
    """``file.py:12 in main`` for messages; an empty text for an unknown origin."""
    if origin is None:
        return ""
    code, line = origin
    return f"{code.co_filename}:{line} in {code.co_name}"


def describe_step(step: int, loop: Any, origin: Origin) -> str:
    """The line of a message that says in which step of a loop something failed."""
    place = describe_origin(origin)
    return f"  in step {step} of {loop}" + (f", made at {place}" if place else "")


def add_to_trail(error: Exception, step: int, node: Any, inputs: Sequence[Any]) -> None:
    """Note on an exception that ``node``, with these inputs, failed in this step of a loop around it."""
    error._trail = (*trail(error), (step, node, inputs))  # type: ignore[attr-defined]


def trail(error: Exception) -> tuple[tuple[int, Any, Sequence[Any]], ...]:
    """The steps and nodes noted on an exception, innermost first."""
    found: tuple[tuple[int, Any, Sequence[Any]], ...] = getattr(error, "_trail", ())
    return found
