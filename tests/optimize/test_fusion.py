"""Fusion: what becomes one loop, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.ops.fused import Fused
from symtensor.optimize.pipeline import optimize
from tests.optimize.graphs import assert_same, ops, variable

rng = np.random.default_rng(0)
A, B = variable("float64", 2, "A"), variable("float64", 2, "B")
V, C = variable("float64", 1, "V"), variable("float64", 2, "C", (None, 1))
S, X = variable("float64", 0, "S"), variable("float32", 2, "X")
GIVEN = {A: rng.normal(size=(3, 4)), B: rng.normal(size=(3, 4)), V: rng.normal(size=4), C: rng.normal(size=(3, 1)),
         S: np.array(0.5), X: rng.normal(size=(3, 4)).astype("float32")}


def fused(*outputs, **options):
    graph, _ = assert_same(outputs, GIVEN, **options)
    return [op for op in ops(graph) if not op.startswith(("DimShuffle", "Shape"))]


def test_chain():
    assert fused(T.tanh(A * 2 + B)) == ["Fused{mul, add, tanh}"]


def test_row_column_and_scalar_operands():
    assert fused(T.exp(A + V) * C - S) == ["Fused{add, exp, mul, sub}"]


def test_reductions_at_the_end():
    assert fused((A * B).sum()) == ["Fused{mul, sum}"]
    assert fused((A * B).sum(axis=0), T.exp(A).max(axis=1)) == ["Fused{mul, sum}", "Fused{exp, max}"]
    y = A * B
    assert fused(y.sum(axis=0), y.max(), y) == ["Fused{mul, sum, max}"]


def test_a_single_node_stays():
    assert fused(A + B) == ["add"]
    assert fused(A.sum()) == ["sum"]


def test_scalars_stay():
    assert fused(T.exp(S * 2) + 1) == ["mul", "exp", "add"]


def test_smaller_loops_stay_apart():
    """The vector is not computed again for each row."""
    assert fused(A * T.exp(T.tanh(V))) == ["Fused{tanh, exp}", "mul"]


def test_values_that_others_need_are_outputs():
    y = T.tanh(A)
    assert fused(y, y * B) == ["Fused{tanh, mul}"]
    z = T.tanh(A) * B
    assert fused(T.dot(z, z.T), T.exp(z)) == ["Fused{tanh, mul, exp}", "dot"]


def test_no_cycles():
    """What a value is needed for outside, and comes back from there, is in another loop."""
    z = T.tanh(A)
    left = T.dot(z, B.T)
    assert fused(T.exp(z) + T.dot(left, B)) == ["Fused{tanh, exp}", "dot", "Gemm"]
    assert fused(T.exp(z) * T.dot(left, B) - z) == ["tanh", "dot", "dot", "Fused{exp, mul, sub}"]


def test_gradient_factors_move_to_their_reader():
    """1 - tanh(x) ** 2 is computed from tanh(x) where it is needed, not stored."""
    h = T.tanh(A + V)
    out = T.dot(h, B.T)
    late = T.dot(out, B) * (1 - h**2) * 2.0
    assert fused(out, late) == ["Fused{add, tanh}", "dot", "dot", "Fused{sqr, sub, mul, mul}"]


def test_mixed_dtypes():
    assert fused((X * A).astype("float32") + X) == ["Fused{mul, cast{float32}, add}"]
    assert fused(T.switch(A > 0, X, 1.5)) == ["Fused{gt, switch}"]


def test_constants_are_literals():
    graph, _ = optimize(FunctionGraph.build([A], [T.exp(A * 2.5) + np.nan]))
    (node,) = [node for node in graph.order if isinstance(node.op, Fused)]
    assert node.inputs == (A,)
    assert len({node.op, Fused(node.op.program, 2)}) == 1


def test_composites_are_expanded_first():
    assert fused(T.logaddexp(A, B))[0].startswith("Fused{")


def test_general_variant():
    """Without assumptions only loops that surely agree are fused."""
    assert fused(T.exp(A + B) * 2, assume=False) == ["Fused{add, exp, mul}"]
    assert fused(T.exp(A) + B, assume=False) == ["exp", "add"]


def test_excluded():
    assert fused(T.exp(A) + B, excluding=["fusion"]) == ["exp", "add"]
    assert fused(T.exp(A) + B, fuse=False) == ["exp", "add"]


def test_long_chains_are_cut():
    y = A
    for k in range(1000):
        y = T.tanh(y) + float(k % 3 + 1)
    names = fused(y)
    assert 3000 / 400 < len(names) < 3000 / 64  # 2,333 to 3,000 steps, by how many ones became sigmoids


@pytest.mark.parametrize("seed", range(15))
def test_random_webs(seed):
    """Many values with several readers, reductions in between."""
    random = np.random.default_rng(seed)
    pool = [A, B, V, C]
    for _ in range(25):
        a, b = (pool[int(random.integers(len(pool)))] for _ in range(2))
        kind = int(random.integers(6))
        pool.append([lambda: a + b, lambda: a * T.tanh(b), lambda: T.exp(-abs(a)), lambda: a.sum(axis=0),
                     lambda: (a.sum(axis=a.ndim - 1, keepdims=True) + b),
                     lambda: T.dot(a.sum(axis=0), b.max(axis=0)) + a
                     if a.ndim == b.ndim == 2 and a.type.shape[1] != 1 and b.type.shape[1] != 1 else a - b][kind]())
        pool = [v for v in pool if v.ndim]
    assert_same([pool[-1], pool[-4], pool[-9]], GIVEN, rtol=1e-6)
