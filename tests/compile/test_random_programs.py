"""Random programs with updates: every backend gives the results and the states of the unoptimized interpreter.

Views of shared variables, values that several updates need, and updates that swap are what in-place computation
must get right.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from symtensor import Mode, function, shared
from symtensor import tensor as T
from symtensor.graph.shared import SharedVariable

ROWS, COLS = 3, 4


class Program:
    """A random program, made anew from its seed each time, so that each mode has its own shared variables."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.x, self.y = T.dmatrix("x"), T.dvector("y")
        shapes = {"a": (ROWS, COLS), "b": (ROWS, COLS), "v": (COLS,), "m": (COLS, COLS), "s": ()}
        self.shared = {name: shared(self.random.uniform(-1, 1, shape), name) for name, shape in shapes.items()}
        self.pool: list[tuple[object, tuple[int, ...]]] = [(self.x, (ROWS, COLS)), (self.y, (COLS,))]
        self.pool += [(self.shared[name], shape) for name, shape in shapes.items()]
        for _ in range(int(self.random.integers(6, 16))):
            self.step()
        self.outputs = [self.pick()[0] for _ in range(int(self.random.integers(1, 4)))]
        chosen = [(w, shapes[name]) for name, w in self.shared.items() if self.random.random() < 0.7]
        self.updates = [(w, self.of_shape(shape)) for w, shape in chosen]

    def pick(self) -> tuple[object, tuple[int, ...]]:
        recent = self.random.random() < 0.5
        return self.pool[int(self.random.integers(len(self.pool) // 2 if recent else 0, len(self.pool)))]

    def of_shape(self, shape: tuple[int, ...]) -> object:
        fitting = [value for value, its in self.pool if its == shape]
        return fitting[int(self.random.integers(len(fitting)))]

    def step(self) -> None:
        value, shape = self.pick()
        steps: list[Callable[[], tuple[object, tuple[int, ...]]]] = [
            lambda: (T.tanh(value * 1.5), shape),
            lambda: (value * 2 - 1, shape),
            lambda: self.binary(value, shape),
            lambda: self.binary(value, shape),
        ]
        if shape:
            steps += [
                lambda: (value[::-1], shape),
                lambda: (value.sum(axis=0), shape[1:]),
                lambda: (value.max(axis=-1), shape[:-1]),
                lambda: (T.set_subtensor(value[1:], T.tanh(value[:-1])), shape),
                lambda: (T.inc_subtensor(value[0], 1.0), shape),
            ]
        if shape == (ROWS, COLS):
            steps += [
                lambda: (T.dot(value, self.of_shape((COLS, COLS))), shape),
                lambda: (T.concatenate([value[1:], value[:1]]), shape),
                lambda: (value[0], (COLS,)),
                lambda: (value.T.reshape((ROWS, COLS)), shape),
                lambda: (T.nnet.softmax(value), shape),
            ]
        if shape == (COLS, COLS):
            steps += [lambda: (value.T, shape), lambda: (value + value.T, shape)]
        made, its = steps[int(self.random.integers(len(steps)))]()
        self.pool.append((made / 2 if its == shape and self.random.random() < 0.3 else made, its))

    def binary(self, value: object, shape: tuple[int, ...]) -> tuple[object, tuple[int, ...]]:
        other, its = self.pick()
        try:
            result = np.broadcast_shapes(shape, its)
        except ValueError:
            return T.exp(-(value**2)), shape
        chosen = int(self.random.integers(4))
        return (value + other, value * other, value - other, T.maximum(value, other))[chosen], result

    def run(self, mode: Mode) -> list[np.ndarray]:
        f = function([self.x, self.y], self.outputs, updates=self.updates, mode=mode, on_unused_input="ignore")
        seen: list[np.ndarray] = []
        values = np.random.default_rng(99)
        for _ in range(3):
            x, y = values.uniform(-1, 1, (ROWS, COLS)), values.uniform(-1, 1, COLS)
            before = x.copy(), y.copy()
            seen += f(x, y)
            assert np.array_equal(x, before[0])
            assert np.array_equal(y, before[1])
            seen += [w.get_value() for w in self.shared.values()]
        assert all(isinstance(w, SharedVariable) for w in self.shared.values())
        return seen


@pytest.mark.parametrize("seed", range(12))
def test_random_program(mode: Mode, seed: int) -> None:
    expected = Program(seed).run(Mode("py", "None"))
    found = Program(seed).run(mode)
    for k, (one, other) in enumerate(zip(expected, found, strict=True)):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=f"value {k}")
        assert one.dtype == other.dtype
