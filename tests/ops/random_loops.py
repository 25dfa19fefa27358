"""Random loops, written once and run twice: as a graph, and by NumPy in a Python ``for``.

What a loop does is drawn from its seed while it is built. A step draws from a seed of its own each time it is called,
so that NumPy, which calls it for every step, makes the choices that `scan` saw when it called it once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symtensor
from symtensor import tensor as T
from symtensor.ops.scan import until

WIDTH = 3
LONG = 7


@dataclass
class Plan:
    """What a loop walks and carries."""

    sequences: list[Any]
    taps: list[list[int]]
    initial: list[Any]
    back: list[list[int]]
    n_steps: Any
    backwards: bool
    until: bool


class Graph:
    """Expressions of symtensor."""

    sin, tanh, dot, ifelse = map(staticmethod, (T.sin, T.tanh, T.dot, symtensor.ifelse))

    def stack(self, values: Sequence[Any]) -> Any:
        return T.stack(values)

    def spread(self, value: Any) -> Any:
        return T.alloc(value, WIDTH)

    def above(self, value: Any, bound: float) -> Any:
        return T.gt(value, bound)

    def loop(self, plan: Plan, step: Callable[..., Any], rows: int) -> list[Any]:
        def returned(*arguments: Any) -> Any:
            values, condition = step(*arguments)
            return (values, until(condition)) if plan.until else values

        infos = [{"initial": first, "taps": taps} if taps != [-1] else first
                 for first, taps in zip(plan.initial, plan.back)]
        sequences = [{"input": s, "taps": taps} if taps != [0] else s for s, taps in zip(plan.sequences, plan.taps)]
        return symtensor.scan(returned, sequences, [*infos, *[None] * rows], n_steps=plan.n_steps,
                              go_backwards=plan.backwards, return_list=True)[0]


@dataclass
class Numbers:
    """NumPy; ``margins`` are how near comparisons came to the other answer."""

    margins: list[float] = field(default_factory=lambda: [1.0])
    sin, tanh, dot = map(staticmethod, (np.sin, np.tanh, np.dot))

    def stack(self, values: Sequence[Any]) -> Any:
        return np.stack([np.asarray(v) for v in values])

    def spread(self, value: Any) -> Any:
        return np.full(WIDTH, value)

    def above(self, value: Any, bound: float) -> Any:
        self.margins.append(abs(float(value) - bound))
        return value > bound

    def ifelse(self, condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    def loop(self, plan: Plan, step: Callable[..., Any], rows: int) -> list[Any]:
        lengths = [len(s) - (max(0, *taps) - min(0, *taps)) for s, taps in zip(plan.sequences, plan.taps)]
        n = max(min(lengths), 0) if plan.n_steps is None else int(plan.n_steps)
        traces = [[first] if taps == [-1] else list(first) for first, taps in zip(plan.initial, plan.back)]
        depths = [len(trace) for trace in traces]
        found: list[list[Any]] = [[] for _ in range(rows)]
        for t in range(n):
            arguments = []
            for sequence, taps in zip(plan.sequences, plan.taps):
                at = len(sequence) - 1 - max(0, *taps) - t if plan.backwards else t - min(0, *taps)
                arguments += [np.asarray(sequence[at + tap]) for tap in taps]
            arguments += [trace[tap] for trace, taps in zip(traces, plan.back) for tap in taps]
            values, condition = step(*arguments)
            for place, value in zip([*traces, *found], values):
                place.append(value)
            if plan.until and condition:
                break
        return [np.array(trace[depth:]) for trace, depth in zip(traces, depths)] + [np.array(each) for each in found]


def random_value(m: Any, r: random.Random, values: Sequence[Any], w: Any) -> Any:
    """A new value made of others."""
    a, b = r.choice(values), r.choice(values)
    kind = r.randrange(8)
    if kind == 0 and a.ndim == 1:
        return m.dot(w, a)
    if kind == 1 and a.ndim == 1:
        return a.sum() * 0.5
    if kind == 2 and a.ndim == 1:
        return a[r.randrange(WIDTH)] * b
    if kind == 3 and a.ndim == b.ndim == 1:
        return a[::-1] - b
    if kind == 4 and a.ndim == b.ndim:
        test = r.choice(values)
        return m.ifelse(m.above(test.sum(), 0.3), m.sin(a) * b, a - b)
    return [m.sin(a) * b, a * 0.5 + b, m.tanh(a - b), a * b][kind % 4]


def of_rank(m: Any, value: Any, rank: int) -> Any:
    """A bounded value of this rank."""
    value = m.tanh(value)
    if value.ndim == rank:
        return value
    return m.spread(value) if rank else value.sum()


def random_loop(m: Any, seed: int, depth: int, long: Sequence[Any], values: Sequence[Any], w: Any, n: Any) -> list[Any]:
    """The outputs of a loop over ``long`` (and what is in ``values``), with loops of less ``depth`` in its step."""
    r = random.Random(seed)
    walkable = [*long, *(v for v in values if v.ndim)]
    sequences = r.sample(walkable, min(len(walkable), r.randrange(3)))
    taps = [r.sample(range(-1, 2), r.randrange(1, 4)) if r.random() < 0.4 else [0] for _ in sequences]
    ranks = [r.randrange(2) for _ in range(r.randrange(0 if sequences else 1, 3))]
    back = [r.choice([[-1], [-1], [-2, -1], [-1, -3], [-2]]) for _ in ranks]
    initial = []
    for rank, each in zip(ranks, back):
        first = [of_rank(m, r.choice(values) * (k + 1), rank) for k in range(-min(each))]
        initial.append(first[0] if each == [-1] else m.stack(first))
    rows = r.randrange(0 if ranks else 1, 3)
    n_steps = None if sequences and r.random() < 0.7 else r.choice([1, 2, n])
    if any(len(each) > 1 or each != [0] for each in taps) and n_steps is not None:
        n_steps = 1
    counts = r.random() < 0.3
    plan = Plan(sequences, taps, initial, back, n_steps, r.random() < 0.3, r.random() < 0.3)
    if counts:
        plan.initial.append(m.stack([n])[0] % WIDTH)
        plan.back.append([-1])
    choice, inner = r.randrange(10**9), r.randrange(10**9)

    def step(*arguments: Any) -> Any:
        q = random.Random(choice)
        pool = [*arguments[:len(arguments) - counts], *values]
        if counts:
            pool.append(w[arguments[-1]])
        for _ in range(q.randrange(2, 5)):
            pool.append(random_value(m, q, pool, w))
        if depth and q.random() < 0.7:
            pool += [m.tanh(out.sum()) for out in random_loop(m, inner, depth - 1, long, pool[-6:], w, n)
                     if not str(out.dtype).startswith("int")]
        news = [of_rank(m, q.choice(pool[-4:]), rank) for rank in ranks]
        if counts:
            news.append((arguments[-1] * 2 + 1) % WIDTH)
        news += [q.choice(pool[-4:]) for _ in range(rows)]
        return news, m.above(q.choice(pool).sum(), q.choice([0.5, 1.5]))

    return m.loop(plan, step, rows)
