"""`shared`: variables whose value lives between calls."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.shared import SharedVariable
from symtensor.graph.types import DTYPES, TensorType, as_ndarray, reject_masked
from symtensor.graph.variable import Variable
from symtensor.ops.sparse import SparseType, is_sparse_value
from symtensor.ops.tensor_variable import TensorSharedVariable

__all__ = ["shared"]


def shared(value: Any, name: str | None = None, strict: bool = False, allow_downcast: bool | None = None,
           borrow: bool = False, broadcastable: Sequence[bool] | None = None,
           shape: Sequence[int | None] | None = None, target: str = "cpu") -> SharedVariable:
    """A shared variable holding ``value`` (Theano's ``theano.shared``).

    Parameters
    ----------
    value : a number, or an array of NumPy or any library with DLPack. Its dtype is the variable's: ``shared(0)``
        is int64, ``shared(1.0)`` float64.
    name : for printing.
    strict, allow_downcast : what `set_value` takes: only arrays of the very dtype; values that lose
        precision.
    borrow : use the array's own memory where that is possible, instead of a copy.
    broadcastable, shape : dimensions that stay as they are (1, or the given number); all may change by
        default.

    TypeError for a value that is no array or number, or that is symbolic.

    >>> state = shared(0)
    >>> state.get_value()
    array(0)
    """
    if isinstance(value, Variable):
        raise TypeError(
            f"shared: expected a value, got the symbolic variable {value}; pass .get_value() of a shared "
            "variable, or .eval() of an expression"
        )
    value = as_ndarray(value)
    if is_sparse_value(value):
        from symtensor.ops.sparse_variable import SparseSharedVariable

        kind = SparseType("csc" if value.format == "csc" else "csr", value.dtype)
        return SparseSharedVariable(kind, value, name, strict=strict, allow_downcast=allow_downcast, borrow=borrow)
    if not isinstance(value, (np.ndarray, np.generic, numbers.Number)):
        raise TypeError(
            f"shared: expected an array or a number, got {value!r} ({type(value).__name__}); convert it "
            "with np.asarray(value, dtype=...)"
        )
    if target != "cpu":
        raise ValueError(f"shared: target={target!r} is no device of this build; use target='cpu'")
    reject_masked(value)
    array = np.asarray(value)
    if array.dtype.name not in DTYPES:
        raise TypeError(
            f"shared: values of dtype {array.dtype} are not supported; the dtypes are {', '.join(DTYPES)}"
        )
    type_ = TensorType(array.dtype.name, _static_shape(array, broadcastable, shape))
    return TensorSharedVariable(
        type_, array, name, strict=strict, allow_downcast=allow_downcast, borrow=borrow
    )


def _static_shape(array: np.ndarray[Any, Any], broadcastable: Sequence[bool] | None,
                  shape: Sequence[int | None] | None) -> Sequence[int | bool | None]:
    if broadcastable is not None and shape is not None:
        raise TypeError("shared: give broadcastable or shape, not both")
    given = shape if shape is not None else broadcastable
    if given is None:
        return (None,) * array.ndim
    if len(given) != array.ndim:
        word = "shape" if shape is not None else "broadcastable"
        raise TypeError(f"shared: {word}={tuple(given)} has {len(given)} entries, the value has {array.ndim} "
                        f"dimension(s): shape {array.shape}")
    return given
