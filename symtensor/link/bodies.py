"""Loops inside the program: the inner graph of a `Loop` node becomes steps of the same program.

The inner variables are bound to rows of outer arrays, so that shapes, fusion and memory are planned across the border;
what does not change from step to step is simply part of the outer program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.link.layout import Text
from symtensor.ops.branch import paths, sides_of
from symtensor.ops.convert import int64_constant
from symtensor.ops.loop import Loop, State, loop_of

if TYPE_CHECKING:
    from symtensor.link.program import Array, Program, Step

__all__ = ["Body", "Carry", "add_branch", "add_loop", "flatten", "knows_rows", "make_body"]


@dataclass(eq=False)
class Body:
    """The inner graph of one loop node, in variables of the program.

    rows : the variable of each sequence's row; taps : of each state's taps; outputs : the inner outputs.
    order : the nodes that run in each step; needs : what they read that does not change.
    """

    op: Loop
    rows: list[Variable]
    taps: list[list[Variable]]
    outputs: list[Variable]
    order: list[Apply] = field(default_factory=list)
    needs: list[Variable] = field(default_factory=list)


@dataclass(eq=False)
class Carry:
    """How a state lives while its loop runs.

    home : the array of its rows: the whole trace, or a ring of ``depth + 1`` rows; None for a ring of scalars, which
    are locals. ``trace`` is the output's array.
    """

    state: State
    new: Variable
    taps: list[Variable]
    trace: Array
    initial: Array
    home: Array | None
    row: str


def make_body(program: Program, node: Apply) -> Body:
    """The inner graph of a loop node over fresh variables whose shapes are those of the rows they stand for."""
    op = loop_of(node)
    _, sequences, initial, others = op.split(node.inputs)
    fresh = {v: v.type.make_variable(v.name) for v in op.inputs[:op.first_other]}
    replaced = {**fresh, **dict(zip(op.inputs[op.first_other:], others, strict=True))}
    rows = [fresh[v] for v in op.inputs[:op.sequences]]
    taps = [[fresh[op.inputs[place]] for place in places] for places in op.tap_places]
    for row, outer in (*zip(rows, sequences, strict=True),
                       *((tap, first) for group, first in zip(taps, initial, strict=True) for tap in group)):
        program.infer.bind(row, [int64_constant(known) if known is not None else dim for known, dim in
                                 zip(row.type.shape, program.dims(outer)[1:], strict=True)])
    body = Body(op, rows, taps, program.graph.interner.intern(op.outputs, replaced))
    changing = set(fresh.values())
    needed: dict[Variable, None] = {}
    barrier = {*changing, *node.inputs}
    whole = toposort(body.outputs, barrier, program.needs)
    found = paths(whole, body.outputs, program.needs)
    moving = set(changing)
    for inner in whole:
        if any(variable in moving for variable in program.needs(inner)):
            moving.update(inner.outputs)
            if inner in found:  # what does not change runs before the loop, whatever its steps decide
                program.paths[inner] = found[inner]
    for inner in toposort(body.outputs, barrier, program.needs):
        wanted = list(program.needs(inner))
        if any(variable in changing for variable in wanted):
            changing.update(inner.outputs)
            body.order.append(inner)
            needed.update(dict.fromkeys(wanted))
    needed.update(dict.fromkeys(body.outputs))
    body.needs = [v for v in needed if v not in changing and not isinstance(v, Constant)]
    return body


def knows_rows(program: Program, node: Apply) -> bool:
    """Whether the shapes of all that a loop stacks are known before it runs; otherwise it runs on the host."""
    return not any(
        dim.owner is not None and dim.owner.inputs and dim.owner.inputs[0] is output
        for output in node.outputs for dim in program.dims(output)
    )


def add_loop(program: Program, node: Apply, step: Step) -> None:
    """Fill the step of a loop node: its body, where its rows lie, and what it carries."""
    from symtensor.link.program import Array

    body = program.body(node)
    op, symbols = body.op, program.symbols
    step.counter = f"step{program.loops}"
    program.loops += 1
    _, sequences, initial, _ = op.split(node.inputs)

    for row, sequence in zip(body.rows, sequences, strict=True):
        whole: Any = program.array(sequence)
        if row.type.ndim:
            program.arrays[row] = _part(program, whole, step.counter, row)
        else:
            step.scalars.append((row, whole))
    for k, (state, taps) in enumerate(zip(op.states, body.taps, strict=True)):
        trace, new = step.writes[k], body.outputs[k]
        first: Any = program.array(initial[k])
        name = f"{step.counter}_{k}"
        home: Array | None = trace
        if state.keep is not None:
            home = None
            if new.type.ndim:
                dims = (int64_constant(state.depth + 1), *first.dims[1:])
                home = Array(new.type.dtype, dims, symbols.strides(dims), "buffer")
                step.writes.append(home)
        carry = Carry(state, new, taps, trace, first, home, name)
        step.carries.append(carry)
        for tap, variable in zip(state.taps, taps, strict=True):
            if variable.type.ndim:
                program.arrays[variable] = _part(program, home, f"{name}_{-tap}", variable)
    outside, program.steps = program.steps, []
    for inner in body.order:
        program.add(inner)
    _place_results(program, body, step)
    step.body, program.steps = program.steps, outside
    inside = {array for inner in step.body for array in inner.writes}
    roots = {read.root: None for inner in step.body for read in inner.reads}
    step.reads += [root for root in roots if root not in inside and root not in step.writes and root not in step.reads]
    step.fallible |= any(inner.fallible for inner in step.body)


def _part(program: Program, home: Any, row: str, variable: Variable) -> Array:
    """Row ``row`` (a C name) of an array, as the array of ``variable``."""
    from symtensor.link.program import Array

    symbols = program.symbols
    dims, strides = program.dims(variable), home.strides[1:]
    offset = symbols.multiply(symbols.atom(Text(row)), home.strides[0])
    return Array(variable.type.dtype, dims, strides, "view", symbols.contiguous(dims, strides), variable, home, offset)


def _place_results(program: Program, body: Body, step: Step) -> None:
    """What a step computes lies where it is wanted: in its row, where its maker can write there; else it is copied."""
    from symtensor.link.program import Step as ProgramStep

    targets: list[tuple[Any, str, Variable]] = [
        (carry.home, f"{carry.row}_0", carry.new) for carry in step.carries if carry.new.type.ndim]
    targets += [(step.writes[len(body.op.states) + k], step.counter, value)
                for k, value in enumerate(body.outputs[len(body.op.states):len(body.outputs) - body.op.until])]
    made = {array: inner for inner in program.steps for array in inner.writes}
    for home, at, value in targets:
        target = _part(program, home, at, value)
        array = program.array(value)
        of = program.symbols.of
        fits = all(of(a) == of(b) for a, b in zip(target.dims, home.dims[1:], strict=True))
        if fits and array is not None and array.kind == "buffer" and array in made and array.parent is None:
            array.kind, array.parent, array.offset = "view", home, target.offset
            made.pop(array)
            continue
        target.variable = None
        copy = ProgramStep("put", None, step.info, [array] if array is not None else [], [target], source=value)
        if not fits:  # a state that changes its shape
            copy.expected, copy.fallible = list(home.dims[1:]), True
        program.steps.append(copy)


def add_branch(program: Program, node: Apply) -> None:
    """The step that takes the values of one side or the other; each is contiguous by then."""
    path = program.paths.get(node, ())
    bases: list[list[Array]] = [[] for _ in node.outputs]
    for value, side in ((v, side) for side, values in enumerate(sides_of(node)) for v in values):
        array = program.array(value)
        if array is not None and (not array.contiguous or array.root.kind == "scalar"):
            before = len(program.steps)
            copy = program.copies[node, side, value] = program.contiguous_copy(node, array)
            program.steps[before].path = (*path, (node.inputs[0], not side))
            array = copy
        if array is not None:
            bases[sides_of(node)[side].index(value)].append(array)
    program.step("choose", node, [array for group in bases for array in group], kind="host")
    for output, group in zip(node.outputs, bases, strict=True):
        made = program.array(output)
        if made is not None:
            made.aliases = [array.root for array in group]


def flatten(steps: list[Step]) -> list[Step]:
    """The steps in the order they are written: a loop, its body, and its end."""
    from symtensor.link.program import Step as ProgramStep

    result: list[Step] = []
    for step in steps:
        result.append(step)
        if step.kind == "repeat":
            result += flatten(step.body)
            result.append(ProgramStep("again", None, step.info, [*step.reads, *step.writes], [], loop=step))
    return result
