"""Rows of a table that loops read where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symtensor.graph.variable import Apply
from symtensor.link.layout import ONE, ZERO
from symtensor.link.nodes import is_elementwise
from symtensor.ops.fused import Fused
from symtensor.ops.reduction import Reduction

if TYPE_CHECKING:
    from symtensor.link.program import Program

__all__ = ["add_gather"]


def add_gather(program: Program, node: Apply) -> bool:
    """Rows of a table that only loops read are read where they lie: their step is the check of the indices."""
    from symtensor.link.program import Array, Step

    check = getattr(node.op, "row_check", lambda node: None)(node)
    readers = [user for user, _ in program.graph.clients.get(node.outputs[0], ())]
    if check is None or not 0 < len(readers) <= 4:
        return False
    for reader in readers:
        if reader is None or program.paths.get(reader) != program.paths.get(node):
            return False
        if not isinstance(reader.op, (Fused, Reduction)) and not is_elementwise(reader):
            return False
    table, rows = (program.array(variable) for variable in node.inputs)
    if table is None or rows is None or "scalar" in (table.root.kind, rows.root.kind) or table.rows is not None:
        return False
    if program.symbols.of(table.dims[-1]) == ONE:  # the loop along the row is the innermost one
        return False
    output, free = node.outputs[0], (ZERO,) * len(rows.dims)
    program.arrays[output] = Array(output.type.dtype, program.dims(output), (*free, *table.strides[1:]), "view", False,
                                   output, table, rows=rows)
    sizes = [dim for array in (table, rows) for dim in array.dims]
    late = "FAIL" in check.body or not all(map(program.is_early, sizes))
    program.steps.append(Step("kernel", node, program.note(node), [table, rows], [], check, fallible=late,
                           path=program.paths.get(node, ())))
    return True
