"""The ops of ``theano.tensor.elemwise``: elementwise functions, reductions and transpositions, by Theano's names."""

from __future__ import annotations

from typing import Any as _Any

from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.reduction import REDUCTIONS, Reduction

__all__ = ["All", "Any", "CAReduce", "CAReduceDtype", "DimShuffle", "Elemwise", "Prod", "Sum"]


def CAReduceDtype(scalar_op: _Any, axis: _Any = None, dtype: _Any = None, acc_dtype: _Any = None) -> Reduction:
    """The reduction that an elementwise op joins values by: ``add``, ``mul``, ``maximum``, ``minimum``, ``and_`` or
    ``or_``. TypeError for another.

    >>> from symtensor import tensor as T
    >>> CAReduceDtype(T.add, axis=0)([[1.0, 2.0], [3.0, 4.0]]).eval()
    array([4., 6.])
    """
    name = next((name for name, record in REDUCTIONS.items() if record.combine is scalar_op), None)
    if name is None:
        raise TypeError(f"CAReduce: no reduction joins values by {scalar_op}; there are "
                        f"{', '.join(str(record.combine_name) for record in REDUCTIONS.values())}")
    axes = axis if axis is None or isinstance(axis, (list, tuple)) else (axis,)
    return Reduction(name, axes, dtype, acc_dtype)


def CAReduce(scalar_op: _Any, axis: _Any = None) -> Reduction:
    """`CAReduceDtype` with the dtypes of the reduction's record."""
    return CAReduceDtype(scalar_op, axis)


def Sum(axis: _Any = None, dtype: _Any = None, acc_dtype: _Any = None) -> Reduction:
    """The op of `symtensor.tensor.sum`."""
    return CAReduceDtype(REDUCTIONS["sum"].combine, axis, dtype, acc_dtype)


def Prod(axis: _Any = None, dtype: _Any = None, acc_dtype: _Any = None, no_zeros_in_input: bool = False) -> Reduction:
    """The op of `symtensor.tensor.prod`; its gradient is right at zeros in any case."""
    return CAReduceDtype(REDUCTIONS["prod"].combine, axis, dtype, acc_dtype)


def All(axis: _Any = None) -> Reduction:
    """The op of `symtensor.tensor.all`, of bools."""
    return CAReduceDtype(REDUCTIONS["all"].combine, axis)


def Any(axis: _Any = None) -> Reduction:
    """The op of `symtensor.tensor.any`, of bools."""
    return CAReduceDtype(REDUCTIONS["any"].combine, axis)
