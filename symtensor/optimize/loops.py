"""Loops: their inner graphs are optimized like graphs of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symtensor.graph.fgraph import FunctionGraph, Guard
from symtensor.graph.trace import made_at
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.loop import Loop
from symtensor.optimize.engine import Facts, Firing

__all__ = ["optimize_bodies"]

Optimize = Callable[[FunctionGraph, bool], FunctionGraph]


def optimize_bodies(graph: FunctionGraph, facts: Facts, log: list[Firing], optimize: Optimize) -> FunctionGraph:
    """The graph with the inner graph of every loop optimized.

    The dimensions that an inner graph takes for equal are guarded by the outer graph; where they are not known there,
    the inner graph stays right under run-time broadcasting.
    """
    replaced: dict[Variable, Variable] = {}
    for node in graph.order:
        if isinstance(node.op, Loop):
            replaced.update(_optimized(node, facts, optimize))
    return graph.with_replaced(replaced)


def _optimized(node: Apply, facts: Facts, optimize: Optimize) -> dict[Variable, Variable]:
    op: Loop = node.op
    inner = FunctionGraph.build(op.inputs, op.outputs)
    better = optimize(inner, facts.inference.assume)
    guards = _outer_guards(node, facts, better.guards)
    if guards is None:
        better, guards = optimize(inner, False), []
    for guard in guards:
        facts.inference.require(guard)
    new = Loop(better.inputs, better.outputs, op.sequences, op.states, op.until, op.truncate, op.name)
    with made_at(node.origin):
        outputs = new(*node.inputs, return_list=True)
    return dict(zip(node.outputs, facts.interner.intern(outputs), strict=True))


def _outer_guards(node: Apply, facts: Facts, guards: Sequence[Guard]) -> list[Guard] | None:
    op: Loop = node.op
    shapes = [facts.shape(v) for v in node.inputs]
    found = []
    for guard in guards:
        dims = op.outer_dims(node, shapes, [guard.left, guard.right])
        if dims is None:
            return None
        left, right = map(facts.inference.simplify, dims)
        found.append(Guard(left, right, guard.axis, guard.op, (), guard.origin, guard.optional))
    return found
