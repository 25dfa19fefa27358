"""Elementwise arithmetic, selection and conversion: one record for each function.

Comparison, rounding and bits are in `elementwise_compare`, functions of analysis in `elementwise_math`.
Names are Theano's; dtypes follow NumPy 2's promotion of arrays, except that integers divide to floatX.
Integer division and remainder round towards minus infinity, as Python's; division by zero gives 0, and
nothing traps.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.graph.types import (
    DTYPES,
    complete_dtype,
    is_complex,
    is_continuous,
    is_integer,
    upcast,
)
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise_compare import (
    and_,
    arithmetic,
    ceil,
    eq,
    floor,
    ge,
    gt,
    invert,
    isfinite,
    isinf,
    isnan,
    le,
    left_shift,
    lt,
    neq,
    or_,
    right_shift,
    round,
    round_half_away_from_zero,
    round_half_to_even,
    trunc,
    xor,
    zero_gradient,
)
from symtensor.ops.elementwise_text import DIVISION, EXTREMA, POWER
from symtensor.ops.elemwise import C_TYPES, Elemwise, composite, elementwise

__all__ = [
    "abs_", "add", "and_", "broadcast_dim", "cast", "ceil", "clip", "divide", "eq", "floor", "ge", "gt", "int_div",
    "inv", "invert", "iround", "isfinite", "isinf", "isnan", "le", "left_shift", "lt", "maximum", "minimum", "mod",
    "mul", "neg", "neq", "or_", "pow", "right_shift", "round", "round_half_away_from_zero",
    "round_half_to_even", "second", "sgn", "sqr", "sub", "switch", "tensor_copy", "true_div", "trunc", "xor",
    "zero_gradient",
]


# -- dtype rules and helpers of gradients --------------------------------------------------------------------


def _no_bool(*dtypes: str) -> str:
    out = upcast(*dtypes)
    if out == "bool":
        raise TypeError("neg and sub are not defined for bool; use invert (~x) or xor (x ^ y), or .astype('int8')")
    return out


def _quotient(*dtypes: str) -> str:
    return str(config.floatX) if all(map(is_integer, dtypes)) else upcast(*dtypes)


def _fold(function: Any) -> Any:
    return lambda *xs: functools.reduce(function, xs)


def _scalar_of(x: Variable) -> float | complex | None:
    """The one number a constant holds, also behind the padding of its rank, else None."""
    while x.owner is not None and type(x.owner.op).__name__ == "DimShuffle":
        x = x.owner.inputs[0]
    return x.data.item() if isinstance(x, Constant) and x.data.size == 1 else None


# -- sums and products ---------------------------------------------------------------------------------------

add = elementwise(
    "add", {"bool": "{0} | {1}", "*": "{0} + {1}"}, numpy=_fold(np.add), grad=lambda g, y, *xs: [g] * len(xs),
    nin=None, commutative=True, associative=True, identity=0, symbol="+",
    doc="Sum of one or more tensors; on bools the logical or.",
)

sub = elementwise(
    "sub", "{0} - {1}", numpy=np.subtract, grad=lambda g, y, a, b: (g, neg(g)), nin=2, dtype=_no_bool,
    symbol="-",
    doc="Difference. TypeError on two bools, as NumPy.",
)


def _mul_grad(g: Variable, y: Variable, *xs: Variable) -> Sequence[Any]:
    if len(xs) == 1:
        return [g]
    return [mul(g, *xs[:i], *xs[i + 1:]) for i in range(len(xs))]


mul = elementwise(
    "mul", {"bool": "{0} & {1}", "*": "{0} * {1}"}, numpy=_fold(np.multiply), grad=_mul_grad,
    nin=None, commutative=True, associative=True, identity=1, symbol="*",
    doc="Product of one or more tensors; on bools the logical and.",
)

neg: Elemwise = elementwise(
    "neg", "-{0}", numpy=np.negative, grad=lambda g, y, x: (neg(g),), dtype=_no_bool, symbol="-",
    doc="-x; unsigned integers wrap. TypeError on bool, as NumPy.",
)

sqr = elementwise("sqr", "{0} * {0}", numpy=np.square, grad=lambda g, y, x: (mul(g, 2, x),), dtype=arithmetic,
                  doc="The square x * x.")


# -- quotients and powers ------------------------------------------------------------------------------------

true_div: Elemwise = elementwise(
    "true_div", "{0} / {1}", numpy=np.true_divide, nin=2, dtype=_quotient, symbol="/",
    grad=lambda g, y, a, b: (true_div(g, b), neg(true_div(mul(g, y), b))),
    sample=((-3.0, 3.0), (0.5, 3.0)), doc="a / b; two integers give floatX (Theano's rule).",
)


def divide(a: Any, b: Any) -> Variable:
    """``a / b`` as the operator means it: `true_div`, or a TypeError on two integers where ``config.int_division``
    is "raise"."""
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if config.int_division == "raise" and is_integer(a.type.dtype) and is_integer(b.type.dtype):
        raise TypeError(f"{a} / {b}: both are integers and config.int_division is 'raise'; write a // b, or cast "
                        "one to a float")
    result: Variable = true_div(a, b)
    return result


int_div = elementwise(
    "int_div", {"int": "st_idiv({0}, {1})", "uint": "{1} == 0 ? 0 : {0} / {1}",
                "float": "st_fdiv{f}({0}, {1})"},
    numpy=np.floor_divide, grad=zero_gradient, nin=2, dtype=arithmetic, operands="output", accepts="biuf", symbol="//",
    support=DIVISION,
    sample=((-9.0, 9.0), (0.5, 3.0)), smooth=False,
    doc="a // b rounded towards minus infinity; integers by 0 give 0.",
)

mod = elementwise(
    "mod", {"int": "st_imod({0}, {1})", "uint": "{1} == 0 ? 0 : {0} % {1}", "float": "st_fmod{f}({0}, {1})"},
    numpy=np.remainder, grad=lambda g, y, a, b: (g, neg(mul(g, int_div(a, b)))), nin=2, dtype=arithmetic,
    operands="output", accepts="biuf", symbol="%", support=DIVISION, sample=((-9.0, 9.0), (0.5, 3.0)), smooth=False,
    doc="a % b with the sign of b, as Python's; integers by 0 give 0.",
)

inv = elementwise("inv", "1 / {0}", numpy=lambda x: np.true_divide(x.dtype.type(1), x), dtype="float",
                  grad=lambda g, y, x: (neg(mul(g, y, y)),), sample=(0.5, 3.0),
                  doc="The reciprocal 1 / x, in floats.")


def _power(x: np.ndarray[Any, Any], n: np.ndarray[Any, Any]) -> Any:
    """NumPy's power; integers to negative powers, which it refuses, give the quotient rounded towards
    zero."""
    if n.dtype.kind != "i" or not (n < 0).any():
        return np.power(x, n)
    odd = np.where(n % 2 == 0, 1, -1)
    return np.where(n >= 0, np.power(x, np.maximum(n, 0)), np.where(x == 1, 1, np.where(x == -1, odd, 0)))


def _pow_grad(g: Variable, y: Variable, x: Variable, n: Variable) -> Sequence[Any]:
    from symtensor.ops.elementwise_math import log

    known = _scalar_of(n)
    if known == 0:
        return zero_gradient(g, y, x, n)
    if known is not None:  # a graph without the general case's selections
        base = g if known == 1 else mul(g, n, x if known == 2 else pow(x, _minus_one(n)))
        return [base, zero_gradient(g, y, n)[0]]
    at_zero = eq(n, 0)
    slope = mul(g, n, pow(x, switch(at_zero, 1, sub(n, 1))))
    x_zero = eq(x, 0)
    return [switch(at_zero, 0, slope), switch(x_zero, 0, mul(g, y, log(switch(x_zero, 1, x))))]


def _minus_one(n: Variable) -> Variable:
    """The constant ``n - 1`` in its dtype, or in float64 where that does not hold it."""
    value: Any = _scalar_of(n)
    dtype = n.type.dtype
    if is_integer(dtype) and value <= np.iinfo(dtype).min:
        dtype = "float64"
    return as_tensor_variable(np.asarray(value - 1, dtype=dtype))


pow = elementwise(
    "pow", {"int": "st_ipow({0}, {1})", "uint": "st_upow({0}, {1})", "float": "st_pow{f}({0}, {1})",
            "complex": "{1} == 0 ? 1 : {0} == 0 && creal{f}({1}) > 0 ? 0 : cpow{f}({0}, {1})"},
    numpy=_power, grad=_pow_grad, nin=2, dtype=arithmetic, operands="output", symbol="**", support=POWER,
    sample=((0.3, 3.0), (0.5, 3.0)),
    doc="""x ** y. Integers stay integers; to a negative power they give 1, -1 or 0.

    Gradient edges: towards x it is 0 at y == 0, towards y it is 0 at x == 0 and nan for x < 0.""",
)


# -- size and sign -------------------------------------------------------------------------------------------


def _sgn(x: np.ndarray[Any, Any]) -> Any:
    if x.dtype.kind != "c":
        return np.sign(x)
    size = np.abs(x)
    return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)


sgn = elementwise(
    "sgn", {"int": "({0} > 0) - ({0} < 0)", "uint": "{0} > 0", "complex": "{0} == 0 ? 0 : {0} / cabs{f}({0})",
            "float": "{0} != {0} ? {0} : ({T})(({0} > 0) - ({0} < 0))"},
    numpy=_sgn, grad=lambda g, y, x: _sgn_grad(g, y, x), accepts="iufc", sample=(0.5, 3.0),
    doc="-1, 0 or 1 by sign; nan stays; a complex number is divided by its absolute value (0 stays).",
)


def _sgn_grad(g: Variable, y: Variable, x: Variable) -> Sequence[Any]:
    if not is_complex(x.type.dtype):
        return zero_gradient(g, y, x)
    # Only the part of g across the direction y turns it, by 1/|x|. `g` arrives conjugated (see
    # Elemwise.L_op).
    from symtensor.ops.elementwise_complex import conj, imag

    across = imag(mul(conj(g), conj(y)))
    size = abs_(x)
    turned = mul(true_div(across, switch(eq(size, 0), 1, size)), mul(y, np.complex64(1j)))
    return [conj(switch(eq(size, 0), 0, turned))]


def _abs_grad(g: Variable, y: Variable, x: Variable) -> Sequence[Any]:
    return [zero_gradient(g, y, x)[0] if x.type.dtype == "bool" else mul(g, sgn(x))]


abs_ = elementwise(
    "abs_", {"int": "{0} < 0 ? -{0} : {0}", "uint": "{0}", "bool": "{0}", "float": "fabs{f}({0})",
             "complex": "cabs{f}({0})"},
    numpy=np.absolute, grad=_abs_grad, dtype="real", sample=(0.5, 3.0),
    doc="The absolute value; of complex numbers the modulus. The gradient at 0 is 0.",
)


def _extremum_grad(g: Variable, y: Variable, a: Variable, b: Variable) -> Sequence[Any]:
    first = eq(y, a)
    return [switch(first, g, 0), switch(first, 0, g)]


maximum = elementwise(
    "maximum", {"bool": "{0} | {1}", "*": "ST_MAX({0}, {1})"}, numpy=np.maximum, grad=_extremum_grad, nin=2,
    commutative=True, associative=True, accepts="biuf", support=EXTREMA, sample=((-3.0, 0.4), (0.5, 3.0)),
    doc="The larger of two; nan if either is. Where they are equal the whole gradient goes to the first.",
)

minimum = elementwise(
    "minimum", {"bool": "{0} & {1}", "*": "ST_MIN({0}, {1})"}, numpy=np.minimum, grad=_extremum_grad, nin=2,
    commutative=True, associative=True, accepts="biuf", support=EXTREMA, sample=((-3.0, 0.4), (0.5, 3.0)),
    doc="The smaller of two; nan if either is. Where they are equal the whole gradient goes to the first.",
)


def _clip_grad(g: Variable, y: Variable, x: Variable, low: Variable, high: Variable) -> Sequence[Any]:
    raised = maximum(x, low)
    over, under = gt(raised, high), lt(x, low)
    inside = switch(under, 0, g)
    return [switch(over, 0, inside), switch(over, 0, switch(under, g, 0)), switch(over, g, 0)]


def _clip(x: Variable, low: Variable, high: Variable) -> Variable:
    dtype = upcast(x.type.dtype, low.type.dtype, high.type.dtype)
    result: Variable = minimum(maximum(cast(x, dtype), cast(low, dtype)), cast(high, dtype))
    return result


clip = composite(
    "clip", _clip, numpy=np.clip, grad=_clip_grad, nin=3, accepts="biuf",
    sample=((-3.0, 3.0), (-1.01, -1.0), (1.0, 1.01)), smooth=False,
    doc="clip(x, min, max): x limited to [min, max]; max wins where min > max. On the bounds the gradient goes "
        "to x.",
)


# -- selection -----------------------------------------------------------------------------------------------


def _switch_operands(*dtypes: str) -> list[str]:
    out = upcast(*dtypes[1:])
    return [dtypes[0], out, out]


def _switch_grad(g: Variable, y: Variable, c: Variable, a: Variable, b: Variable) -> Sequence[Any]:
    return [zero_gradient(g, y, c)[0], switch(c, g, 0), switch(c, 0, g)]


switch = elementwise(
    "switch", "{0} != 0 ? {1} : {2}", numpy=np.where, grad=_switch_grad, nin=3,
    dtype=lambda condition, a, b: upcast(a, b), operands=_switch_operands,
    sample=((0.5, 1.0), (-3.0, 3.0), (-3.0, 3.0)),
    doc="""switch(condition, a, b): a where the condition is not 0, else b (NumPy's ``where``).

    Both sides are computed. The cotangent is selected, not multiplied: nan or inf in the side not taken never
    reaches the gradient.""",
)

second = elementwise(
    "second", "{1}", numpy=lambda a, b: np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape)),
    grad=lambda g, y, a, b: (None, g), nin=2, dtype=lambda a, b: b,
    operands=lambda a, b: [a, b], doc="second(a, b): b in the broadcast shape of both.",
)


tensor_copy = elementwise("tensor_copy", "{0}", numpy=lambda x: x.copy(), grad=lambda g, y, x: (g,),
                          doc="A copy.")


# -- conversion ----------------------------------------------------------------------------------------------


def _cast_texts(dtype: str) -> dict[str, str]:
    """Small integers are reached through int32 and int64, whose conversions of negative floats are
    defined."""
    if dtype == "bool":
        return {"*": "{0} != 0"}
    if dtype == "float16":
        return {"*": "(float)(st_half)({0})"}
    target = C_TYPES[dtype]
    through = {"int8": "(int32_t)", "uint8": "(int32_t)", "int16": "(int32_t)", "uint16": "(int32_t)",
               "uint32": "(int64_t)"}.get(dtype, "")
    of_bool = f"{{0}} ? ({target})1 : ({target})0"  # compilers make a vector of a choice, not of a widened byte
    return {"float": f"({target}){through}({{0}})", "bool": of_bool, "*": f"({target})({{0}})"}


def _define_cast(dtype: str) -> Elemwise:
    def gradient(g: Variable, y: Variable, x: Variable) -> Sequence[Any]:
        if is_continuous(x.type.dtype) and is_continuous(y.type.dtype):
            return [g if is_complex(g.type.dtype) and not is_complex(x.type.dtype) else cast(g, x.type.dtype)]
        return zero_gradient(g, y, x)

    return elementwise(
        f"cast{{{dtype}}}", _cast_texts(dtype), numpy=lambda x: x.astype(dtype), grad=gradient,
        dtype=lambda _: dtype, operands=lambda source: [source], sample=(0.0, 100.0),
        accepts="biufc" if is_complex(dtype) or dtype == "bool" else "biuf", doc=f"The elements as {dtype}.",
    )


_CASTS = {dtype: _define_cast(dtype) for dtype in DTYPES}


def cast(x: Any, dtype: Any) -> Variable:
    """``x`` with its elements converted to ``dtype`` (Theano's ``T.cast``); ``x`` itself where it is of that
    dtype.

    Floats are cut towards zero when they become integers; complex numbers do not become real: TypeError, use
    ``real(x)``.

    >>> cast(3.7, "int8").eval()
    array(3, dtype=int8)
    """
    variable = as_tensor_variable(x)
    name = complete_dtype(dtype)
    if variable.type.dtype == name:
        return variable
    if is_complex(variable.type.dtype) and not (is_complex(name) or name == "bool"):
        raise TypeError(f"cast: {variable} is {variable.type.dtype}, which has no {name} value; "
                        "take real(x), imag(x) or abs(x) first")
    result: Variable = _CASTS[name](variable)
    return result


def _broadcast_dims(*dims: Any) -> Any:
    if not any(np.ndim(dim) for dim in dims):
        known = {int(dim) for dim in dims} - {1}
        if len(known) > 1:  # native code has checked this before; an operand may be there for its shape alone
            raise ValueError(f"shapes do not broadcast: dimensions {', '.join(map(str, sorted(known)))} meet; "
                             "they must be equal, or 1")
    return functools.reduce(lambda a, b: np.where(a == 1, b, a), dims)


broadcast_dim = elementwise(
    "broadcast_dim", "st_broadcast_dim({0}, {1})", numpy=_broadcast_dims, grad=zero_gradient, nin=None,
    commutative=True, associative=True, identity=1, accepts="iu", dtype=lambda *dtypes: "int64",
    operands="output",
    support="static inline int64_t st_broadcast_dim(int64_t a, int64_t b) { return a == 1 ? b : a; }\n",
    doc="The dimension that dimensions broadcast to: the one that is not 1. Whether they fit is checked elsewhere.",
)


def iround(a: Any, mode: str | None = None) -> Variable:
    """`round`, as int64."""
    return cast(round(a, mode), "int64")
