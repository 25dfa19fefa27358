"""Shapes as scalar expressions: normal forms, assumed equalities, guards."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply, Constant
from symtensor.ops.infer import ShapeInference
from symtensor.optimize.explain import brief
from tests.optimize.graphs import evaluate, variable

A, B = variable("float64", 2, "A"), variable("float64", 2, "B")
V, N = variable("float64", 1, "V"), variable("int64", 0, "n")


def inferred(*outputs, assume=False):
    graph = FunctionGraph.build([A, B, V, N], outputs)
    inference = ShapeInference.of(graph, assume)
    return graph, inference, [tuple(brief(d) for d in inference.shape_of(v)) for v in graph.outputs]


@pytest.mark.parametrize(("make", "shape"), [
    (lambda: T.exp(A), ("Shape_i{0}(A)", "Shape_i{1}(A)")),
    (lambda: A.T, ("Shape_i{1}(A)", "Shape_i{0}(A)")),
    (lambda: A + V, ("Shape_i{0}(A)", "broadcast_dim(Shape_i{1}(A), Shape_i{0}(V))")),
    (lambda: A.flatten(), ("Shape_i{0}(A) * Shape_i{1}(A)",)),
    (lambda: A.T.flatten(), ("Shape_i{0}(A) * Shape_i{1}(A)",)),
    (lambda: T.concatenate([V, V, T.zeros(3)]), ("(Shape_i{0}(V) * 2) + 3",)),
    (lambda: V[1:][: V.shape[0] - 1].sum(keepdims=True), ("1",)),
    (lambda: T.zeros((N, 3)), ("n", "3")),
    (lambda: T.dot(A, B), ("Shape_i{0}(A)", "Shape_i{1}(B)")),
    (lambda: T.arange(N + 2 - N), ("2",)),
    (lambda: T.zeros(T.maximum(A.shape[0], 0)), ("Shape_i{0}(A)",)),
    (lambda: T.zeros(T.switch(A.shape[0] < 0, 7, A.shape[1])), ("Shape_i{1}(A)",)),
    (lambda: V[2:], ("Shape_i{0}(V) - minimum(2, Shape_i{0}(V))",)),
    (lambda: V[::-1], ("Shape_i{0}(V)",)),
    (lambda: A[:, None, :], ("Shape_i{0}(A)", "1", "Shape_i{1}(A)")),
])
def test_normal_forms(make, shape):
    assert inferred(make())[2] == [shape]


def test_equal_dimensions_are_one_variable():
    _, inference, _ = inferred()
    n, m = A.shape[0], A.shape[1]
    for a, b in [(n * m, m * n), (n + m - n, m), ((n + 1) * 2, 2 * n + 2), (n * m // m, n), (-(n - m), m - n),
                 (T.maximum(n - 1, n), n), (n + n, 2 * n)]:
        assert inference.simplify(a) is inference.simplify(b)


def test_simplified_scalars_have_the_value_of_what_they_simplify():
    rng = np.random.default_rng(5)
    _, inference, _ = inferred()
    pool = [A.shape[0], A.shape[1], V.shape[0], N, *map(T.as_tensor_variable, (np.int64(0), np.int64(1), np.int64(3)))]
    names = [T.add, T.sub, T.mul, T.maximum, T.minimum, T.int_div, T.switch, T.lt, T.eq, T.le, T.neg]
    for _ in range(400):
        op = names[int(rng.integers(len(names)))]
        count = 3 if op is T.switch else 1 if op is T.neg else 2
        args = [pool[int(rng.integers(len(pool)))] for _ in range(count)]
        made = op(*args)
        pool.append(made.astype("int64"))
    for given in ({A: np.zeros((2, 3)), V: np.zeros(4), N: np.int64(-5)},
                  {A: np.zeros((0, 1)), V: np.zeros(1), N: np.int64(9)}):
        for scalar in pool[4:]:
            (old,), (new,) = evaluate([scalar], given), evaluate([inference.simplify(scalar)], given)
            assert old == new


def test_guards():
    graph, inference, shapes = inferred(A + B, T.exp(B) * V, assume=True)
    assert shapes == [("Shape_i{0}(A)", "Shape_i{1}(A)")] * 2
    sides = [(brief(g.left), brief(g.right), g.axis, g.op) for g in inference.guards]
    assert sides == [("Shape_i{0}(A)", "Shape_i{0}(B)", 0, "Elemwise{add}"),
                     ("Shape_i{1}(A)", "Shape_i{1}(B)", 1, "Elemwise{add}"),
                     ("Shape_i{1}(A)", "Shape_i{0}(V)", 1, "Elemwise{mul}")]
    guarded = graph.with_guards(inference.guards)
    again = ShapeInference.of(guarded)
    assert [tuple(map(brief, again.shape_of(v))) for v in guarded.outputs] == shapes
    assert not again.guards


def test_constants_represent():
    _, inference, shapes = inferred(V + np.ones(3), assume=True)
    assert shapes == [("3",)]
    assert [(brief(g.left), brief(g.right)) for g in inference.guards] == [("Shape_i{0}(V)", "3")]


def test_static_ones_are_not_guarded():
    _, inference, _ = inferred(A + np.ones((1, 1)), assume=True)
    assert not inference.guards


def test_only_what_is_known_early_is_guarded():
    """Dimensions that depend on data stay general."""
    picked = V[T.nonzero(V > 0)[0]] if hasattr(T, "nonzero") else V[(V > 0)]
    _, inference, shapes = inferred(picked + A[0], assume=True)
    assert not inference.guards
    assert shapes[0][0].startswith("broadcast_dim")


def test_slices_are_guarded_as_expressions():
    graph, inference, _ = inferred(V[1:] - V[:-1], assume=True)
    (guard,) = inference.guards
    for n in (0, 1, 2, 7):
        left, right = evaluate([guard.left, guard.right], {V: np.zeros(n)})
        assert left == right


class Opaque(Op):
    """An op that does not say its shape."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type.clone(shape=(None,) * x.type.ndim).make_variable()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.repeat(inputs[0], 2, axis=0)


class Wrong(Opaque):
    __props__ = ()

    def infer_shape(self, node, shapes):
        return [shapes[0], shapes[0]]


def test_ops_that_do_not_know():
    graph, inference, shapes = inferred(Opaque()(A) * 2 + B, assume=True)
    assert shapes[0][0] == "broadcast_dim(Shape_i{0}(B), Shape_i{0}(Opaque(A)))"
    with pytest.raises(ValueError, match=r"Wrong: infer_shape returned 2 shape\(s\) for 1 output"):
        inferred(Wrong()(A))


def test_depth():
    y = V
    for _ in range(20_000):
        y = T.neg(y)
    assert inferred(y)[2] == [("Shape_i{0}(V)",)]
    n = V.shape[0]
    for k in range(3000):
        n = n + k
    assert brief(inferred()[1].simplify(n)) == f"Shape_i{{0}}(V) + {3000 * 2999 // 2}"
    assert isinstance(inferred()[1].simplify(n - n), Constant)
