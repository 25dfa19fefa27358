"""Elementwise comparison, classification, rounding and bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.types import is_continuous, upcast
from symtensor.graph.variable import Variable
from symtensor.ops.elemwise import elementwise

__all__ = [
    "and_", "arithmetic", "ceil", "eq", "floor", "ge", "gt", "invert", "isfinite", "isinf", "isnan", "le",
    "left_shift", "lt", "neq", "or_", "right_shift", "round", "round_half_away_from_zero",
    "round_half_to_even",
    "trunc", "xor", "zero_gradient",
]


def arithmetic(*dtypes: str) -> str:
    """Promotion for functions that NumPy computes on bools as on int8."""
    out = upcast(*dtypes)
    return "int8" if out == "bool" else out


def _integral(*dtypes: str) -> str:
    """Promotion for functions of bits, which int64 and uint64 together do not have: they meet in float64."""
    out = upcast(*dtypes)
    if is_continuous(out):
        raise TypeError(f"bits of {' and '.join(dtypes)} cannot be combined: they promote to {out}; cast one first")
    return out


def zero_gradient(g: Variable, y: Variable, *xs: Variable) -> Sequence[Any]:
    """The gradient of piecewise constant functions: zero, in floatX where the input is no float."""
    from symtensor.ops.create import zeros_like

    return [zeros_like(x, dtype=x.type.dtype if is_continuous(x.type.dtype) else config.floatX) for x in xs]


# -- comparison ----------------------------------------------------------------------------------------------


def _comparison(name: str, symbol: str, numpy: Any, *, complex_too: bool = False) -> Any:
    return elementwise(
        name, f"{{0}} {symbol} {{1}}", numpy=numpy, grad=zero_gradient, nin=2, dtype="bool", symbol=symbol,
        accepts="biufc" if complex_too else "biuf", commutative=complex_too, smooth=False,
        doc=f"a {symbol} b at each position, as bool; False where either is nan." if symbol != "!=" else
        "a != b at each position, as bool; True where either is nan.",
    )


lt = _comparison("lt", "<", np.less)
gt = _comparison("gt", ">", np.greater)
le = _comparison("le", "<=", np.less_equal)
ge = _comparison("ge", ">=", np.greater_equal)
eq = _comparison("eq", "==", np.equal, complex_too=True)
neq = _comparison("neq", "!=", np.not_equal, complex_too=True)

isnan = elementwise(
    "isnan", {"float": "{0} != {0}",
              "complex": "(creal{f}({0}) != creal{f}({0})) | (cimag{f}({0}) != cimag{f}({0}))",
              "*": "0"},
    numpy=np.isnan, grad=zero_gradient, dtype="bool", smooth=False, doc="Whether an element is nan.",
)

isinf = elementwise(
    "isinf", {"float": "fabs{f}({0}) == ({T})INFINITY",
              "complex": "(fabs{f}(creal{f}({0})) == INFINITY) | (fabs{f}(cimag{f}({0})) == INFINITY)",
              "*": "0"},
    numpy=np.isinf, grad=zero_gradient, dtype="bool", smooth=False, doc="Whether an element is inf or -inf.",
)

isfinite = elementwise(
    "isfinite", {"float": "fabs{f}({0}) < ({T})INFINITY",
                 "complex": "(fabs{f}(creal{f}({0})) < INFINITY) & (fabs{f}(cimag{f}({0})) < INFINITY)",
                 "*": "1"},
    numpy=np.isfinite, grad=zero_gradient, dtype="bool", smooth=False,
    doc="Whether an element is neither nan nor inf.",
)


# -- rounding ------------------------------------------------------------------------------------------------


def _rounding(name: str, c: str, numpy: Any, doc: str) -> Any:
    """A function that leaves integers as they are."""
    return elementwise(
        name, {"float": c, "*": "{0}"}, numpy=lambda x: x if x.dtype.kind in "biu" else numpy(x),
        grad=zero_gradient,
        accepts="biuf", smooth=False, doc=doc,
    )


def _half_away(x: np.ndarray[Any, Any]) -> Any:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1, x), whole).astype(x.dtype)


floor = _rounding("floor", "floor{f}({0})", np.floor, "The largest whole number <= x.")
ceil = _rounding("ceil", "ceil{f}({0})", np.ceil, "The smallest whole number >= x.")
trunc = _rounding("trunc", "trunc{f}({0})", np.trunc, "x cut towards zero.")
round_half_to_even = _rounding("round_half_to_even", "rint{f}({0})", np.rint,
                               "The nearest whole number; ties to even.")
round_half_away_from_zero = _rounding("round_half_away_from_zero", "round{f}({0})", _half_away,
                                      "The nearest whole number; ties away from zero.")


def round(a: Any, mode: str | None = None) -> Variable:
    """The nearest whole numbers in the dtype of ``a``: ``mode`` is "half_to_even" (default, as NumPy) or
    "half_away_from_zero"."""
    if mode in (None, "half_to_even"):
        return round_half_to_even(a)
    if mode == "half_away_from_zero":
        return round_half_away_from_zero(a)
    raise ValueError(f"round: mode {mode!r} is neither 'half_to_even' nor 'half_away_from_zero'")


# -- bits ----------------------------------------------------------------------------------------------------


def _bits(name: str, symbol: str, numpy: Any, identity: int | None, doc: str) -> Any:
    return elementwise(
        name, f"{{0}} {symbol} {{1}}", numpy=numpy, grad=zero_gradient, nin=2, commutative=True,
        associative=True,
        identity=identity, symbol=symbol, accepts="biu", dtype=_integral, smooth=False, doc=doc,
    )


and_ = _bits("and_", "&", np.bitwise_and, -1, "Bitwise and; on bools logical.")
or_ = _bits("or_", "|", np.bitwise_or, 0, "Bitwise or; on bools logical.")
xor = _bits("xor", "^", np.bitwise_xor, 0, "Bitwise exclusive or; on bools logical.")
invert = elementwise("invert", {"bool": "!{0}", "*": "~{0}"}, numpy=np.invert, grad=zero_gradient, symbol="~",
                     accepts="biu", smooth=False, doc="All bits flipped; on bools logical not.")

# A shift by the width or more, or by a negative count, which C leaves undefined, empties the number, as in
# NumPy.
left_shift = elementwise(
    "left_shift", "(uint64_t)({1}) < 8 * sizeof({T}) ? ({T})((uint64_t)({0}) << ({1})) : ({T})0",
    numpy=np.left_shift,
    grad=zero_gradient, nin=2, dtype=lambda a, b: arithmetic(_integral(a, b)), symbol="<<", accepts="biu",
    sample=((0.0, 9.0), (0.0, 6.0)), smooth=False,
    doc="a * 2**b on integers; bits beyond the width are lost.",
)
right_shift = elementwise(
    "right_shift", "(uint64_t)({1}) < 8 * sizeof({T}) ? ({T})({0} >> ({1})) : ({T})({0} < 0 ? -1 : 0)",
    numpy=np.right_shift, grad=zero_gradient, nin=2,
    dtype=lambda a, b: arithmetic(_integral(a, b)), symbol=">>", accepts="biu",
    sample=((0.0, 99.0), (0.0, 6.0)), smooth=False, doc="a // 2**b on integers.",
)
