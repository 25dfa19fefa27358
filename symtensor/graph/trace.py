"""Where in the user's program a node was made.

The innermost frame outside the package is remembered as (code object, line): two pointers and an int, so that
tracing costs about a microsecond a node. It stays outside equality and hashing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import TypeAlias

__all__ = ["Origin", "describe_origin", "made_at", "user_origin"]

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
