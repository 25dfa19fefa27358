"""Sums, products, extrema, means: the reductions as functions with Theano's signatures, and `SumTo`, which
undoes run-time broadcasting. The ops themselves are in `symtensor.ops.reduction`.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, complete_dtype, is_complex, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.create import alloc
from symtensor.ops.elementwise import abs_, cast, neq, sqr, sub, true_div
from symtensor.ops.elementwise_math import sqrt
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.kernel_text import loop_c, unravel_c
from symtensor.ops.reduction import REDUCTIONS, Reduction, ReductionRecord, normalize_axis, put_back, wide
from symtensor.ops.shape import shape_of

__all__ = [
    "REDUCTIONS", "Reduction", "ReductionRecord", "SumTo", "all", "any", "max", "mean", "min",
    "normalize_axis", "prod", "std", "sum", "sum_to_shape", "var",
]


# -- the functions, with Theano's signatures -----------------------------------------------------------------


def _reduced(name: str, x: Any, axis: Any, dtype: Any, keepdims: bool, acc_dtype: Any) -> Variable:
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    axes = normalize_axis(name, axis, ndim)
    out = None if dtype is None else complete_dtype(dtype)
    accumulator = None if acc_dtype is None else complete_dtype(acc_dtype)
    plain = Reduction(name, None if len(axes) == ndim else axes, out, accumulator)
    reduction = Reduction(name, plain.axis, *plain.dtypes(x.type.dtype))
    if not axes and name in ("max", "min", "all", "any"):
        return x
    result: Variable = reduction(x)
    return put_back(result, ndim, axes) if keepdims else result


def sum(input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False,
        acc_dtype: Any = None) -> Variable:
    """The sum over ``axis`` (None: all; an int; several). Theano's ``T.sum``.

    Integers and bool give int64 or uint64 unless ``dtype`` says otherwise. ``acc_dtype`` is what is
    accumulated in: by default 64-bit, also for float32.

    >>> from symtensor import tensor as T
    >>> sum(T.fmatrix(), axis=0).type
    TensorType(float32, vector)
    """
    return _reduced("sum", input, axis, dtype, keepdims, acc_dtype)


def prod(input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None,
         no_zeros_in_input: bool = False) -> Variable:
    """The product over ``axis``; dtypes as for `sum`. Its derivatives are right where elements are 0.

    ``no_zeros_in_input`` promises that none is, for a cheaper gradient (Theano's).
    """
    return _reduced("prod_no_zeros" if no_zeros_in_input else "prod", input, axis, dtype, keepdims, acc_dtype)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The largest element over ``axis``; NaN where there is one, as NumPy. ValueError at run time when there
    is none.

    The gradient goes to every element that equals the largest, as in Theano.
    """
    return _reduced("max", x, axis, None, keepdims, None)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """The smallest element over ``axis``; NaN where there is one, as NumPy. ValueError at run time when there
    is none.

    The gradient goes to every element that equals the smallest, as in Theano.
    """
    return _reduced("min", x, axis, None, keepdims, None)


def _truth(x: Any) -> Variable:
    x = as_tensor_variable(x)
    return x if x.type.dtype == "bool" else neq(x, as_tensor_variable(np.zeros((), x.type.dtype)))


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether all elements over ``axis`` are not 0, as bool; True for none."""
    return _reduced("all", _truth(x), axis, None, keepdims, None)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Whether any element over ``axis`` is not 0, as bool; False for none."""
    return _reduced("any", _truth(x), axis, None, keepdims, None)


def mean(input: Any, axis: Any = None, dtype: Any = None, op: bool = False, keepdims: bool = False,
         acc_dtype: Any = None) -> Variable:
    """The mean over ``axis``: the sum divided by the number of elements (NaN for none).

    float32 stays float32 (accumulated in float64); integers and bool give float64, as in Theano, unless
    ``dtype`` says otherwise. ``op`` is Theano's and changes nothing.
    """
    x = as_tensor_variable(input)
    axes = normalize_axis("mean", axis, x.type.ndim)
    natural = "float64" if is_integer(x.type.dtype) else x.type.dtype
    out = natural if dtype is None else complete_dtype(dtype)
    if is_integer(out):
        raise TypeError(f"mean: dtype {out} cannot hold a mean; give a float dtype")
    # a float16 sum overflows at 65504: it is divided before it is rounded
    work = "float32" if out == "float16" else out
    total = sum(x, axes, work, keepdims, acc_dtype)
    dims = shape_of(x)
    return cast(true_div(total, cast(d.product([dims[axis] for axis in axes]), work)), out)


def var(input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False,
        corrected: bool = False) -> Variable:
    """The variance over ``axis``: the mean of squared distances from the mean, divided by ``n - ddof``.

    Two passes, as NumPy. ``corrected`` (Theano's) is accepted; the two-pass formula needs no correction here.
    """
    x = as_tensor_variable(input)
    axes = normalize_axis("var", axis, x.type.ndim)
    centered = sub(x, mean(x, axes, keepdims=True))
    if is_complex(x.type.dtype):
        centered = abs_(centered)
    squares = sqr(centered)
    if ddof == 0:
        return mean(squares, axes, keepdims=keepdims)
    dtype = squares.type.dtype
    dims = shape_of(x)
    freedom = sub(d.product([dims[axis] for axis in axes]), as_tensor_variable(np.asarray(ddof, "int64")))
    return true_div(sum(squares, axes, dtype, keepdims), cast(freedom, dtype))


def std(input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False,
        corrected: bool = False) -> Variable:
    """The standard deviation over ``axis``: the square root of `var`."""
    return sqrt(var(input, axis, ddof, keepdims, corrected))


# -- undoing run-time broadcasting ---------------------------------------------------------------------------


class SumTo(Op):
    """``g`` summed over the dimensions in which ``like`` is 1 and ``g`` is not, keeping them: what undoes the
    broadcasting of ``like`` to the shape of ``g``.

    Inputs of equal rank; the output has the dtype of ``g`` and the shape of ``like``. ValueError at run time
    where a dimension of ``like`` is neither 1 nor that of ``g``.
    """

    __props__ = ()

    def make_node(self, g: Any, like: Any) -> Apply:
        g, like = as_tensor_variable(g), as_tensor_variable(like)
        if g.type.ndim != like.type.ndim:
            raise TypeError(f"SumTo: ranks differ: {g} of type {g.type}, {like} of type {like.type}")
        for have, want in zip(g.type.shape, like.type.shape):
            if want not in (None, 1) and have not in (None, want):
                raise ValueError(f"SumTo: shape {g.type.shape} is no broadcast of {like.type.shape}")
        pairs = zip(g.type.shape, like.type.shape)
        shape = [1 if have == 1 and want is None else want for have, want in pairs]
        return Apply(self, [g, like], [TensorType(g.type.dtype, shape, g.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        g, shape = np.asarray(inputs[0]), np.shape(inputs[1])
        for have, want in zip(g.shape, shape):
            if want not in (1, have):
                raise ValueError(f"SumTo: shape {g.shape} is no broadcast of {shape}")
        axes = tuple(axis for axis, dim in enumerate(shape) if dim == 1 and g.shape[axis] != 1)
        total = np.add.reduce(g, axis=axes, dtype=wide(g.dtype.name), keepdims=True) if axes else g
        outputs[0][0] = np.array(total, dtype=g.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [alloc(output_grads[0], *shape_of(inputs[0])), None]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        pairs = enumerate(zip(*shapes[:2]))
        return [(d.any_of(d.equal(want, 1), d.equal(want, have)), "ST_SHAPE",
                 (int64_constant(axis), have, want)) for axis, (have, want) in pairs]

    def kernel(self, node: Apply) -> Kernel:
        g, like = node.inputs
        axes = range(g.type.ndim)
        total = C_TYPES[wide(g.type.dtype)]
        ends = [f"(IN1_DIM({k}) == 1 ? IN0_DIM({k}) : j{k} + 1)" for k in axes]
        lines = [unravel_c([f"j{k}" for k in axes], [f"IN1_DIM({k})" for k in axes]),
                 f"{total} total = 0;",
                 loop_c([f"k{k}" for k in axes], ends, [f"j{k}" for k in axes]),
                 f"total += ({total})IN0({', '.join(f'k{k}' for k in axes)});",
                 "OUT0_PTR[i] = (OUT0_T)total;"]
        return Kernel("\n".join(line for line in lines if line), d.product(shape_of(like)))

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code."""
        return ValueError(f"SumTo: dimension {values[0]} is {values[1]}, no broadcast of {values[2]}")


def sum_to_shape(g: Any, like: Any) -> Variable:
    """``g`` summed to the shape of ``like``, which was broadcast to that of ``g``; nothing where they surely
    agree.

    Dimensions that ``like`` lacks in front are summed away, those known to be 1 are summed, and for those
    that are unknown, and may be 1 at run time, a `SumTo` is made.
    """
    g, like = as_tensor_variable(g), as_tensor_variable(like)
    extra = g.type.ndim - like.type.ndim
    if extra < 0:
        raise ValueError(f"sum_to_shape: {g} of type {g.type} has fewer dimensions than {like} of type "
                         f"{like.type}")
    if extra:
        g = sum(g, axis=tuple(range(extra)), dtype=g.type.dtype)
    pairs = list(enumerate(zip(g.type.shape, like.type.shape)))
    axes = tuple(axis for axis, (have, want) in pairs if want == 1 and have != 1)
    if axes:
        g = sum(g, axis=axes, dtype=g.type.dtype, keepdims=True)
    if g is like or not builtins.any(want is None and have != 1 for _, (have, want) in pairs):
        return g
    summed: Variable = SumTo()(g, like)
    return summed
