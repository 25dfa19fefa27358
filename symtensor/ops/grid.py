"""Evenly spaced numbers and grids of coordinates."""

from __future__ import annotations

from typing import Any

from symtensor.config import config
from symtensor.graph.types import complete_dtype, is_integer, upcast
from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, static_value
from symtensor.ops.create import alloc, arange, zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, cast, eq, mul, pow, second, sgn, sub, switch, true_div
from symtensor.ops.elementwise_math import exp, log
from symtensor.ops.identity import CheckAndRaise
from symtensor.ops.reshape import expand_dims, moveaxis
from symtensor.ops.shape import shape_i

__all__ = ["bartlett", "geomspace", "linspace", "logspace", "meshgrid", "mgrid", "ogrid", "vander"]


def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0) -> Any:
    """``num`` numbers, evenly spaced from ``start`` to ``stop``, which is the last one exactly if ``endpoint``.

    ``start`` and ``stop`` may be symbolic and tensors, which are broadcast; the new dimension is ``axis``. ``num`` may
    be symbolic. Computed in the floats that the ends promote to (floatX for integers). With ``retstep`` also the step.

    >>> linspace(0, 1, 5).eval().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    ends = as_tensor_variable(start), as_tensor_variable(stop)
    kinds = [end.type.dtype for end, given in zip(ends, (start, stop), strict=True)
             if not (is_integer(end.type.dtype) or isinstance(given, float))]
    work = upcast(*kinds) if kinds else config.floatX
    first, last, num = cast(ends[0], work), cast(ends[1], work), as_index(num)
    if (static_value(num) or 0) < 0:
        raise ValueError(f"linspace: num is {static_value(num)}; give a number >= 0")
    first, last = second(last, first), second(first, last)  # of one shape
    step = true_div(sub(last, first), cast(d.maximum(d.sub(num, 1) if endpoint else num, 1), work))
    if static_value(num) is None:
        num = CheckAndRaise(ValueError, "linspace: num is negative; give a number >= 0")(num, num >= 0)
    places = dimshuffle(arange(num), 0, *["x"] * first.type.ndim)
    result = add(expand_dims(first, 0), mul(cast(places, work), expand_dims(step, 0)))
    if endpoint:
        result = switch(eq(places, d.sub(num, 1)), switch(d.below(1, num), last, first), result)
    result = moveaxis(result, 0, axis) if axis else result
    result = result if dtype is None else cast(result, complete_dtype(dtype))
    return (result, step) if retstep else result


def logspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> Variable:
    """``base`` to the powers `linspace` gives: numbers whose logarithms are evenly spaced."""
    powers = linspace(start, stop, num, endpoint, axis=axis)
    result: Variable = pow(cast(as_tensor_variable(base), powers.type.dtype), powers)
    return result if dtype is None else cast(result, complete_dtype(dtype))


def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None,
              axis: int = 0) -> Variable:
    """``num`` numbers from ``start`` to ``stop`` with a constant ratio; nan unless both have one sign and none is 0."""
    start, stop = as_tensor_variable(start), as_tensor_variable(stop)
    ratio = log(true_div(stop, cast(start, upcast(start.type.dtype, config.floatX))))
    powers = linspace(zeros_like(ratio), ratio, num, endpoint, axis=axis)
    result: Variable = mul(expand_dims(start, axis) if start.type.ndim else start, exp(powers))
    return result if dtype is None else cast(result, complete_dtype(dtype))


def vander(x: Any, N: Any = None, increasing: bool = False) -> Variable:
    """The matrix of the powers of a vector, ``N`` columns (default: as many as rows) from the highest down, or from 0
    up where ``increasing``."""
    x = as_tensor_variable(x)
    if x.type.ndim != 1:
        raise TypeError(f"vander: a vector is expected, got {x} of type {x.type}")
    count = shape_i(x, 0) if N is None else as_index(N)
    powers = arange(count)
    exponents = powers if increasing else sub(d.sub(count, 1), powers)
    result: Variable = pow(dimshuffle(x, 0, "x"), dimshuffle(exponents, "x", 0))
    return result


def bartlett(M: Any) -> Variable:
    """The Bartlett window of ``M`` points: a triangle from 0 up to 1 and down to 0 (Theano's name). Float64.

    >>> bartlett(5).eval()
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    size = as_index(M)
    places = cast(arange(size), "float64")
    middle = true_div(cast(d.sub(size, 1), "float64"), 2.0)
    distance = sub(places, middle)
    height = sub(1.0, true_div(mul(distance, sgn(distance)), switch(d.below(1, size), middle, 1.0)))
    return cast(height, "float64")


# -- grids -----------------------------------------------------------------------------------------------------


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Variable]:
    """The coordinates of a grid, one tensor for each of the vectors ``xi``, as NumPy's.

    ``indexing``: "xy" (the first vector runs along the columns) or "ij". ``sparse``: the tensors have size 1 where
    their coordinate does not change. ``copy`` changes nothing.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    vectors = [as_tensor_variable(x) for x in xi]
    if any(x.type.ndim > 1 for x in vectors):
        raise TypeError(f"meshgrid: vectors are expected, got {', '.join(str(x.type) for x in vectors)}")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[:2] = [1, 0]
    vectors = [x if x.type.ndim else expand_dims(x, 0) for x in vectors]
    grids = [dimshuffle(x, [0 if at == axis else "x" for at in range(len(vectors))])
             for x, axis in zip(vectors, order, strict=True)]
    dims = [shape_i(vectors[order[axis]], 0) for axis in range(len(vectors))]
    return grids if sparse else [alloc(grid, *dims) for grid in grids]


class _Grid:
    """Makes grids of slices, as NumPy's: ``mgrid[0:5, 0:3]`` two of shape (5, 3), ``ogrid`` of (5, 1) and (1, 3)."""

    def __init__(self, name: str, sparse: bool) -> None:
        self.name = name
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        slices = key if isinstance(key, tuple) else (key,)
        vectors = []
        for part in slices:
            if not isinstance(part, slice) or part.stop is None:
                raise TypeError(f"{self.name}: give slices with a stop, as in {self.name}[0:5, 0:3], got {part!r}")
            first = 0 if part.start is None else part.start
            if isinstance(part.step, complex):  # how many points, as in NumPy
                vectors.append(linspace(first, part.stop, int(abs(part.step))))
            else:
                vectors.append(arange(first, part.stop, 1 if part.step is None else part.step))
        if not isinstance(key, tuple):
            return vectors[0]
        dtype = upcast(*(x.type.dtype for x in vectors))
        return meshgrid(*(cast(x, dtype) for x in vectors), sparse=self.sparse, indexing="ij")

    def __repr__(self) -> str:
        return f"symtensor.tensor.{self.name}"


mgrid = _Grid("mgrid", sparse=False)
"""``mgrid[a:b, c:d:e]``: a list with a full grid of coordinates for each slice; bounds may be symbolic, and a
step ``nj`` gives n points up to and with the stop (Theano's name)."""

ogrid = _Grid("ogrid", sparse=True)
"""As `mgrid`, with size 1 in the dimensions in which a coordinate does not change (Theano's name)."""
