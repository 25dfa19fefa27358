"""Equality up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.types import is_complex, is_float, upcast
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import abs_, add, cast, mul, sub
from symtensor.ops.elementwise_compare import and_, eq, isfinite, isnan, le, or_

__all__ = ["allclose", "isclose"]


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Whether elements are equal up to ``atol + rtol * |b|``, as bool (NumPy's definition).

    Infinities are close to themselves alone; nan to nan only with ``equal_nan``.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    common = upcast(a.type.dtype, b.type.dtype)
    if not (is_float(common) or is_complex(common)):
        a, b = cast(a, "float64"), cast(b, "float64")
    bound = add(mul(np.asarray(rtol, _bound_dtype(common)), abs_(b)), np.asarray(atol, _bound_dtype(common)))
    near: Variable = or_(and_(le(abs_(sub(a, b)), bound), isfinite(b)), eq(a, b))
    return or_(near, and_(isnan(a), isnan(b))) if equal_nan else near


def _bound_dtype(common: str) -> str:
    """The dtype of the bound: that of absolute values; integers are compared in float64."""
    if is_complex(common):
        return "float32" if common == "complex64" else "float64"
    return common if is_float(common) else "float64"


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Variable:
    """Whether all elements are close in the sense of `isclose`: a bool scalar."""
    from symtensor.ops.reduce import all as all_

    return all_(isclose(a, b, rtol, atol, equal_nan))
