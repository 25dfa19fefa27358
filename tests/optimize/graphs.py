"""What the tests of the optimizer share: a plain evaluator, and comparison of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import symtensor.ops.tensor_variable  # noqa: F401
import symtensor.optimize.rules  # noqa: F401
from symtensor.config import config
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.optimize.engine import Facts, Rewriter, RuleIndex
from symtensor.optimize.explain import Log
from symtensor.optimize.pattern import Rule
from symtensor.optimize.pipeline import check, optimize

Given = Mapping[Variable, Any]


def variable(dtype: str, ndim: int, name: str = "x", shape: Sequence[int | None] | None = None) -> Variable:
    return TensorType(dtype, shape if shape is not None else (None,) * ndim).make_variable(name)


def evaluate(outputs: Sequence[Variable], given: Given) -> list[np.ndarray]:
    """Values by `perform`, each of the type it declares."""
    values: dict[Variable, Any] = {v: np.asarray(value) for v, value in given.items()}

    def value(v: Variable) -> Any:
        return v.data if isinstance(v, Constant) else values[v]

    for node in toposort(outputs, given):
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, [value(v) for v in node.inputs], storage)
        for output, (result,) in zip(node.outputs, storage):
            assert result.dtype == output.type.dtype, node
            assert output.type.accepts(TensorType(result.dtype.name, result.shape)), (node, result.shape, output.type)
            values[output] = result
    return [np.asarray(value(v)) for v in outputs]


def apply_rules(rules: Sequence[Rule], inputs: Sequence[Variable], outputs: Sequence[Variable],
                assume: bool = False) -> tuple[FunctionGraph, Log]:
    """The graph after some rules alone."""
    graph = FunctionGraph.build(inputs, outputs)
    log = Log()
    from symtensor.ops.infer import ShapeInference

    facts = Facts(graph, ShapeInference.of(graph, assume))
    if assume:
        graph = graph.with_guards(facts.inference.run(graph.order))
    with config.change_flags(check_pipeline=True):
        after = Rewriter("test", RuleIndex(rules), facts, log).run(graph)
    check("test", graph, after)
    return after, log


def assert_same(outputs: Sequence[Variable], given: Given, rtol: float = 1e-6, *, finite: bool = False,
                **options: Any) -> tuple[FunctionGraph, Log]:
    """The optimized graph gives what the graph gives; with ``finite`` where that is finite."""
    inputs = list(given)
    graph = FunctionGraph.build(inputs, outputs)
    with config.change_flags(check_pipeline=True):
        after, log = optimize(graph, **options)
    for old, new, out in zip(evaluate(outputs, given), evaluate(after.outputs, given), outputs, strict=True):
        assert old.dtype == new.dtype
        assert old.shape == new.shape, (out, old.shape, new.shape)
        if finite:
            new, old = new[np.isfinite(old)], old[np.isfinite(old)]
        np.testing.assert_allclose(new, old, rtol=rtol, atol=rtol, equal_nan=True, err_msg=str(log))
    for guard in after.guards:
        left, right = evaluate([guard.left, guard.right], given)
        assert left == right, guard
    return after, log


def ops(graph: FunctionGraph) -> list[str]:
    return [getattr(node.op, "name", None) or str(node.op) for node in toposort(graph.outputs)]
