"""`clone`: the same expression of other variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from symtensor.graph.op import converters
from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import clone_replace, graph_inputs

__all__ = ["clone"]


def clone(output: Any, replace: Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None = None,
          strict: bool = True, share_inputs: bool = True) -> Any:
    """Copies of a variable, or of a list of them, with variables replaced in their graphs (Theano's ``theano.clone``).

    Parameters
    ----------
    output : a variable or a list of variables; what comes back has the same form.
    replace : dict or list of pairs: a variable of the graph, inputs included, and the variable or value that stands
        in its place. Replacements are not searched for further ones.
    strict : TypeError where a replacement is not of its variable's type; False: nodes take the types that follow.
    share_inputs : False replaces inputs and shared variables by copies; a shared variable's has the same storage
        and a ``default_update`` of its own.

    >>> from symtensor import tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> clone((x**2).sum(), {x: y + 1}).eval({y: [1.0, 2.0]})
    array(13.)
    """
    outputs = list(output) if isinstance(output, (list, tuple)) else [output]
    pairs = replace.items() if isinstance(replace, Mapping) else replace or ()
    chosen = {old: _replacement(old, new, strict) for old, new in pairs}
    if not share_inputs:
        for leaf in graph_inputs(outputs):
            if leaf not in chosen and not isinstance(leaf, Constant):
                chosen[leaf] = leaf.clone() if isinstance(leaf, SharedVariable) else leaf.type.make_variable(leaf.name)
    made = clone_replace(outputs, chosen)
    return made if isinstance(output, (list, tuple)) else made[0]


def _replacement(old: Any, new: Any, strict: bool) -> Variable:
    if not isinstance(old, Variable):
        raise TypeError(f"clone: replace has variables as keys, got {old!r}")
    variable = new if isinstance(new, Variable) else converters[0](new)
    if strict and not old.type.accepts(variable.type):
        raise TypeError(f"clone: {old} is of type {old.type}, and its replacement {variable} of type {variable.type}; "
                        "cast it, or pass strict=False")
    return variable
