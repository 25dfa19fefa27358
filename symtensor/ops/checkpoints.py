"""`scan_checkpoints`: a loop whose gradient needs memory for a part of its steps only.

A loop over chunks holds a loop over the steps of one (Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear
memory cost", 2016). Only the states between chunks are kept; the gradient runs each chunk again. What is left over by
whole chunks runs in a last loop of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from symtensor.graph.shared import SharedVariable
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_index, int64_constant, static_value
from symtensor.ops.elementwise import cast, int_div, maximum, mul, sub
from symtensor.ops.elementwise_compare import ceil
from symtensor.ops.elementwise_math import sqrt
from symtensor.ops.index import getitem
from symtensor.ops.join import join
from symtensor.ops.loop_build import Carried, LoopResult, build_loop
from symtensor.ops.reshape import reshape
from symtensor.ops.scan import as_list, traced, walked
from symtensor.ops.shape import shape_of

__all__ = ["scan_checkpoints"]


def scan_checkpoints(fn: Callable[..., Any], sequences: Any = (), outputs_info: Any = None, non_sequences: Any = (),
                     name: str = "checkpointscan_fn", n_steps: Any = None, save_every_N: Any = 10,
                     padding: bool = True, all_steps: bool = False) -> tuple[Any, dict[SharedVariable, Variable]]:
    """`scan` with a gradient of little memory: states are kept every ``save_every_N`` steps only, and the steps between
    run a second time (Theano's name).

    Parameters
    ----------
    fn, sequences, outputs_info, non_sequences, n_steps : as for `scan`; taps and updates are taken, `until` is not.
    save_every_N : the steps of a chunk, an int or integer scalar; None: the square root of the number of steps, with
        which memory grows like that root too.
    padding : False promises that the steps are a multiple of ``save_every_N``.
    all_steps : whether the outputs have a row for every step, as those of `scan`, or, as Theano's, one for the end of
        each chunk; ``outputs[-1]`` is the last step's in either case.

    >>> from symtensor import grad, scan_checkpoints, tensor as T
    >>> x = T.dscalar("x")
    >>> powers, _ = scan_checkpoints(lambda y: y * x, outputs_info=T.ones_like(x), n_steps=100, save_every_N=10)
    >>> grad(powers[-1], x).eval({x: 1.0})
    array(100.)
    """
    where = f"scan_checkpoints {name!r}"
    pairs, length = walked(where, as_list(list(sequences) if isinstance(sequences, tuple) else sequences), False)
    steps = length if n_steps is None else as_index(n_steps)
    if steps is None:
        raise ValueError(f"{where}: give sequences or n_steps; without either the number of steps is not known")
    step = traced(where, fn, pairs, outputs_info, non_sequences)
    if step.condition is not None:
        raise ValueError(f"{where}: the step ends the loop by until(); use scan, or n_steps")
    size = _root(steps) if save_every_N is None else as_index(save_every_N)
    if not isinstance(steps, Constant) or not isinstance(size, Constant):
        chunks, exact = int_div(steps, size), not padding
    elif size.data < 1 or steps.data < 0:
        raise ValueError(f"{where}: {int(steps.data)} steps in chunks of {int(size.data)}; a chunk has 1 or more")
    else:
        chunks, exact = int64_constant(int(steps.data // size.data)), steps.data % size.data == 0
        if not padding and not exact:
            raise ValueError(f"{where}: padding=False, but {int(steps.data)} steps are no multiple of {int(size.data)}")
    found = _Chunks(pairs, *step.parts(where)[:2], {v: v for v in step.others}, size, chunks, name).run(
        None if exact else steps, [output.depth for output in step.outputs], all_steps)
    given, last = found[:len(step.outputs)], found[len(step.outputs):]
    outputs = given if len(given) != 1 else given[0]
    return outputs if given else None, dict(zip(step.updates, last, strict=True))


def _root(n: Variable) -> Variable:
    """The square root of a number of steps, rounded up; at least 1."""
    if isinstance(n, Constant):
        return int64_constant(max(1, math.isqrt(max(int(n.data) - 1, 0)) + 1))
    return maximum(cast(ceil(sqrt(cast(n, "float64"))), "int64"), 1)


class _Chunks:
    """The loops that a loop is cut into."""

    def __init__(self, pairs: Sequence[tuple[Variable, Variable]], states: list[Carried], rows: list[Variable],
                 others: dict[Variable, Variable], size: Variable, chunks: Variable, name: str) -> None:
        self.pairs, self.states, self.rows, self.others = pairs, states, rows, others
        self.size, self.chunks, self.name = size, chunks, name
        self.whole = mul(size, chunks)  # the steps in whole chunks

    def run(self, steps: Variable | None, depths: Sequence[int], all_steps: bool) -> list[Variable]:
        """The outputs (those of depth 0 are rows), then the last values of shared variables."""
        windows = [TensorType(outer.type.dtype, (static_value(self.size), *outer.type.shape[1:])).make_variable()
                   for _, outer in self.pairs]
        blocks = [TensorType(state.initial.type.dtype, (state.depth, *state.initial.type.shape[1:])).make_variable()
                  for state in self.states]
        chunk = self._loop(self.size, windows, blocks)
        after = [Carried({-1: block}, _row(state.initial), getitem(trace, slice(self.size, None)))
                 for block, state, trace in zip(blocks, self.states, chunk.traces, strict=True)]
        wanted = [value if all_steps else getitem(value, -1) for value in self._steps_of(chunk, depths)]
        outer = build_loop(self.chunks, [(window, self._cut(rows)) for window, (_, rows) in
                                         zip(windows, self.pairs, strict=True)], after, wanted, name=self.name)
        found = [self._uncut(rows) if all_steps else rows for rows in outer.rows]
        ends = [getitem(trace, -1) for trace in outer.traces]
        if steps is not None:
            rest = self._loop(sub(steps, self.whole),
                              [getitem(rows, slice(self.whole, steps)) for _, rows in self.pairs], ends)
            tails = self._steps_of(rest, depths)
            found = [join(0, a, b if all_steps else getitem(b, slice(-1, None)))
                     for a, b in zip(found, tails, strict=True)]
            ends = [getitem(trace, slice(-state.depth, None))
                    for trace, state in zip(rest.traces, self.states, strict=True)]
        shared = ends[sum(depth > 0 for depth in depths):]
        return [*found, *(getitem(end, -1) for end in shared)]

    def _loop(self, n: Variable, sequences: Sequence[Variable], initial: Sequence[Variable]) -> LoopResult:
        """The loop over n steps from these initial rows."""
        states = [replace(state, initial=first) for state, first in zip(self.states, initial, strict=True)]
        return build_loop(n, [(inner, rows) for (inner, _), rows in zip(self.pairs, sequences, strict=True)], states,
                          self.rows, others=self.others, name=self.name, recompute=True)

    def _steps_of(self, result: LoopResult, depths: Sequence[int]) -> list[Variable]:
        traces, rows = iter(result.traces), iter(result.rows)
        return [getitem(next(traces), slice(depth, None)) if depth else next(rows) for depth in depths]

    def _cut(self, rows: Variable) -> Variable:
        """Rows of all steps as rows of chunks."""
        return reshape(getitem(rows, slice(None, self.whole)), (self.chunks, self.size, *shape_of(rows)[1:]))

    def _uncut(self, rows: Variable) -> Variable:
        return reshape(rows, (self.whole, *shape_of(rows)[2:]))


def _row(value: Variable) -> Variable:
    return value.dimshuffle("x", *range(value.type.ndim))  # type: ignore[attr-defined, no-any-return]
