"""Sparse matrices: the type, and the two ops that make one of dense vectors and take it apart again.

A sparse variable is a compound of four dense ones: ``data`` (the stored elements), ``indices`` (int32: for each its
column, in a "csc" matrix its row), ``indptr`` (int32: where each row, or column, begins) and ``shape``. Everything
else is spelled with these: the compiler drops ``csm_properties(CSM(...))`` pairs, and programs hold dense variables
alone. Values are the matrices (or arrays) of ``scipy.sparse``, which is needed for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.types import DTYPES, TensorType, Type, complete_dtype, is_integer
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import as_tensor_variable

__all__ = ["CSC", "CSM", "CSR", "CSMProperties", "SparseType", "as_sparse", "as_sparse_variable", "constant", "csm",
           "csm_properties", "is_sparse", "is_sparse_value", "is_sparse_variable"]

FORMATS = ("csr", "csc")


def scipy_sparse() -> ModuleType:
    """The module ``scipy.sparse``; ImportError saying what it is needed for where it is missing."""
    try:
        import scipy.sparse
    except ImportError as error:
        raise ImportError("the values of sparse variables are matrices of scipy.sparse: install scipy, or work with "
                          "the dense data, indices, indptr and shape of csm_properties(x)") from error
    found: ModuleType = scipy.sparse
    return found


def is_sparse_value(x: Any) -> bool:
    """Whether ``x`` is a matrix or array of scipy.sparse."""
    return not isinstance(x, Variable) and hasattr(x, "tocsr") and hasattr(x, "nnz")


class SparseType(Type):
    """Sparse matrices of one format and dtype (Theano's type).

    Parameters
    ----------
    format : "csr" or "csc".
    dtype : any but float16, which SciPy does not store.

    Indices are int32: a matrix has less than 2**31 rows, columns and stored elements.

    >>> SparseType("csr", "float64")
    Sparse[float64, csr]
    """

    __slots__ = ("dtype", "format")

    ndim = 2
    broadcastable = (False, False)
    dtype_set = frozenset(DTYPES) - {"float16"}
    part_names = ("data", "indices", "indptr", "shape")

    def __init__(self, format: str, dtype: Any = "floatX", name: str | None = None) -> None:
        if format not in FORMATS:
            raise ValueError(f"SparseType: the format is {' or '.join(map(repr, FORMATS))}, got {format!r}")
        self.format = format
        self.dtype = complete_dtype(dtype)
        if self.dtype not in self.dtype_set:
            raise NotImplementedError(f"SparseType: there are no sparse matrices of dtype {self.dtype}; use float32")

    # -- as a compound of tensors: what compile/split.py asks for ----------------------------------------------------

    @property
    def components(self) -> tuple[TensorType, ...]:
        """The types of data, indices, indptr and shape."""
        return (TensorType(self.dtype, (None,)), TensorType("int32", (None,)), TensorType("int32", (None,)),
                TensorType("int64", (2,)))

    def split(self, value: Any) -> tuple[np.ndarray[Any, Any], ...]:
        """The arrays that a value consists of."""
        count = int(value.indptr[-1])
        return value.data[:count], value.indices[:count], value.indptr, np.array(value.shape, dtype="int64")

    def join(self, parts: Sequence[np.ndarray[Any, Any]]) -> Any:
        """The SciPy matrix of these arrays; ValueError where they do not fit together."""
        data, indices, indptr, shape = parts
        make = getattr(scipy_sparse(), f"{self.format}_matrix")
        return make((data, indices, indptr), shape=tuple(int(n) for n in shape), copy=False)

    def compose(self, parts: Sequence[Variable]) -> Variable:
        """The sparse variable of these dense ones."""
        return csm(self.format, *parts)

    def decompose(self, variable: Variable) -> list[Variable]:
        """The dense variables that a sparse one consists of."""
        return csm_properties(variable)

    # -- values ------------------------------------------------------------------------------------------------------

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """``value`` as a SciPy matrix of this format and dtype, from sparse or dense; TypeError where it is none, or
        its dtype would lose precision (unless ``allow_downcast``)."""
        sparse = is_sparse_value(value)
        exact = sparse and value.format == self.format and value.dtype.name == self.dtype
        if strict and not exact:
            raise TypeError(f"expected a {self.format} matrix of dtype {self.dtype} (strict), got {_described(value)}")
        if isinstance(value, Variable):
            raise TypeError(f"expected a sparse matrix, got the symbolic variable {value}")
        if not sparse:
            array = np.asarray(value)
            if array.ndim != 2 or array.dtype.kind not in "biufc":
                raise TypeError(f"expected a sparse matrix of dtype {self.dtype}, got {_described(value)}")
            value = getattr(scipy_sparse(), f"{self.format}_matrix")(array)
        found = value if exact else value.asformat(self.format)
        if len(found.shape) != 2:
            raise TypeError(f"expected a sparse matrix, got a sparse array of shape {found.shape}")
        if found.dtype.name != self.dtype:
            if not (allow_downcast or np.can_cast(found.dtype, self.dtype, "safe")):
                raise TypeError(f"expected a sparse matrix of dtype {self.dtype}, got dtype {found.dtype}, which would "
                                f"lose precision; convert it with .astype({self.dtype!r})")
            found = found.astype(self.dtype)
        if found.indices.dtype != np.int32 or found.indptr.dtype != np.int32:
            if max(found.nnz, *found.shape) >= 2**31:
                raise TypeError(f"the indices of sparse matrices are int32: one of shape {found.shape} with "
                                f"{found.nnz} elements is too large")
            parts = found.data, found.indices.astype("int32"), found.indptr.astype("int32")
            found = type(found)(parts, shape=found.shape)
        return found

    def values_eq(self, a: Any, b: Any) -> bool:
        """Whether two matrices have the same format, dtype, shape and elements."""
        return bool(a.format == b.format and a.dtype == b.dtype and a.shape == b.shape and (a != b).nnz == 0)

    # -- variables ---------------------------------------------------------------------------------------------------

    def make_variable(self, name: str | None = None) -> Variable:
        from symtensor.ops.sparse_variable import SparseVariable

        return SparseVariable(self, name=name)

    def make_constant(self, value: Any, name: str | None = None) -> Constant:
        from symtensor.ops.sparse_variable import SparseConstant

        return SparseConstant(self, value, name=name)

    def clone(self, format: str | None = None, dtype: Any = None) -> SparseType:
        """The type with some fields replaced."""
        return SparseType(format or self.format, dtype or self.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SparseType) and (self.format, self.dtype) == (other.format, other.dtype)

    def __hash__(self) -> int:
        return hash((SparseType, self.format, self.dtype))

    def __repr__(self) -> str:
        return f"Sparse[{self.dtype}, {self.format}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return SparseType, (self.format, self.dtype)


def _described(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of dtype {value.dtype} and shape {value.shape}" if hasattr(value, "dtype") else f"a {kind}"


_WHOLE = "its sparse matrix is none of the variables of a compiled program"


class CSM(Op):
    """The sparse matrix of dense ``data``, ``indices``, ``indptr`` and ``shape`` (Theano's op).

    Parameters
    ----------
    format : "csr" or "csc".
    kmap : positions in ``data`` that the stored elements are taken from; by default its elements in order.

    Indices may be in any order, and name a position repeatedly: such elements add up.

    >>> CSR([1, 2], [0, 2], [0, 1, 2], [2, 3]).eval().toarray()
    array([[1, 0, 0],
           [0, 0, 2]])
    """

    __props__ = ("format",)
    without = {"infer_shape": _WHOLE, "native": _WHOLE}

    def __init__(self, format: str, kmap: Any = None) -> None:
        if format not in FORMATS:
            raise ValueError(f"CSM: the format is {' or '.join(map(repr, FORMATS))}, got {format!r}")
        self.format = format
        self.kmap = kmap

    def make_node(self, data: Any, indices: Any, indptr: Any, shape: Any) -> Apply:
        from symtensor.ops.elementwise import cast
        from symtensor.ops.index import getitem

        parts = [as_tensor_variable(value) for value in (data, indices, indptr, shape)]
        for name, part in zip(SparseType.part_names, parts, strict=True):
            if part.type.ndim != 1 or (name != "data" and not is_integer(part.type.dtype)):
                kind = "a vector" if name == "data" else "an integer vector"
                raise TypeError(f"CSM: {name} is {kind}, got {part} of type {part.type}")
        if parts[3].type.shape[0] not in (None, 2):
            raise TypeError(f"CSM: shape has 2 entries, got {parts[3]} of type {parts[3].type}")
        if self.kmap is not None:
            parts[0] = getitem(parts[0], as_tensor_variable(self.kmap))
        wanted = (parts[0].type.dtype, "int32", "int32", "int64")
        parts = [part if part.type.dtype == dtype else cast(part, dtype)
                 for part, dtype in zip(parts, wanted, strict=True)]
        op = self if self.kmap is None else CSM(self.format)
        return Apply(op, parts, [SparseType(self.format, wanted[0]).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = node.outputs[0].type.join(inputs)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False], [False], [False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [_data_at(outputs[0], output_grads[0]), None, None, None]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None if tangents[0] is None else self(tangents[0], *inputs[1:])]


def _data_at(x: Variable, g: Variable) -> Variable:
    """The elements of the sparse ``g`` at the positions of ``x``: its data where they are said to be its own."""
    given = g.owner.inputs if g.owner is not None and isinstance(g.owner.op, CSM) else ()
    if given and all(part.owner is not None and isinstance(part.owner.op, CSMProperties) and part.index == k
                     and part.owner.inputs[0] is x for k, part in enumerate(given) if k):
        return given[0]
    if given and x.owner is not None and isinstance(x.owner.op, CSM) and given[1:] == x.owner.inputs[1:]:
        return given[0]
    from symtensor.ops.sparse_math import lookup, places_of

    return lookup(g, places_of(x))


class CSMProperties(Op):
    """The data, indices, indptr and shape of a sparse matrix (Theano's op)."""

    __props__ = ()
    without = {"infer_shape": _WHOLE, "native": _WHOLE}
    undoes = CSM  # the compiler drops the pair

    def make_node(self, csm: Any) -> Apply:
        csm = as_sparse_variable(csm)
        return Apply(self, [csm], [kind.make_variable() for kind in csm.type.components])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        for cell, part in zip(outputs, node.inputs[0].type.split(inputs[0]), strict=True):
            cell[0] = part

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False, False, False]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [CSM(inputs[0].type.format)(output_grads[0], *outputs[1:])]

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        return [None if tangents[0] is None else _data_at(inputs[0], tangents[0]), None, None, None]


CSR, CSC = CSM("csr"), CSM("csc")


def csm(format: str, *parts: Any) -> Any:
    """The sparse variable of data, indices, indptr and shape."""
    return (CSR if format == "csr" else CSC)(*parts)


def csm_properties(csm: Any) -> list[Any]:
    """The stored elements, their indices, where rows (of "csc": columns) begin, and the shape, as dense vectors
    (Theano's op).

    >>> x = SparseType("csr", "float32")("x")
    >>> [part.type.dtype for part in csm_properties(x)]
    ['float32', 'int32', 'int32', 'int64']
    """
    csm = as_sparse_variable(csm)
    notes = vars(csm.tag)  # one node for each variable: its gradient is one term then, on its own pattern
    if "_properties" not in notes:
        notes["_properties"] = CSMProperties()(csm, return_list=True)
    return list(notes["_properties"])


def is_sparse_variable(x: Any) -> bool:
    """Whether ``x`` is a sparse variable; TypeError for what is neither sparse nor a tensor variable."""
    if not isinstance(x, Variable) or not isinstance(x.type, (SparseType, TensorType)):
        raise NotImplementedError(f"expected a sparse or a tensor variable, got {x!r} ({type(x).__name__})")
    return isinstance(x.type, SparseType)


def is_sparse(x: Any) -> bool:
    """Whether ``x`` is a sparse variable or a SciPy matrix."""
    return isinstance(getattr(x, "type", None), SparseType) or is_sparse_value(x)


def constant(x: Any, name: str | None = None) -> Constant:
    """A sparse constant of a SciPy matrix; of formats other than csr and csc it becomes csr."""
    if not is_sparse_value(x):
        raise TypeError(f"sparse.constant: expected a matrix of scipy.sparse, got {x!r} ({type(x).__name__})")
    return SparseType(x.format if x.format in FORMATS else "csr", x.dtype).make_constant(x.copy(), name)


def as_sparse_variable(x: Any, name: str | None = None) -> Variable:
    """``x`` as a sparse variable: such variables as they are, SciPy matrices as constants (Theano's name).

    TypeError for dense ones: `csr_from_dense` and `csc_from_dense` convert.
    """
    if isinstance(x, Apply):
        x = x.default_output()
    if isinstance(x, Variable):
        if not isinstance(x.type, SparseType):
            raise TypeError(f"{x} of type {x.type} is not sparse; csr_from_dense(x) and csc_from_dense(x) convert")
        return x
    return constant(x, name)


as_sparse = as_sparse_variable
