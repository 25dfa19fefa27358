"""Loops as one node: `Loop` runs an inner graph for step 0, 1, ..., n - 1 (what `scan` builds).

An inner graph computes, from one row of each sequence, earlier values of each state and values that do not change,
the next value of each state, and rows. A state's *trace* starts with its initial rows: step t writes row
``depth + t`` and a tap of -k reads row ``depth + t - k``, so all that a gradient needs lies in one array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.op import Op, Shape
from symtensor.graph.trace import add_to_trail
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import ancestors, clone_replace, toposort
from symtensor.ops.branch import Path, reached, schedule
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant
from symtensor.ops.elementwise import add, eq, ge, minimum
from symtensor.ops.infer import ShapeInference

__all__ = ["Loop", "State", "derivatives", "loop_of"]

derivatives: dict[str, Callable[..., Any]] = {}
"""How a loop is differentiated ("L_op", "R_op"); the differentiator puts its functions here."""


@dataclass(frozen=True)
class State:
    """A value carried from step to step.

    depth : the number of initial rows.
    taps : the earlier values that a step reads, oldest first: ``(-1,)``, ``(-3, -1)``; none is before ``-depth``.
    keep : how many of the last rows of the trace are wanted; None: all.
    """

    depth: int = 1
    taps: tuple[int, ...] = (-1,)
    keep: int | None = None

    def room(self, n: int) -> int:
        """How many rows of the trace need memory at a time, for n steps."""
        whole = self.depth + n
        return whole if self.keep is None else min(whole, max(self.depth + 1, self.keep))


class Loop(Op):
    """``inputs -> outputs`` for each of n steps.

    Parameters
    ----------
    inputs : of the inner graph: a row of each sequence, each tap of each state, then what does not change.
    outputs : of the inner graph: the next value of each state, then rows to stack, then, with ``until``, a bool
        scalar that ends the loop after the step in which it is true.
    sequences : how many sequences there are; states : the states, in order.
    until : whether the last output is a condition. The node then has a last output of its own: the number of steps
        that ran; rows of the others beyond it mean nothing.
    truncate : how many of the last steps gradients go back through; None: all.
    recompute : whether the gradient of a loop around this one runs it again, and keeps none of its values.

    The node takes n (an int64 scalar >= 0), the sequences (n rows each), the initial rows of each state, oldest first,
    and what does not change. It gives the trace of each state and the stacked rows (n of them).
    """

    __props__ = ()

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable], sequences: int,
                 states: Sequence[State], until: bool = False, truncate: int | None = None,
                 name: str | None = None, recompute: bool = False) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.sequences = sequences
        self.states = tuple(states)
        self.until = until
        self.truncate = truncate
        self.name = name
        self.recompute = recompute

    # -- parts --------------------------------------------------------------------------------------------------------

    @cached_property
    def order(self) -> tuple[Apply, ...]:
        """The inner nodes, each after the makers of its inputs."""
        return self._scheduled[0]

    @cached_property
    def _scheduled(self) -> tuple[tuple[Apply, ...], dict[Apply, Path]]:
        order, found = schedule(self.outputs, self.inputs)
        return tuple(order), found

    @property
    def rows(self) -> int:
        """The number of stacked outputs."""
        return len(self.outputs) - len(self.states) - self.until

    @cached_property
    def tap_places(self) -> tuple[tuple[int, ...], ...]:
        """For each state the indices of its taps among the inner inputs."""
        places, at = [], self.sequences
        for state in self.states:
            places.append(tuple(range(at, at + len(state.taps))))
            at += len(state.taps)
        return tuple(places)

    @property
    def first_other(self) -> int:
        """The index of the first inner input that does not change."""
        return self.sequences + sum(len(state.taps) for state in self.states)

    def split(self, inputs: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """A node's inputs: n, sequences, initial rows, what does not change."""
        a, b = 1 + self.sequences, 1 + self.sequences + len(self.states)
        return inputs[0], list(inputs[1:a]), list(inputs[a:b]), list(inputs[b:])

    # -- building -----------------------------------------------------------------------------------------------------

    def make_node(self, *inputs: Any) -> Apply:
        others = len(self.inputs) - self.first_other
        if len(inputs) != 1 + self.sequences + len(self.states) + others:
            raise TypeError(f"{self} takes n, {self.sequences} sequence(s), {len(self.states)} state(s) and {others} "
                            f"other(s), got {len(inputs)} input(s)")
        n, sequences, initial, constant = self.split(
            [as_index(inputs[0]), *(x if isinstance(x, Variable) else as_tensor_variable(x) for x in inputs[1:])])
        for k, value in enumerate(sequences):
            self._check(f"sequence {k}", value, self.inputs[k], 1)
        for k, value in enumerate(initial):
            for place in self.tap_places[k]:
                self._check(f"the initial rows of state {k}", value, self.inputs[place], 1)
        for k, value in enumerate(constant):
            self._check(f"non-sequence {k}", value, self.inputs[self.first_other + k], 0)
        steps = int(n.data) if isinstance(n, Constant) else None
        outputs: list[Variable] = []
        for state, first, new in zip(self.states, initial, self.outputs, strict=False):
            self._check("the new value of a state", first, new, 1)
            length = None if steps is None else state.depth + steps
            if state.keep is not None:
                length = state.keep if state.keep <= state.depth else length and min(state.keep, length)
            outputs.append(TensorType(new.type.dtype, (length, *first.type.shape[1:])).make_variable())
        for row in self.outputs[len(self.states):len(self.outputs) - self.until]:
            outputs.append(TensorType(row.type.dtype, (steps, *row.type.shape)).make_variable())
        if self.until:
            outputs.append(TensorType("int64", ()).make_variable())
        return Apply(self, [n, *sequences, *initial, *constant], outputs)

    def _check(self, what: str, value: Variable, inner: Variable, extra: int) -> None:
        have, want = value.type, inner.type
        if not isinstance(want, TensorType):
            fits = have == want and not extra
        else:
            fits = isinstance(have, TensorType) and have.dtype == want.dtype and have.ndim == want.ndim + extra and all(
                a is None or b is None or a == b for a, b in zip(have.shape[extra:], want.shape, strict=True))
        if not fits:
            raise TypeError(f"{self}: {what} is {value} of type {have}, but the step computes with "
                            f"{inner} of type {want}" + (" for each of its rows" if extra else ""))

    # -- meaning ------------------------------------------------------------------------------------------------------

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        steps, sequences, initial, constant = self.split(inputs)
        n = int(steps)
        self._check_values(n, sequences, initial)
        traces = [np.zeros((state.room(n), *first.shape[1:]), first.dtype)
                  for state, first in zip(self.states, initial, strict=True)]
        for state, trace, first in zip(self.states, traces, initial, strict=True):
            trace[:state.depth] = first
        stacked: list[Any] = [None] * self.rows
        known: dict[Variable, Any] = dict(zip(self.inputs[self.first_other:], constant, strict=True))
        done = 0
        while done < n:
            for inner, sequence in zip(self.inputs, sequences, strict=False):
                known[inner] = np.asarray(sequence[done])
            for state, trace, places in zip(self.states, traces, self.tap_places, strict=True):
                for tap, place in zip(state.taps, places, strict=True):
                    known[self.inputs[place]] = np.asarray(trace[(state.depth + done + tap) % len(trace)])
            values = self._step(known, done)
            for k, (trace, value) in enumerate(zip(traces, values, strict=False)):
                if trace.shape[1:] != np.shape(value):
                    raise ValueError(f"{self}: step {done} gives state {k} of shape {np.shape(value)}, but its initial "
                                     f"value has shape {trace.shape[1:]}")
                trace[(self.states[k].depth + done) % len(trace)] = value
            for k in range(self.rows):
                value = values[len(self.states) + k]
                if stacked[k] is None:
                    stacked[k] = np.zeros((n, *np.shape(value)), np.asarray(value).dtype)
                if stacked[k].shape[1:] != np.shape(value):
                    raise ValueError(f"{self}: step {done} gives output {k} of shape {np.shape(value)}, the steps "
                                     f"before gave {stacked[k].shape[1:]}")
                stacked[k][done] = value
            done += 1
            if self.until and bool(values[-1]):
                break
        if n == 0:
            from symtensor.ops.loop_shapes import empty_shapes

            stacked = [np.zeros(shape, out.type.dtype) for shape, out in zip(
                empty_shapes(self, node, inputs), node.outputs[len(self.states):], strict=False)]
        for storage, state, trace in zip(outputs, self.states, traces, strict=False):
            length = state.depth + (done if self.until else n)
            storage[0] = trace if state.keep is None else trace[
                np.arange(max(length - state.keep, 0), length) % len(trace)]
        for storage, rows in zip(outputs[len(self.states):], stacked, strict=False):
            storage[0] = rows
        if self.until:
            outputs[-1][0] = np.asarray(done, "int64")

    def _check_values(self, n: int, sequences: Sequence[Any], initial: Sequence[Any]) -> None:
        if n < 0:
            raise ValueError(f"{self}: the number of steps is {n}; it must be 0 or more")
        for k, sequence in enumerate(sequences):
            if sequence.shape[0] != n:
                raise ValueError(f"{self}: sequence {k} has {sequence.shape[0]} row(s), but there are {n} steps")
        for k, (state, first) in enumerate(zip(self.states, initial, strict=True)):
            if first.shape[0] != state.depth:
                raise ValueError(f"{self}: state {k} with taps {list(state.taps)} needs {state.depth} initial row(s), "
                                 f"got {first.shape[0]}")

    def _step(self, known: dict[Variable, Any], number: int) -> list[Any]:
        order, branches = self._scheduled
        for node in order:
            if node in branches and not reached(branches[node], lambda v: _value(v, known)):
                continue
            storage: list[list[Any]] = [[None] for _ in node.outputs]
            try:
                node.op.perform(node, [_value(v, known) for v in node.inputs], storage)
            except Exception as error:
                add_to_trail(error, number, node, [_value(v, known) for v in node.inputs])
                raise
            for output, cell in zip(node.outputs, storage, strict=True):
                known[output] = cell[0]
        return [_value(v, known) for v in self.outputs]

    # -- shapes -------------------------------------------------------------------------------------------------------

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Any]:  # type: ignore[override]
        n = node.inputs[0]
        result: list[Any] = []
        for k, state in enumerate(self.states):
            length: Variable = add(n, int64_constant(state.depth))
            if state.keep is not None:
                length = (int64_constant(state.keep) if state.keep <= state.depth
                          else minimum(int64_constant(state.keep), length))
            result.append((length, *shapes[1 + self.sequences + k][1:]))
        result += [None if shape is None else (n, *shape) for shape in self.row_shapes(node, shapes)]
        return [*result, ()] if self.until else result

    @cached_property
    def _inner_dims(self) -> list[tuple[Variable, ...]]:
        """The dimensions of each row in terms of the inner inputs."""
        graph = FunctionGraph.build(self.inputs, self.outputs)
        inference = ShapeInference.of(graph)
        rows = graph.outputs[len(self.states):len(graph.outputs) - self.until]
        return [inference.shape_of(row) for row in rows]

    def outer_dims(self, node: Apply, shapes: Sequence[Shape], dims: Sequence[Variable]) -> list[Variable] | None:
        """Inner dimensions in terms of what the node is given; None where they depend on what a step computes."""
        from symtensor.ops.shape import Shape_i

        of = dict(zip(self.inputs[:self.sequences], (s[1:] for s in shapes[1:]), strict=False))
        for k, places in enumerate(self.tap_places):
            of.update((self.inputs[place], shapes[1 + self.sequences + k][1:]) for place in places)
        first = 1 + self.sequences + len(self.states)
        others = list(zip(self.inputs[self.first_other:], node.inputs[first:], shapes[first:], strict=True))
        of.update((inner, shape) for inner, _, shape in others)
        replaced: dict[Variable, Variable] = {inner: outer for inner, outer, _ in others
                                              if isinstance(inner.type, TensorType) and not inner.type.ndim}
        for inside in toposort(dims):
            if isinstance(inside.op, Shape_i) and inside.inputs[0] in of:
                replaced[inside.outputs[0]] = of[inside.inputs[0]][inside.op.i]
        known = set(replaced)
        for inside in toposort(dims, known):
            if any(v.owner is None and v not in known and not isinstance(v, Constant) for v in inside.inputs):
                return None
        if any(d.owner is None and d not in known and not isinstance(d, Constant) for d in dims):
            return None
        return clone_replace(list(dims), replaced)

    def row_shapes(self, node: Apply, shapes: Sequence[Shape]) -> list[list[Variable] | None]:
        return [self.outer_dims(node, shapes, dims) for dims in self._inner_dims]

    def checks(self, node: Apply, shapes: Sequence[Shape]) -> list[tuple[Variable, str, tuple[Variable, ...]]]:
        """The number of steps is 0 or more, every sequence has a row for each, states their initial rows."""
        n = node.inputs[0]
        found: list[tuple[Variable, str, tuple[Variable, ...]]] = [(ge(n, int64_constant(0)), "ST_VALUE", (n,))]
        for k in range(self.sequences):
            length = shapes[1 + k][0]
            found.append((eq(length, n), "ST_VALUE", (n, length, int64_constant(k))))
        for k, state in enumerate(self.states):
            length, depth = shapes[1 + self.sequences + k][0], int64_constant(state.depth)
            found.append((eq(length, depth), "ST_VALUE", (depth, length, int64_constant(k), depth)))
        return found

    def failure(self, node: Apply, code: str, values: Sequence[int]) -> Exception | None:
        """The error of a check."""
        if code != "ST_VALUE":
            return None
        return ValueError(self._complaint(*values))

    def _complaint(self, wanted: int, found: int | None = None, k: int = 0, depth: int | None = None,
                   *_: int) -> str:
        if depth:
            return f"{self}: state {k} needs {wanted} initial row(s), got {found}"
        if found is not None and wanted >= 0:
            return f"{self}: sequence {k} has {found} row(s), but there are {wanted} steps"
        return f"{self}: the number of steps is {wanted}; it must be 0 or more"

    # -- derivatives --------------------------------------------------------------------------------------------------

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        reach = [set(ancestors([out], self.inputs)) for out in self.outputs[:len(self.states) + self.rows]]
        state_of = [[any(self.inputs[p] in seen for p in places) for places in self.tap_places] for seen in reach]
        changed = True
        while changed:  # a state reaches all that the states it reads reach
            changed = False
            for row in state_of:
                for k, linked in enumerate(list(row)):
                    if linked and any(state_of[k][j] and not row[j] for j in range(len(row))):
                        row[:] = [a or b for a, b in zip(row, state_of[k], strict=True)]
                        changed = True
        pattern = [[False] * len(node.outputs)]
        changing = [*((x,) for x in self.inputs[:self.sequences]), *[()] * len(self.states),
                    *((x,) for x in self.inputs[self.first_other:])]
        for at, inner in enumerate(changing):
            k = at - self.sequences
            row = []
            for j in range(len(reach)):
                if 0 <= k < len(self.states):
                    row.append(j == k or state_of[j][k])
                else:
                    direct = inner[0] in reach[j]
                    row.append(direct or any(state_of[j][m] and inner[0] in reach[m] for m in range(len(self.states))))
            pattern.append([*row, False] if self.until else row)
        return pattern

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return derivatives["L_op"](self, inputs, outputs, output_grads)  # type: ignore[no-any-return]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return derivatives["R_op"](self, inputs, tangents)  # type: ignore[no-any-return]

    # -- identity -----------------------------------------------------------------------------------------------------

    @cached_property
    def _signature(self) -> tuple[Any, ...]:
        """The inner graph as a flat text of numbers: equal for equal graphs."""
        number: dict[Variable, Any] = {v: k for k, v in enumerate(self.inputs)}

        def place(v: Variable) -> Any:
            found = number.get(v)
            return (v.type, v.signature()) if found is None and isinstance(v, Constant) else found

        lines = []
        for node in self.order:
            lines.append((node.op, tuple(map(place, node.inputs)), tuple(out.type for out in node.outputs)))
            for out in node.outputs:
                number[out] = len(number)
        return (tuple(v.type for v in self.inputs), tuple(lines), tuple(map(place, self.outputs)), self.sequences,
                self.states, self.until, self.truncate, self.recompute)

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other)
                                 and self._signature == other._signature)  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._signature)

    def __reduce__(self) -> Any:
        return Loop, (self.inputs, self.outputs, self.sequences, self.states, self.until, self.truncate, self.name,
                      self.recompute)

    def __str__(self) -> str:
        return f"Scan{{{self.name or f'{len(self.order)} nodes'}}}"


def loop_of(node: Apply) -> Loop:
    """The op of a node that is known to be a loop."""
    return node.op  # type: ignore[return-value]


def _value(variable: Variable, known: dict[Variable, Any]) -> Any:
    return variable.data if isinstance(variable, Constant) else known.get(variable)  # None: of a branch not taken
