"""Diagonals and triangles: matrices of ones (`Eye`, `Tri`), parts of a matrix, and matrices made of a
diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.op import Kernel
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, complete_dtype
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, constant, static_value
from symtensor.ops.create import arange, zeros
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import nonzero
from symtensor.ops.index_set import set_subtensor
from symtensor.ops.reshape import moveaxis
from symtensor.ops.shape import Discrete, normalize_axis, shape_i, specify_shape

__all__ = ["Eye", "Tri", "diag", "diagonal", "eye", "fill_diagonal", "fill_diagonal_offset", "identity",
           "identity_like", "trace", "tri", "tril", "tril_indices", "triu", "triu_indices"]


class Eye(Discrete):
    """An n by m matrix with ones where ``column - row == k``, zeros elsewhere (Theano's op). Inputs: n, m,
    k."""

    __props__ = ("dtype",)
    comparison = "=="

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def make_node(self, n: Any, m: Any, k: Any) -> Apply:
        scalars = [as_index(value) for value in (n, m, k)]
        static = [static_value(dim) for dim in scalars[:2]]
        if any(dim is not None and dim < 0 for dim in static):
            raise self.failure(None, "ST_VALUE", [dim or 0 for dim in static])
        return Apply(self, scalars, [TensorType(self.dtype, static).make_variable()])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a negative dimension."""
        name = type(self).__name__.lower()
        return ValueError(f"{name}: the shape {tuple(values[:2])} has a negative dimension")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        n, m = node.inputs[:2]
        return [(d.all_of(d.at_most(0, n), d.at_most(0, m)), "ST_VALUE", (n, m))]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        n, m, k = (int(value) for value in inputs)
        if n < 0 or m < 0:
            raise self.failure(node, "ST_VALUE", (n, m))
        outputs[0][0] = self.values(n, m, k)

    def values(self, n: int, m: int, k: int) -> Any:
        """The matrix."""
        return np.eye(n, m, k, dtype=self.dtype)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(node.inputs[0], node.inputs[1])]

    def kernel(self, node: Apply) -> Kernel:
        body = (f"for (int64_t j = 0; j < OUT0_DIM(1); j++)\n"
                f"    OUT0(i, j) = (OUT0_T)(j - i {self.comparison} (int64_t)IN2());")
        return Kernel(body, node.inputs[0])


class Tri(Eye):
    """An n by m matrix with ones where ``column - row <= k``, zeros elsewhere (Theano's op). Inputs: n, m,
    k."""

    comparison = "<="

    def values(self, n: int, m: int, k: int) -> Any:
        """The matrix."""
        return np.tri(n, m, k, dtype=self.dtype)


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Variable:
    """An n by m (default: n) matrix with ones on the diagonal ``k`` places right of the main one; floatX by
    default."""
    result: Variable = Eye(complete_dtype(dtype or config.floatX))(n, n if m is None else m, k)
    return result


def identity(n: Any, dtype: Any = None) -> Variable:
    """The n by n identity matrix."""
    return eye(n, dtype=dtype)


def identity_like(x: Any, dtype: Any = None) -> Variable:
    """``eye`` of the shape of the matrix ``x``, and its dtype unless another is given."""
    x = as_tensor_variable(x)
    if x.type.ndim != 2:
        raise TypeError(f"identity_like: a matrix is expected, got {x} of type {x.type}")
    return eye(shape_i(x, 0), shape_i(x, 1), dtype=dtype or x.type.dtype)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> Variable:
    """An N by M (default: N) matrix with ones on and below the diagonal ``k``; floatX by default."""
    result: Variable = Tri(complete_dtype(dtype or config.floatX))(N, N if M is None else M, k)
    return result


def tril(m: Any, k: Any = 0) -> Variable:
    """The last two dimensions of ``m`` with zeros above the diagonal ``k``."""
    return _masked(m, k, "tril", lower=True)


def triu(m: Any, k: Any = 0) -> Variable:
    """The last two dimensions of ``m`` with zeros below the diagonal ``k``."""
    return _masked(m, d.sub(as_index(k), 1), "triu", lower=False)


def _masked(m: Any, k: Any, name: str, lower: bool) -> Variable:
    from symtensor.ops.elementwise import switch

    m = as_tensor_variable(m)
    if m.type.ndim < 2:
        raise TypeError(f"{name}: at least two dimensions are expected, got {m} of type {m.type}")
    mask = tri(shape_i(m, m.type.ndim - 2), shape_i(m, m.type.ndim - 1), k, dtype="bool")
    zero = constant(0, dtype=m.type.dtype)
    result: Variable = switch(mask, m, zero) if lower else switch(mask, zero, m)
    return result


def diagonal(a: Any, offset: Any = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The elements of ``a`` with equal positions, ``offset`` apart, along two axes; they become the last
    dimension, as NumPy's."""
    a = as_tensor_variable(a)
    first, second = (normalize_axis(axis, a.type.ndim, "diagonal") for axis in (axis1, axis2))
    if first == second:
        raise ValueError(f"diagonal: axis1 and axis2 are both {first}; two axes are needed")
    moved = moveaxis(a, (first, second), (-2, -1))
    return getitem(moved, (Ellipsis, *_places_of(moved, offset)))


def _places_of(a: Variable, offset: Any) -> tuple[Variable, Variable]:
    """Rows and columns of a diagonal of the last two dimensions."""
    k = as_index(offset)
    down, right = d.maximum(d.neg(k), 0), d.maximum(k, 0)
    length = d.maximum(d.minimum(d.sub(shape_i(a, -2), down), d.sub(shape_i(a, -1), right)), 0)
    return _diagonal_places(length, down, right)


def _diagonal_places(length: Variable, down: Variable, right: Variable) -> tuple[Variable, Variable]:
    from symtensor.ops.elementwise import add

    places = arange(length)
    rows, columns = (places if static_value(k) == 0 else add(places, k) for k in (down, right))
    return rows, columns


def diag(v: Any, k: Any = 0) -> Variable:
    """The diagonal ``k`` of a matrix, or the square matrix with the vector ``v`` on diagonal ``k`` (NumPy's
    ``diag``)."""
    v = as_tensor_variable(v)
    if v.type.ndim == 2:
        return diagonal(v, k)
    if v.type.ndim != 1:
        raise TypeError(f"diag: a vector or matrix is expected, got {v} of type {v.type}")
    k = as_index(k)
    length = shape_i(v, 0)
    down, right = d.maximum(d.neg(k), 0), d.maximum(k, 0)
    side = d.add(length, d.maximum(down, right))
    blank = zeros((side, side), v.type.dtype)
    return set_subtensor(getitem(blank, _diagonal_places(length, down, right)), v)


def trace(a: Any, offset: Any = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The sum of a diagonal."""
    from symtensor.ops.reduce import sum as sum_

    return sum_(diagonal(a, offset, axis1, axis2), axis=-1)


def fill_diagonal(a: Any, val: Any) -> Variable:
    """A copy of ``a`` with the scalar ``val`` on its main diagonal (Theano's name).

    With more than two dimensions these must be equal. TypeError for a vector, ValueError where they are not equal.
    """
    a = as_tensor_variable(a)
    if a.type.ndim == 2:
        return fill_diagonal_offset(a, val, 0)
    if a.type.ndim < 2:
        raise TypeError(f"fill_diagonal: at least two dimensions are expected, got {a} of type {a.type}")
    a = specify_shape(a, (shape_i(a, 0),) * a.type.ndim)
    return _filled(a, (arange(shape_i(a, 0)),) * a.type.ndim, val)


def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Variable:
    """A copy of the matrix ``a`` with the scalar ``val`` on the diagonal ``offset`` places right of the main one
    (Theano's name)."""
    a = as_tensor_variable(a)
    if a.type.ndim != 2:
        raise TypeError(f"fill_diagonal_offset: a matrix is expected, got {a} of type {a.type}")
    return _filled(a, _places_of(a, offset), val)


def _filled(a: Variable, places: Sequence[Variable], val: Any) -> Variable:
    from symtensor.ops.elementwise import cast

    value = as_tensor_variable(val)
    if value.type.ndim:
        raise TypeError(f"fill_diagonal: the value is a scalar, got {value} of type {value.type}")
    return set_subtensor(getitem(a, tuple(places)), cast(value, a.type.dtype))


def tril_indices(n: Any, k: Any = 0, m: Any = None) -> tuple[Variable, Variable]:
    """Rows and columns of the elements on and below diagonal ``k`` of an n by m (default: n) matrix, as NumPy's."""
    rows, columns = nonzero(tri(n, m, k, dtype="bool"))
    return rows, columns


def triu_indices(n: Any, k: Any = 0, m: Any = None) -> tuple[Variable, Variable]:
    """Rows and columns of the elements on and above diagonal ``k`` of an n by m (default: n) matrix, as NumPy's."""
    from symtensor.ops.elementwise import invert

    rows, columns = nonzero(invert(tri(n, m, d.sub(as_index(k), 1), dtype="bool")))
    return rows, columns
