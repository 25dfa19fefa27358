"""Products of tensors of any rank: dot, tensordot, batched products, matmul, outer. The ops are in
`symtensor.ops.dot`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, static_value
from symtensor.ops.create import alloc
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.dot import BatchedDot, Dot, Gemm
from symtensor.ops.elementwise import mul
from symtensor.ops.reshape import flatten, moveaxis, reshape
from symtensor.ops.shape import SpecifyShape, broadcast_shape, normalize_axis, shape_of

__all__ = ["BatchedDot", "Dot", "Gemm", "batched_dot", "batched_tensordot", "broadcast_stacks", "contract",
           "dot", "gemm", "inner", "matmul",
           "outer", "tensordot"]


def dot(a: Any, b: Any) -> Variable:
    """The product of two tensors, as ``numpy.dot`` (Theano's ``T.dot``): the inner product of vectors, the
    product of matrices, elementwise with a scalar, and else the sum over the last axis of ``a`` and the last
    but one of ``b``.

    Operands of different dtypes become their common one. ValueError where the summed dimensions differ.

    >>> from symtensor import tensor as T
    >>> dot(T.dmatrix(), T.dvector()).type
    TensorType(float64, vector)
    """
    if hasattr(a, "__dot__") or hasattr(b, "__rdot__"):  # a sparse operand (Theano's protocol)
        product: Variable = a.__dot__(b) if hasattr(a, "__dot__") else b.__rdot__(a)
        return product
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        return mul(a, b)
    if a.type.ndim <= 2 and b.type.ndim <= 2:
        result: Variable = Dot()(a, b)
        return result
    return contract("dot", a, b, [a.type.ndim - 1], [max(0, b.type.ndim - 2)], 0)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Variable:
    """The sum of products over some axes of both tensors, as ``numpy.tensordot``.

    ``axes`` is a number (the last axes of ``a`` with the first of ``b``) or a pair of axes, or of sequences
    of axes. The result has the other axes of ``a``, then those of ``b``. ValueError where the paired
    dimensions differ.

    >>> from symtensor import tensor as T
    >>> tensordot(T.tensor3(), T.matrix(), axes=[[0, 1], [0, 1]]).type.ndim
    1
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    return contract("tensordot", a, b, *_paired("tensordot", a, b, axes, 0), 0)


def batched_tensordot(x: Any, y: Any, axes: Any = 2) -> Variable:
    """`tensordot` of ``x[i]`` and ``y[i]`` for each ``i`` (Theano's name); ``axes`` count in ``x`` and ``y``,
    where axis 0 is that of the batch and cannot be summed."""
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    return contract("batched_tensordot", x, y, *_paired("batched_tensordot", x, y, axes, 1), 1)


def batched_dot(a: Any, b: Any) -> Variable:
    """``dot(a[i], b[i])`` for each ``i``, stacked (Theano's ``T.batched_dot``). ValueError where the first
    dimensions or the summed ones differ; nothing broadcasts (`matmul` does)."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        raise TypeError("batched_dot: the operands have a batch dimension, got "
                        f"{a} of type {a.type} and {b} of type {b.type}")
    if a.type.ndim == 1 or b.type.ndim == 1:
        rank = max(a.type.ndim, b.type.ndim)
        return mul(*(dimshuffle(x, [*range(x.type.ndim), *"x" * (rank - x.type.ndim)]) for x in (a, b)))
    return contract("batched_dot", a, b, [a.type.ndim - 1], [max(1, b.type.ndim - 2)], 1)


def inner(a: Any, b: Any) -> Variable:
    """The sum of products over the last axis of both, as ``numpy.inner``."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        return mul(a, b)
    return contract("inner", a, b, [a.type.ndim - 1], [b.type.ndim - 1], 0)


def outer(x: Any, y: Any) -> Variable:
    """The matrix of all products of elements of ``x`` and ``y``, which are flattened first, as
    ``numpy.outer``."""
    x, y = (flatten(v) if v.type.ndim != 1 else v for v in (as_tensor_variable(x), as_tensor_variable(y)))
    return mul(dimshuffle(x, 0, "x"), dimshuffle(y, "x", 0))


def gemm(c: Any, alpha: Any, a: Any, b: Any, beta: Any) -> Variable:
    """``beta * c + alpha * dot(a, b)`` as one node; see `Gemm`."""
    result: Variable = Gemm()(c, alpha, a, b, beta)
    return result


def matmul(a: Any, b: Any) -> Variable:
    """The product of matrices, or of stacks of them that broadcast, as ``numpy.matmul`` and ``@``.

    A vector on the left counts as a row, one on the right as a column, and that dimension is dropped from the
    result. ValueError for scalars and where dimensions do not fit.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if a.type.ndim == 0 or b.type.ndim == 0:
        raise ValueError(f"matmul: scalars are not allowed, got {a} of type {a.type} and {b} of type "
                         f"{b.type}; use *")
    if a.type.ndim <= 2 and b.type.ndim <= 2:
        return dot(a, b)
    if b.type.ndim <= 2:  # one matrix or vector for all: the stack is one tall matrix
        return contract("matmul", a, b, [a.type.ndim - 1], [0], 0)
    if a.type.ndim <= 2:  # likewise: the stack is one wide matrix
        product = contract("matmul", a, b, [a.type.ndim - 1], [b.type.ndim - 2], 0)
        return product if a.type.ndim == 1 else moveaxis(product, 0, -2)
    a, b = broadcast_stacks(a, b)
    rank, left, right = a.type.ndim, shape_of(a), shape_of(b)
    batch = left[:-2]
    if rank == 3:
        result: Variable = BatchedDot()(a, b)
        return result
    count = d.product(batch)
    product = BatchedDot()(reshape(a, (count, *left[-2:])), reshape(b, (count, *right[-2:])))
    return reshape(product, (*batch, left[-2], right[-1]))


def broadcast_stacks(a: Variable, b: Variable) -> tuple[Variable, Variable]:
    """Two stacks of matrices with all dimensions but the last two broadcast together; ValueError where they do not."""
    rank = max(a.type.ndim, b.type.ndim)
    a, b = pad_left(a, rank), pad_left(b, rank)
    left, right = shape_of(a), shape_of(b)
    batch = broadcast_shape(left[:-2], right[:-2])
    return (a if _same(left[:-2], batch) else alloc(a, *batch, *left[-2:]),
            b if _same(right[:-2], batch) else alloc(b, *batch, *right[-2:]))


def _same(dims: Sequence[Variable], others: Sequence[Variable]) -> bool:
    """Whether dimensions are known to be equal."""
    return all(x is y or (static_value(x) is not None and static_value(x) == static_value(y))
               for x, y in zip(dims, others, strict=True))


def _paired(name: str, a: Variable, b: Variable, axes: Any, batch: int) -> tuple[list[int], list[int]]:
    """The summed axes of both, from what a user gives; ValueError where they are not pairs of axes."""
    ranks = a.type.ndim, b.type.ndim
    if isinstance(axes, (list, tuple)) or hasattr(axes, "__len__"):
        if len(axes) != 2:
            raise ValueError(f"{name}: axes is a number, or a pair of axes or of sequences, got {axes!r}")
        left, right = (
            [normalize_axis(axis, rank, name) for axis in (item if hasattr(item, "__len__") else [item])]
            for item, rank in zip(axes, ranks)
        )
    else:
        count = static_value(axes)
        if count is None or isinstance(axes, bool) or not 0 <= count <= min(ranks) - batch:
            raise ValueError(f"{name}: cannot sum over {axes!r} axes of tensors with {ranks[0]} and "
                             f"{ranks[1]} dimensions")
        left, right = list(range(ranks[0] - count, ranks[0])), list(range(batch, batch + count))
    if len(left) != len(right) or len(set(left)) != len(left) or len(set(right)) != len(right):
        raise ValueError(f"{name}: axes {left} and {right} are not pairs of different axes")
    if batch and 0 in (*left, *right):
        raise ValueError(f"{name}: axis 0 is that of the batch and cannot be summed")
    return left, right


def contract(name: str, a: Variable, b: Variable, left: Sequence[int], right: Sequence[int],
              batch: int) -> Variable:
    """The sum of products over the axes ``left`` of ``a`` paired with ``right`` of ``b``, by one matrix
    product, or a batched one over axis 0 where ``batch`` is 1."""
    for i, j in zip(left, right, strict=True):
        m, n = a.type.shape[i], b.type.shape[j]
        if m is not None and n is not None and m != n:
            raise ValueError(f"{name}: shapes {a.type.shape} and {b.type.shape} do not fit: axis {i} of the "
                             f"first is {m}, axis {j} of the second is {n}")
    rest_a = [k for k in range(batch, a.type.ndim) if k not in left]
    rest_b = [k for k in range(batch, b.type.ndim) if k not in right]
    if not left and not batch:
        return mul(dimshuffle(a, [*rest_a, *"x" * len(rest_b)]), dimshuffle(b, [*"x" * len(rest_a), *rest_b]))
    dims_a, dims_b = shape_of(a), shape_of(b)
    summed = [dims_a[k] for k in left]
    first = dimshuffle(a, [*range(batch), *rest_a, *left])
    second = dimshuffle(b, [*range(batch), *right, *rest_b])
    if len(left) > 1 and not _same(summed, [dims_b[k] for k in right]):
        # one product of dimensions may equal another where the dimensions do not: each pair is checked
        second = SpecifyShape(range(batch, batch + len(left)), name)(second, *summed)
    free_a, free_b = [dims_a[k] for k in rest_a], [dims_b[k] for k in rest_b]
    keep = (1,) if batch else (0, 1)  # free dimensions of a factor as it is: stacks are made of matrices
    if len(left) != 1 or len(free_a) not in keep:
        first = reshape(first, [*dims_a[:batch], *_merged(free_a, batch), d.product(summed)])
    if len(left) != 1 or len(free_b) not in keep:
        inner_b = d.product(summed) if len(left) != 1 else dims_b[right[0]]
        second = reshape(second, [*dims_b[:batch], inner_b, *_merged(free_b, batch)])
    product = (BatchedDot() if batch else Dot())(first, second)
    if len(free_a) in keep and len(free_b) in keep:
        result: Variable = product
        return result
    return reshape(product, [*dims_a[:batch], *free_a, *free_b])


def _merged(dims: Sequence[Variable], batch: int) -> list[Variable]:
    """Free dimensions as one; none stay none, except in a stack, whose matrices have two dimensions."""
    return [d.product(dims)] if dims or batch else []
