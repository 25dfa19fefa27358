"""Loop nests over scalar programs: elementwise nodes, fused nodes and reductions become C functions here.

A nest is split into passes: stores and the reductions over one set of axes share a pass (see `symtensor.link.nests`).
"""

from __future__ import annotations

from collections.abc import Sequence

from symtensor.graph.record import Record
from symtensor.link.functions import Driver
from symtensor.link.layout import Product
from symtensor.link.nests import LoopOperand, LoopTarget, NestPass
from symtensor.ops.fused import ScalarProgram

__all__ = ["LoopOperand", "LoopTarget", "emit_loops", "passes_of"]


class Pass(Record):
    """Outputs computed together; ``stored`` is an output whose memory is read instead of the operands."""

    outputs: tuple[int, ...]
    stored: int | None = None


def passes_of(program: ScalarProgram, ndim: int) -> list[Pass]:
    """How the outputs share passes. The pass that stores reads the operands last, so that it may overwrite them;
    after it come reductions of stored values, which read what was stored."""
    stores = tuple(k for k, (_, reduction) in enumerate(program.outputs) if reduction is None)
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, (_, reduction) in enumerate(program.outputs):
        if reduction is not None:
            groups.setdefault(reduction.axes(ndim), []).append(k)
    if not groups:
        return [Pass(stores)]
    ranked = sorted(groups.values(), key=len, reverse=True)
    main = Pass(tuple(sorted((*stores, *ranked[0]))))
    where = {program.outputs[k][0]: k for k in stores}
    before: list[Pass] = []
    after: list[Pass] = []
    for group in ranked[1:]:
        sources = {program.outputs[k][0] for k in group}
        if len(sources) == 1 and (value := next(iter(sources))) in where:
            after.append(Pass(tuple(group), where[value]))
        else:
            before.append(Pass(tuple(group)))
    return [*before, main, *after]


def emit_loops(driver: Driver, program: ScalarProgram, dims: Sequence[Product], operands: Sequence[LoopOperand],
               targets: Sequence[LoopTarget]) -> None:
    """Append the C functions and calls of a nest over ``dims`` to the program of ``driver``."""
    for part in passes_of(program, len(dims)):
        if part.stored is None:
            NestPass(driver, program, dims, operands, targets, part.outputs, _needed(program, part.outputs)).emit()
            continue
        dtype = program.dtype(program.outputs[part.stored][0])
        again = ScalarProgram((dtype,), (), tuple((0, reduction) for _, reduction in program.outputs))
        source = LoopOperand(dtype, driver.symbols.steps(dims), targets[part.stored].pointer)
        NestPass(driver, again, dims, [source], targets, part.outputs, {0}).emit()


def _needed(program: ScalarProgram, outputs: Sequence[int]) -> set[int]:
    """The values that some outputs need."""
    first = len(program.inputs)
    needed = {program.outputs[k][0] for k in outputs}
    for at in range(len(program.steps) - 1, -1, -1):
        if first + at in needed:
            needed.update(arg for arg in program.steps[at].args if isinstance(arg, int))
    return needed
