"""The engine: order, fixpoint, contracts, loops of rules, depth."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from symtensor import tensor as T
from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.ops.elementwise import add, mul, neg, sub
from symtensor.ops.elementwise_math import cos, exp, log, sin, tan, tanh
from symtensor.optimize.engine import Facts, RewriteError, Rewriter, RuleIndex
from symtensor.optimize.explain import Log, brief
from symtensor.optimize.pattern import TABLES, pattern, rewrite, rules
from symtensor.optimize.pipeline import optimize
from tests.optimize.graphs import apply_rules, evaluate, ops, variable

x, y = pattern("x y")
V, W = variable("float64", 1, "V"), variable("float64", 1, "W")


@pytest.fixture
def table():
    TABLES["scratch"] = []
    yield TABLES["scratch"]
    del TABLES["scratch"]


def test_fixpoint_in_one_walk(table):
    """What a rule makes is rewritten in turn."""
    rules("scratch", (sin(x), cos(x)), (cos(x), tan(x)), (tan(x), -exp(x)))
    graph, log = apply_rules(table, [V], [sin(sin(V))])
    assert brief(graph.outputs[0], 9) == "-exp(-exp(V))"
    assert len(log) == 6


def test_operands_first(table):
    rules("scratch", (exp(x), x), (log(sin(x)), cos(x)))
    graph, _ = apply_rules(table, [V], [log(exp(sin(V)))])
    assert ops(graph) == ["cos"]


def test_shared_nodes_are_rewritten_once(table):
    rules("scratch", (sin(x), cos(x)))
    y = sin(V)
    for _ in range(60):  # 2 ** 60 paths
        y = y * y
    _, log = apply_rules(table, [V], [y])
    assert len(log) == 1


def test_rules_that_undo_each_other(table):
    rules("scratch", (sin(x), cos(x)), name="there")
    rules("scratch", (cos(x), sin(x)), name="back")
    with pytest.raises(RewriteError, match=r"back, there.* undo each other"):
        apply_rules(table, [V], [sin(V)])


def test_rule_around_its_own_left_side(table):
    rules("scratch", (sin(x), cos(sin(x))), name="around")
    with pytest.raises(RewriteError, match="around"):
        apply_rules(table, [V], [exp(sin(V))])


def test_rule_without_end(table):
    rules("scratch", (sin(x), sin(x + 1)), name="grows")
    with pytest.raises(RewriteError, match="the rules grows rewrite .* without end"):
        apply_rules(table, [V], [sin(V)])


def test_users_get_a_warning_and_a_right_graph(table):
    rules("scratch", (neg(x), sub(0, x)), (sub(0, x), neg(x)), name="loop")
    graph = FunctionGraph.build([V], [exp(neg(V))])
    with pytest.warns(RuntimeWarning, match="loop"):
        after = Rewriter("scratch", RuleIndex(table), Facts(graph), Log()).run(graph)
    given = {V: np.array([1.0, 2.0])}
    np.testing.assert_array_equal(evaluate(after.outputs, given)[0], np.exp([-1.0, -2.0]))


def test_wrong_number_of_outputs(table):
    @rewrite("scratch", sin)
    def bad(node, facts):
        return [V, V]

    with pytest.raises(RewriteError, match="bad .* gives 2 output"):
        apply_rules(table, [V], [sin(V)])


def test_higher_rank(table):
    @rewrite("scratch", sin)
    def bad(node, facts):
        return node.inputs[0].dimshuffle("x", 0)

    with pytest.raises(RewriteError, match="bad"):
        apply_rules(table, [V], [sin(V)])


def test_replacement_gets_dtype_and_shape(table):
    @rewrite("scratch", add)
    def one(node, facts):
        return np.float32(1) + 0 * T.as_tensor_variable(np.float32(0))

    graph, _ = apply_rules(table, [V, W], [V + W])
    assert graph.outputs[0].type == V.type
    np.testing.assert_array_equal(evaluate(graph.outputs, {V: np.zeros(3), W: np.zeros(1)})[0], np.ones(3))


def test_replacement_that_knows_less_is_refused(table):
    rules("scratch", (x - y, x))
    static = variable("float64", 1, "U", (3,))
    assert not apply_rules(table, [V, static], [V - static], assume=True)[1]


def test_origin_stays(table):
    rules("scratch", (sin(x), exp(cos(x))))
    old = sin(V)
    graph, _ = apply_rules(table, [V], [old])
    for node in graph.order:
        assert node.origin == old.owner.origin


def test_user_graph_is_untouched():
    out = -(-V) + 0
    before = out.owner
    graph, _ = optimize(FunctionGraph.build([V], [out]))
    assert out.owner is before
    assert graph.outputs[0] is V


def test_firing_is_logged(table):
    (rule,) = rules("scratch", (sin(x), cos(x)))
    _, log = apply_rules(table, [V], [sin(V)])
    (firing,) = log
    assert (firing.rule, brief(firing.before), brief(firing.after)) == ("sin(x) -> cos(x)", "sin(V)", "cos(V)")
    assert rule.place.startswith("optimize/test_engine.py:")
    assert firing.place == rule.place


@pytest.mark.parametrize("make", [
    lambda y: tanh(y) + V, lambda y: y + 1.5, lambda y: -y, lambda y: mul(y, 2.0),
    lambda y: T.dot(y.dimshuffle(0, "x"), y.dimshuffle("x", 0)).sum(axis=0),
])
def test_deep_graphs(make):
    """No recursion, and work grows with the size: Python calls are counted, which no load of the machine changes."""
    def calls(n):
        y = V
        for _ in range(n):
            y = make(y)
        graph, count = FunctionGraph.build([V], [y]), 0

        def called(frame, event, argument):
            nonlocal count
            count += event == "call"

        before = sys.getprofile()
        sys.setprofile(called)
        try:
            optimize(graph)
        finally:
            sys.setprofile(before)
        return count

    calls(10)
    assert calls(1500) < 1.5 * 5 * calls(300)


def test_rule_that_raises(table):
    @rewrite("scratch", sin)
    def bad(node, facts):
        raise ValueError("no")

    with pytest.raises(RewriteError, match=r"rule bad \(optimize/test_engine.py:\d+\) fails at .*: no"):
        apply_rules(table, [V], [sin(V)])


def test_shapes_that_are_found_not_to_fit_name_the_line():
    n = T.as_tensor_variable(3) + 1
    out = T.zeros((n,)) + variable("float64", 1, "U", (3,))
    with pytest.raises(ValueError, match=r"do not broadcast.*test_engine.py:\d+"):
        optimize(FunctionGraph.build([out.owner.inputs[1]], [out]))


def test_check_finds_broken_steps(table, monkeypatch):
    from symtensor.optimize import pipeline

    def broken(graph, facts, log):
        return FunctionGraph(graph.inputs, (W,), graph.interner)

    monkeypatch.setattr(pipeline, "fuse_loops", broken)
    with config.change_flags(check_pipeline=True), pytest.raises(RewriteError, match="fusion"):
        optimize(FunctionGraph.build([V], [V.sum()]))
