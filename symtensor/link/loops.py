"""Loop nests over scalar programs: elementwise nodes, fused nodes and reductions become C functions here.

A nest is split into passes: stores and the reductions over one set of axes share a pass (see `symtensor.link.nests`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symtensor.graph.record import Record
from symtensor.link.functions import Driver
from symtensor.link.layout import Product
from symtensor.link.nests import LoopOperand, LoopTarget, NestPass
from symtensor.link.rows import RowsPass
from symtensor.ops.fused import ScalarProgram, Step

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
    if program.axes:
        RowsPass(driver, program, dims, operands, targets).emit()
        return
    for part in passes_of(program, len(dims)):
        if part.stored is None:
            _emit_pass(driver, program, dims, operands, targets, part.outputs)
            continue
        dtype = program.dtype(program.outputs[part.stored][0])
        again = ScalarProgram((dtype,), (), tuple((0, reduction) for _, reduction in program.outputs))
        source = LoopOperand(dtype, driver.symbols.steps(dims), targets[part.stored].pointer)
        _emit_pass(driver, again, dims, [source], targets, part.outputs)


def _emit_pass(driver: Driver, program: ScalarProgram, dims: Sequence[Product], operands: Sequence[LoopOperand],
               targets: Sequence[LoopTarget], outputs: tuple[int, ...]) -> None:
    nest = NestPass(driver, program, dims, operands, targets, outputs, _needed(program, outputs))
    if not nest.reductions or all(nest.nest.reduced):
        nest.emit()
        return
    place = {k: at for at, k in enumerate(outputs)}
    moved = [replace(operand, overwritten_by=place.get(operand.overwritten_by))  # type: ignore[arg-type]
             for operand in operands]
    RowsPass(driver, _by_rows(program, outputs, len(dims)), dims, moved, [targets[k] for k in outputs]).emit()


def _by_rows(program: ScalarProgram, outputs: Sequence[int], ndim: int) -> ScalarProgram:
    """The program of one pass with its reductions, over the same axes, as steps."""
    steps, made = list(program.steps), []
    axes: tuple[int, ...] = ()
    for value, reduction in (program.outputs[k] for k in outputs):
        if reduction is not None:
            axes = reduction.axes(ndim)
            steps.append(Step(reduction, (value,), reduction.dtypes(program.dtype(value))[0]))
            value = len(program.inputs) + len(steps) - 1
        made.append((value, None))
    return ScalarProgram(program.inputs, tuple(steps), tuple(made), axes)


def _needed(program: ScalarProgram, outputs: Sequence[int]) -> set[int]:
    """The values that some outputs need."""
    first = len(program.inputs)
    needed = {program.outputs[k][0] for k in outputs}
    for at in range(len(program.steps) - 1, -1, -1):
        if first + at in needed:
            needed.update(arg for arg in program.steps[at].args if isinstance(arg, int))
    return needed
