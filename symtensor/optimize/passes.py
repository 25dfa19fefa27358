"""Rules that hold for every op: constant folding, shapes, and the spelling of composites."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.shape import MakeVector, Shape, Shape_i
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite

__all__ = ["constant_folding", "expand", "fold"]

_SMALL = 1024
"""Bytes that a folded constant may always have; a larger one must not be larger than what it is computed from."""


def fold(node: Apply) -> list[Variable] | None:
    """The outputs of a node of constants as constants; None where it must run: errors belong to the call, large
    results of small inputs (``zeros((1000, 1000))``) to its memory."""
    constants = [variable for variable in node.inputs if isinstance(variable, Constant)]
    if not constants or len(constants) != len(node.inputs):
        return None
    if not all(isinstance(output.type, TensorType) for output in node.outputs):
        return None
    allowed = getattr(node.op, "do_constant_folding", None)  # Theano's name
    if allowed is not None and not allowed(node):
        return None
    limit = max(_SMALL, sum(v.data.nbytes for v in constants if isinstance(v.type, TensorType)))
    for output in node.outputs:
        size = np.prod([dim if dim is not None else 0 for dim in output.type.shape], dtype=np.float64)
        if size * output.type.numpy_dtype.itemsize > limit:
            return None
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    try:
        node.op.perform(node, [v.data for v in constants], storage)
        values = [output.type.filter(cell[0]) for output, cell in zip(node.outputs, storage, strict=True)]
    except Exception:
        return None  # whatever it is, the call will raise it with its place in the user's program
    if any(value.nbytes > limit for value in values):
        return None
    kinds = [TensorType(value.dtype.name, value.shape, output.type.device)
             for value, output in zip(values, node.outputs, strict=True)]
    return [kind.make_constant(value) for kind, value in zip(kinds, values, strict=True)]


@rewrite("canonicalize")
def constant_folding(node: Apply, facts: Facts) -> Any:
    """A node of constants is a constant, where `fold` allows."""
    return fold(node)


@rewrite("specialize", name="constant_folding")
def constant_folding_again(node: Apply, facts: Facts) -> Any:
    return fold(node)


@rewrite("canonicalize", Shape_i, name="shape_of_result")
def shape_of_result(node: Apply, facts: Facts) -> Any:
    return facts.inference.simplify(node.outputs[0])


@rewrite("canonicalize", Shape, name="shape_vector")
def shape_vector(node: Apply, facts: Facts) -> Any:
    return MakeVector("int64")(*facts.shape(node.inputs[0]))


@rewrite("canonicalize", name="dimension_arithmetic")
def dimension_arithmetic(node: Apply, facts: Facts) -> Any:
    """Integer scalars have one normal form, which the shape inference knows."""
    kind = node.outputs[0].type
    if len(node.outputs) > 1 or not isinstance(kind, TensorType) or kind.shape or not is_integer(kind.dtype):
        return None
    return facts.inference.simplify(node.outputs[0])


@rewrite("expand")
def expand(node: Apply, facts: Facts) -> Any:
    """A composite becomes its spelling."""
    spelling = getattr(node.op, "expand", None)
    return None if spelling is None else spelling(*node.inputs)


def is_dimension(node: Apply) -> bool:
    """Whether the node computes integer scalars: then only `dimension_arithmetic` rewrites it."""
    kind = node.outputs[0].type
    return isinstance(node.op, Elemwise) and not kind.shape and is_integer(kind.dtype)
