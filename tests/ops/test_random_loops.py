"""Random loops against NumPy in a ``for``: values on the interpreter and in C, derivatives against differences."""

from __future__ import annotations

import os

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from tests.ops.random_loops import LONG, WIDTH, Graph, Numbers, random_loop

COUNT = 400 if os.environ.get("SYMTENSOR_TEST_FULL") else 8
KINDS = ("dvector", "dmatrix", "dvector", "dscalar", "dmatrix")
SHAPES = ((LONG,), (LONG, WIDTH), (WIDTH,), (), (WIDTH, WIDTH))


def cost_of(m, found):
    return sum(m.sin(1.3 * out + k).sum() for k, out in enumerate(found) if not str(out.dtype).startswith("int"))


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_loop(seed):
    rng = np.random.default_rng(seed)
    values = [rng.uniform(-1, 1, shape) for shape in SHAPES]
    along = [rng.uniform(-1, 1, shape) for shape in SHAPES]
    steps = int(rng.integers(1, 4))
    depth = seed % 3

    def number(at, m=None):
        m = m or Numbers()
        a, b, v, s, w = (np.asarray(x) for x in at)
        return random_loop(m, seed, depth, [a, b], [v, s], w, steps)

    inputs, n = [getattr(T, kind)() for kind in KINDS], T.lscalar()
    a, b, v, s, w = inputs
    outs = random_loop(Graph(), seed, depth, [a, b], [v, s], w, n)
    cost = cost_of(T, outs)
    numbers = Numbers()
    wanted = number(values, numbers)
    for linker in ("py", "c"):
        with symtensor.config.change_flags(linker=linker):
            found = symtensor.function([*inputs, n], outs, on_unused_input="ignore")(*values, steps)
        for got, want in zip(found, wanted, strict=True):
            assert got.shape[0] == len(want)
            if len(want):
                assert got.shape == want.shape
                np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)
    if min(numbers.margins) < 1e-3:
        return
    grads = symtensor.grad(cost, inputs, disconnected_inputs="ignore")
    slope = sum((g * d).sum() for g, d in zip(grads, along))
    tangents = [T.constant(d) for d in along]
    forward = symtensor.Rop(cost, inputs, tangents) if seed % 2 else slope
    second = sum((g * d).sum() for g, d in zip(symtensor.grad(slope, inputs, disconnected_inputs="ignore"), along))
    answers = []
    for linker in ("py", "c"):
        with symtensor.config.change_flags(linker=linker):
            f = symtensor.function([*inputs, n], [cost, slope, forward, second], on_unused_input="ignore")
            answers.append(f(*values, steps))
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-10, atol=1e-10)

    def ahead(h):
        return cost_of(np, number([x + h * d for x, d in zip(values, along)]))

    h = 1e-4
    ends = [ahead(k * h) - ahead(-k * h) for k in (1, 2)]
    numeric = (8 * ends[0] - ends[1]) / (12 * h)
    np.testing.assert_allclose(answers[1][0], cost_of(np, wanted), rtol=1e-11)
    np.testing.assert_allclose(answers[1][1], numeric, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(answers[1][2], answers[1][1], rtol=1e-10, atol=1e-10)
    slopes = [f(*[x + k * h * d for x, d in zip(values, along)], steps)[1] for k in (-2, -1, 1, 2)]
    curved = (8 * (slopes[2] - slopes[1]) - (slopes[3] - slopes[0])) / (12 * h)
    np.testing.assert_allclose(answers[1][3], curved, rtol=1e-5, atol=1e-6)
