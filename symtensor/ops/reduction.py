"""The family of reductions: one record for each (sum, prod, max, min, all, any), and the op that applies one.

Accuracy: float16 and float32 are accumulated in float64, complex64 in complex128 (Theano's ``acc_dtype``
rule).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Op, Shape
from symtensor.graph.types import TensorType, is_complex, is_integer, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_tensor_variable, static_value
from symtensor.ops.create import alloc, ones_like, zeros_like
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elementwise import cast, eq, mul, switch, true_div
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise
from symtensor.ops.shape import shape_of

__all__ = ["REDUCTIONS", "Reduction", "ReductionRecord", "normalize_axis", "put_back", "wide"]

_WIDE = {"float16": "float64", "float32": "float64", "complex64": "complex128"}


def wide(dtype: str) -> str:
    """int64, uint64, float64 or complex128: where sums of the dtype neither overflow early nor lose
    digits."""
    if is_integer(dtype):
        return "uint64" if dtype.startswith("u") else "int64"
    return _WIDE.get(dtype, dtype)


def _sum_dtype(dtype: str) -> str:
    return wide(dtype) if is_integer(dtype) else dtype


def _sum_accumulator(source: str, out: str) -> str:
    return wide(out if is_integer(source) and is_integer(out) else upcast(source, out))


@dataclass(frozen=True)
class ReductionRecord:
    """What one reduction is.

    Fields
    ------
    name : what it is called and printed by.
    combine_name : the elementwise op that joins two values; `combine` is the op.
    numpy : the ufunc whose ``reduce`` it means.
    identity : the value of an empty reduction; None: empty ones are a ValueError.
    dtype : output dtype by default, given that of the input.
    accumulator : the dtype accumulated in by default, given those of input and output.
    init : C text of an accumulator before the first value, by dtype kind ("bool", "int", "uint", "float",
        "complex", "*"); ``{MIN}`` and ``{MAX}`` are the limits of the integer type.
    step : C text of the join of accumulator ``{0}`` and value ``{1}``, both of the accumulator's type, by
        dtype kind.
    openmp : the operator of ``#pragma omp simd reduction(...)`` that means the same, or an empty text.
    """

    name: str
    combine_name: str
    numpy: Any
    identity: float | None
    dtype: Callable[[str], str]
    accumulator: Callable[[str, str], str]
    init: Mapping[str, str]
    step: Mapping[str, str]
    openmp: str = ""
    accepts: str = "biufc"

    @property
    def combine(self) -> Elemwise:
        """The elementwise op that joins two values."""
        return ELEMENTWISE[self.combine_name]

    def c_init(self, dtype: str) -> str:
        """C expression of a fresh accumulator of ``dtype``."""
        stem = dtype.upper()
        low = "0" if dtype.startswith("u") else f"{stem}_MIN"
        return _pick(self.init, dtype).format(MIN=low, MAX=f"{stem}_MAX")

    def c_combine(self, dtype: str, accumulator: str, value: str) -> str:
        """C expression that joins two C expressions of the accumulator's ``dtype``."""
        return _pick(self.step, dtype).format(accumulator, value)


def _letter(dtype: str) -> str:
    """The kind of a dtype as NumPy's letter: b i u f c."""
    return np.dtype(dtype).kind


def _pick(texts: Mapping[str, str], dtype: str) -> str:
    kind = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}[_letter(dtype)]
    return texts.get(kind, texts.get("*", ""))


def _same(dtype: str) -> str:
    return dtype


def _bool(*dtypes: str) -> str:
    return "bool"


def _as_output(source: str, out: str) -> str:
    return out


# A NaN stays: it is kept as accumulator (a != a), and taken as value since no comparison with it holds.
REDUCTIONS: dict[str, ReductionRecord] = {
    record.name: record
    for record in (
        ReductionRecord("sum", "add", np.add, 0, _sum_dtype, _sum_accumulator,
                        {"*": "0"}, {"*": "{0} + {1}"}, openmp="+"),
        ReductionRecord("prod", "mul", np.multiply, 1, _sum_dtype, _sum_accumulator,
                        {"*": "1"}, {"*": "{0} * {1}"}, openmp="*"),
        ReductionRecord("max", "maximum", np.maximum, None, _same, _as_output,
                        {"bool": "0", "float": "-INFINITY", "*": "{MIN}"},
                        {"float": "({0} > {1} || {0} != {0}) ? {0} : {1}", "*": "{0} > {1} ? {0} : {1}"},
                        accepts="biuf"),
        ReductionRecord("min", "minimum", np.minimum, None, _same, _as_output,
                        {"bool": "1", "float": "INFINITY", "*": "{MAX}"},
                        {"float": "({0} < {1} || {0} != {0}) ? {0} : {1}", "*": "{0} < {1} ? {0} : {1}"},
                        accepts="biuf"),
        ReductionRecord("all", "and_", np.logical_and, 1, _bool, _bool, {"*": "1"}, {"*": "{0} & {1}"},
                        openmp="&", accepts="b"),
        ReductionRecord("any", "or_", np.logical_or, 0, _bool, _bool, {"*": "0"}, {"*": "{0} | {1}"},
                        openmp="|", accepts="b"),
    )
}
"""Every reduction by name."""

_INNER = {"peak": replace(REDUCTIONS["max"], name="peak", identity=-np.inf, accepts="f", openmp="max",
                          step={"float": "{1} > {0} ? {1} : {0}"}),
          "prod_no_zeros": replace(REDUCTIONS["prod"], name="prod_no_zeros")}
"""Variants: the largest element, -inf where there is none (native code may pass over a NaN: what is subtracted before
an exponential need not be one); the product whose gradient divides by the elements."""


def normalize_axis(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The reduced axes, sorted, of ``axis``: None (all), an int, or a sequence of ints; negative ones count
    from the end.

    TypeError where it is no integer, ValueError where it is outside or named twice.

    >>> normalize_axis("sum", -1, 3)
    (2,)
    """
    if axis is None:
        return tuple(range(ndim))
    items = axis.tolist() if isinstance(axis, np.ndarray) else axis
    found = []
    for item in items if isinstance(items, (tuple, list)) else [items]:
        value = None if isinstance(item, (bool, np.bool_)) or not _is_integral(item) else static_value(item)
        if value is None:
            raise TypeError(f"{name}: axis must be None, an int or a sequence of ints, got {axis!r}")
        if not -ndim <= value < ndim:
            raise ValueError(f"{name}: axis {value} is out of range for {ndim} dimension(s)")
        found.append(value % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: axis {axis!r} names a dimension twice ({ndim} dimension(s))")
    return tuple(sorted(found))


def _is_integral(item: Any) -> bool:
    return not isinstance(item, Variable) or item.type.dtype in ("int8", "int16", "int32", "int64")


class Reduction(Op):
    """One reduction of a tensor over some axes (Theano's CAReduce).

    Parameters
    ----------
    name : a key of `REDUCTIONS`.
    axis : the sorted axes that vanish; None: all of them, whatever the rank.
    dtype : of the output; None: the record's rule.
    acc_dtype : what is accumulated in; None: the record's rule.

    Raises TypeError for dtypes the reduction is not defined for, ValueError at run time for an empty max or
    min.
    """

    __props__ = ("name", "axis", "dtype", "acc_dtype")

    def __init__(self, name: str, axis: Sequence[int] | None = None, dtype: str | None = None,
                 acc_dtype: str | None = None) -> None:
        if name not in REDUCTIONS and name not in _INNER:
            raise ValueError(f"no reduction is named {name!r}; they are {', '.join(REDUCTIONS)}")
        self.name = name
        self.axis = None if axis is None else tuple(sorted(axis))
        self.dtype = dtype
        self.acc_dtype = acc_dtype

    @property
    def record(self) -> ReductionRecord:
        """What the reduction is."""
        return REDUCTIONS.get(self.name) or _INNER[self.name]

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes that vanish from an input of this rank."""
        return normalize_axis(self.name, self.axis, ndim)

    def dtypes(self, source: str) -> tuple[str, str]:
        """The dtypes of output and accumulator for an input dtype."""
        out = self.dtype or self.record.dtype(source)
        return out, self.acc_dtype or self.record.accumulator(source, out)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        source = x.type.dtype
        out, accumulator = self.dtypes(source)
        if _letter(source) not in self.record.accepts:
            raise TypeError(f"{self.name} is not defined for dtype {source}; convert with .astype(...) first")
        if is_complex(source) and not (is_complex(accumulator) and is_complex(out)):
            raise TypeError(f"{self.name}: {source} cannot become {out} by way of {accumulator}; take the "
                            "real part first")
        axes = self.axes(x.type.ndim)
        shape = [dim for axis, dim in enumerate(x.type.shape) if axis not in axes]
        if self.record.identity is None and 0 in x.type.shape and all(shape):  # all: none is 0 or unknown
            raise self.failure(None, "ST_EMPTY", ())
        return Apply(self, [x], [TensorType(out, shape, x.type.device).make_variable()])

    def reduce(self, array: Any) -> np.ndarray[Any, Any]:
        """The meaning in NumPy."""
        array = np.asarray(array)
        axes = self.axes(array.ndim)
        out, accumulator = self.dtypes(array.dtype.name)
        if self.record.identity is None and array.size == 0:
            rest = [dim for axis, dim in enumerate(array.shape) if axis not in axes]
            if 0 not in rest:
                raise self.failure(None, "ST_EMPTY", ())
            return np.empty(rest, dtype=out)
        with np.errstate(all="ignore"):
            first = {"initial": self.record.identity} if self.name in _INNER else {}
            result = self.record.numpy.reduce(array, axis=axes, dtype=accumulator, **first)
            return np.asarray(result).astype(out, copy=False)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        result = self.reduce(inputs[0])
        outputs[0][0] = result.copy() if np.may_share_memory(result, inputs[0]) else result

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        axes = self.axes(len(shapes[0]))
        return [tuple(dim for axis, dim in enumerate(shapes[0]) if axis not in axes)]

    def failure(self, node: Apply | None, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code: the only one is an empty max or min."""
        where = "" if self.axis is None else f": axis {', '.join(map(str, self.axis))} is empty"
        return ValueError(f"{self.name}: zero-size array to reduction without identity{where}; check that there are "
                          "elements, or join one that counts for none")

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        x, y, g = inputs[0], outputs[0], output_grads[0]
        if is_integer(y.type.dtype):
            return [zeros_like(x, dtype=config.floatX)]
        ndim = x.type.ndim
        axes = self.axes(ndim)
        return [_GRADIENTS[self.name](x, put_back(y, ndim, axes), put_back(g, ndim, axes), axes)]

    def __str__(self) -> str:
        name = self.name.capitalize()
        return name if self.axis is None else f"{name}{{axis={list(self.axis)}}}"


def put_back(y: Variable, ndim: int, axes: Sequence[int]) -> Variable:
    """A reduced variable with its axes back as dimensions of 1 (NumPy's keepdims)."""
    if not axes:
        return y
    kept = iter(range(ndim))
    wide: Variable = DimShuffle(y.type.ndim, ["x" if axis in axes else next(kept) for axis in range(ndim)])(y)
    return wide


# -- gradients: x, and y and g with the reduced axes put back ------------------------------------------------


def _sum_gradient(x: Variable, y: Variable, g: Variable, axes: Sequence[int]) -> Variable:
    return alloc(g, *shape_of(x))


def _extremum_gradient(x: Variable, y: Variable, g: Variable, axes: Sequence[int]) -> Variable:
    """Every position that equals the extremum gets the whole cotangent, as in Theano."""
    return switch(eq(x, y), g, as_tensor_variable(np.zeros((), g.type.dtype)))


def _prod_gradient(x: Variable, y: Variable, g: Variable, axes: Sequence[int]) -> Variable:
    """What stands before each element multiplied, times what stands behind it: no division, so that derivatives of
    any order are right where elements are 0."""
    from symtensor.ops.arrange import flip
    from symtensor.ops.cumulative import cumprod
    from symtensor.ops.index import getitem
    from symtensor.ops.join import join
    from symtensor.ops.reshape import flatten, reshape

    if not axes:
        return g
    kept = [axis for axis in range(x.type.ndim) if axis not in axes]
    turned = DimShuffle(x.type.ndim, (*kept, *axes))(x)
    rows = cast(flatten(turned, len(kept) + 1), wide(x.type.dtype))
    one = ones_like(getitem(rows, (..., slice(1))))
    before, after = (join(len(kept), one, getitem(cumprod(part, -1), (..., slice(-1))))
                     for part in (rows, flip(rows, -1)))
    others = reshape(mul(before, flip(after, -1)), shape_of(turned))
    back: Variable = DimShuffle(x.type.ndim, tuple(np.argsort((*kept, *axes)).tolist()))(others)
    return mul(g, cast(_conj(back), g.type.dtype))


def _quotient_gradient(x: Variable, y: Variable, g: Variable, axes: Sequence[int]) -> Variable:
    return mul(g, _conj(true_div(y, x)))


def _conj(x: Variable) -> Variable:
    result: Variable = ELEMENTWISE["conj"](x) if is_complex(x.type.dtype) else x
    return result


_GRADIENTS: dict[str, Callable[..., Variable]] = {
    "sum": _sum_gradient, "prod": _prod_gradient, "prod_no_zeros": _quotient_gradient,
    "max": _extremum_gradient, "min": _extremum_gradient, "peak": _extremum_gradient,
}
