"""Products of sparse matrices, stacks of them, and parts of them, as graphs on their dense parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import INTEGER_DTYPES, upcast
from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops import elementwise as ew
from symtensor.ops.convert import as_index, as_tensor_variable
from symtensor.ops.create import arange
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.dimshuffle import transpose as dense_transpose
from symtensor.ops.index import getitem as take_part
from symtensor.ops.index_region import slice_region
from symtensor.ops.join import concatenate, stack
from symtensor.ops.shape import SpecifyShape, shape_i, specify_shape
from symtensor.ops.sparse import FORMATS, as_sparse_variable, csm, csm_properties, is_sparse
from symtensor.ops.sparse_kernels import CompressedProduct
from symtensor.ops.sparse_math import (
    as_format,
    coalesced,
    common,
    dense_from_sparse,
    lookup,
    operands,
    pairs,
    places_of,
    rows_columns,
    same,
    transpose,
    with_data,
)

__all__ = ["dot", "get_item_2lists", "get_item_scalar", "getitem", "hstack", "sampling_dot", "structured_dot",
           "true_dot", "usmm", "vstack"]

# -- products --------------------------------------------------------------------------------------------------------


def _times_dense(x: Variable, y: Variable) -> Variable:
    """A sparse matrix times a dense matrix or vector."""
    if y.type.ndim not in (1, 2):
        raise TypeError(f"sparse dot: the dense operand is a vector or matrix, got {y} of type {y.type}")
    x, y = common(x, y)
    data, indices, indptr, dims = csm_properties(x)
    matrix = y if y.type.ndim == 2 else dimshuffle(y, 0, "x")
    matrix = SpecifyShape([0], "sparse dot: the dense operand")(matrix, dims[1])
    if x.type.format == "csr":
        result = CompressedProduct("gather")(indices, indptr, data, matrix)
    else:
        result = CompressedProduct("scatter")(indices, indptr, data, matrix, dims[0])
    return result if y.type.ndim == 2 else dimshuffle(result, 0)


def _times_sparse(x: Variable, y: Variable) -> Any:
    """The sparse product of sparse matrices, in the format of ``x``."""
    if x.type.format == "csc":
        return transpose(_times_sparse(transpose(as_format(y, "csc")), transpose(x)))
    x, y = common(x, y)
    data, indices, _, dims = csm_properties(x)
    *parts, sizes = csm_properties(as_format(y, "csr"))
    sizes = same(stack([dims[1], sizes[1]]), sizes)
    parts[2] = parts[2][:sizes[0] + 1]  # the shapes are compared before anything is read
    left, right = pairs(indices, parts[2])
    product = ew.mul(take_part(data, left), take_part(parts[0], right))
    places = take_part(places_of(x)[0], left), take_part(parts[1], right)
    return coalesced("csr", product, places, stack([dims[0], sizes[1]]))


def structured_dot(x: Any, y: Any) -> Variable:
    """The product of two matrices of which one is sparse: dense, or sparse where both are.

    Gradients have the positions of the sparse operands. ValueError where dimensions do not fit.

    >>> from symtensor import sparse, tensor as T
    >>> structured_dot(sparse.csr_dmatrix("x"), T.dmatrix("y")).type
    TensorType(float64, matrix)
    """
    x, y = operands("structured_dot", x, y)
    if is_sparse(x):
        return _times_sparse(x, y) if is_sparse(y) else _times_dense(x, y)
    return dense_transpose(_times_dense(transpose(y), dense_transpose(x)))


def true_dot(x: Any, y: Any, grad_preserves_dense: bool = True) -> Variable:
    """The product of two matrices of which one is sparse: dense, or sparse where both are (Theano's name)."""
    return structured_dot(x, y)


def dot(x: Any, y: Any) -> Variable:
    """The dense product of two matrices of which one is sparse; a dense operand may be a vector."""
    x, y = operands("dot", x, y)
    return structured_dot(x, dense_from_sparse(y) if is_sparse(x) and is_sparse(y) else y)


def usmm(alpha: Any, x: Any, y: Any, z: Any) -> Variable:
    """``alpha * dot(x, y) + z`` where x or y is sparse, alpha a scalar and z dense (Theano's name)."""
    return ew.add(ew.mul(as_tensor_variable(alpha), dot(x, y)), as_tensor_variable(z))


def sampling_dot(x: Any, y: Any, p: Any) -> Variable:
    """``p * dot(x, y.T)``, computed at the positions of the sparse ``p`` alone: sparse (Theano's name)."""
    x, y = common(as_tensor_variable(x), as_tensor_variable(y))
    p = as_sparse_variable(p)
    data, indices, indptr, dims = csm_properties(p)
    x, y = specify_shape(x, (dims[0], None)), specify_shape(y, (dims[1], None))
    left, right = (x, y) if p.type.format == "csr" else (y, x)
    return with_data(p, ew.mul(data, CompressedProduct("sample")(indices, indptr, left, right)))


# -- stacks ----------------------------------------------------------------------------------------------------------


def _stacked(blocks: Sequence[Any], axis: int, format: str | None, dtype: Any) -> Variable:
    matrices = [as_sparse_variable(block) for block in blocks]
    if not matrices:
        raise ValueError("sparse.hstack and vstack: there are no blocks")
    format, dtype = format or "csc", dtype or upcast(*(m.type.dtype for m in matrices))
    parts: list[tuple[Variable, Variable]] = []
    dims = [csm_properties(m)[3] for m in matrices]
    offset: Any = 0
    for m, size in zip(matrices, dims, strict=True):
        places = list(rows_columns(m))
        places[axis] = ew.add(ew.cast(places[axis], "int64"), offset)
        parts.append((places[0], places[1]))
        offset = ew.add(size[axis], offset)
    row, column = (concatenate([ew.cast(part[k], "int64") for part in parts]) for k in (0, 1))
    other = dims[0][1 - axis:2 - axis]
    for size in dims[1:]:
        other = same(other, size[1 - axis:2 - axis])
    whole = stack([offset, other[0]] if axis == 0 else [other[0], offset])
    data = concatenate([ew.cast(csm_properties(m)[0], dtype) for m in matrices])
    return coalesced(format, data, (row, column) if format == "csr" else (column, row), whole)


def hstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> Variable:
    """Sparse matrices side by side, in ``format`` ("csc" by default) and the dtype they promote to."""
    return _stacked(blocks, 1, format, dtype)


def vstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> Variable:
    """Sparse matrices on top of each other, in ``format`` ("csc" by default) and the dtype they promote to."""
    return _stacked(blocks, 0, format, dtype)


# -- selection -------------------------------------------------------------------------------------------------------


def _is_scalar(key: Any) -> bool:
    if isinstance(key, Variable):
        return key.type.ndim == 0 and key.type.dtype in INTEGER_DTYPES
    return isinstance(key, (int, np.integer)) and not isinstance(key, bool)


def _positions(x: Variable, axis: int, key: Any) -> Variable:
    """The positions along an axis that a slice, integer or list means; IndexError at run time outside."""
    found = take_part(arange(csm_properties(x)[3][axis]), key)
    return found if found.type.ndim else dimshuffle(found, "x")


def _select(x: Variable, axis: int, key: Any) -> Variable:
    """The rows or columns that a slice, integer or list names."""
    if isinstance(key, slice) and key == slice(None):
        return x
    wanted = FORMATS[axis]
    if x.type.format != wanted:
        return as_format(_select(as_format(x, wanted), axis, key), x.type.format)
    data, indices, indptr, dims = csm_properties(x)
    sizes = [dims[0], dims[1]]
    if isinstance(key, slice) and key.step in (None, 1):  # neighbours: views of the parts
        start, stop = (None if end is None else as_index(end) for end in (key.start, key.stop))
        start, _, sizes[axis] = slice_region(dims[axis], start, stop, None)
        bounds = indptr[start:d.add(d.add(start, sizes[axis]), 1)]
        part = slice(bounds[0], bounds[-1])
        return csm(wanted, data[part], indices[part], ew.sub(bounds, bounds[0]), stack(sizes))
    places = _positions(x, axis, key)
    sizes[axis] = shape_i(places, 0)
    owner, place = pairs(places, indptr)
    return coalesced(wanted, take_part(data, place), (owner, take_part(indices, place)), stack(sizes))


def get_item_2lists(x: Any, ind1: Any, ind2: Any) -> Variable:
    """The elements at rows ``ind1`` and columns ``ind2`` (integer vectors) as a dense vector."""
    x = as_sparse_variable(x)
    row, column = (_positions(x, axis, as_tensor_variable(key)) for axis, key in enumerate((ind1, ind2)))
    return lookup(x, (row, column) if x.type.format == "csr" else (column, row))


def get_item_scalar(x: Any, index: Sequence[Any]) -> Variable:
    """The element ``x[index]``, as a dense scalar."""
    row, column = (dimshuffle(as_tensor_variable(key), "x") for key in index)
    return take_part(get_item_2lists(x, row, column), 0)


def getitem(x: Any, key: Any) -> Variable:
    """``x[key]`` (Theano's ``get_item_2d`` and ``get_item_list``): a dense scalar for two integers, a dense vector for
    two lists, else a sparse matrix; an integer alone, or beside a slice, keeps its axis with size 1."""
    x = as_sparse_variable(x)
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > 2 or any(k is None or k is Ellipsis for k in keys):
        raise IndexError(f"a sparse matrix takes at most two indices: integers, slices or lists; got {key!r}")
    if len(keys) == 2:
        if all(map(_is_scalar, keys)):
            return get_item_scalar(x, keys)
        if not any(isinstance(k, slice) or _is_scalar(k) for k in keys):
            return get_item_2lists(x, *keys)
    for axis, part in enumerate(keys):
        x = _select(x, axis, part)
    return x
