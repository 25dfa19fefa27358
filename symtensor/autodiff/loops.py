"""Derivatives of loops, graph to graph: both modes give loops again, so derivatives of any order follow.

Reverse mode runs from the last step to the first. What it carries for each state is the cotangent that later steps
sent to the ``depth`` rows before the current one; what does not change collects a sum. Values of the forward loop
that a step of the reverse one needs are rows of the forward loop's traces, or are stacked by it on the way where
computing them again would cost more than reading them (`_Saved`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.autodiff.forward import pushforward
from symtensor.autodiff.null import DisconnectedType, is_disconnected, is_null
from symtensor.autodiff.reverse import carries_gradient, fit_dtype, pullback
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import clone_replace, toposort
from symtensor.ops.branch import schedule, where_taken
from symtensor.ops.create import Alloc, zeros_like
from symtensor.ops.elementwise import add, eq, minimum, switch
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor, set_subtensor
from symtensor.ops.loop import Loop, State, derivatives
from symtensor.ops.loop_build import Carried, build_loop, steady

__all__ = ["pull_loop", "push_loop"]


class _Forward:
    """A loop node seen by its derivative: every state's whole trace, and rows of them as sequences."""

    def __init__(self, op: Loop, inputs: Sequence[Variable]) -> None:
        whole = [State(state.depth, state.taps) for state in op.states]
        self.op = Loop(op.inputs, op.outputs, op.sequences, whole, op.until, op.truncate, op.name,
                       op.recompute)
        self.n, self.sequences, self.initial, self.others = op.split(inputs)
        self.inputs = list(inputs)
        outputs = self.op(*inputs, return_list=True)
        count = len(op.states)
        self.traces, self.stacked = outputs[:count], outputs[count:count + op.rows]
        self.steps = outputs[-1] if op.until else self.n
        self.news = op.outputs[:count]
        self.row_values = op.outputs[count:count + op.rows]

    def given(self) -> list[tuple[Variable, Variable]]:
        """Inner variables with their values for the steps 0 ... steps - 1, as (variable, array of rows)."""
        pairs = [(inner, self._cut(outer)) for inner, outer in zip(self.op.inputs, self.sequences, strict=False)]
        for state, trace, places in zip(self.op.states, self.traces, self.op.tap_places, strict=True):
            for tap, place in zip(state.taps, places, strict=True):
                start = state.depth + tap
                pairs.append((self.op.inputs[place], getitem(trace, slice(start, add(self.steps, start)))))
        return pairs

    def results(self) -> list[tuple[Variable, Variable]]:
        """The same for the inner outputs: new values of states, and rows."""
        pairs = [(new, getitem(trace, slice(state.depth, add(self.steps, state.depth))))
                 for state, trace, new in zip(self.op.states, self.traces, self.news, strict=True)]
        return [*pairs, *((value, self._cut(rows)) for value, rows in
                          zip(self.row_values, self.stacked, strict=True))]

    def _cut(self, rows: Variable) -> Variable:
        return getitem(rows, slice(None, self.steps)) if self.op.until else rows

    def constants(self) -> dict[Variable, Variable]:
        """Inner variables that do not change, with their values."""
        return dict(zip(self.op.inputs[self.op.first_other:], self.others, strict=True))


def pull_loop(op: Loop, inputs: Sequence[Variable], outputs: Sequence[Variable],
              output_grads: Sequence[Variable]) -> list[Any]:
    """The vector-Jacobian product of a loop node."""
    return _Pull(_Forward(op, inputs), output_grads).terms()


class _Pull:
    """One reverse sweep through a loop."""

    def __init__(self, forward: _Forward, grads: Sequence[Any]) -> None:
        self.forward = forward
        op = self.op = forward.op
        count = len(op.states)
        self.trace_grads = [self._of_trace(k, g) for k, g in enumerate(grads[:count])]
        self.row_grads = list(grads[count:count + op.rows])
        self.steps = forward.steps
        self.first: Any = 0  # the first step that gradients go back through
        if op.truncate is not None:
            self.steps = minimum(forward.steps, op.truncate)
            self.first = forward.steps - self.steps
        self.live = [carries_gradient(new) for new in forward.news]
        self.cotangents: dict[Variable, Variable] = {}  # inner variable: outer rows, for those given from outside
        self._build()

    def _of_trace(self, k: int, g: Any) -> Any:
        return None if is_disconnected(g) else g

    def _reversed(self, rows: Variable) -> Variable:
        """Rows of the steps that count, last first."""
        part = getitem(rows, slice(self.first, None)) if self.op.truncate is not None else rows
        return getitem(part, slice(None, None, -1))

    def _build(self) -> None:
        op, forward = self.op, self.forward
        pending = [[new.type.make_variable() for _ in range(state.depth)] if live else []
                   for state, new, live in zip(op.states, forward.news, self.live, strict=True)]
        sequences: list[tuple[Variable, Variable]] = []
        targets: list[Variable] = []
        values: list[Any] = []
        for k, (new, live) in enumerate(zip(forward.news, self.live, strict=True)):
            if not live:
                continue
            total = pending[k][0]
            if self.trace_grads[k] is not None:
                row = new.type.make_variable()
                depth = op.states[k].depth
                g = fit_dtype(self.trace_grads[k], new.type.dtype)
                sequences.append((row, self._reversed(getitem(g, slice(depth, add(forward.steps, depth))))))
                total = add(total, row)
            targets.append(new)
            values.append(total)
        for value, g in zip(forward.row_values, self.row_grads, strict=True):
            if not is_disconnected(g) and not is_null(g) and carries_gradient(value):
                row = value.type.make_variable()
                sequences.append((row, self._reversed(forward._cut(fit_dtype(g, value.type.dtype)))))
                targets.append(value)
                values.append(row)
        wrt = [v for v in op.inputs if carries_gradient(v)]
        pulled = dict(zip(wrt, pullback(targets, values, wrt, stop=op.inputs), strict=True))
        self.null = next((term for term in pulled.values() if is_null(term)), None)
        if self.null is None:
            self._run(pulled, pending, sequences)

    def _run(self, pulled: dict[Variable, Any], pending: list[list[Variable]],
             sequences: list[tuple[Variable, Variable]]) -> None:
        op, forward = self.op, self.forward
        term = {v: fit_dtype(t, v.type.dtype) for v, t in pulled.items() if not is_disconnected(t)}
        carried: list[Carried] = []
        self.place: dict[tuple[str, int, int], int] = {}
        for k, group in enumerate(pending):
            taps = dict(zip(op.states[k].taps, op.tap_places[k], strict=True))
            zero = zeros_like(getitem(forward.initial[k], slice(0, 1)))
            for j, variable in enumerate(group, 1):
                parts = [group[j]] if j < len(group) else []
                if -j in taps and op.inputs[taps[-j]] in term:
                    parts.append(term[op.inputs[taps[-j]]])
                new = zeros_like(variable) if not parts else parts[0] if len(parts) == 1 else add(*parts)
                self.place["state", k, j] = len(carried)
                carried.append(Carried({-1: variable}, zero, new))
        for k, inner in enumerate(op.inputs[op.first_other:]):
            if inner in term:
                total = inner.type.make_variable()
                self.place["other", k, 0] = len(carried)
                carried.append(Carried({-1: total}, zeros_like(_row(forward.others[k])), add(total, term[inner])))
        rows: list[Variable] = []
        for k, inner in enumerate(op.inputs[:op.sequences]):
            if inner in term:
                self.place["sequence", k, 0] = len(rows)
                rows.append(term[inner])
        saved = _Saved(forward, [*(c.new for c in carried), *rows], {v for v, _ in sequences}
                       | {v for group in pending for v in group} | {next(iter(c.taps.values())) for c in carried})
        sequences += [(inner, self._reversed(outer)) for inner, outer in saved.sequences]
        for state, new in zip(carried, saved.expressions, strict=False):
            state.new = new
        result = build_loop(self.steps, sequences, carried, saved.expressions[len(carried):],
                            others=forward.constants(), name=f"grad of {op.name or 'loop'}", recompute=op.recompute)
        self.finals = [getitem(trace, -1) for trace in result.traces]
        self.rows = result.rows

    def terms(self) -> list[Any]:
        """A cotangent for each input of the node."""
        forward = self.forward
        nothing = DisconnectedType().make_variable()
        if self.null is not None:
            return [nothing, *(self.null if carries_gradient(v) else nothing for v in forward.inputs[1:])]
        result: list[Any] = [nothing]
        for k, outer in enumerate(forward.sequences):
            at = self.place.get(("sequence", k, 0))
            result.append(None if at is None else self._all_rows(outer, getitem(self.rows[at], slice(None, None, -1))))
        for k, outer in enumerate(forward.initial):
            result.append(self._initial(k, outer) if self.live[k] else nothing)
        for k in range(len(forward.others)):
            at = self.place.get(("other", k, 0))
            result.append(None if at is None else self.finals[at])
        return result

    def _all_rows(self, like: Variable, rows: Variable) -> Variable:
        """The rows of the steps that counted among zeros for the others."""
        if self.op.truncate is None and not self.op.until:
            return rows
        return set_subtensor(getitem(zeros_like(like), slice(self.first, self.forward.steps)), rows)

    def _initial(self, k: int, outer: Variable) -> Variable:
        depth = self.op.states[k].depth
        g = self.trace_grads[k]
        total = zeros_like(outer) if g is None else fit_dtype(getitem(g, slice(None, depth)), outer.type.dtype)
        for j in range(1, depth + 1):
            share = self.finals[self.place["state", k, j]]
            if self.op.truncate is not None:  # rows before the first step that counts are constants
                share = switch(eq(self.steps, self.forward.steps), share, zeros_like(share))
            total = inc_subtensor(getitem(total, depth - j), share)
        return total


def _row(value: Variable) -> Variable:
    return value.dimshuffle("x", *range(value.type.ndim))  # type: ignore[attr-defined, no-any-return]


class _Saved:
    """What of the forward step the reverse step reads instead of computing it again.

    A value that only depends on the forward step's inputs is cut out of the reverse step where it is a new state, a
    row, or the result of anything dearer than plain arithmetic; the forward loop is asked to stack it. Values that may
    change their shape from step to step cannot be stacked: they are computed again.
    """

    CHEAP = frozenset(("add", "sub", "mul", "neg", "sqr", "true_div", "switch", "abs_", "maximum", "minimum", "second",
                       "eq", "neq", "lt", "le", "gt", "ge", "and_", "or_", "xor", "invert", "identity"))

    def __init__(self, forward: _Forward, expressions: list[Variable], moving: set[Variable]) -> None:
        op = forward.op
        fixed = set(op.inputs)
        reverse: set[Variable] = set(moving)
        order = toposort(expressions, fixed | moving)
        for node in order:
            if any(v in reverse for v in node.inputs):
                reverse.update(node.outputs)
        stacked = dict(forward.results())
        wanted = [v for node in order if node.outputs[0] in reverse for v in node.inputs if v not in reverse]
        wanted += [v for v in expressions if v not in reverse]
        changing = set(op.inputs[:op.first_other])
        for node in order:
            if any(v in changing for v in node.inputs):
                changing.update(node.outputs)
        self.cuts: dict[Variable, None] = {}
        known = {v for node in order for v in node.outputs if v in changing and v not in reverse}
        whole = steady(list(known), op.inputs, op.inputs[op.first_other:])
        seen: set[Variable] = set()
        while wanted:
            v = wanted.pop()
            if v in seen or v in fixed or isinstance(v, Constant) or v.owner is None or v not in changing:
                continue
            seen.add(v)
            inner = v.owner.op
            cheap = (isinstance(inner, Elemwise) and inner.name in self.CHEAP) or inner.view_map or isinstance(
                inner, Alloc) or (isinstance(inner, Loop) and inner.recompute)
            if v in stacked or (v in whole and not cheap and carries_gradient(v)):
                self.cuts[v] = None
            else:
                wanted.extend(v.owner.inputs)
        extra = [v for v in self.cuts if v not in stacked]
        if extra:
            branches = schedule(op.outputs, op.inputs)[1]
            lazy = [where_taken(v, branches.get(v.owner, ())) if v.owner is not None else v for v in extra]
            wide = Loop(op.inputs, (*op.outputs[:len(op.outputs) - op.until], *lazy, *op.outputs[len(op.outputs) -
                        op.until:]), op.sequences, op.states, op.until, op.truncate, op.name, op.recompute)
            rows = wide(*forward.inputs, return_list=True)[len(op.states) + op.rows:]
            stacked.update((v, forward._cut(row)) for v, row in zip(extra, rows, strict=False))
        replaced = {v: v.type.make_variable(v.name) for v in self.cuts}
        self.expressions = clone_replace(expressions, replaced)
        self.sequences = [*forward.given(), *((inner, stacked[v]) for v, inner in replaced.items())]


def push_loop(op: Loop, inputs: Sequence[Variable], tangents: Sequence[Any]) -> list[Any]:
    """The Jacobian-vector product of a loop node."""
    forward = _Forward(op, inputs)
    op = forward.op
    _, of_sequences, of_initial, of_others = op.split(tangents)
    given: dict[Variable, Variable] = {}
    sequences = forward.given()
    others = forward.constants()
    for inner, outer in zip(op.inputs, of_sequences, strict=False):
        if not is_disconnected(outer) and carries_gradient(inner):
            given[inner] = inner.type.make_variable()
            sequences.append((given[inner], forward._cut(fit_dtype(outer, inner.type.dtype))))
    for inner, outer in zip(op.inputs[op.first_other:], of_others, strict=True):
        if not is_disconnected(outer) and carries_gradient(inner):
            given[inner] = inner.type.make_variable()
            others[given[inner]] = fit_dtype(outer, inner.type.dtype)
    live = [carries_gradient(new) for new in forward.news]
    for places, alive in zip(op.tap_places, live, strict=True):
        if alive:
            given.update((op.inputs[place], op.inputs[place].type.make_variable()) for place in places)
    floats = [v for v in (*forward.news, *forward.row_values) if carries_gradient(v)]
    _, found = pushforward(floats, {**given})
    null = next((t for t in found.values() if is_null(t)), None)
    if null is not None:
        return [null] * (len(op.states) + op.rows) + [DisconnectedType().make_variable()] * op.until
    carried = []
    for k, (state, new) in enumerate(zip(op.states, forward.news, strict=True)):
        if live[k]:
            first = forward.initial[k]
            start = zeros_like(first) if is_disconnected(of_initial[k]) else fit_dtype(of_initial[k], first.type.dtype)
            taps = {tap: given[op.inputs[place]] for tap, place in zip(state.taps, op.tap_places[k], strict=True)}
            tangent = found.get(new)
            carried.append(Carried(taps, start, zeros_like(new) if tangent is None else tangent, depth=state.depth))
    rows = [found[v] for v in forward.row_values if v in found]
    result = build_loop(forward.steps, sequences, carried, rows, others=others,
                        name=f"tangent of {op.name or 'loop'}")
    traces, stacked = iter(result.traces), iter(result.rows)
    terms: list[Any] = [next(traces) if alive else None for alive in live]
    terms += [next(stacked) if v in found else None for v in forward.row_values]
    return [*terms, *[None] * op.until]


derivatives.update(L_op=pull_loop, R_op=push_loop)
