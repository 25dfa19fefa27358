"""Values of graphs by each op's `perform`, where no function is compiled for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.variable import Apply, Constant, Variable

__all__ = ["run_nodes", "value_of"]


def run_nodes(order: Sequence[Apply], known: dict[Variable, Any]) -> None:
    """The values of all outputs of the nodes, into ``known``, by each op's `perform`."""
    for node in order:
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, [value_of(variable, known) for variable in node.inputs], storage)
        for output, cell in zip(node.outputs, storage, strict=True):
            known[output] = cell[0]


def value_of(variable: Variable, known: dict[Variable, Any]) -> Any:
    """The value of a variable: computed, or that of a constant or shared variable."""
    if variable in known:
        return known[variable]
    if isinstance(variable, Constant):
        return variable.data
    get_value = getattr(variable, "get_value", None)
    if get_value is None:
        raise ValueError(f"there is no value for {variable} of type {variable.type}")
    return get_value(borrow=True)
