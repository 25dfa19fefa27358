"""Shapes of what a loop stacks: whether it is the same in every step, and what it is where there is no step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.graph.walk import clone_replace
from symtensor.ops.constant_value import NotScalarConstantError, get_scalar_constant_value
from symtensor.ops.convert import int64_constant
from symtensor.ops.infer import ShapeInference
from symtensor.ops.loop import Loop
from symtensor.ops.shape import Shape_i

__all__ = ["empty_shapes", "steady"]


def steady(inputs: Sequence[Variable], changing: Collection[Variable], values: Sequence[Variable]) -> list[bool]:
    """Whether each value is a tensor whose dimensions no step decides.

    ``inputs`` are the inner inputs; the values of those that are ``changing`` differ from step to step, their shapes
    do not.
    """
    tensors = [value for value in values if isinstance(value.type, TensorType)]
    graph = FunctionGraph.build(inputs, tensors)
    inference = ShapeInference.of(graph)
    leaves = set(inputs)
    found = {value: all(_is_steady(dim, leaves, changing) for dim in inference.shape_of(same))
             for value, same in zip(tensors, graph.outputs, strict=True)}
    return [found.get(value, False) for value in values]


def _is_steady(dim: Variable, leaves: Collection[Variable], changing: Collection[Variable]) -> bool:
    pending, seen = [dim], {dim}
    while pending:
        variable = pending.pop()
        node = variable.owner
        if variable in changing:
            return False
        if node is None or (isinstance(node.op, Shape_i) and node.inputs[0] in leaves):
            continue
        pending += [v for v in node.inputs if v not in seen]
        seen.update(node.inputs)
    return True


def empty_shapes(op: Loop, node: Apply, inputs: Sequence[Any]) -> list[tuple[int, ...]]:
    """The shapes of stacked rows where no step ran."""
    shapes = []
    given = [tuple(map(int64_constant, np.shape(value))) for value in inputs]
    values = {v: int64_constant(int(x)) for v, x in zip(node.inputs, inputs, strict=True)
              if isinstance(v.type, TensorType) and v.type.ndim == 0 and v.type.dtype == "int64"}
    for shape, row in zip(op.row_shapes(node, given), op.outputs[len(op.states):], strict=False):
        dims = clone_replace(list(shape), values) if shape is not None else row.type.shape
        shapes.append((0, *map(_known_dim, dims)))
    return shapes


def _known_dim(dim: Any) -> int:
    """A dimension that follows from constants; 0 for any other."""
    try:
        return int(get_scalar_constant_value(0 if dim is None else dim))
    except NotScalarConstantError:
        return 0
