"""What softmax, its logarithm and the cross-entropy are spelled with: sums and largest elements along one axis, which
stays as a dimension of 1."""

from __future__ import annotations

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import add, cast, eq, sub, switch
from symtensor.ops.elementwise_math import exp, log1p
from symtensor.ops.reduction import Reduction, put_back

__all__ = ["exponentials", "log_of_total", "row_sum", "shifted"]


def shifted(x: Variable, axis: int) -> Variable:
    """``x``, in at least float precision, less its largest elements along the axis."""
    work = cast(x, "float32") if x.type.dtype == "float16" else x
    result: Variable = sub(work, put_back(Reduction("peak", (axis,))(work), x.type.ndim, (axis,)))
    return result


def row_sum(x: Variable, axis: int, dtype: str, accumulator: str = "float64") -> Variable:
    """The sum along the axis."""
    return put_back(Reduction("sum", (axis,), dtype, accumulator)(x), x.type.ndim, (axis,))


def exponentials(d: Variable, axis: int) -> tuple[Variable, Variable]:
    """(others, ties) of what `shifted` gives: the sum of the exponentials of all but the largest elements, and the
    number of these, as float64. They are kept apart: what the others add may be far below one unit in the last place."""
    zero = as_tensor_variable(np.zeros((), d.type.dtype))
    largest = eq(d, zero)
    ties = cast(row_sum(largest, axis, "int32", "int32"), "float64")
    return row_sum(switch(largest, zero, exp(d)), axis, "float64"), ties


def log_of_total(others: Variable, ties: Variable) -> Variable:
    """The logarithm of the sum of the exponentials, as float64."""
    result: Variable = log1p(add(others, sub(ties, as_tensor_variable(np.ones((), "float64")))))
    return result
