"""Sparse variables: the operators and methods that users write on symbolic sparse matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symtensor.graph.op import evaluators
from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Constant, Variable
from symtensor.ops import sparse_math as m
from symtensor.ops import sparse_select as s
from symtensor.ops.sparse import csm_properties

__all__ = ["SparseConstant", "SparseOperators", "SparseSharedVariable", "SparseVariable"]


class SparseOperators:
    """What every sparse variable can do; methods are the functions of `symtensor.sparse` with ``self`` first.

    >>> from symtensor import sparse
    >>> x = sparse.csr_matrix("x", "float64")
    >>> (2 * x.T).type
    Sparse[float64, csc]
    """

    __slots__ = ()

    type: Any
    __array_priority__ = 1001

    __neg__ = m.neg
    __add__ = __radd__ = m.add
    __mul__ = __rmul__ = m.mul
    __sub__ = m.sub
    __lt__, __le__, __gt__, __ge__ = m.lt, m.le, m.gt, m.ge
    __dot__ = dot = __matmul__ = s.structured_dot
    __getitem__ = s.getitem
    transpose, astype, asformat = m.transpose, m.cast, m.as_format
    toarray = todense = m.dense_from_sparse
    sum, zeros_like, ones_like = m.sp_sum, m.sp_zeros_like, m.sp_ones_like
    ndim = 2
    broadcastable = (False, False)

    T = property(m.transpose)
    dtype = property(lambda self: self.type.dtype)
    format = property(lambda self: self.type.format)
    indices = property(lambda self: csm_properties(self)[1])
    indptr = property(lambda self: csm_properties(self)[2])
    shape = property(lambda self: csm_properties(self)[3])
    size = property(lambda self: csm_properties(self)[0].shape[0], doc="The number of stored elements.")

    def __rsub__(self, other: Any) -> Any:
        return m.sub(other, self)

    def __rdot__(self, other: Any) -> Any:
        return s.structured_dot(other, self)

    __rmatmul__ = __rdot__

    def __iter__(self) -> Any:
        raise TypeError(f"{self} cannot be iterated over; take rows with x[i], or the dense matrix x.toarray()")

    def tocsr(self) -> Any:
        """The matrix in the format "csr"."""
        return m.as_format(self, "csr")

    def tocsc(self) -> Any:
        """The matrix in the format "csc"."""
        return m.as_format(self, "csc")

    def copy(self, name: str | None = None) -> Any:
        """A new variable of equal value."""
        found = m.with_data(self, csm_properties(self)[0])  # type: ignore[arg-type]
        found.name = name
        return found

    def eval(self, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
        """The value, given those of the inputs."""
        return evaluators[-1](self, inputs_to_values)  # type: ignore[arg-type]


class _Data(SparseOperators):
    __slots__ = ()

    data = property(lambda self: csm_properties(self)[0], doc="The stored elements.")


class SparseVariable(_Data, Variable):
    """A symbolic sparse matrix: an input, or the result of an op (Theano's name)."""


class SparseConstant(SparseOperators, Constant):
    """A sparse matrix whose value is known, its ``data``."""

    def signature(self) -> Any:
        """A hashable stand-in for type and value."""
        return (self.type, *((part.shape, part.tobytes()) for part in self.type.split(self.data)))

    def _brief(self) -> str:
        value: Any = self.data
        return f"{value.shape}, {value.nnz} stored"


class SparseSharedVariable(_Data, SharedVariable):
    """A sparse matrix that keeps its value between calls."""

    def _own(self, value: Any, borrow: bool) -> Any:
        found = self.type.filter(value, strict=self.strict, allow_downcast=self.allow_downcast)
        return found if borrow or found is not value else found.copy()

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value as a SciPy matrix: a copy, or with ``borrow`` the very one."""
        with self.container.lock:
            value = self.container.storage[0]
        return value if borrow else value.copy()

    def zero(self, borrow: bool = False) -> None:
        """Store nothing: all elements are 0."""
        self.set_value(self.type.filter(np.zeros(self.get_value(borrow=True).shape, self.type.dtype)))
