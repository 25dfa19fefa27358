"""Optimized graphs equal unoptimized ones on random graphs, with and without assumed dimensions."""

from __future__ import annotations

import os

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.autodiff.gradient import grad
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.variable import Variable
from symtensor.ops.elementwise import add, clip, maximum, minimum, mul, neg, sqr, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log1p, sigmoid, softplus, tanh
from symtensor.optimize.pipeline import optimize
from tests.optimize.graphs import assert_same, evaluate, ops, variable

UNARY = [neg, sqr, tanh, sigmoid, lambda v: exp(-abs(v)), lambda v: log1p(exp(v)), softplus,
         lambda v: 1 / (1 + exp(-v)),
         lambda v: -(-v), lambda v: v**2, lambda v: v * 1, lambda v: v + 0, lambda v: v.astype("float64"),
         lambda v: T.nnet.softmax(v, axis=-1), lambda v: v * 2.0 * 0.5, lambda v: v / 4,
         lambda v: T.exp(T.log(v * v + 1))]
BINARY = [add, sub, mul, maximum, minimum, lambda a, b: true_div(a, 1 + sqr(b)), lambda a, b: switch(a > b, a, b),
          lambda a, b: clip(a, -1.0, 1.0) - b, lambda a, b: a - 0.1 * b]


class Maker:
    """Makes random expressions over two matrices of one shape, a vector for their rows, a column and a scalar."""

    def __init__(self, seed: int, broadcast: bool) -> None:
        self.rng = np.random.default_rng(seed)
        rows, columns = (int(self.rng.integers(1, 5)) for _ in range(2))
        dim = (lambda n: int(self.rng.choice([1, n]))) if broadcast else (lambda n: n)
        shapes = {"A": (dim(rows), dim(columns)), "B": (dim(rows), dim(columns)), "v": (dim(columns),), "s": ()}
        self.given: dict[Variable, np.ndarray] = {}
        for name, shape in shapes.items():
            kind = "float32" if self.rng.random() < 0.3 else "float64"
            self.given[variable(kind, len(shape), name)] = self.rng.normal(size=shape).astype(kind)
        static = variable("float64", 2, "c", (None, 1))
        self.given[static] = self.rng.normal(size=(rows, 1))
        self.inputs = list(self.given)
        self.pool = list(self.inputs)

    def pick(self, rank: int | None = None) -> Variable:
        fits = [v for v in self.pool if rank is None or v.type.ndim == rank]
        return fits[int(self.rng.integers(len(fits)))]

    def step(self) -> None:
        kind = self.rng.random()
        v = self.pick()
        if kind < 0.35:
            new = UNARY[int(self.rng.integers(len(UNARY)))](v) if v.type.ndim else tanh(v)
        elif kind < 0.75:
            new = BINARY[int(self.rng.integers(len(BINARY)))](v, self.pick())
        elif kind < 0.85:
            new = v.sum(axis=int(self.rng.integers(v.type.ndim)), keepdims=True) if v.type.ndim == 2 else v * 0.5
        elif kind < 0.9:
            new = v.max() if v.type.ndim else -v
        elif kind < 0.95 and v.type.ndim == 2:
            new = T.dot(v, v.T).sum(axis=0).sum() + v
        else:
            new = v.reshape(v.shape) if v.type.ndim else v.dimshuffle("x", "x")
        self.pool.append(new)

    def outputs(self, steps: int) -> list[Variable]:
        for _ in range(steps):
            self.step()
        return [self.pool[-1], self.pick(), self.pool[-2]]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_equal_dimensions(seed):
    maker = Maker(seed, broadcast=False)
    outputs = maker.outputs(15)
    assert_same(outputs, maker.given, rtol=2e-4)
    assert_same(outputs, maker.given, rtol=2e-4, level="fast_compile")


@pytest.mark.parametrize("seed", range(40, 80))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_broadcasting_at_run_time(seed):
    """Without assumptions the graph is right whatever dimension is 1; with them a guard says where it is not."""
    maker = Maker(seed, broadcast=True)
    outputs = maker.outputs(12)
    try:
        evaluate(outputs, maker.given)
    except ValueError:
        pytest.skip("the shapes do not fit")
    assert_same(outputs, maker.given, rtol=2e-4, assume=False)
    graph, _ = optimize(FunctionGraph.build(maker.inputs, outputs))
    sides = evaluate([dim for guard in graph.guards for dim in (guard.left, guard.right)], maker.given)
    if all(left == right for left, right in zip(sides[::2], sides[1::2], strict=True)):
        assert_same(outputs, maker.given, rtol=2e-4)


@pytest.mark.parametrize("seed", range(80, 100))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients(seed):
    maker = Maker(seed, broadcast=False)
    cost = sum(output.astype("float64").mean() for output in maker.outputs(8))
    gradients = grad(cost, maker.inputs, disconnected_inputs="ignore")
    assert_same([cost, *gradients], maker.given, rtol=2e-4)
    assert_same([cost, *gradients], maker.given, rtol=2e-4, assume=False)


SPECIAL = {
    "f": [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-30, -1e-30, 1e18, -1e18, np.inf, -np.inf, np.nan],
    "i": [0, 1, -1, 2, 7, 100, -128, 127, 3, -5, 64, -64, 5, -7], "b": [False, True] * 7,
}
"""The sign of a zero may change, so nothing is divided by one that may be negative."""

EXACT = [
    neg, sqr, abs, lambda v: v * 0, lambda v: v - v, lambda v: v / v, lambda v: 0 - v, lambda v: v * -1,
    lambda v: v / 2, lambda v: T.maximum(v, v), lambda v: switch(v > 0, v, -v), lambda v: T.sgn(v) * v,
    lambda v: abs(T.sgn(-v)),
    lambda v: switch(T.neq(v, 0), v, 1), lambda v: -T.maximum(-v, 2), lambda v: T.stack([v, v]).sum(axis=0),
    lambda v: T.stack([v, v]).max(axis=0), lambda v: T.isnan(-v) * 1, lambda v: T.cast(v > 0, "int8") * v,
    lambda v: T.floor(v), lambda v: v[::-1][::-1], lambda v: T.set_subtensor(v[:2], 3),
    lambda v: (v * 2)[1:3].sum() + v,
    lambda v: T.inc_subtensor(v[::2], 1), lambda v: T.concatenate([v[:2], v[2:]]), lambda v: (-v).max() + v,
    lambda v: switch(v > 0, v, 0) + switch(v > 0, 0, 1), lambda v: T.real(v) + T.imag(v), lambda v: v**1 * v**0]
EXACT_PAIRS = [
    add, sub, mul, lambda a, b: true_div(a, abs(b)), maximum, minimum, lambda a, b: a - (-b),
    lambda a, b: -(a - b), lambda a, b: (-a) * (-b),
    lambda a, b: switch(a > b, a, b), lambda a, b: switch(T.eq(a, 0), a, b),
    lambda a, b: switch(a < b, switch(a < b, a, 1), b),
    lambda a, b: (a + b) - a, lambda a, b: T.and_(a > b, a > b) * b, lambda a, b: switch(T.invert(a > b), b, a),
    lambda a, b: T.xor(a > 0, b > 0) + a, lambda a, b: T.minimum(T.minimum(a, b), b), lambda a, b: -(a / abs(b))]


@pytest.mark.parametrize("seed", range(120 if os.environ.get("SYMTENSOR_TEST_FULL") else 40))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_values(seed):
    """Of floats, integers and bools: what is no rounding is kept to the bit, nan, infinities and wrapping included.
    Stable spellings, which give more, are tested apart."""
    rng = np.random.default_rng(seed + 1000)
    given = {variable(dtype, 1, dtype): rng.permutation(np.array(SPECIAL[np.dtype(dtype).kind], dtype))
             for dtype in ("float64", "float32", "int8", "int64", "bool")}
    pool: list[Variable] = list(given)
    while len(pool) < 22:
        a, b = (pool[int(rng.integers(len(pool)))] for _ in range(2))
        try:
            pool.append(EXACT[int(rng.integers(len(EXACT)))](a) if rng.random() < 0.4
                        else EXACT_PAIRS[int(rng.integers(len(EXACT_PAIRS)))](a, b))
        except (TypeError, ValueError):
            continue  # not of this dtype
    outputs = [v for v in pool[5:] if v.type.ndim == 1][-6:]
    for assume in (True, False):
        assert_same(outputs, given, rtol=1e-6, assume=assume, excluding=["stabilize", "merge_constants"])


def test_deterministic():
    """The same program gives the same graph, node for node."""

    def made():
        maker = Maker(7, broadcast=False)
        graph, log = optimize(FunctionGraph.build(maker.inputs, maker.outputs(40)))
        return ops(graph), [(firing.rule, firing.step) for firing in log]

    assert made() == made()
