"""`explain`: what the compiler did to a function."""

from __future__ import annotations

from typing import Any

from symtensor.compile.caller import Function
from symtensor.compile.function import function
from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import graph_inputs

__all__ = ["explain"]


def explain(what: Function | Variable, limit: int | None = 100) -> str:
    """What the optimizer did: every rule that fired, where it is written, the expression before and after,
    and the user's line; then the phases of the compilation and what runs the function.

    Parameters
    ----------
    what : a compiled function, or an expression (which is compiled for it).
    limit : how many rewrites to list.

    >>> from symtensor import function, tensor as T
    >>> x = T.dvector("x")
    >>> "log1p" in explain(function([x], T.log(1 + x)))
    True
    """
    compiled = _function_of(what).maker.compiled
    lines = [compiled.log.text(limit) if compiled.log is not None else "0 rewrites"]
    lines.append(f"runs on {compiled.backend!r}")
    lines += [f"  {event}" for event in compiled.events]
    return "\n".join(lines)


def _function_of(what: Any) -> Function:
    if isinstance(what, Function):
        return what
    if not isinstance(what, Variable):
        raise TypeError(f"explain: expected a compiled function or a symbolic variable, got {what!r}")
    leaves = [v for v in graph_inputs([what]) if not isinstance(v, (Constant, SharedVariable))]
    return function(leaves, what)
