"""Building loops: from expressions over rows and taps to one `Loop` node.

What does not change from step to step is found by itself: it stays outside, and the step gets its value.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.trace import made_at
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import clone_replace, graph_inputs, toposort
from symtensor.ops.branch import Path, Within, paths, where_taken
from symtensor.ops.convert import as_index
from symtensor.ops.infer import ShapeInference
from symtensor.ops.loop import Loop, State
from symtensor.ops.shape import Shape_i

__all__ = ["Carried", "LoopResult", "as_count", "build_loop", "stand_in", "steady"]


@dataclass
class Carried:
    """A state of a loop being built: its taps as inner variables, its initial rows, and its next value."""

    taps: Mapping[int, Variable]
    initial: Variable
    new: Variable
    keep: int | None = None
    depth: int = 1


@dataclass
class LoopResult:
    """What a loop gives: traces of the states (initial rows first), stacked rows, and how many steps ran."""

    traces: list[Variable] = field(default_factory=list)
    rows: list[Variable] = field(default_factory=list)
    steps: Variable | None = None


def build_loop(n: Any, sequences: Sequence[tuple[Variable, Variable]], states: Sequence[Carried],
               rows: Sequence[Variable], *, others: Mapping[Variable, Variable] | None = None,
               condition: Variable | None = None, truncate: int | None = None,
               name: str | None = None, recompute: bool = False) -> LoopResult:
    """One `Loop` node.

    Parameters
    ----------
    n : the number of steps.
    sequences : (inner variable, outer variable with a row for each step).
    states : what is carried.
    rows : expressions to stack. condition : a bool scalar that ends the loop after its step.
    others : {inner variable: outer value} for inner variables that do not change.

    The expressions may use any outer variable; sequences and taps that they do not use are left out.
    """
    others = dict(others or {})
    outputs = [*(state.new for state in states), *rows, *([condition] if condition is not None else [])]
    moving = {inner for inner, _ in sequences} | {tap for state in states for tap in state.taps.values()}
    captured: dict[Variable, Variable] = {}
    leaves = {**dict.fromkeys(moving), **others}
    outputs = _kept_in_branches(outputs, leaves, moving)
    whole = toposort(outputs, leaves)
    branches = paths(whole, outputs, lambda node: node.inputs)
    inside = _decided(whole, moving)
    used: set[Variable] = set(outputs)
    order = [node for node in whole if node.outputs[0] in inside]
    used.update(v for node in order for v in node.inputs)
    for variable in (*(v for node in order for v in node.inputs), *outputs):
        if variable not in inside and variable not in captured and not isinstance(variable, Constant):
            captured[variable] = stand_in(variable)
    used_sequences = [(inner, outer) for inner, outer in sequences if inner in used]
    taps = [[(tap, state.taps[tap]) for tap in sorted(state.taps) if state.taps[tap] in used] for state in states]
    inner = {v: stand_in(v) for v in
             (*(v for v, _ in used_sequences), *(v for group in taps for _, v in group))}
    inner.update(captured)
    made = clone_replace(outputs, inner)
    kinds = [State(state.depth, tuple(tap for tap, _ in group), state.keep)
             for state, group in zip(states, taps, strict=True)]
    arguments = [inner[v] for v in (*(v for v, _ in used_sequences), *(v for group in taps for _, v in group))]
    arguments += captured.values()
    op = Loop(arguments, made, len(used_sequences), kinds, condition is not None, truncate, name, recompute)
    kept = [where_taken(v, _outer_part(branches.get(v.owner, ()), inside)) if v.owner is not None else v
            for v in captured]
    values = clone_replace(kept, others)
    found = op(n, *(outer for _, outer in used_sequences), *(state.initial for state in states), *values,
               return_list=True)
    count = len(states)
    return LoopResult(found[:count], found[count:count + len(rows)], found[-1] if condition is not None else None)


def as_count(where: str, n_steps: Any) -> Variable:
    """The number of steps as an int64 scalar; TypeError where it is none."""
    try:
        return as_index(n_steps)
    except TypeError as error:
        raise TypeError(f"{where}: n_steps: {error}") from None


def stand_in(variable: Variable) -> Variable:
    """A variable like this one, for the inner graph."""
    made = variable.type.make_variable(variable.name)
    value = getattr(variable.tag, "test_value", getattr(variable, "data", None))
    if config.compute_test_value != "off" and value is not None:
        made.tag.test_value = value
    return made


def _decided(order: Sequence[Apply], changing: Iterable[Variable]) -> set[Variable]:
    """What depends on what is ``changing``."""
    found = set(changing)
    for node in order:
        if any(v in found for v in node.inputs):
            found.update(node.outputs)
    return found


def _kept_in_branches(outputs: list[Variable], leaves: Iterable[Variable],
                      changing: Collection[Variable]) -> list[Variable]:
    """The expressions, with what does not change, but may fail and serves a branch alone that steps decide on, made to
    depend on the branch's condition. Plain arithmetic cannot fail: it is done once, ahead."""
    order = toposort(outputs, leaves)
    branches = paths(order, outputs, lambda node: node.inputs)
    inside = _decided(order, changing)
    replaced: dict[Variable, Variable] = {}
    for node in order if branches else ():
        conditions = [condition for condition, _ in branches.get(node, ()) if condition in inside]
        if not conditions or isinstance(node.op, _plain_ops()) or any(v in inside for v in node.inputs):
            continue
        given = [Within()(v, conditions[-1]) if isinstance(v.type, TensorType) and v.type.ndim else v
                 for v in node.inputs]
        with made_at(node.origin):
            made = node.op(*given, return_list=True)
        replaced.update(zip(node.outputs, made, strict=True))
        inside.update(node.outputs)
    return clone_replace(outputs, replaced) if replaced else outputs


@cache
def _plain_ops() -> tuple[type, ...]:
    from symtensor.ops.create import Alloc
    from symtensor.ops.dimshuffle import DimShuffle
    from symtensor.ops.dot import BatchedDot, Dot
    from symtensor.ops.elemwise import Elemwise
    from symtensor.ops.fused import Fused
    from symtensor.ops.shape import Shape_i

    return Alloc, BatchedDot, DimShuffle, Dot, Elemwise, Fused, Shape_i


def _outer_part(path: Path, inside: set[Variable]) -> Path:
    """The conditions of a path up to the first that steps decide."""
    return tuple(itertools.takewhile(lambda step: step[0] not in inside, path))


def steady(values: Sequence[Variable], inputs: Sequence[Variable], fixed: Container[Variable]) -> set[Variable]:
    """Those of the values of a step whose shape is known to be the same in every step: their rows can be stacked.

    ``inputs`` are those of the inner graph, ``fixed`` says which of them do not change.
    """
    graph = FunctionGraph.build(inputs, values)
    inference, mine = ShapeInference.of(graph), set(inputs)
    found = set()
    for value, out in zip(values, graph.outputs, strict=True):
        dims = inference.shape_of(out)
        sizes = [node.outputs[0] for node in toposort(dims)
                 if isinstance(node.op, Shape_i) and node.inputs[0] in mine]
        leaves = set(graph_inputs(dims, sizes)) - set(sizes)
        if isinstance(value.type, TensorType) and all(isinstance(v, Constant) or v in fixed for v in leaves):
            found.add(value)
    return found
