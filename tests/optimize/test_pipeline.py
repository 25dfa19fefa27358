"""The pipeline: levels, names, golden graphs, what explain says."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.autodiff.gradient import grad
from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.ops.identity import Assert
from symtensor.optimize import theano_names
from symtensor.optimize.explain import brief
from symtensor.optimize.pattern import TABLES
from symtensor.optimize.pipeline import PIPELINE, optimize
from tests.optimize.graphs import assert_same, ops, variable

V, W = variable("float64", 1, "V"), variable("float64", 1, "W")
A, B = variable("float64", 2, "A"), variable("float64", 2, "B")


def show(*outputs, **options):
    options = {"fuse": False} | options
    graph, _ = optimize(FunctionGraph.build([V, W, A, B], outputs), **options)
    return brief(graph.outputs[0], 12)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: T.log(1 / (1 + T.exp(-V))), "-softplus(-V)"),
    (lambda: T.log(T.nnet.sigmoid(V)), "-softplus(-V)"),
    (lambda: T.log(1 - T.nnet.sigmoid(V)), "-softplus(V)"),
    (lambda: T.log(1 - 1 / (1 + T.exp(-V))), "-softplus(V)"),
    (lambda: 1 / (1 + T.exp(-V)), "sigmoid(V)"),
    (lambda: 1.0 / (T.exp(V * -1) + np.float32(1)), "sigmoid(V)"),
    (lambda: T.exp(V) / (1 + T.exp(V)), "sigmoid(V)"),
    (lambda: T.log(T.exp(V) + 1), "softplus(V)"),
    (lambda: T.log1p(T.exp(V)), "softplus(V)"),
    (lambda: T.log(1 + V), "log1p(V)"),
    (lambda: T.exp(V) - 1, "expm1(V)"),
    (lambda: (T.exp(V) - T.exp(-V)) / (T.exp(V) + T.exp(-V)), "tanh(V)"),
    (lambda: T.exp(V) * (W / (1 + T.exp(V))), "sigmoid(V) * W"),
    (lambda: grad(T.log(1 + T.exp(V)).sum(), V), "sigmoid(V)"),
    (lambda: grad(T.log1p(T.exp(-V)).sum(), V), "-sigmoid(-V)"),
    (lambda: grad(T.log(T.nnet.sigmoid(V)).sum(), V), "sigmoid(-V)"),
    (lambda: (V + 0) * 1 / 1, "V"),
    (lambda: -(-V) - 0, "V"),
    (lambda: V**2, "sqr(V)"),
    (lambda: V * V, "sqr(V)"),
    (lambda: (V**2) ** 0.5, "abs_(V)"),
    (lambda: V / 4, "V * 0.25"),
    (lambda: 2 * (3 * V), "V * 6.0"),
    (lambda: V + (-W), "V - W"),
    (lambda: -(2.0 * V), "-2.0 * V"),
    (lambda: A.T.T, "A"),
    (lambda: A.reshape(A.shape), "A"),
    (lambda: T.dot(A, B).T, "dot(DimShuffle{1,0}(B), DimShuffle{1,0}(A))"),
    (lambda: A[:, :], "A"),
    (lambda: T.tile(A, (1, 1)), "A"),
    (lambda: T.repeat(A, 1, axis=0), "A"),
    (lambda: T.switch(V > 0, V, -V), "abs_(V)"),
    (lambda: T.switch(T.neq(V > 0, 0), 1, 0) * 1 + T.switch(V > 0, 0, W), "switch(V > 0, 1.0, W)"),
    (lambda: T.dot(T.dot(A, B), V), "dot(A, dot(B, V))"),
    (lambda: T.dot(A, B).sum(axis=0), "dot(Sum{axis=[0]}(A), B)"),
    (lambda: T.dot(A, B)[1], "dot(Subtensor{int64}(A, 1), B)"),
    (lambda: T.stack([V, W]).sum(axis=0), "V + W"),
    (lambda: T.set_subtensor(V[:], T.sin(V)), "sin(V)"),
    (lambda: T.argmax(T.nnet.softmax(A), axis=1), "Argmax{axis=1}(A)"),
    (lambda: T.real(T.complex(V, W)), "V"),
    (lambda: T.tanh(-V), "-tanh(V)"),
    (lambda: V.astype("float64"), "V"),
    (lambda: T.ones_like(V) * W, "W"),
    (lambda: V + T.zeros_like(V), "V"),
    (lambda: T.shape(A + B)[1], "Shape_i{1}(A)"),
    (lambda: A.sum(axis=0).sum(), "Sum(A)"),
    (lambda: B - 0.5 * T.dot(A, A.T).dot(B), "Gemm(B, -0.5, dot(A, DimShuffle{1,0}(A)), B, 1.0)"),
    (lambda: T.nnet.softmax(A) * 0 + T.exp(A) / T.exp(A).sum(axis=1, keepdims=True), None),
])
def test_spellings(make, text):
    shown = show(make())
    if text is not None:
        assert shown == text


def test_gradient_of_the_linear_classifier():
    """The digit classifier's step: no log, no division by probabilities, updates by gemm."""
    x, y = variable("float32", 2, "x"), variable("int32", 1, "y")
    weights, bias = variable("float32", 2, "W"), variable("float32", 1, "b")
    p = T.nnet.softmax(T.dot(x, weights) + bias)
    loss = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    gradients = grad(loss, [weights, bias])
    outputs = [loss, *(v - np.float32(0.13) * g for v, g in zip([weights, bias], gradients))]
    graph, _ = optimize(FunctionGraph.build([x, y, weights, bias], outputs))
    assert ops(graph) == GOLDEN_STEP
    rng = np.random.default_rng(1)
    given = {x: rng.normal(size=(5, 7)).astype("float32"), y: np.array([0, 2, 1, -1, 0], "int32"),
             weights: rng.normal(size=(7, 3)).astype("float32"), bias: np.zeros(3, "float32")}
    assert_same(outputs, given, rtol=1e-5)
    assert_same(outputs, given | {y: np.array([0, 2, 1], "int32")}, rtol=1e-5, assume=False)


GOLDEN_STEP = [
    "dot", "DimShuffle{x,0}", "Shape_i{1}", "cast{int32}", "ARange{dtype='int32'}", "DimShuffle{x,0}", "DimShuffle{x}",
    "Fused{lt, add, switch}", "Shape_i{0}", "CheckedTargets{op=CrossentropySoftmax1Hot}", "DimShuffle{0,x}",
    "cast{float32}", "true_div", "DimShuffle{x,x}",
    "Fused{add, peak, sub, exp, switch, sum, eq, sum, cast{float64}, sub, add, log1p, eq, switch, sum, cast{float64}, "
    "sub, cast{float32}, add, cast{float32}, true_div, cast{float32}, sub, mul}",
    "sum", "true_div", "DimShuffle{1,0}", "Gemm", "Fused{sum, mul, sub}",
]


def test_levels():
    spelled = T.log(T.exp(V) + 1) + 2.0**V
    assert show(spelled, level="fast_compile") == "softplus(V) + (2.0 ** V)"
    assert "exp(V)" in show(spelled, level="none")
    with pytest.raises(ValueError, match="fast_run, fast_compile, none"):
        optimize(FunctionGraph.build([V], [V]), level="fastest")


def test_excluding_and_including():
    assert show(V * W / W, including=["finite", "nonzero"]) == "V"
    assert show(V * W / W) == "(V * W) / W"
    assert show(V / 4, excluding=["div_by_power_of_two"]) == "V / 4"
    assert show(2.0**V, excluding=["specialize"]) == "2.0 ** V"
    assert show(T.log(1 + V), excluding=["log(1 + x) -> log1p(x)"]) == "log(1 + V)"
    assert show(2.0**V, level="fast_compile", including=["specialize"]) == "exp2(V)"
    assert show(V * 1, excluding=["inplace", "fusion"]) == "V"
    with config.change_flags(optimizer_excluding="mul_one:stabilize"):
        assert show(T.log(1 + V) * 1) == "log(1 + V) * 1"


@pytest.mark.parametrize(("name", "near"), [("stabilise", "stabilize"), ("merge_constant", "merge_constants"),
                                            ("fuse", "fusion"), ("zzz", "canonicalize")])
def test_unknown_names(name, near):
    with pytest.raises(ValueError, match=rf"named '{name}'.*{near}"):
        optimize(FunctionGraph.build([V], [V]), excluding=[name])


def test_guards_survive_what_removes_their_nodes():
    """The error of shapes that do not fit is reported though the sum is not computed."""
    graph, _ = optimize(FunctionGraph.build([V, W], [(V + W) * 0 + T.zeros_like(V + W) + V]))
    (guard,) = graph.guards
    assert (brief(guard.left), brief(guard.right), guard.op) == ("Shape_i{0}(V)", "Shape_i{0}(W)", "Elemwise{add}")


def test_explain():
    _, log = optimize(FunctionGraph.build([V, W], [T.log(T.exp(V) + 1) * 1, W * 1]))
    text = str(log)
    assert "stabilize    log(1 + exp(x)) -> softplus(x) (rules/stabilize.py:" in text
    assert "log(exp(V) + 1)  ->  softplus(V)" in text
    assert "test_pipeline.py" in text
    assert "2  canonicalize: mul_one" in text
    assert log.counts()["canonicalize", "mul_one"] == 2
    assert "... and" in log.text(limit=1)


def test_small_constants_are_folded_large_ones_are_not():
    graph, _ = optimize(FunctionGraph.build([], [T.zeros((100, 100)), T.arange(5) + 1]))
    assert graph.outputs[0].owner is not None
    assert graph.outputs[1].owner is None




# -- Theano's names --------------------------------------------------------------------------------------------------

DOCUMENTED = (Path(__file__).parents[1] / "data" / "theano_rewrites.txt").read_text().split()


def test_every_rewrite_that_theano_documents_is_accounted_for():
    assert [name for name in DOCUMENTED if not theano_names.known(name)] == []


def test_what_theano_names_stand_for_are_rules():
    import symtensor.optimize.rules  # noqa: F401

    names = {rule.name for table in TABLES.values() for rule in table} | {name for name, _ in PIPELINE}
    lost = [(name, pattern) for name in theano_names.COVERED for pattern in theano_names.rules_of(name)
            if not any(fnmatchcase(rule, pattern) for rule in names)]
    assert lost == []
    assert not set(theano_names.COVERED) & set(theano_names.BY_CONSTRUCTION)


def test_theano_names_are_excluded_and_included():
    assert show(T.log(1 + V), excluding=["local_log1p"]) == "log(1 + V)"
    assert show(V * 1, excluding=["local_elemwise_fusion", "scanOp_save_mem", "local_gpu_elemwise_0", "merge"]) == "V"
    checked = Assert("no")(V, T.all(V > 0))
    assert show(checked, including=["local_remove_all_assert"]) == "V"
    assert show(checked) != "V"
    with pytest.raises(ValueError, match="near names: local_log1p"):
        show(V, excluding=["local_log1pp"])


def test_the_table_of_theano_names_in_the_documents():
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text().split("## Theano's names")[1]
    rows = dict(line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| local_"))
    assert {name: rows.get(name) for name in theano_names.COVERED if name.startswith("local_")} == {
        name: here for name, here in theano_names.COVERED.items() if name.startswith("local_")}
