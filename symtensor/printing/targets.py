"""What can be printed: variables, nodes, functions, graphs, and lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.variable import Apply, Variable

__all__ = ["graph_of", "outputs_of"]


def graph_of(obj: Any) -> FunctionGraph | None:
    """The optimized graph of a compiled function, or the graph itself; None for anything else."""
    if isinstance(obj, FunctionGraph):
        return obj
    found = getattr(getattr(obj, "maker", None), "fgraph", None)
    return found if isinstance(found, FunctionGraph) else None


def outputs_of(obj: Any) -> list[Variable]:
    """The variables that printing ``obj`` starts from; TypeError for what has none."""
    graph = graph_of(obj)
    if graph is not None:
        return list(graph.outputs)
    if isinstance(obj, Variable):
        return [obj]
    if isinstance(obj, Apply):
        return list(obj.outputs)
    if isinstance(obj, Sequence) and not isinstance(obj, str):
        return [variable for item in obj for variable in outputs_of(item)]
    raise TypeError(f"cannot print {obj!r}: give a variable, a node, a compiled function, or a list of them")
