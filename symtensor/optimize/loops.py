"""Loops: their inner graphs are optimized like graphs of their own, and what nobody reads leaves them.

What the outer graph knows of shapes holds inside; what an inner graph takes for equal is guarded outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symtensor.graph.fgraph import FunctionGraph, Guard, Interner
from symtensor.graph.trace import made_at
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import ancestors, clone_replace, toposort
from symtensor.ops.convert import static_value
from symtensor.ops.create import alloc
from symtensor.ops.elementwise import add, gt, switch
from symtensor.ops.index import Subtensor, getitem
from symtensor.ops.infer import ShapeInference
from symtensor.ops.loop import Loop, loop_of
from symtensor.ops.loop_build import Carried, build_loop
from symtensor.optimize.engine import Facts, Firing
from symtensor.optimize.loop_motion import Parts, after, before, collected

__all__ = ["fuse_bodies", "merge_loops", "move_work", "optimize_bodies", "prune_loops"]

Optimize = Callable[[FunctionGraph, bool], FunctionGraph]


def optimize_bodies(graph: FunctionGraph, facts: Facts, log: list[Firing], optimize: Optimize) -> FunctionGraph:
    """The graph with the inner graph of every loop optimized, and nothing computed in vain."""
    graph = _each_loop(graph, lambda node: _optimized(node, facts, optimize))
    return prune_loops(graph)


def fuse_bodies(graph: FunctionGraph, facts: Facts, fuse: Optimize) -> FunctionGraph:
    """The graph with the elementwise chains inside loops made loops of their own."""
    return _each_loop(graph, lambda node: _optimized(node, facts, fuse))


def _each_loop(graph: FunctionGraph, change: Callable[[Apply], list[Variable]]) -> FunctionGraph:
    """Replace the loop nodes one after the other, each with the inputs that earlier ones were replaced by."""
    done: set[Apply] = set()
    while True:
        node = next((n for n in graph.order if isinstance(n.op, Loop) and n not in done), None)
        if node is None:
            return graph
        with made_at(node.origin):
            outputs = graph.interner.intern(change(node))
        done.update(v.owner for v in outputs if v.owner is not None)
        done.add(node)
        pairs = zip(node.outputs, outputs, strict=True)
        graph = graph.with_replaced({old: new for old, new in pairs if old is not new})


def _optimized(node: Apply, facts: Facts, optimize: Optimize) -> list[Variable]:
    op = loop_of(node)
    known = {inner: outer for inner, outer in zip(op.inputs[op.first_other:], op.split(node.inputs)[3], strict=True)
             if isinstance(outer, Constant)}
    inner = _with_known_shapes(node, facts, FunctionGraph.build(op.inputs, clone_replace(op.outputs, known)))
    better = optimize(inner, facts.inference.assume)
    guards = _outer_guards(node, facts, better.guards)
    if guards is None:
        better, guards = optimize(inner, False), []
    for guard in guards:
        facts.inference.require(guard)
    new = Loop(better.inputs, better.outputs, op.sequences, op.states, op.until, op.truncate, op.name,
               op.recompute)
    found: list[Variable] = new(*node.inputs, return_list=True)
    return found


def _with_known_shapes(node: Apply, facts: Facts, inner: FunctionGraph) -> FunctionGraph:
    """The inner graph with guards for what is known: dimensions equal outside, and states that keep their shape."""
    op = loop_of(node)
    inference = ShapeInference.of(inner)
    groups: dict[Variable, Variable] = {}
    guards: list[Guard] = []
    _, sequences, initial, others = op.split(node.inputs)
    rows = [(v, facts.shape(outer)[1:]) for v, outer in zip(op.inputs, sequences, strict=False)]
    for first, places in zip(initial, op.tap_places, strict=True):
        rows += [(op.inputs[place], facts.shape(first)[1:]) for place in places]
    rows += [(v, facts.shape(outer)) for v, outer in zip(op.inputs[op.first_other:], others, strict=True)]
    for variable, dims in rows:
        for axis, dim in enumerate(dims):
            mine = inference.shape_of(variable)[axis]
            outer = facts.inference.find(dim)
            known = groups.setdefault(outer, outer if isinstance(outer, Constant) else mine)
            if known is not mine and not (isinstance(known, Constant) and isinstance(mine, Constant)):
                guards.append(Guard(known, mine, axis, str(op), (), node.origin))
    if facts.inference.assume:
        for new, first, places in zip(inner.outputs, initial, op.tap_places, strict=False):
            for axis, dim in enumerate(inference.shape_of(new)):
                have = inference.shape_of(op.inputs[places[0]])[axis] if places else None
                have = have if have is not None else groups.get(facts.inference.find(facts.shape(first)[1 + axis]))
                if have is None or have is dim or (isinstance(have, Constant) and isinstance(dim, Constant)):
                    continue
                if _outside(node, facts, [have, dim]) is not None:
                    guards.append(Guard(have, dim, axis, str(op), (), node.origin))
    return inner.with_guards(guards)


def _outside(node: Apply, facts: Facts, dims: Sequence[Variable]) -> list[Variable] | None:
    """Two inner dimensions in terms of the outer graph; None where no check before all else can compare them."""
    found = loop_of(node).outer_dims(node, [facts.shape(v) for v in node.inputs], dims)
    if found is None:  # the outer inference must not see inner dimensions
        return None
    left, right = map(facts.inference.simplify, found)
    known = left is right or (facts.inference.guardable(left) and facts.inference.guardable(right))
    return [left, right] if known else None


def _outer_guards(node: Apply, facts: Facts, guards: Sequence[Guard]) -> list[Guard] | None:
    found = []
    for guard in guards:
        dims = _outside(node, facts, [guard.left, guard.right])
        if dims is None:
            return None
        found.append(replace(guard, left=dims[0], right=dims[1], shapes=()))
    return found


def move_work(graph: FunctionGraph, facts: Facts, log: list[Firing], optimize: Optimize) -> FunctionGraph:
    """The graph with the work of loops that needs no loop done outside, and only the rows kept that are read."""
    graph = merge_loops(graph)
    graph = prune_loops(_each_loop(graph, lambda node: _optimized(node, facts, optimize)))
    return prune_loops(_each_graph(graph, lambda node, whole: _moved(node, whole, facts)))


def _moved(node: Apply, graph: FunctionGraph, facts: Facts) -> dict[Variable, Variable]:
    parts = Parts.of(node)
    reads = [_last_reads(trace, graph, facts) for trace in parts.traces_of]
    names = list(parts.traces_of)
    collected(parts, [found is not None for found in reads], facts.inference.assume)
    after(parts)
    before(parts)
    for trace, state in zip(parts.traces_of, parts.states, strict=True):
        if state.keep is None and (reads[names.index(trace)] is not None or not graph.clients[trace]):
            state.keep, parts.changed = 1, True
    for rows in [out for out in parts.rows_of if out.owner is node]:
        found = _last_reads(rows, graph, facts)
        dims = facts.shape(rows)[1:]
        if found is None or any(dim.owner is not None and rows in dim.owner.inputs for dim in dims):
            continue
        at = parts.rows_of.index(rows)  # one row is carried, like a state that no step reads
        first = alloc(np.zeros((), rows.type.dtype), 1, *dims)
        parts.states.append(Carried({}, first, parts.rows.pop(at), 1))
        parts.traces_of.append(parts.rows_of.pop(at))
        names.append(rows)
        reads.append([(read, switch(gt(parts.n, 0), -1, -2)) for read, _ in found])
        parts.changed = True
    if not parts.changed:
        return {}
    result = parts.build()
    for trace, found in zip(names, reads, strict=True):
        if found is not None:
            for read, rest in found:
                result[read] = getitem(result[trace], rest)
            result.pop(trace)
    return result


def _last_reads(trace: Variable, graph: FunctionGraph, facts: Facts) -> list[tuple[Variable, Any]] | None:
    """(result, key into the last row kept) for all readers of a trace or of stacked rows, where they read only the last
    row; else None."""
    node = trace.owner
    if node is None or loop_of(node).until or not graph.clients[trace]:
        return None
    op = loop_of(node)
    n, number = node.inputs[0], trace.index or 0
    depth = op.states[number].depth if number < len(op.states) else 0
    found: list[tuple[Variable, Any]] = []
    for client, position in graph.clients[trace]:
        if client is None or position != 0 or not isinstance(client.op, Subtensor) or not client.op.idx_list:
            return None
        first = client.op.idx_list[0]
        if first == "i":
            at = facts.inference.simplify(client.inputs[1])
            if static_value(at) != -1 and at is not facts.inference.simplify(add(n, depth - 1)):
                return None
            found.append((client.outputs[0], -1 if len(client.op.idx_list) == 1 else None))
        elif first == (True, False, False) and len(client.op.idx_list) == 1 and static_value(
                client.inputs[1]) == depth:
            for user, place in graph.clients[client.outputs[0]]:
                if user is None or place != 0 or not isinstance(user.op, Subtensor) or user.op.idx_list != ("i",):
                    return None
                at = facts.inference.simplify(user.inputs[1])
                if static_value(at) != -1 and at is not facts.inference.simplify(add(n, -1)):
                    return None
                found.append((user.outputs[0], switch(gt(n, 0), -1, -2)))  # no step: out of range, as before
        else:
            return None
    return None if any(rest is None for _, rest in found) else found


def merge_loops(graph: FunctionGraph) -> FunctionGraph:
    """The graph with loops made one that carry the same states and differ in the rows they stack: a gradient asks for
    more rows of the loop that it is of."""
    groups: dict[Any, list[Apply]] = {}
    for node in graph.order:
        if isinstance(node.op, Loop):
            op = node.op
            key = (*node.inputs, op.sequences, op.states, op.until, tuple(v.type for v in op.inputs))
            groups.setdefault(key, []).append(node)
    replaced: dict[Variable, Variable] = {}
    for nodes in groups.values():
        op, interner = loop_of(nodes[0]), Interner()
        alike: dict[tuple[Variable, ...], list[tuple[Apply, list[Variable]]]] = {}
        for node in nodes if len(nodes) > 1 else ():
            each, count = loop_of(node), len(op.states)
            made = interner.intern(each.outputs, dict(zip(each.inputs, op.inputs, strict=True)))
            fixed = (*made[:count], *(made[-1:] if op.until else ()))
            alike.setdefault(fixed, []).append((node, made[count:count + each.rows]))
        for fixed, members in alike.items():
            if len(members) > 1:
                replaced.update(_one_loop(op, fixed, members))
    return graph.with_replaced(replaced)


def _one_loop(op: Loop, fixed: Sequence[Variable],
              members: Sequence[tuple[Apply, list[Variable]]]) -> dict[Variable, Variable]:
    """The outputs of loops with the same states (and condition: ``fixed``) as those of one loop with all their rows."""
    count = len(op.states)
    rows = list(dict.fromkeys(row for _, each in members for row in each))
    one = Loop(op.inputs, [*fixed[:count], *rows, *fixed[count:]], op.sequences, op.states, op.until, name=op.name)
    outputs: list[Variable] = one(*members[0][0].inputs, return_list=True)
    place = dict(zip(rows, outputs[count:], strict=False))
    found: dict[Variable, Variable] = {}
    for node, each in members:
        stand_in = [*outputs[:count], *(place[row] for row in each), *outputs[count + len(rows):]]
        found.update(zip(node.outputs, stand_in, strict=True))
    return found


def prune_loops(graph: FunctionGraph) -> FunctionGraph:
    """The graph without states and rows of loops that nobody reads, and without sequences that no step reads."""
    return _each_graph(graph, lambda node, whole: _pruned(node, [bool(whole.clients[out]) for out in node.outputs]))


def _each_graph(graph: FunctionGraph,
                change: Callable[[Apply, FunctionGraph], dict[Variable, Variable]]) -> FunctionGraph:
    """Change the loop nodes one after the other, last first."""
    done: set[Apply] = set()
    while True:
        node = next((n for n in reversed(graph.order) if isinstance(n.op, Loop) and n not in done), None)
        if node is None:
            return graph
        with made_at(node.origin):
            replaced = change(node, graph)
        new = graph.interner.intern(list(replaced.values()))
        done.update(m for m in toposort(new, node.inputs) if isinstance(m.op, Loop))
        done.add(node)
        graph = graph.with_replaced({old: v for old, v in zip(replaced, new, strict=True) if old is not v})


def _pruned(node: Apply, wanted: Sequence[bool]) -> dict[Variable, Variable]:
    op = loop_of(node)
    n, sequences, initial, others = op.split(node.inputs)
    count = len(op.states)
    alive = {k for k in range(count) if wanted[k]}
    rows = [k for k in range(op.rows) if wanted[count + k]]
    roots: list[Variable] = [*(op.outputs[count + k] for k in rows), *([op.outputs[-1]] if op.until else [])]
    while True:
        used = set(ancestors([*roots, *(op.outputs[k] for k in alive)], op.inputs))
        more = {k for k, places in enumerate(op.tap_places) if any(op.inputs[p] in used for p in places)} - alive
        if not more:
            break
        alive |= more
    states = sorted(alive)
    if len(states) == count and len(rows) == op.rows and all(v in used for v in op.inputs):
        return {}
    carried = [Carried({tap: op.inputs[p] for tap, p in zip(op.states[k].taps, op.tap_places[k], strict=True)},
                       initial[k], op.outputs[k], op.states[k].keep, op.states[k].depth) for k in states]
    result = build_loop(n, list(zip(op.inputs, sequences, strict=False)), carried,
                        [op.outputs[count + k] for k in rows],
                        others=dict(zip(op.inputs[op.first_other:], others, strict=True)),
                        condition=op.outputs[-1] if op.until else None, truncate=op.truncate, name=op.name)
    found: dict[Variable, Variable] = {node.outputs[k]: v for k, v in zip(states, result.traces, strict=True)}
    found.update((node.outputs[count + k], v) for k, v in zip(rows, result.rows, strict=True))
    if result.steps is not None:
        found[node.outputs[-1]] = result.steps
    return found
