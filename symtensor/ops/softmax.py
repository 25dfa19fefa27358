"""Softmax over one axis, its logarithm, and log-sum-exp: stable for any finite input.

The losses made with them are in `symtensor.ops.crossentropy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.crossentropy import log_total
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.elementwise import add, cast, isinf, mul, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log
from symtensor.ops.elemwise import upgrade_to_float
from symtensor.ops.reduce import sum
from symtensor.ops.reduction import Reduction, normalize_axis, put_back
from symtensor.ops.rows import exponentials, log_of_total, row_sum, shifted

__all__ = ["LogSoftmax", "LogSumExp", "Softmax", "SoftmaxGrad", "logsoftmax", "logsumexp", "softmax"]


def _float_input(name: str, x: Any) -> Variable:
    """``x`` as a float tensor; integers become floats as in exp."""
    x = as_tensor_variable(x)
    if is_complex(x.type.dtype):
        raise TypeError(f"{name} is not defined for dtype {x.type.dtype}")
    if is_float(x.type.dtype):
        return x
    return cast(x, upgrade_to_float(x.type.dtype))


class _RowOp(Op):
    """What softmax and log-softmax share: one float input, an output of its type, rows along ``axis``."""

    __props__ = ("axis",)
    may_overwrite = {0: (0,)}

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = _float_input(str(self), x)
        self.at(x.type.ndim)
        return Apply(self, [x], [x.type.clone().make_variable()])

    def at(self, ndim: int) -> int:
        """The axis counted from the front; ValueError where there is none."""
        return normalize_axis(type(self).__name__.lower(), self.axis, ndim)[0]

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def __str__(self) -> str:
        return f"{type(self).__name__}{{axis={self.axis}}}"


class Softmax(_RowOp):
    """``exp(x) / sum(exp(x))`` along one axis (Theano's Softmax, for any rank): rows that sum to 1."""

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        axis = self.at(x.ndim)
        work = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        with np.errstate(all="ignore"):
            e = np.exp(work - work.max(axis=axis, keepdims=True, initial=-np.inf))
            total = e.sum(axis=axis, keepdims=True, dtype=np.float64).astype(e.dtype)
            outputs[0][0] = (e / total).astype(x.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [SoftmaxGrad(self.axis)(output_grads[0], outputs[0])]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None if tangents[0] is None else SoftmaxGrad(self.axis)(tangents[0], self(inputs[0]))]

    def expand(self, x: Variable) -> Variable:
        """The spelling, which the fusion makes one pass over each row."""
        axis = self.at(x.type.ndim)
        e = exp(shifted(x, axis))
        return cast(true_div(e, row_sum(e, axis, e.type.dtype)), x.type.dtype)


class LogSoftmax(_RowOp):
    """``log(softmax(x))`` along one axis, computed as ``x - max - log1p(sum of exp(x - max) of all but the largest)``:
    no digits are lost, also where one element dominates."""

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        axis = self.at(x.ndim)
        work = x.astype(np.result_type(x.dtype, np.float32), copy=False)
        with np.errstate(all="ignore"):
            shifted = work - work.max(axis=axis, keepdims=True, initial=-np.inf)
            outputs[0][0] = (shifted - log_total(shifted, axis)).astype(x.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (y,), (g,) = outputs, output_grads
        return [sub(g, mul(sum(g, self.axis, keepdims=True), exp(y)))]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        t = tangents[0]
        if t is None:
            return [None]
        return [sub(t, sum(mul(t, Softmax(self.axis)(inputs[0])), self.axis, keepdims=True))]

    def expand(self, x: Variable) -> Variable:
        """The spelling."""
        axis = self.at(x.type.ndim)
        d = shifted(x, axis)
        return cast(sub(d, cast(log_of_total(*exponentials(d, axis)), d.type.dtype)), x.type.dtype)


class SoftmaxGrad(_RowOp):
    """``(dy - sum(dy * y)) * y`` along one axis: the gradient of the softmax ``y`` (Theano's name).

    Inputs ``(dy, y)`` of one shape; the output has the type of ``y``.
    """

    may_overwrite = {0: (0, 1)}

    def make_node(self, dy: Any, y: Any) -> Apply:  # type: ignore[override]
        y = _float_input("SoftmaxGrad", y)
        dy = as_tensor_variable(dy)
        if dy.type.ndim != y.type.ndim:
            raise TypeError(f"SoftmaxGrad: ranks differ: {dy} of type {dy.type}, {y} of type {y.type}")
        self.at(y.type.ndim)
        shape = [b if a is None else a for a, b in zip(dy.type.shape, y.type.shape)]
        if dy.type.dtype != y.type.dtype:
            dy = cast(dy, y.type.dtype)
        return Apply(self, [dy, y], [TensorType(y.type.dtype, shape, y.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        dy, y = inputs
        if dy.shape != y.shape:
            raise ValueError(f"SoftmaxGrad: shapes {dy.shape} and {y.shape} differ")
        with np.errstate(all="ignore"):
            product = np.multiply(dy, y, dtype=np.float64)
            total = product.sum(axis=self.at(y.ndim), keepdims=True)
            work = np.result_type(y.dtype, np.float32)
            result = (dy - total.astype(work)) * y.astype(work, copy=False)
            outputs[0][0] = np.asarray(result).astype(y.dtype, copy=False)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (dy, y), (h,) = inputs, output_grads
        product = mul(h, y)
        of_y = sub(mul(h, sub(dy, sum(mul(dy, y), self.axis, keepdims=True))),
                   mul(dy, sum(product, self.axis, keepdims=True)))
        return [SoftmaxGrad(self.axis)(h, y), of_y]

    def expand(self, dy: Variable, y: Variable) -> Variable:
        """The spelling."""
        work = "float32" if y.type.dtype == "float16" else y.type.dtype
        total = row_sum(mul(cast(dy, "float64"), cast(y, "float64")), self.at(y.type.ndim), work)
        return cast(mul(sub(cast(dy, work), total), cast(y, work)), y.type.dtype)
    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        return [(d.equal(a, b), "ST_SHAPE", (int64_constant(axis), a, b))
                for axis, (a, b) in enumerate(zip(*shapes[:2]))]


class LogSumExp(Op):
    """``log(sum(exp(x)))`` over some axes, stable; it stays one node until lowering.

    ``axis`` holds the sorted axes that vanish, None all of them.
    """

    __props__ = ("axis",)

    def __init__(self, axis: Sequence[int] | None = None) -> None:
        self.axis = None if axis is None else tuple(sorted(axis))

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that vanish from an input of this rank."""
        return normalize_axis("logsumexp", self.axis, ndim)

    def make_node(self, x: Any) -> Apply:
        x = _float_input("logsumexp", x)
        axes = self.axes(x.type.ndim)
        shape = [dim for axis, dim in enumerate(x.type.shape) if axis not in axes]
        return Apply(self, [x], [TensorType(x.type.dtype, shape, x.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x = np.asarray(inputs[0])
        with np.errstate(all="ignore"):
            result = np.logaddexp.reduce(x, axis=self.axes(x.ndim), dtype=np.float64, initial=-np.inf)
        outputs[0][0] = np.asarray(result).astype(x.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        axes = self.axes(len(shapes[0]))
        return [tuple(dim for axis, dim in enumerate(shapes[0]) if axis not in axes)]

    def expand(self, x: Variable) -> Variable:
        """The spelling: an infinite maximum is not subtracted, so that its rows stay inf or -inf."""
        axes = self.axes(x.type.ndim)
        top = put_back(Reduction("peak", axes)(x), x.type.ndim, axes)
        zero = as_tensor_variable(np.zeros((), x.type.dtype))
        shift = switch(isinf(top), zero, top)
        total = sum(exp(sub(x, shift)), axes)
        kept: list[int | str] = [axis for axis in range(x.type.ndim) if axis not in axes]
        return add(log(total), dimshuffle(shift, kept))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (x,), ndim = inputs, inputs[0].type.ndim
        axes = self.axes(ndim)
        return [mul(put_back(output_grads[0], ndim, axes), exp(sub(x, put_back(outputs[0], ndim, axes))))]


def softmax(c: Any, axis: int | None = None) -> Variable:
    """The softmax of ``c`` along ``axis``.

    Without ``axis`` it is Theano's ``T.nnet.softmax``: along the last axis, and a vector gives a row (a 1 x n
    matrix); with ``axis`` the shape is always that of ``c``. Integers become floats.

    >>> from symtensor import tensor as T
    >>> softmax(T.fmatrix()).type
    TensorType(float32, matrix)
    """
    c = as_tensor_variable(c)
    if axis is None and c.type.ndim == 1:
        c = pad_left(c, 2)
    result: Variable = Softmax(-1 if axis is None else axis)(c)
    return result


def logsoftmax(c: Any, axis: int | None = None) -> Variable:
    """The logarithm of `softmax`, without its rounding; shapes as there."""
    c = as_tensor_variable(c)
    if axis is None and c.type.ndim == 1:
        c = pad_left(c, 2)
    result: Variable = LogSoftmax(-1 if axis is None else axis)(c)
    return result


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """``log(sum(exp(x), axis))`` without overflow; -inf for no elements. Axes as in `sum`."""
    x = as_tensor_variable(x)
    axes = normalize_axis("logsumexp", axis, x.type.ndim)
    result: Variable = LogSumExp(None if len(axes) == x.type.ndim else axes)(x)
    return put_back(result, x.type.ndim, axes) if keepdims else result
