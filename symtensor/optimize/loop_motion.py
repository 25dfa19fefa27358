"""Moving work out of loops: what a state does not need is done for all steps at once.

`before`: what only sequences decide and ends in a matrix product or a gather is computed ahead of the loop. `after`:
what only stacked rows need is computed behind it, where a matrix product is among it. `collected`: a sum over steps is
taken behind the loop, a sum of products as one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import ancestors, clone_replace, toposort
from symtensor.ops.batching import batch
from symtensor.ops.branch import paths
from symtensor.ops.create import Alloc, alloc, zeros_like
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.dot import Dot
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.ops.index import AdvancedSubtensor1, getitem
from symtensor.ops.index_set import IncSubtensor, inc_subtensor
from symtensor.ops.loop import loop_of
from symtensor.ops.loop_build import Carried, build_loop, steady
from symtensor.ops.reshape import reshape
from symtensor.ops.shape import shape_of

__all__ = ["Parts", "after", "before", "collected"]


@dataclass
class Parts:
    """A loop node taken apart, to be built anew. ``found`` says what its outputs are by now."""

    n: Variable
    sequences: list[tuple[Variable, Variable]]
    states: list[Carried]
    rows: list[Variable]
    others: dict[Variable, Variable]
    condition: Variable | None
    truncate: int | None
    name: str | None
    traces_of: list[Variable] = field(default_factory=list)
    rows_of: list[Variable] = field(default_factory=list)
    steps_of: Variable | None = None
    found: dict[Variable, Variable] = field(default_factory=dict)
    changed: bool = False

    @cached_property
    def steady(self) -> set[Variable]:
        """The inner values that have the same shape in every step, so that their rows can be stacked."""
        order, _ = _inner_order(self)
        taps = [v for state in self.states for v in state.taps.values()]
        inner = list(dict.fromkeys([*taps, *(v for v, _ in self.sequences), *self.others]))
        return {*inner, *steady([v for node in order for v in node.outputs], inner, self.others)}

    @property
    def roots(self) -> list[Variable]:
        """What a step computes: new states, rows, the condition."""
        return [*(state.new for state in self.states), *self.rows,
                *([self.condition] if self.condition is not None else [])]

    @classmethod
    def of(cls, node: Apply) -> Parts:
        """The parts of a node."""
        op = loop_of(node)
        n, sequences, initial, others = op.split(node.inputs)
        count = len(op.states)
        states = [Carried({tap: op.inputs[p] for tap, p in zip(state.taps, places, strict=True)}, first, new,
                          state.keep, state.depth)
                  for state, places, first, new in zip(op.states, op.tap_places, initial, op.outputs, strict=False)]
        rows = list(op.outputs[count:count + op.rows])
        return cls(n, list(zip(op.inputs, sequences, strict=False)), states, rows,
                   dict(zip(op.inputs[op.first_other:], others, strict=True)), op.outputs[-1] if op.until else None,
                   op.truncate, op.name, list(node.outputs[:count]), list(node.outputs[count:count + op.rows]),
                   node.outputs[-1] if op.until else None)

    def build(self) -> dict[Variable, Variable]:
        """What each output of the node is computed by now."""
        made = build_loop(self.n, self.sequences, self.states, self.rows, others=self.others, condition=self.condition,
                          truncate=self.truncate, name=self.name)
        known = dict(zip(self.rows_of, made.rows, strict=True))
        for stands_in in (True, False):  # values of stand-ins first: others are computed from them
            for v, value in self.found.items():
                if (v.owner is None) == stands_in:
                    known[v] = clone_replace([value], known)[0]
        known.update(zip(self.traces_of, made.traces, strict=True))
        if self.steps_of is not None and made.steps is not None:
            known[self.steps_of] = made.steps
        return {v: value for v, value in known.items() if v.owner is not None}

    def stack(self, value: Variable) -> Variable:
        """A stand-in for the rows of one more inner value."""
        for inner, outer in self.sequences:
            if inner is value:
                return outer
        for row, outer in zip(self.rows, self.rows_of, strict=True):
            if row is value:
                return outer
        kind = value.type
        stand_in: Variable = type(kind)(kind.dtype, (None, *kind.shape)).make_variable()
        self.rows.append(value)
        self.rows_of.append(stand_in)
        return stand_in


def _changing(parts: Parts) -> set[Variable]:
    """The inner variables that differ from step to step."""
    return {v for state in parts.states for v in state.taps.values()} | {v for v, _ in parts.sequences}


def _inputs(parts: Parts) -> list[Variable]:
    return [*(v for v, _ in parts.sequences), *(v for state in parts.states for v in state.taps.values()),
            *parts.others]


def _inner_order(parts: Parts) -> tuple[list[Apply], set[Variable]]:
    """The inner nodes, and the variables that taps decide."""
    order = toposort(parts.roots, _inputs(parts))
    carried = {v for state in parts.states for v in state.taps.values()}
    for node in order:
        if any(v in carried for v in node.inputs):
            carried.update(node.outputs)
    return order, carried


def _heavy(node: Apply) -> bool:
    return isinstance(node.op, (Dot, AdvancedSubtensor1))


def before(parts: Parts) -> None:
    """Compute products and gathers of sequences ahead of the loop, but for those of branches."""
    order, carried = _inner_order(parts)
    rows = dict(parts.sequences)
    branches = paths(order, parts.roots, lambda node: node.inputs)
    heavy = [node for node in order if _heavy(node) and node not in branches]
    heavy = [node for node in heavy if node.outputs[0] in parts.steady]
    wanted = {v for node in heavy if not any(v in carried for v in node.inputs)
              for v in ancestors(node.outputs, [*rows, *parts.others])}
    lifted: dict[Variable, Variable] = {}
    for node in order:
        if node.outputs[0] not in wanted or any(v in carried for v in node.inputs):
            continue
        given = [(lifted[v], True) if v in lifted else (rows[v], True) if v in rows else
                 (parts.others.get(v, v), False) for v in node.inputs]
        if not any(moving for _, moving in given) or any(
                v.owner is not None and v not in lifted and v not in rows for v in node.inputs):
            continue
        made = batch(node, given)
        if made is not None:
            lifted[node.outputs[0]] = made
    tops = [node.outputs[0] for node in heavy if node.outputs[0] in lifted]
    if not tops:
        return
    fresh = {v: v.type.make_variable(v.name) for v in tops}
    parts.sequences += [(fresh[v], lifted[v]) for v in tops]
    made_roots = iter(clone_replace(parts.roots, fresh))
    for state in parts.states:
        state.new = next(made_roots)
    parts.rows = [next(made_roots) for _ in parts.rows]
    if parts.condition is not None:
        parts.condition = next(made_roots)
    parts.changed = True


def after(parts: Parts) -> None:
    """Compute what only stacked rows need behind the loop."""
    if parts.condition is not None:
        return
    order, _ = _inner_order(parts)
    inside = set(ancestors([state.new for state in parts.states]))
    clients: dict[Variable, list[Apply]] = {}
    for node in order:
        for v in node.inputs:
            clients.setdefault(v, []).append(node)
    moves = _changing(parts)
    for node in order:
        if any(v in moves for v in node.inputs):
            moves.update(node.outputs)
    movable: set[Apply] = set()
    for node in reversed(order):
        if (node.outputs[0] not in inside and node.outputs[0] in moves and node.outputs[0] in parts.steady
                and all(user in movable for out in node.outputs for user in clients.get(out, ()))
                and all(v not in moves or v in parts.steady for v in node.inputs) and _has_rule(node)):
            movable.add(node)
    if not any(_heavy(node) for node in movable):
        return
    made: dict[Variable, Variable] = {}

    def outer(v: Variable) -> tuple[Variable, bool]:
        if v in made:
            return made[v], True
        if v not in moves:
            return clone_replace([v], parts.others)[0], False
        return parts.stack(v), True

    for node in order:
        if node in movable:
            value = batch(node, [outer(v) for v in node.inputs])
            if value is None:  # no rule for these inputs after all: nothing moves
                return
            made[node.outputs[0]] = value
    kept = [(row, out) for row, out in zip(parts.rows, parts.rows_of, strict=True) if row not in made]
    parts.found.update((out, made[row]) for row, out in zip(parts.rows, parts.rows_of, strict=True) if row in made)
    parts.rows, parts.rows_of = [row for row, _ in kept], [out for _, out in kept]
    parts.changed = True


def _has_rule(node: Apply) -> bool:
    from symtensor.ops.batching import BATCHING

    return len(node.outputs) == 1 and any(isinstance(node.op, kind) for kind in BATCHING)


def collected(parts: Parts, last_only: Sequence[bool], assume: bool) -> None:
    """Take sums over steps, of which only the last value is read, behind the loop.

    A term that could make the state wider stays, for the loop to say so; unless dimensions are assumed to be equal.
    """
    if parts.condition is not None:
        return
    add = ELEMENTWISE["add"]
    for k in reversed(range(len(parts.states))):
        state = parts.states[k]
        node, tap = state.new.owner, state.taps.get(-1)
        if not last_only[k] or state.depth != 1 or node is None or node.op is not add or tap not in node.inputs:
            continue
        terms = [v for v in node.inputs if v is not tap]
        others = [*(s.new for j, s in enumerate(parts.states) if j != k), *parts.rows, *terms]
        if len(terms) != len(node.inputs) - 1 or tap in ancestors(others) or state.new.type.dtype == "bool":
            continue
        if not all(want in (1, have or 1) or (assume and have != 1) for term in terms
                   for have, want in zip(state.initial.type.shape[1:], term.type.shape, strict=True)):
            continue
        if not parts.steady.issuperset(terms):
            continue
        sums = [_sum_of(parts, term, state) for term in terms]
        if any(total is None for total in sums):
            continue
        first = state.initial
        parts.found[parts.traces_of[k]] = add(first, *(total.dimshuffle("x", *range(total.type.ndim))  # type: ignore
                                                       for total in sums))
        del parts.states[k], parts.traces_of[k]
        parts.changed = True


def _scattered(parts: Parts, node: Apply, base: Variable) -> Variable | None:
    """``base`` with what the steps add to its rows: one scatter behind the loop instead of a dense sum in each step.
    None where the node is no such addition."""
    if not isinstance(node.op, IncSubtensor) or node.op.set_instead_of_inc or node.op.idx_list not in (("i",), ("a",)):
        return None
    _, y, index = node.inputs
    region = base.type.ndim - 1 + index.type.ndim
    moving = _changing(parts)
    for inner in toposort([y, index], _inputs(parts)):
        if any(v in moving for v in inner.inputs):
            moving.update(inner.outputs)
    if y.type.ndim != region or index.type.ndim > 1 or not {y, index} <= moving & parts.steady:
        return None
    places = parts.stack(index)
    values = alloc(parts.stack(y), *shape_of(places), *shape_of(base)[1:])
    if index.type.ndim:
        values, places = _joined(values), _joined(places)
    return inc_subtensor(getitem(base, places), values)


def _joined(v: Variable) -> Variable:
    """The first two axes as one."""
    first, second, *rest = shape_of(v)
    return reshape(v, (first * second, *rest))  # type: ignore[operator]


def _sum_of(parts: Parts, term: Variable, state: Carried) -> Variable | None:
    """The sum of an inner value over the steps, computed outside; None where stacking its rows would cost more."""
    from symtensor.ops.blas import dot

    def rows(v: Variable) -> Variable | None:
        return None if v in parts.others or isinstance(v, Constant) else parts.stack(v)

    node = term.owner
    if node is not None and isinstance(node.op, Dot) and [v.type.ndim for v in node.inputs] == [2, 2]:
        (a, b), turned = node.inputs, False
        if a.owner is not None and isinstance(a.owner.op, DimShuffle) and a.owner.op.order == (1, 0):
            a, turned = a.owner.inputs[0], True
        if not {a, b} <= parts.steady:  # the dimension that is summed over may change
            return None
        left, right = rows(a), rows(b)
        if left is None or right is None:
            return None
        if not turned:
            left = left.dimshuffle(0, 2, 1)  # type: ignore[attr-defined]
        n, m, i = shape_of(left)
        j = shape_of(right)[2]
        return dot(reshape(left, (n * m, i)).dimshuffle(1, 0), reshape(right, (n * m, j)))  # type: ignore
    if node is not None and node.op is ELEMENTWISE["mul"] and term.type.ndim == 2 and len(node.inputs) == 2:
        by_order = {v.owner.op.order: v.owner.inputs[0] for v in node.inputs
                    if v.owner is not None and isinstance(v.owner.op, DimShuffle)}
        if set(by_order) == {(0, "x"), ("x", 0)}:
            left, right = rows(by_order[0, "x"]), rows(by_order["x", 0])
            if left is not None and right is not None:
                return dot(left.dimshuffle(1, 0), right)  # type: ignore[attr-defined]
    if node is not None and isinstance(node.op, IncSubtensor):
        base = parts.others.get(node.inputs[0], node.inputs[0]).owner
        if base is not None and isinstance(base.op, Alloc) and isinstance(base.inputs[0], Constant) and (
                not base.inputs[0].data.any()):
            return _scattered(parts, node, zeros_like(getitem(state.initial, 0)))
    if term.type.ndim > 1:
        return None
    stacked = rows(term)
    return None if stacked is None else stacked.sum(axis=0, dtype=state.new.type.dtype)  # type: ignore[attr-defined]
