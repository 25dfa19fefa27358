"""Functions that index: `take` and `compress` along an axis, elements at or by positions that another array gives, and
the values that are not zero."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.index import getitem
from symtensor.ops.index_mask import nonzero
from symtensor.ops.index_set import set_subtensor
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import normalize_axis, shape_i

__all__ = ["compress", "flatnonzero", "nonzero", "nonzero_values", "put_along_axis", "take", "take_along_axis",
           "where"]


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Variable:
    """Elements of ``a`` along ``axis`` at ``indices``, integers of any rank, whose dimensions replace the axis; of the
    flattened ``a`` without axis.

    ``mode`` says what an index out of range does: "raise" an IndexError, "wrap" around, or "clip" to the
    nearest (negative ones to 0), as NumPy's.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> take(x, [[2, 0]], axis=1).eval({x: np.arange(6.0).reshape(2, 3)}).tolist()
    [[[2.0, 0.0]], [[5.0, 3.0]]]
    """
    a, indices = as_tensor_variable(a), as_tensor_variable(indices)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    if indices.type.dtype == "bool":
        raise TypeError(f"take: indices are integers, got {indices} of dtype bool; compress takes a mask")
    if axis is None:
        a, axis = flatten(a), 0
    axis = normalize_axis(axis, a.type.ndim, "take")
    if mode != "raise":
        from symtensor.ops import elementwise as e

        places, size = e.cast(indices, "int64"), shape_i(a, axis)
        indices = e.mod(places, size) if mode == "wrap" else e.clip(places, 0, d.sub(size, 1))
    return getitem(a, (slice(None),) * axis + (indices,))


def compress(condition: Any, x: Any, axis: int | None = None) -> Variable:
    """The parts of ``x`` along ``axis`` where the vector ``condition``, which may be shorter, is not zero; the elements
    of the flattened ``x`` without axis (Theano's ``theano.tensor.extra_ops.compress``).

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> compress([False, True], x, axis=0).eval({x: np.arange(6.0).reshape(2, 3)})
    array([[3., 4., 5.]])
    """
    condition = as_tensor_variable(condition)
    if condition.type.ndim != 1:
        raise ValueError(f"compress: the condition is a vector, got {condition} of type {condition.type}")
    return take(x, nonzero(condition)[0], axis)


def _along(x: Variable, indices: Variable, axis: int, name: str) -> tuple[Any, ...]:
    """The key of ``x`` at ``indices`` along ``axis``, the other coordinates being those of the index itself."""
    from symtensor.ops.create import arange
    from symtensor.ops.dimshuffle import dimshuffle

    ndim = x.type.ndim
    if indices.type.ndim != ndim:
        raise ValueError(f"{name}: the indices have as many dimensions as the tensor, {ndim}, got {indices.type.ndim}")
    ranges: list[Any] = []
    for k in range(ndim):
        places = arange(shape_i(x, k))
        ranges.append(dimshuffle(places, *(0 if at == k else "x" for at in range(ndim))))
    ranges[axis] = indices
    return tuple(ranges)


def take_along_axis(x: Any, indices: Any, axis: int | None) -> Variable:
    """Elements of ``x`` at ``indices`` along ``axis``, one for each element of ``indices``, which is broadcast in the
    other dimensions (NumPy's name); of the flattened ``x`` for ``axis=None``. IndexError for an index out of range.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> take_along_axis(x, [[1, 0], [0, 1]], 1).eval({x: np.array([[3.0, 1.0], [0.0, 2.0]])}).tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    x, indices = as_tensor_variable(x), as_tensor_variable(indices)
    if axis is None:
        return getitem(flatten(x), indices)
    axis = normalize_axis(axis, x.type.ndim, "take_along_axis")
    return getitem(x, _along(x, indices, axis, "take_along_axis"))


def put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> Variable:
    """``x`` with the elements at ``indices`` along ``axis`` set to ``values``, which is broadcast against ``indices``:
    what `take_along_axis` reads. NumPy's function of this name changes its argument instead.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> put_along_axis(x, [[1], [0]], 9.0, 1).eval({x: np.zeros((2, 2))}).tolist()
    [[0.0, 9.0], [9.0, 0.0]]
    """
    x, indices = as_tensor_variable(x), as_tensor_variable(indices)
    axis = normalize_axis(axis, x.type.ndim, "put_along_axis")
    return set_subtensor(getitem(x, _along(x, indices, axis, "put_along_axis")), values)


def nonzero_values(a: Any) -> Variable:
    """The elements of ``a`` that are not zero, as a vector in C order (Theano's name).

    >>> from symtensor import tensor as T
    >>> a = T.imatrix("a")
    >>> nonzero_values(a).eval({a: [[0, 3], [2, 0]]})
    array([3, 2], dtype=int32)
    """
    a = as_tensor_variable(a)
    return getitem(a, nonzero(a))


def flatnonzero(a: Any) -> Variable:
    """The positions, in the flattened ``a``, of the elements that are not zero, as an int64 vector (Theano's name).

    >>> from symtensor import tensor as T
    >>> a = T.imatrix("a")
    >>> flatnonzero(a).eval({a: [[0, 3], [2, 0]]})
    array([1, 2])
    """
    a = as_tensor_variable(a)
    result: Variable = nonzero(flatten(a) if a.type.ndim else a)[0]
    return result


def where(cond: Any, ift: Any = None, iff: Any = None) -> Any:
    """``ift`` where ``cond`` holds, else ``iff`` (Theano's name of ``switch``); of ``cond`` alone, the
    positions where it holds, a tuple as `nonzero` gives it.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> where(x > 0, x, -1).eval({x: np.array([2.0, -3.0])})
    array([ 2., -1.])
    >>> where(x > 0)[0].eval({x: np.array([-2.0, 3.0])})
    array([1])
    """
    from symtensor.ops.elementwise import switch

    if ift is None and iff is None:
        return nonzero(cond)
    if ift is None or iff is None:
        raise TypeError("where: give both values to choose from, or none of them for positions")
    return switch(cond, ift, iff)
