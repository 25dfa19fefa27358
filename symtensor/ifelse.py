"""`ifelse` under Theano's path, ``from symtensor.ifelse import ifelse``.

``symtensor.ifelse`` is this page, and calling it calls the function: it means the same whatever was imported before.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from symtensor.ops.branch import IfElse, ifelse

__all__ = ["IfElse", "ifelse"]


class _Page(ModuleType):
    """A page that can be called."""

    def __call__(self, condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
        return ifelse(condition, then_branch, else_branch, name)


sys.modules[__name__].__class__ = _Page
