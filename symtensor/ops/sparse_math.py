"""What sparse matrices can do, as graphs on their dense parts: conversions and arithmetic, element by element.

Functions called ``structured`` act on the stored elements alone, and so do gradients: that of a sparse variable is a
sparse one with its positions. The sources are Theano's functions of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.types import complete_dtype, upcast
from symtensor.graph.variable import Variable
from symtensor.ops import elementwise as ew
from symtensor.ops import elementwise_compare as compare_ops
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.create import alloc, arange, ones, zeros
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.dimshuffle import transpose as dense_transpose
from symtensor.ops.index import getitem as take_part
from symtensor.ops.index_advanced import nonzero
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.join import concatenate, stack
from symtensor.ops.reduce import sum as reduce_sum
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import SpecifyShape, shape, shape_i, shape_of
from symtensor.ops.sparse import FORMATS, as_sparse_variable, csm, csm_properties, is_sparse
from symtensor.ops.sparse_kernels import Coalesce, MajorIndex, Pairs, SameShape

__all__ = ["add", "add_s_s_data", "as_sparse_or_tensor_variable", "cast", "clean", "col_scale",
           "construct_sparse_from_list", "csc_from_dense", "csr_from_dense", "dense_from_sparse", "diag",
           "ensure_sorted_indices", "eq", "ge", "gt", "le", "lt", "mul", "neg", "neq", "remove0", "row_scale",
           "sp_ones_like", "sp_sum", "sp_zeros_like", "square_diagonal", "structured", "structured_add_s_v",
           "structured_monoid", "sub", "transpose"]

Places = tuple[Any, Any]  # (major, minor): the row and column of "csr", the column and row of "csc" elements


# -- positions -------------------------------------------------------------------------------------------------------


def same(a: Variable, b: Variable) -> Any:
    """The shape that both are; ValueError at run time where they differ."""
    return a if a is b else SameShape()(a, b)


def places_of(x: Variable) -> Places:
    """The row (of "csc": the column) of each stored element, and its place in there."""
    _, indices, indptr, _ = csm_properties(x)
    return MajorIndex()(indices, indptr), indices


def rows_columns(x: Variable) -> Places:
    """The row and the column of each stored element."""
    major, minor = places_of(x)
    return (major, minor) if x.type.format == "csr" else (minor, major)


def with_data(x: Variable, data: Variable) -> Variable:
    """A matrix with the positions of ``x`` and other elements."""
    if data.type.dtype == "float16":  # what functions make of int8, and SciPy cannot store
        data = ew.cast(data, "float32")
    return csm(x.type.format, data, *csm_properties(x)[1:])


def coalesced(format: str, data: Variable, places: Places, shape: Any) -> Variable:
    """The matrix of elements at (major, minor) places; those at the same one add up."""
    axis = FORMATS.index(format)
    slots, indices, indptr = Coalesce()(*places, shape[axis], shape[1 - axis])
    count = indptr[shape[axis]]
    values = inc_subtensor(take_part(zeros((count,), data.type.dtype), slots), data)
    return csm(format, values, indices[:count], indptr, shape)


def lookup(x: Variable, places: Places) -> Variable:
    """The elements of ``x`` at (major, minor) places as a vector; 0 where none is stored."""
    data, _, _, dims = csm_properties(x)
    own, axis = places_of(x), FORMATS.index(x.type.format)
    both = [concatenate([ew.cast(a, "int64"), ew.cast(b, "int64")]) for a, b in zip(places, own, strict=True)]
    slots, _, indptr = Coalesce()(*both, dims[axis], dims[1 - axis])
    count = shape_i(places[0], 0)
    blank = zeros((indptr[dims[axis]],), data.type.dtype)
    return take_part(inc_subtensor(take_part(blank, slots[count:]), data), slots[:count])


def pairs(keys: Any, indptr: Any) -> tuple[Any, Any]:
    """For each stored element of the rows ``keys`` the position in ``keys``, and its own place."""
    counts = ew.sub(take_part(indptr, ew.add(keys, 1)), take_part(indptr, keys))
    owner, place = Pairs()(keys, indptr, reduce_sum(counts))
    return owner, place


def common(x: Variable, y: Variable) -> tuple[Variable, Variable]:
    """Both in the dtype that they promote to."""
    dtype = upcast(x.type.dtype, y.type.dtype)
    return cast(x, dtype), cast(y, dtype)


def as_sparse_or_tensor_variable(x: Any, name: str | None = None) -> Variable:
    """``x`` as a sparse variable where it is sparse, else as a tensor."""
    return as_sparse_variable(x, name) if is_sparse(x) else as_tensor_variable(x, name)


def operands(name: str, x: Any, y: Any) -> tuple[Variable, Variable]:
    """The operands as variables; TypeError where neither is sparse."""
    x, y = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if not is_sparse(x) and not is_sparse(y):
        raise TypeError(f"sparse.{name}: one of the operands must be sparse, got {x} of type {x.type} and {y} of type "
                        f"{y.type}; dense ones are for symtensor.tensor")
    return x, y


# -- conversions -----------------------------------------------------------------------------------------------------


def dense_from_sparse(x: Any) -> Variable:
    """The sparse matrix as a dense one; elements stored at the same position add up.

    >>> dense_from_sparse(square_diagonal([1, 2])).eval()
    array([[1, 0],
           [0, 2]])
    """
    if not is_sparse(x):
        raise TypeError(f"dense_from_sparse: {x!r} is not sparse")
    x = as_sparse_variable(x)
    data, _, _, dims = csm_properties(x)
    return inc_subtensor(take_part(zeros((dims[0], dims[1]), x.type.dtype), rows_columns(x)), data)


def _from_dense(x: Any, format: str) -> Variable:
    x = as_tensor_variable(x)
    if x.type.ndim > 2:
        raise TypeError(f"{format}_from_dense: expected a matrix, got {x} of type {x.type}")
    x = pad_left(x, 2)
    source = x if format == "csr" else dense_transpose(x)
    places = nonzero(source)
    return coalesced(format, take_part(source, places), places, shape(x))


def csr_from_dense(x: Any) -> Variable:
    """The elements of a dense matrix that are not 0, as a "csr" matrix; of a vector as one row."""
    return _from_dense(x, "csr")


def csc_from_dense(x: Any) -> Variable:
    """The elements of a dense matrix that are not 0, as a "csc" matrix; of a vector as one row."""
    return _from_dense(x, "csc")


def as_format(x: Any, format: str) -> Variable:
    """The matrix in another format, its indices sorted; itself where it has that one."""
    x = as_sparse_variable(x)
    if x.type.format == format:
        return x
    data, _, _, dims = csm_properties(x)
    major, minor = places_of(x)
    return coalesced(format, data, (minor, major), dims)


def cast(variable: Any, dtype: Any) -> Variable:
    """The elements converted; a dense variable stays dense."""
    variable = as_sparse_or_tensor_variable(variable)
    if variable.type.dtype == complete_dtype(dtype):
        return variable
    if not is_sparse(variable):
        return ew.cast(variable, dtype)
    return with_data(variable, ew.cast(csm_properties(variable)[0], dtype))


def sp_ones_like(x: Any) -> Variable:
    """Ones at the positions of ``x``."""
    x = as_sparse_variable(x)
    return with_data(x, ones(csm_properties(x)[0].shape, x.type.dtype))


def sp_zeros_like(x: Any) -> Variable:
    """The matrix of the shape of ``x`` that stores nothing."""
    x = as_sparse_variable(x)
    _, _, indptr, dims = csm_properties(x)
    return csm(x.type.format, zeros((0,), x.type.dtype), zeros((0,), "int32"), zeros(indptr.shape, "int32"), dims)


def transpose(x: Any) -> Variable:
    """The transpose: the same parts in the other format, no copy."""
    x = as_sparse_variable(x)
    *parts, dims = csm_properties(x)
    return csm("csc" if x.type.format == "csr" else "csr", *parts, dims[::-1])


def ensure_sorted_indices(x: Any) -> Variable:
    """The matrix with the indices of each row (or column) rising; repeated ones are added up."""
    x = as_sparse_variable(x)
    data, _, _, dims = csm_properties(x)
    return coalesced(x.type.format, data, places_of(x), dims)


def remove0(x: Any) -> Variable:
    """The matrix without the elements that are stored but 0, its indices sorted."""
    x = ensure_sorted_indices(x)
    data, _, _, dims = csm_properties(x)
    kept = nonzero(compare_ops.neq(data, 0))
    major, minor = (take_part(part, kept) for part in places_of(x))
    return coalesced(x.type.format, take_part(data, kept), (major, minor), dims)


clean = remove0  # Theano's name for the same with sorted indices


# -- arithmetic ------------------------------------------------------------------------------------------------------


def structured_monoid(tensor_op: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function applies ``tensor_op`` to the stored elements of its first argument; the others are
    scalars (Theano's name)."""
    return lambda function: structured(function.__name__, tensor_op, function.__doc__ or "")


def structured(name: str, tensor_op: Callable[..., Any], doc: str = "") -> Callable[..., Variable]:
    """The function of a sparse matrix, and further scalars, that applies ``tensor_op`` to the stored elements: to each
    of several that are stored at the same position, as in Theano."""

    def apply(x: Any, *args: Any) -> Variable:
        x = as_sparse_variable(x)
        scalars = [as_tensor_variable(arg) for arg in args]
        for scalar in scalars:
            if scalar.type.ndim:
                raise TypeError(f"sparse.{name}: the other arguments are scalars, got {scalar} of type {scalar.type}")
        return with_data(x, tensor_op(csm_properties(x)[0], *scalars))

    apply.__name__ = apply.__qualname__ = name
    what = f"``{getattr(tensor_op, 'name', name)}`` of the stored elements."
    apply.__doc__ = doc or f"{what} `ensure_sorted_indices` first adds up those at one position."
    return apply


neg = structured("neg", ew.neg, "The matrix with all elements negated.")


def add(x: Any, y: Any) -> Variable:
    """``x + y``: sparse, in the format of ``x``, where both are; else dense. ValueError where shapes differ.

    `add_s_s_data` is quicker for two matrices known to have the same positions."""
    x, y = operands("add", x, y)
    if not (is_sparse(x) and is_sparse(y)):
        return ew.add(*(dense_from_sparse(v) if is_sparse(v) else v for v in (x, y)))
    x, y = common(x, y)
    if x is y:
        return add_s_s_data(x, x)
    y = _fitted(y, x)
    data, _, _, dims = csm_properties(y)
    return coalesced(x.type.format, concatenate([csm_properties(x)[0], data]), _joined(x, y), dims)


def _fitted(y: Variable, x: Variable) -> Variable:
    """``y`` in the format of ``x``; ValueError where their shapes differ."""
    *parts, dims = csm_properties(as_format(y, x.type.format))
    return csm(x.type.format, *parts, same(csm_properties(x)[3], dims))


def _joined(x: Variable, y: Variable) -> Places:
    """The places of the stored elements of two matrices of one format."""
    major, minor = (concatenate([a, b]) for a, b in zip(places_of(x), places_of(y), strict=True))
    return major, minor


def sub(x: Any, y: Any) -> Variable:
    """``x - y``; see `add`."""
    x, y = operands("sub", x, y)
    return add(x, neg(y) if is_sparse(y) else ew.neg(y))


def add_s_s_data(x: Any, y: Any) -> Variable:
    """The sum of two matrices that have the same positions: only their elements are added (Theano's name)."""
    x, y = common(as_sparse_variable(x), as_sparse_variable(y))
    return with_data(x, ew.add(csm_properties(x)[0], csm_properties(y)[0]))


def structured_add_s_v(x: Any, y: Any) -> Variable:
    """``x`` with the vector ``y`` added to the stored elements of each row."""
    x = as_sparse_variable(x)
    return with_data(x, ew.add(csm_properties(x)[0], _spread(x, as_tensor_variable(y), "structured_add_s_v")))


def _spread(x: Variable, y: Variable, name: str) -> Variable:
    """The elements of a dense ``y`` at the positions of ``x``, broadcast as NumPy does."""
    dims, places = csm_properties(x)[3], rows_columns(x)
    if y.type.ndim > 2:
        raise TypeError(f"sparse.{name}: a sparse matrix meets tensors of at most 2 dimensions, got {y} of type "
                        f"{y.type}")
    if y.type.ndim == 0:
        return y
    axes = [axis for axis in range(2 - y.type.ndim, 2) if y.type.shape[axis - 2] != 1]
    kept = [axis - 2 + y.type.ndim for axis in axes]
    if kept:
        y = SpecifyShape(kept, f"sparse.{name}")(y, *(dims[axis] for axis in axes))
    key = [places[axis] if axis in axes else 0 for axis in range(2 - y.type.ndim, 2)]
    return take_part(y, tuple(key))


def mul(x: Any, y: Any) -> Variable:
    """``x * y``, element by element: sparse. A dense operand is a scalar, a vector that multiplies each row, or a
    matrix; two sparse ones have the positions that are stored in both."""
    x, y = operands("mul", x, y)
    if not is_sparse(x):
        x, y = y, x
    if not is_sparse(y):
        return with_data(x, ew.mul(csm_properties(x)[0], _spread(x, y, "mul")))
    x = ensure_sorted_indices(x)
    y, mine = _fitted(y, x), places_of(x)
    stored = lookup(with_data(y, ones(csm_properties(y)[0].shape, "int32")), mine)
    product, kept = ew.mul(csm_properties(x)[0], lookup(y, mine)), nonzero(stored)
    major, minor = (take_part(part, kept) for part in mine)
    return coalesced(x.type.format, take_part(product, kept), (major, minor), csm_properties(y)[3])


def row_scale(x: Any, s: Any) -> Variable:
    """The matrix with row i multiplied by ``s[i]``."""
    return mul(x, dimshuffle(as_tensor_variable(s), 0, "x"))


def col_scale(x: Any, s: Any) -> Variable:
    """The matrix with column j multiplied by ``s[j]``."""
    return mul(x, dimshuffle(as_tensor_variable(s), "x", 0))


def _comparison(name: str) -> Callable[[Any, Any], Variable]:
    function = getattr(compare_ops, name)

    def compare(x: Any, y: Any) -> Variable:
        x, y = operands(name, x, y)
        if not (is_sparse(x) and is_sparse(y)):
            return ew.cast(function(*(dense_from_sparse(v) if is_sparse(v) else v for v in (x, y))), "uint8")
        y = _fitted(y, x)
        if name not in ("neq", "lt", "gt"):  # 0 and 0 give 1: no position is left out
            return _from_dense(ew.cast(function(*map(dense_from_sparse, (x, y))), "uint8"), x.type.format)
        places = _joined(x, y)
        union = coalesced(x.type.format, zeros(places[0].shape, "uint8"), places, csm_properties(y)[3])
        where = places_of(union)
        return remove0(with_data(union, ew.cast(function(lookup(x, where), lookup(y, where)), "uint8")))

    compare.__name__ = name
    doc = function.__doc__.strip().replace(", as bool", "")
    compare.__doc__ = f"{doc} Of dtype uint8, sparse where both operands are, else dense."
    return compare


eq, neq, lt, le, gt, ge = map(_comparison, ("eq", "neq", "lt", "le", "gt", "ge"))


# -- sums and diagonals ----------------------------------------------------------------------------------------------


def sp_sum(x: Any, axis: int | None = None, sparse_grad: bool = False) -> Variable:
    """The sum of all elements, or the vector of the sums over ``axis``, in the dtype of ``x``.

    The gradient has the positions of ``x`` with and without ``sparse_grad``.
    """
    x = as_sparse_variable(x)
    data, _, _, dims = csm_properties(x)
    if axis is None:
        return reduce_sum(data, dtype=x.type.dtype)
    if axis not in (-2, -1, 0, 1):
        raise ValueError(f"sp_sum: axis {axis} is out of range for a matrix; it is 0, 1 or None")
    kept = 1 - axis % 2
    return inc_subtensor(take_part(zeros((dims[kept],), x.type.dtype), rows_columns(x)[kept]), data)


def diag(x: Any) -> Variable:
    """The main diagonal as a dense vector."""
    x = as_sparse_variable(x)
    data, _, _, dims = csm_properties(x)
    row, column = rows_columns(x)
    here = ew.switch(compare_ops.eq(row, column), data, np.zeros((), x.type.dtype))
    return take_part(inc_subtensor(take_part(zeros((dims[0],), x.type.dtype), row), here), slice(dims[1]))


def square_diagonal(diag: Any) -> Variable:
    """The square "csc" matrix with the vector ``diag`` on its diagonal."""
    diag = as_tensor_variable(diag)
    n = diag.shape[0]
    return csm("csc", diag, arange(n), arange(n + 1), stack([n, n]))


def construct_sparse_from_list(x: Any, values: Any, ilist: Any) -> Variable:
    """The "csc" matrix of the shape of the dense ``x`` whose rows ``ilist`` are the rows of ``values``; those of
    repeated numbers add up (Theano's name)."""
    x, values, ilist = (as_tensor_variable(v) for v in (x, values, ilist))
    size = shape_of(values)
    row, column = (flatten(alloc(v, *size)) for v in (dimshuffle(ilist, 0, "x"), arange(size[1])))
    return coalesced("csc", flatten(values), (column, row), shape(x))
