"""NumPy's functions that are more than one of ours: two tables from NumPy's names to what makes the graph.

What stands here has NumPy's parameter names; what is left out of them is refused (see `numpy_protocol`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import language
from symtensor.graph.types import is_complex, is_integer
from symtensor.graph.variable import Variable
from symtensor.ops import elementwise as ew
from symtensor.ops.convert import as_tensor_variable, static_value
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise_math import rad2deg
from symtensor.ops.index_advanced import nonzero
from symtensor.ops.join import concatenate, split, stack
from symtensor.ops.reduction import REDUCTIONS, normalize_axis
from symtensor.ops.reshape import atleast_1d, atleast_2d, flatten, swapaxes
from symtensor.ops.shape import shape_of
from symtensor.ops.triangle import diagonal, trace

__all__ = ["FUNCTIONS", "UFUNCS", "reduction"]


def _ours(path: str) -> Any:
    return language[-1](path)


def _truth(x: Any) -> Variable:
    x = as_tensor_variable(x)
    return x if x.type.dtype == "bool" else ew.neq(x, 0)


def _vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    return _ours("sum")(ew.mul(_ours("conj")(x1), x2), axis)


def _float_power(x1: Any, x2: Any) -> Any:
    operands = [as_tensor_variable(x) for x in (x1, x2)]
    return ew.pow(*(ew.cast(x, "complex128" if is_complex(x.type.dtype) else "float64") for x in operands))


UFUNCS: Mapping[str, Callable[..., Any]] = {
    "divide": ew.divide,
    "expit": lambda x: _ours("sigmoid")(x),  # of scipy.special
    "float_power": _float_power,
    "fmax": lambda x1, x2: ew.switch(ew.isnan(x1), x2, ew.switch(ew.isnan(x2), x1, ew.maximum(x1, x2))),
    "fmin": lambda x1, x2: ew.switch(ew.isnan(x1), x2, ew.switch(ew.isnan(x2), x1, ew.minimum(x1, x2))),
    "modf": lambda x: (ew.switch(ew.isinf(x), 0, ew.sub(x, ew.trunc(x))), ew.trunc(x)),
    "positive": as_tensor_variable,
    "vecdot": _vecdot,
}
"""Ufuncs by name."""


# -- reductions ----------------------------------------------------------------------------------------------------


def reduction(name: str, a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None,
              where: Any = True) -> Variable:
    """NumPy's reductions: ``where`` puts the identity in place of elements, ``initial`` takes part once."""
    a = _truth(a) if name in ("all", "any") else as_tensor_variable(a)
    record = REDUCTIONS[name]
    if where is not True:
        other = record.identity if initial is None else initial
        if other is None:
            raise TypeError(f"numpy.{name} with where= needs initial=, as {name} has no identity")
        a = ew.switch(where, a, other if isinstance(other, Variable) else np.asarray(other, a.type.dtype))
    kind = {} if dtype is None else {"dtype": dtype}
    result: Variable = _ours(name)(a, axis=axis, keepdims=bool(keepdims), **kind)
    return result if initial is None else record.combine(result, initial)


def _extremum(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False, initial=None, where=True: reduction(
        name, a, axis, None, keepdims, initial, where)


def _average(a: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> Any:
    if weights is None:
        return _ours("mean")(a, axis, keepdims=keepdims)
    a, weights = as_tensor_variable(a), as_tensor_variable(weights)
    if weights.type.ndim != a.type.ndim:  # a vector that lies along the axis
        (at,) = normalize_axis("average", axis, a.type.ndim) if weights.type.ndim == 1 else (-1,)
        weights = dimshuffle(weights, [0 if k == at else "x" for k in range(a.type.ndim)])
    weights = ew.second(a, weights)
    return ew.true_div(reduction("sum", ew.mul(a, weights), axis, None, keepdims),
                       reduction("sum", weights, axis, None, keepdims))


# -- elements ------------------------------------------------------------------------------------------------------


def _clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    if low is not None and high is not None:
        return ew.clip(a, low, high)
    raised = a if low is None else ew.maximum(a, low)
    return raised if high is None else ew.minimum(raised, high)


def _round(a: Any, decimals: int = 0) -> Any:
    a = as_tensor_variable(a)
    if decimals == 0 or (is_integer(a.type.dtype) and decimals > 0):
        return ew.round_half_to_even(a)
    if is_integer(a.type.dtype):
        raise TypeError("numpy.round of integers to tens needs floats; convert with .astype('float64') first")
    scale = np.asarray(10.0**abs(decimals), a.type.dtype)
    grow, shrink = (ew.mul, ew.true_div) if decimals > 0 else (ew.true_div, ew.mul)
    return shrink(ew.round_half_to_even(grow(a, scale)), scale)


def _size(a: Any, axis: int | None = None) -> Any:
    dims = shape_of(as_tensor_variable(a))
    return functools.reduce(ew.mul, dims, as_tensor_variable(np.int64(1))) if axis is None else dims[axis]


# -- joining and splitting -------------------------------------------------------------------------------------------


def _atleast(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *arys: function(arys[0]) if len(arys) == 1 else tuple(map(function, arys))


def _deep(x: Any) -> Variable:
    """Three dimensions as NumPy adds them: a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    x = as_tensor_variable(x)
    if x.type.ndim >= 3:
        return x
    return dimshuffle(x, [["x", "x", "x"], ["x", 0, "x"], [0, 1, "x"]][x.type.ndim])


def _column(x: Any) -> Variable:
    x = as_tensor_variable(x)
    return x if x.type.ndim > 1 else dimshuffle(atleast_1d(x), [0, "x"])


def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    return concatenate([flatten(x, 1) for x in arrays], 0) if axis is None else concatenate(arrays, axis)


def _hstack(tup: Sequence[Any]) -> Any:
    parts = [atleast_1d(x) for x in tup]
    return concatenate(parts, 0 if parts[0].type.ndim == 1 else 1)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0, *, even: bool = True) -> Any:
    x: Any = as_tensor_variable(ary)
    (axis,) = normalize_axis("split", axis, x.type.ndim)
    count = static_value(indices_or_sections)
    if count is None:
        edges = [0, *indices_or_sections, None]
        return [x[(slice(None),) * axis + (slice(*pair),)] for pair in itertools.pairwise(edges)]
    if count < 1:
        raise ValueError(f"numpy.split: the number of pieces must be 1 or more, got {count}")
    size = shape_of(x)[axis]
    sizes = [ew.int_div(size if even else ew.add(size, count - 1 - k), count) for k in range(count)]
    return split(x, sizes, count, axis)


# -- the table -------------------------------------------------------------------------------------------------------

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "amax": _extremum("max"), "amin": _extremum("min"), "max": _extremum("max"), "min": _extremum("min"),
    "sum": functools.partial(reduction, "sum"), "prod": functools.partial(reduction, "prod"),
    "all": _extremum("all"), "any": _extremum("any"), "average": _average,
    "count_nonzero": lambda a, axis=None, keepdims=False: reduction("sum", _truth(a), axis, None, keepdims),
    # elements
    "angle": lambda z, deg=False: rad2deg(_ours("angle")(z)) if deg else _ours("angle")(z),
    "around": _round, "clip": _clip, "copy": ew.tensor_copy, "round": _round,
    "where": lambda condition, x=None, y=None: nonzero(condition) if x is y is None else ew.switch(condition, x, y),
    "argwhere": lambda a: nonzero(a, return_matrix=True).T, "nonzero": nonzero,
    "extract": lambda condition, arr: flatten(arr, 1)[nonzero(flatten(condition, 1))[0]],  # type: ignore[index]
    "take_along_axis": lambda arr, indices, axis=-1: _ours("take_along_axis")(arr, indices, axis),
    # NumPy may say stable=; ours always are
    "argsort": lambda a, axis=-1, kind=None, order=None, stable=None: _ours("argsort")(a, axis, kind, order),
    "sort": lambda a, axis=-1, kind=None, order=None, stable=None: _ours("sort")(a, axis, kind, order),
    # what is known while the graph is built
    "ndim": lambda a: as_tensor_variable(a).type.ndim, "shape": lambda a: _ours("shape")(a), "size": _size,
    "iscomplexobj": lambda x: is_complex(as_tensor_variable(x).type.dtype),
    "isrealobj": lambda x: not is_complex(as_tensor_variable(x).type.dtype),
    "result_type": lambda *args: np.result_type(
        *(np.dtype(x.type.dtype) if isinstance(x, Variable) else x for x in args)),
    # joining and splitting
    "append": lambda arr, values, axis=None: _concatenate([*map(as_tensor_variable, (arr, values))], axis),
    "atleast_1d": _atleast(atleast_1d), "atleast_2d": _atleast(atleast_2d), "atleast_3d": _atleast(_deep),
    "concat": _concatenate, "concatenate": _concatenate,
    "column_stack": lambda tup: concatenate([_column(x) for x in tup], 1),
    "dstack": lambda tup: concatenate([_deep(x) for x in tup], 2), "hstack": _hstack,
    "ravel": lambda a: flatten(a, 1), "stack": lambda arrays, axis=0: stack(list(arrays), axis=axis),
    "vstack": lambda tup: concatenate([atleast_2d(x) for x in tup], 0),
    "split": _split, "array_split": functools.partial(_split, even=False),
    "hsplit": lambda ary, indices_or_sections: _split(ary, indices_or_sections, min(1, ary.ndim - 1)),
    "vsplit": lambda ary, indices_or_sections: _split(ary, indices_or_sections, 0),
    # linear algebra
    "vdot": lambda a, b: _vecdot(flatten(a, 1), flatten(b, 1)),
    "linalg.diagonal": lambda x, offset=0: diagonal(x, offset, -2, -1), "linalg.vecdot": _vecdot,
    "linalg.trace": lambda x, offset=0: trace(x, offset, -2, -1),
    "linalg.eigvals": lambda a: _ours("linalg.eig")(a)[0],
    "linalg.svdvals": lambda x: _ours("linalg.svd")(x, compute_uv=False),
    "linalg.multi_dot": lambda arrays: _ours("linalg.matrix_dot")(*arrays),
    "linalg.matrix_transpose": lambda x: swapaxes(x, -1, -2), "matrix_transpose": lambda x: swapaxes(x, -1, -2),
    # Fourier transforms: Theano's rfft and irfft, which `fft` has, mean other arrays
    "fft.rfft2": lambda a, s=None, axes=(-2, -1), norm=None: _ours("fft.rfftn")(a, s, axes, norm),
    "fft.irfft2": lambda a, s=None, axes=(-2, -1), norm=None: _ours("fft.irfftn")(a, s, axes, norm),
    "fft.rfft": lambda a, n=None, axis=-1, norm=None: _ours("fft.rfftn")(a, n and (n,), (axis,), norm),
    "fft.irfft": lambda a, n=None, axis=-1, norm=None: _ours("fft.irfftn")(a, n and (n,), (axis,), norm),
}
"""Functions by name, without "numpy."."""
