"""Repeating elements along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_index, as_tensor_variable
from symtensor.ops.create import alloc, arange, zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import cast, mul
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.reshape import flatten, moveaxis, reshape
from symtensor.ops.shape import normalize_axis, shape_of

__all__ = ["Repeat", "repeat"]


class Repeat(Op):
    """Element k along ``axis`` as often as entry k of an integer vector says (Theano's RepeatOp)."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def make_node(self, x: Any, repeats: Any) -> Apply:
        x, repeats = as_tensor_variable(x), cast(repeats, "int64")
        shape = [None if axis == self.axis else dim for axis, dim in enumerate(x.type.shape)]
        return Apply(self, [x, repeats], [TensorType(x.type.dtype, shape).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, repeats = inputs
        if repeats.shape not in ((1,), (x.shape[self.axis],)) or (repeats < 0).any():
            raise ValueError(f"repeat: repeats of shape {repeats.shape}, smallest {repeats.min(initial=0)}, for axis "
                             f"{self.axis} of shape {x.shape}: give one number >= 0 for each element")
        outputs[0][0] = np.repeat(x, repeats, self.axis)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        x, repeats = inputs
        origin = Repeat(0)(arange(shape_of(x)[self.axis]), repeats)
        zeros = moveaxis(zeros_like(x, dtype=output_grads[0].type.dtype), self.axis, 0)
        return [moveaxis(inc_subtensor(getitem(zeros, origin), moveaxis(output_grads[0], self.axis, 0)), 0,
                         self.axis), None]


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Every element of ``x`` along ``axis`` repeated (Theano's and NumPy's ``repeat``).

    Parameters
    ----------
    repeats : an integer, or an integer vector with a number for each element; may be symbolic.
    axis : the axis; None: of the flattened tensor.

    >>> repeat([1, 2], 2).eval()
    array([1, 1, 2, 2])
    """
    x, repeats = as_tensor_variable(x), as_tensor_variable(repeats)
    if not is_integer(repeats.type.dtype) or repeats.type.dtype in ("bool",
                                                                    "uint64") or repeats.type.ndim > 1:
        raise TypeError(f"repeat: repeats is an integer or a vector of integers, got {repeats} of type {repeats.type}")
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.type.ndim, "repeat")
    if repeats.type.ndim == 1 and repeats.type.shape != (1,):
        result: Variable = Repeat(axis)(x, repeats)
        return result
    count = as_index(repeats if repeats.type.ndim == 0 else getitem(repeats, 0))
    dims, order = shape_of(x), list(range(x.type.ndim))
    spread = alloc(dimshuffle(x, [*order[:axis + 1], "x", *order[axis + 1:]]),
                   *dims[:axis + 1], count, *dims[axis + 1:])
    return reshape(spread, (*dims[:axis], mul(dims[axis], count), *dims[axis + 1:]), ndim=x.type.ndim)
