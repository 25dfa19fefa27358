"""Elementwise functions of C and NumPy that Theano lacked, and compositions with Theano's names."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from symtensor.graph.types import is_float, is_integer
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import (
    abs_,
    add,
    cast,
    int_div,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    sqr,
    sub,
    switch,
    true_div,
    zero_gradient,
)
from symtensor.ops.elementwise_compare import arithmetic, eq, isnan, lt, neq, trunc
from symtensor.ops.elementwise_math import cos, exp, exp2, expm1, in_floats, log1p, number_like, sigmoid
from symtensor.ops.elementwise_text import DIVISION
from symtensor.ops.elemwise import Elemwise, composite, elementwise, upgrade_to_float

__all__ = [
    "cbrt", "ceil_intdiv", "copysign", "divmod", "fmod", "heaviside", "isneginf", "isposinf", "largest",
    "log1mexp", "log_sigmoid", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "mod_check",
    "nan_to_num", "nextafter", "signbit", "sinc", "smallest",
]

# -- logarithms that lose no digits ----------------------------------------------------------------------------------


def _log1mexp(x: np.ndarray[Any, Any]) -> Any:
    return np.where(x > -math.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


log1mexp = elementwise(
    "log1mexp", "({T})((double){0} > -0.6931471805599453 ? st_log(-st_expm1((double){0})) : "
    "st_log1p(-st_exp((double){0})))", numpy=_log1mexp, dtype="float", accepts="biuf", sample=(-9.0, -0.1),
    grad=lambda g, y, x: (mul(g, true_div(exp(x), expm1(x))),),
    doc="log(1 - exp(x)) for x <= 0, exact near 0 and far from it (Maechler, 2012).")

log_sigmoid = elementwise(
    "log_sigmoid", "-st_softplus{f}(-({0}))", dtype="float", accepts="biuf",
    numpy=lambda x: -np.logaddexp(-x, x.dtype.type(0)), grad=lambda g, y, x: (mul(g, sigmoid(neg(x))),),
    doc="log(sigmoid(x)), without overflow.")


def _gap(a: Variable, b: Variable) -> Any:
    return switch(eq(a, b), 0, sub(a, b))  # equal infinities, whose difference is nan, are not apart


def _logaddexp2(a: Variable, b: Variable) -> Variable:
    a, b = in_floats(a, b)
    apart: Variable = neg(abs_(_gap(a, b)))
    return add(maximum(a, b), mul(log1p(exp2(apart)), number_like(1 / math.log(2), apart)))  # type: ignore[no-any-return]


def _logaddexp2_grad(g: Variable, y: Variable, a: Variable, b: Variable) -> Any:
    scale = number_like(math.log(2), y)
    return [mul(g, sigmoid(mul(scale, _gap(p, q)))) for p, q in ((a, b), (b, a))]


logaddexp2 = composite("logaddexp2", _logaddexp2, numpy=np.logaddexp2, grad=_logaddexp2_grad, nin=2, dtype="float",
                       commutative=True, accepts="biuf", doc="log2(2**a + 2**b) without overflow.")


# -- roots and sines -------------------------------------------------------------------------------------------------

cbrt = elementwise("cbrt", "({T})cbrt({0})", numpy=np.cbrt, dtype="float", accepts="biuf", sample=(0.1, 9.0),
                   grad=lambda g, y, x: (true_div(g, mul(3, sqr(y))),), doc="The cube root. The gradient at 0 is inf.")


_SINC = """
static inline double st_sinc_pi(double x) {
    double k = rint(x), r = x - k;
    double y = fabs(r) == 0.5 ? copysign(1.0, r) : st_sin(3.14159265358979323846 * r);
    y = fabs(x) < INFINITY ? (fmod(k, 2) == 0 ? y : -y) / (3.14159265358979323846 * x) : x * 0;
    return x == 0 ? 1 : fabs(x) == INFINITY ? 0 : y;
}
"""


def _sinc(x: np.ndarray[Any, Any]) -> Any:
    x = np.asarray(x, np.float64)
    whole = np.rint(x)
    wave = np.where(whole % 2 == 0, 1, -1) * np.sin(math.pi * (x - whole))
    return np.where(x == 0, 1, np.where(np.isinf(x), 0, wave / (math.pi * x)))


def _sinc_grad(g: Variable, y: Variable, x: Variable) -> Any:
    near = lt(abs_(x), number_like(0.3, y))
    z, series = mul(sqr(x), number_like(math.pi**2, y)), number_like(0, y)
    for k in range(8, 0, -1):  # of (cos z - sinc z) / x, which cancels near 0
        series = add(mul(series, z), number_like((-1) ** k * 2 * k / math.factorial(2 * k + 1), y))
    far = switch(near, 1, x)
    slope = switch(near, mul(series, mul(x, number_like(math.pi**2, y))),
                   true_div(sub(cos(mul(far, number_like(math.pi, y))), y), far))
    return (mul(g, slope),)


sinc = elementwise("sinc", "({T})st_sinc_pi({0})", numpy=_sinc, dtype="float", accepts="biuf", grad=_sinc_grad,
                   support=_SINC, doc="sin(pi x) / (pi x), and 1 at 0 (NumPy's).")


# -- parts of floats -------------------------------------------------------------------------------------------------

copysign: Elemwise = elementwise(
    "copysign", "copysign{f}({0}, {1})", numpy=np.copysign, dtype="float", accepts="biuf", nin=2, sample=(0.5, 3.0),
    grad=lambda g, y, a, b: (mul(g, copysign(copysign(number_like(1, y), a), mul(y, a))), zero_gradient(g, y, b)[0]),
    doc="The size of a with the sign of b.")
nextafter = elementwise("nextafter", "nextafter{f}({0}, {1})", numpy=np.nextafter, accepts="biuf", nin=2,
                        dtype=lambda a, b: upgrade_to_float(a, b, "float32"), operands="output", smooth=False,
                        grad=lambda g, y, a, b: (g, zero_gradient(g, y, b)[0]),
                        doc="The float next to a in the direction of b, in float32 or float64.")
fmod = elementwise(
    "fmod", {"int": "{1} == 0 ? 0 : {1} == -1 ? 0 : {0} % {1}", "uint": "{1} == 0 ? 0 : {0} % {1}",
             "float": "st_cmod{f}({0}, {1})"}, support=DIVISION,
    numpy=np.fmod, grad=lambda g, y, a, b: (g, neg(mul(g, trunc(true_div(a, b))))), nin=2, dtype=arithmetic,
    operands="output", accepts="biuf", sample=((-9.0, 9.0), (0.5, 3.0)), smooth=False,
    doc="The remainder of a / b with the sign of a, as C's; integers by 0 give 0.")
signbit = elementwise("signbit", {"float": "signbit({0}) != 0", "*": "{0} < 0"}, numpy=np.signbit, dtype="bool",
                      operands=lambda d: [d if is_float(d) else "int8" if d == "bool" else d], accepts="biuf",
                      grad=zero_gradient, smooth=False, doc="Whether the sign is minus, also of zeros and nan.")
isposinf = elementwise("isposinf", {"float": "{0} == ({T})INFINITY", "*": "0"}, numpy=np.isposinf, dtype="bool",
                       accepts="biuf", grad=zero_gradient, smooth=False, doc="Whether an element is inf.")
isneginf = elementwise("isneginf", {"float": "{0} == -({T})INFINITY", "*": "0"}, numpy=np.isneginf, dtype="bool",
                       accepts="biuf", grad=zero_gradient, smooth=False, doc="Whether an element is -inf.")
heaviside: Elemwise = elementwise(
    "heaviside", "{0} != {0} ? {0} : {0} == 0 ? {1} : ({T})({0} > 0)", numpy=np.heaviside, dtype="float",
    accepts="biuf", nin=2, sample=((0.5, 3.0), (-3.0, 3.0)),
    grad=lambda g, y, x, h: (zero_gradient(g, y, x)[0], switch(eq(x, 0), g, 0)),
    doc="heaviside(x, h): 0 where x < 0, 1 where x > 0, h at 0.")


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Variable:
    """``x`` with nan and the infinities replaced: by ``nan``, and by the dtype's largest and smallest numbers or what
    is given (NumPy's; ``copy`` changes nothing). Integers stay.

    >>> nan_to_num([1.0, float("nan"), float("inf")], posinf=9.0).eval()
    array([1., 0., 9.])
    """
    x = as_tensor_variable(x)
    if not is_float(x.type.dtype):
        if is_integer(x.type.dtype):
            return x
        raise TypeError(f"nan_to_num is not defined for {x.type.dtype}; join those of real(x) and imag(x)")
    largest = float(np.finfo(x.type.dtype).max)
    high, low = (largest if posinf is None else posinf), (-largest if neginf is None else neginf)
    result: Variable = x
    for where, value in ((isposinf(x), high), (isneginf(x), low), (isnan(x), nan)):
        value = value if isinstance(value, Variable) else np.asarray(value, x.type.dtype)
        result = switch(where, value, result)
    return result


# -- logic -----------------------------------------------------------------------------------------------------------


def _logical(name: str, c: str, numpy: Any, doc: str, nin: int = 2) -> Elemwise:
    return elementwise(name, c, numpy=numpy, dtype="bool", operands=lambda *dtypes: list(dtypes), nin=nin,
                       grad=zero_gradient, smooth=False, commutative=nin == 2, doc=f"{doc}, as bool.")


logical_and = _logical("logical_and", "({0} != 0) & ({1} != 0)", np.logical_and, "Whether both are not 0")
logical_or = _logical("logical_or", "({0} != 0) | ({1} != 0)", np.logical_or, "Whether one is not 0")
logical_xor = _logical("logical_xor", "({0} != 0) ^ ({1} != 0)", np.logical_xor, "Whether exactly one is not 0")
logical_not = _logical("logical_not", "{0} == 0", np.logical_not, "Whether an element is 0", 1)


# -- Theano's compositions -------------------------------------------------------------------------------------------


def smallest(*args: Any) -> Variable:
    """The smallest of any number of tensors at each position (Theano's name).

    >>> smallest([1, 5], [3, 2], 4).eval()
    array([1, 2])
    """
    return functools.reduce(minimum, args) if len(args) > 1 else as_tensor_variable(*args)  # type: ignore[arg-type]


def largest(*args: Any) -> Variable:
    """The largest of any number of tensors at each position (Theano's name).

    >>> largest([1, 5], [3, 2]).eval()
    array([3, 5])
    """
    return functools.reduce(maximum, args) if len(args) > 1 else as_tensor_variable(*args)  # type: ignore[arg-type]


def ceil_intdiv(a: Any, b: Any) -> Variable:
    """``ceil(a / b)`` of integers, without going through floats (Theano's name).

    >>> ceil_intdiv(7, 2).eval()
    array(4, dtype=int8)
    """
    quotient = int_div(a, b)
    result: Variable = add(quotient, cast(neq(mod(a, b), 0), quotient.type.dtype))
    return result


def divmod(x: Any, y: Any) -> tuple[Variable, Variable]:
    """``(x // y, x % y)``.

    >>> [int(v.eval()) for v in divmod(7, 2)]
    [3, 1]
    """
    return int_div(x, y), mod(x, y)


def mod_check(x: Any, y: Any) -> Variable:
    """`mod`, Theano's name for it with a check for complex numbers: a TypeError here too."""
    result: Variable = mod(x, y)
    return result
