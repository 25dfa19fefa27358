"""The names of ``theano.sparse.basic``: types, constructors, and functions of sparse variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from symtensor.autodiff import verify_grad
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Variable
from symtensor.ops import elementwise as ew
from symtensor.ops import elementwise_compare as compare_ops
from symtensor.ops import elementwise_complex as cx
from symtensor.ops import elementwise_math as em
from symtensor.ops import sparse, sparse_math, sparse_select
from symtensor.ops.sparse import *  # noqa: F403
from symtensor.ops.sparse import (
    SparseType,
    as_sparse_variable,
    csm,
    csm_properties,
    is_sparse,
    is_sparse_value,
    is_sparse_variable,
)
from symtensor.ops.sparse_math import *  # noqa: F403
from symtensor.ops.sparse_math import add, cast, eq, mul, structured
from symtensor.ops.sparse_select import *  # noqa: F403
from symtensor.ops.sparse_select import getitem
from symtensor.ops.sparse_variable import SparseConstant, SparseSharedVariable, SparseVariable

add_s_s = add_s_d = add
mul_s_s = mul_s_d = mul_s_v = mul
get_item_2d = get_item_list = getitem
equal_s_s = equal_s_d = eq
_is_sparse, _is_sparse_variable = is_sparse, is_sparse_variable


def _is_dense_variable(x: Any) -> bool:
    """Whether ``x`` is a tensor variable; an error for what is neither that nor sparse (Theano's name)."""
    return not is_sparse_variable(x)


def _is_dense(x: Any) -> bool:
    """Whether ``x`` is a tensor variable or an array."""
    return isinstance(x, np.ndarray) or isinstance(getattr(x, "type", None), TensorType)


def matrix(format: str, name: str | None = None, dtype: Any = None) -> Variable:
    """A sparse input of ``format`` ("csr" or "csc"), of dtype floatX by default.

    >>> matrix("csr", "x", "float32").type
    Sparse[float32, csr]
    """
    return SparseType(format, dtype or "floatX").make_variable(name)


csr_matrix, csc_matrix = partial(matrix, "csr"), partial(matrix, "csc")
csr_matrix.__doc__ = csc_matrix.__doc__ = "``csr_matrix(name, dtype)``, ``csc_matrix(name, dtype)``: see `matrix`."
csr_fmatrix, csc_fmatrix = SparseType("csr", "float32"), SparseType("csc", "float32")
csr_dmatrix, csc_dmatrix = SparseType("csr", "float64"), SparseType("csc", "float64")


def _part(index: int) -> Callable[[Any], Variable]:
    def part(csm: Any) -> Variable:
        return csm_properties(csm)[index]

    part.__name__ = f"csm_{SparseType.part_names[index]}"
    part.__doc__ = f"The {SparseType.part_names[index]} of a sparse matrix: see `csm_properties`."
    return part


csm_data, csm_indices, csm_indptr, csm_shape = map(_part, range(4))


def _caster(dtype: str) -> Callable[[Any], Variable]:
    def convert(variable: Any) -> Variable:
        return cast(variable, dtype)

    convert.__doc__ = f"The elements converted to {dtype}."
    return convert


bcast, wcast, icast, lcast = map(_caster, ("int8", "int16", "int32", "int64"))
fcast, dcast, ccast, zcast = map(_caster, ("float32", "float64", "complex64", "complex128"))

# What keeps 0 at 0, on all elements; and what does not, on the stored ones ("structured").
sin, tan, arcsin, arctan = (structured(n, getattr(em, n)) for n in ("sin", "tan", "arcsin", "arctan"))
sinh, tanh, arcsinh, arctanh = (structured(n, getattr(em, n)) for n in ("sinh", "tanh", "arcsinh", "arctanh"))
sqrt, expm1, log1p, deg2rad, rad2deg = (
    structured(n, getattr(em, n)) for n in ("sqrt", "expm1", "log1p", "deg2rad", "rad2deg"))
sgn, sqr = structured("sgn", ew.sgn), structured("sqr", ew.sqr)
ceil, floor, trunc = (structured(n, getattr(compare_ops, n)) for n in ("ceil", "floor", "trunc"))
rint, conj = structured("rint", compare_ops.round), structured("conj", cx.conj)
structured_sigmoid, structured_exp, structured_log = (
    structured(f"structured_{n}", getattr(em, n)) for n in ("sigmoid", "exp", "log"))
structured_pow, structured_add = structured("structured_pow", ew.pow), structured("structured_add", ew.add)
structured_minimum = structured("structured_minimum", ew.minimum)
structured_maximum = structured("structured_maximum", ew.maximum)


def sparse_grad(var: Variable) -> Variable:
    """``var``, the rows of a tensor that an integer vector selects, itself (Theano's ``theano.sparse_grad``).

    Theano made the gradient of such rows a sparse matrix. Here it is the dense one, which updates are computed from
    row by row.
    """
    owner = var.owner
    if owner is None or type(owner.op).__name__ != "AdvancedSubtensor1":
        raise TypeError(f"sparse_grad: expected rows x[i] of an integer vector i, got {var} of type {var.type}")
    return var


def verify_grad_sparse(op: Callable[..., Any], pt: Sequence[Any], structured: bool = False, *args: Any,
                       **kwargs: Any) -> None:
    """`symtensor.gradient.verify_grad` of a function of sparse and dense matrices (Theano's name).

    ``pt`` holds SciPy matrices and arrays. The elements stored in the former vary, which is what ``structured`` asks
    for and what gradients of sparse variables are.
    """
    matrices = {at: as_sparse_variable(value) for at, value in enumerate(pt) if is_sparse_value(value)}

    def fun(*inputs: Variable) -> Variable:
        made = [csm(matrices[at].type.format, v, *csm_properties(matrices[at])[1:]) if at in matrices else v
                for at, v in enumerate(inputs)]
        found = op(*made)
        return csm_properties(found)[0] if is_sparse(found) else found

    points = [csm_properties(matrices[at])[0].eval() if at in matrices else value for at, value in enumerate(pt)]
    verify_grad(fun, points, *args, **kwargs)


__all__ = [
    *sparse.__all__, *sparse_math.__all__, *sparse_select.__all__, "SparseConstant", "SparseSharedVariable",
    "SparseVariable", "add_s_d", "add_s_s", "arcsin", "arcsinh", "arctan", "arctanh", "bcast", "ccast", "ceil", "conj",
    "csc_dmatrix", "csc_fmatrix", "csc_matrix", "csm_data", "csm_indices", "csm_indptr", "csm_shape", "csr_dmatrix",
    "csr_fmatrix", "csr_matrix", "dcast", "deg2rad", "equal_s_d", "equal_s_s", "expm1", "fcast", "floor", "get_item_2d",
    "get_item_list", "icast", "lcast", "log1p", "matrix", "mul_s_d", "mul_s_s", "mul_s_v", "rad2deg", "rint", "sgn",
    "sin", "sinh", "sparse_grad", "sqr", "sqrt", "structured_add", "structured_exp", "structured_log",
    "structured_maximum", "structured_minimum", "structured_pow", "structured_sigmoid", "tan", "tanh", "trunc",
    "verify_grad_sparse", "wcast", "zcast",
]
