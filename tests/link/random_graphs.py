"""Random graphs for tests of emitted code, with inputs that fit them."""

from __future__ import annotations

import numpy as np

from symtensor import tensor as T
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.reduce import max as max_
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reshape import flatten

SIZES = {"n": 3, "m": 5, "1": 1}


class Graph:
    """Grows expressions whose shapes are tuples of size letters."""

    def __init__(self, seed: int, sizes: dict[str, int]) -> None:
        self.random = np.random.default_rng(seed)
        self.sizes = {**sizes, "1": 1}
        self.inputs, self.arrays = [], []
        self.pool: list = []
        dtypes = ["float64", "float32", "int32", "float64", "float32", "bool"]
        for shape in ("nm", "nm", "m", "n", "", "mn", "n1"):
            dtype = dtypes[self.random.integers(len(dtypes))]
            variable = T.TensorType(dtype, [1 if letter == "1" else None for letter in shape])()
            values = self.random.normal(size=[self.sizes[letter] for letter in shape]) * 3
            self.inputs.append(variable)
            self.arrays.append(np.asarray(values).astype(dtype))
            self.pool.append((variable, shape))

    def pick(self):
        return self.pool[self.random.integers(max(0, len(self.pool) - 12), len(self.pool))]

    def grow(self, count: int) -> list:
        """Add expressions; some of them as outputs."""
        moves = [self.binary, self.binary, self.binary, self.unary, self.reduce, self.shuffle, self.slice, self.flat,
                 self.put]
        while count:
            before = len(self.pool)
            moves[self.random.integers(len(moves))]()
            count -= len(self.pool) > before
        chosen = self.random.choice(len(self.pool), size=4)
        return [self.pool[k][0] for k in chosen] + [self.pool[-1][0]]

    def binary(self) -> None:
        (a, sa), (b, sb) = self.pick(), self.pick()
        long, short = (sa, sb) if len(sa) >= len(sb) else (sb, sa)
        joined = ""
        for x, y in zip(long, short.rjust(len(long), "1")):
            if x != y and "1" not in (x, y):
                return
            joined += y if x == "1" else x
        op = [T.add, T.mul, T.maximum, T.le][self.random.integers(4)]
        self.pool.append((op(a, b), joined))

    def unary(self) -> None:
        a, shape = self.pick()
        if a.type.dtype != "bool":
            op = [T.neg, T.abs_, T.sgn, lambda x: T.cast(x, "float32")][self.random.integers(4)]
            self.pool.append((op(a), shape))

    def reduce(self) -> None:
        a, shape = self.pick()
        if not shape:
            return
        axes = [axis for axis in range(len(shape)) if self.random.random() < 0.6] or [0]
        rest = "".join(letter for axis, letter in enumerate(shape) if axis not in axes)
        empty = any(self.sizes[letter] == 0 for letter in shape)
        op = max_ if self.random.random() < 0.3 and not empty else sum_
        self.pool.append((op(a, axis=axes), rest))

    def shuffle(self) -> None:
        a, shape = self.pick()
        order = list(self.random.permutation(len(shape)))
        letters = "".join(shape[axis] for axis in order)
        if len(shape) < 3 and self.random.random() < 0.4:
            order, letters = ["x", *order], "1" + letters
        self.pool.append((dimshuffle(a, *order), letters))

    def slice(self) -> None:
        a, shape = self.pick()
        if shape and self.random.random() < 0.5:
            self.pool.append((getitem(a, (slice(None, None, -1),)), shape))
        elif shape and self.sizes[shape[0]]:
            self.pool.append((getitem(a, (-1,)), shape[1:]))

    def flat(self) -> None:
        a, shape = self.pick()
        if shape in ("nm", "mn") and self.random.random() < 0.5:
            wide = flatten(a)
            self.pool.append((sum_(wide), ""))

    def put(self) -> None:
        a, shape = self.pick()
        if shape and shape[0] != "1" and self.sizes[shape[0]] and a.type.dtype != "bool":
            part = getitem(a, (slice(None, None, 2),))
            self.pool.append((inc_subtensor(part, T.cast(T.constant(2), a.type.dtype)), shape))
