"""Shapes of what a loop stacks where there is no step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply
from symtensor.graph.walk import clone_replace
from symtensor.ops.constant_value import NotScalarConstantError, get_scalar_constant_value
from symtensor.ops.convert import int64_constant
from symtensor.ops.loop import Loop

__all__ = ["empty_shapes"]


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
