"""Permuting, adding and dropping dimensions: `DimShuffle`, always a view."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from symtensor.graph.op import Op, Shape, View
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_tensor_variable, int64_constant

__all__ = ["DimShuffle", "dimshuffle", "pad_left", "transpose"]


class DimShuffle(Op):
    """The dimensions of a tensor in a new order; ``'x'`` adds one of size 1, one left out must be 1 (Theano's op).

    ``order`` holds input axes and 'x'. Sizes of dropped dimensions are checked: when the graph is built where known,
    at run time otherwise.
    """

    __props__ = ("ndim", "order")
    view_map = {0: [0]}

    def __init__(self, ndim: int | Sequence[bool], order: Sequence[int | str], inplace: bool = True) -> None:
        self.ndim = ndim = ndim if isinstance(ndim, int) else len(ndim)
        try:
            self.order = tuple(axis if axis == "x" else index(axis) for axis in order)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(f"dimshuffle: an order holds axes 0..{ndim - 1} and 'x', got {tuple(order)}") from None
        kept = [axis for axis in self.order if axis != "x"]
        if len(set(kept)) != len(kept) or any(not 0 <= axis < ndim for axis in kept):  # type: ignore[operator]
            raise ValueError(f"dimshuffle: {self.order} is not an order of the axes 0..{ndim - 1} and 'x'")
        self.dropped = tuple(axis for axis in range(ndim) if axis not in kept)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if x.type.ndim != self.ndim:
            raise TypeError(f"{self}: expected {self.ndim} dimension(s), got {x} of type {x.type}")
        for axis in self.dropped:
            if (size := x.type.shape[axis]) not in (1, None):
                raise self.failure(None, "ST_SHAPE", (axis, size))
        shape = [1 if axis == "x" else x.type.shape[axis] for axis in self.order]
        return Apply(self, [x], [TensorType(x.type.dtype, shape, x.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        (x,) = inputs
        for axis in self.dropped:
            if x.shape[axis] != 1:
                raise self.failure(node, "ST_SHAPE", (axis, x.shape[axis]))
        kept = [axis for axis in self.order if not isinstance(axis, str)]
        y = np.transpose(x, kept + list(self.dropped)).reshape([x.shape[axis] for axis in kept])
        outputs[0][0] = np.expand_dims(y, [i for i, axis in enumerate(self.order) if axis == "x"])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a dropped dimension that holds more, or less, than one element."""
        return ValueError(f"dimshuffle{self.order}: axis {values[0]} of size {values[1]} is dropped but is not 1; "
                          "index it, or reduce over it")

    def checks(self, node: Apply, shapes: Sequence[Shape]) -> list[tuple[Variable, str, Shape]]:
        """What must hold at run time."""
        from symtensor.ops import dim_math as d

        return [(d.equal(shapes[0][axis], 1), "ST_SHAPE", (int64_constant(axis), shapes[0][axis]))
                for axis in self.dropped if node.inputs[0].type.shape[axis] is None]

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        return [tuple(int64_constant(1) if axis == "x" else shapes[0][axis] for axis in self.order)]  # type: ignore[index]

    def view(self, node: Apply, shapes: Sequence[Shape], strides: Shape) -> View:
        zero = int64_constant(0)
        return View(zero, [zero if axis == "x" else strides[axis] for axis in self.order])  # type: ignore[index]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        # A dropped axis comes back as 'x'; an added one is 1 in the cotangent too, hence dropped.
        back: list[int | str] = ["x"] * self.ndim
        for at, axis in enumerate(self.order):
            if axis != "x":
                back[axis] = at  # type: ignore[index]
        return [DimShuffle(len(self.order), back)(output_grads[0])]

    def __str__(self) -> str:
        return f"DimShuffle{{{','.join(map(str, self.order))}}}"


def dimshuffle(x: Any, *pattern: Any) -> Variable:
    """``x`` with its dimensions in the order ``pattern`` (Theano's ``x.dimshuffle``): axes, and 'x' for a new one.

    >>> from symtensor import tensor as T
    >>> dimshuffle(T.vector(), 0, "x").type.shape
    (None, 1)
    """
    order = pattern[0] if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)) else pattern
    x = as_tensor_variable(x)
    if tuple(order) == tuple(range(x.type.ndim)):
        return x
    result: Variable = DimShuffle(x.type.ndim, order)(x)
    return result


def pad_left(x: Variable, ndim: int) -> Variable:
    """``x`` with dimensions of 1 put in front until it has ``ndim``."""
    missing = ndim - len(x.type.shape)
    if missing <= 0:
        return x
    padded: Variable = DimShuffle(x.type.ndim, ("x",) * missing + tuple(range(x.type.ndim)))(x)
    return padded


def transpose(x: Any, axes: Sequence[int] | None = None) -> Variable:
    """``x`` with its axes reversed, or in the order ``axes`` (negative ones count from the end), as NumPy's."""
    x = as_tensor_variable(x)
    if axes is None:
        axes = range(x.type.ndim)[::-1]
    return dimshuffle(x, [axis + x.type.ndim if axis < 0 else axis for axis in axes])
