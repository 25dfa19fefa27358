"""Elementwise functions of analysis: exponentials, logarithms, trigonometry, and the saturating family.

Integers are computed in floats (float32 up to 16 bits, else float64: Theano's rule). ``st_exp`` and its kin
in the C texts are the runtime's own inline functions; other names are those of math.h and complex.h.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symtensor.graph.types import is_continuous, is_float
from symtensor.graph.variable import Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import (
    abs_,
    add,
    cast,
    clip,
    eq,
    gt,
    lt,
    maximum,
    mul,
    neg,
    sqr,
    sub,
    switch,
    true_div,
)
from symtensor.ops.elemwise import Elemwise, composite, elementwise, upgrade_to_float

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh", "deg2rad", "exp",
    "exp2", "in_floats",
    "expm1", "hard_sigmoid", "hypot", "log", "log10", "log1p", "log2", "logaddexp", "number_like", "rad2deg", "relu",
    "sigmoid", "sin", "sinh", "softplus", "sqrt", "tan", "tanh", "ultra_fast_sigmoid",
]


def number_like(value: float, like: Variable) -> np.ndarray[Any, Any]:
    """A Python number in the dtype of ``like``, so that it does not widen what it meets; floats meet integers
    in float64."""
    dtype = like.type.dtype
    return np.asarray(value, dtype if is_continuous(dtype) or value == int(value) else "float64")


# -- exponentials and logarithms -----------------------------------------------------------------------------

exp = elementwise("exp", {"float": "st_exp{f}({0})", "complex": "cexp{f}({0})"}, numpy=np.exp, dtype="float",
                  grad=lambda g, y, x: (mul(g, y),), doc="e ** x.")

exp2 = elementwise("exp2", {"float": "st_exp2{f}({0})",
                            "complex": "cexp{f}({0} * ({T})0.693147180559945309417)"},
                   numpy=np.exp2, dtype="float", doc="2 ** x.",
                   grad=lambda g, y, x: (mul(g, y, number_like(math.log(2), y)),))

expm1 = elementwise("expm1", "st_expm1{f}({0})", numpy=np.expm1, dtype="float", accepts="biuf",
                    grad=lambda g, y, x: (mul(g, exp(x)),), doc="exp(x) - 1, exact for small x.")

log = elementwise("log", {"float": "st_log{f}({0})", "complex": "clog{f}({0})"}, numpy=np.log, dtype="float",
                  grad=lambda g, y, x: (true_div(g, x),), sample=(0.1, 9.0), doc="The natural logarithm.")

log2 = elementwise("log2", {"float": "st_log2{f}({0})", "complex": "clog{f}({0}) * ({T})1.44269504088896340736"},
                   numpy=np.log2, dtype="float", sample=(0.1, 9.0), doc="The logarithm to base 2.",
                   grad=lambda g, y, x: (true_div(mul(g, number_like(1 / math.log(2), y)), x),))

log10 = elementwise("log10", {"float": "st_log10{f}({0})",
                              "complex": "clog{f}({0}) * ({T})0.434294481903251827651"},
                    numpy=np.log10, dtype="float", sample=(0.1, 9.0), doc="The logarithm to base 10.",
                    grad=lambda g, y, x: (true_div(mul(g, number_like(1 / math.log(10), y)), x),))

log1p = elementwise("log1p", "st_log1p{f}({0})", numpy=np.log1p, dtype="float", accepts="biuf",
                    sample=(-0.9, 9.0),
                    grad=lambda g, y, x: (true_div(g, add(x, 1)),), doc="log(1 + x), exact for small x.")

sqrt = elementwise("sqrt", {"float": "sqrt{f}({0})", "complex": "csqrt{f}({0})"}, numpy=np.sqrt,
                   dtype="float",
                   grad=lambda g, y, x: (true_div(mul(g, number_like(0.5, y)), y),), sample=(0.1, 9.0),
                   doc="The square root; nan for x < 0. The gradient at 0 is inf.")


def in_floats(*xs: Variable) -> list[Variable]:
    """The operands in the float dtype that functions such as exp compute in, so that their difference cannot wrap."""
    kind = upgrade_to_float(*(x.type.dtype for x in xs))
    return [cast(x, kind) for x in xs]


def _logaddexp(a: Variable, b: Variable) -> Variable:
    a, b = in_floats(a, b)
    same = eq(a, b)  # covers equal infinities, whose difference is nan
    total: Variable = add(maximum(a, b), log1p(exp(neg(abs_(sub(a, b))))))
    return switch(same, add(a, number_like(math.log(2), total)), total)  # type: ignore[no-any-return]


def _logaddexp_grad(g: Variable, y: Variable, a: Variable, b: Variable) -> Any:
    same, half = eq(a, b), number_like(0.5, y)
    return [mul(g, switch(same, half, sigmoid(sub(p, q)))) for p, q in ((a, b), (b, a))]


logaddexp = composite("logaddexp", _logaddexp, numpy=np.logaddexp, grad=_logaddexp_grad, nin=2, dtype="float",
                      commutative=True, associative=True, accepts="biuf",
                      doc="log(exp(a) + exp(b)) without overflow.")


# -- trigonometric and hyperbolic ----------------------------------------------------------------------------


def _with_complex(name: str, *, own: bool = False) -> dict[str, str]:
    return {"float": f"{'st_' if own else ''}{name}{{f}}({{0}})", "complex": f"c{name}{{f}}({{0}})"}


def _one_minus_square(x: Variable) -> Any:
    return mul(sub(1, x), add(1, x))  # keeps the digits that 1 - x**2 loses near 1


def _hypot_grad(g: Variable, y: Variable, a: Variable, b: Variable) -> Any:
    zero = eq(y, 0)
    return [switch(zero, 0, mul(g, true_div(x, switch(zero, 1, y)))) for x in (a, b)]


hypot = elementwise("hypot", "hypot{f}({0}, {1})", numpy=np.hypot, dtype="float", accepts="biuf", nin=2,
                    commutative=True, grad=_hypot_grad, sample=((-3.0, 3.0), (0.5, 3.0)),
                    doc="sqrt(a**2 + b**2) without overflow. The gradient at (0, 0) is 0.")

sin: Elemwise = elementwise("sin", _with_complex("sin", own=True), numpy=np.sin, dtype="float",
                  grad=lambda g, y, x: (mul(g, cos(x)),), doc="The sine of x in radians.")

cos: Elemwise = elementwise("cos", _with_complex("cos", own=True), numpy=np.cos, dtype="float",
                  grad=lambda g, y, x: (neg(mul(g, sin(x))),), doc="The cosine of x in radians.")

tan = elementwise("tan", {"float": "st_tan{f}({0})", "complex": "ctan{f}({0})"}, numpy=np.tan,
                  dtype="float", sample=(-1.3, 1.3), grad=lambda g, y, x: (mul(g, add(sqr(y), 1)),),
                  doc="The tangent of x in radians.")

arcsin = elementwise("arcsin", _with_complex("asin"), numpy=np.arcsin, dtype="float", sample=(-0.9, 0.9),
                     grad=lambda g, y, x: (true_div(g, sqrt(_one_minus_square(x))),),
                     doc="The arc sine, in radians.")

arccos = elementwise("arccos", _with_complex("acos"), numpy=np.arccos, dtype="float", sample=(-0.9, 0.9),
                     grad=lambda g, y, x: (neg(true_div(g, sqrt(_one_minus_square(x)))),),
                     doc="The arc cosine, in radians.")

arctan = elementwise("arctan", _with_complex("atan"), numpy=np.arctan, dtype="float",
                     grad=lambda g, y, x: (true_div(g, add(sqr(x), 1)),), doc="The arc tangent, in radians.")


def _arctan2_grad(g: Variable, y: Variable, a: Variable, b: Variable) -> Any:
    scaled = true_div(g, add(sqr(a), sqr(b)))
    return [mul(scaled, b), neg(mul(scaled, a))]


arctan2 = elementwise("arctan2", "atan2{f}({0}, {1})", numpy=np.arctan2, grad=_arctan2_grad, nin=2,
                      dtype="float",
                      accepts="biuf", sample=((-3.0, 3.0), (0.5, 3.0)),
                      doc="The angle of the point (x=b, y=a) in [-pi, pi]. The gradient at (0, 0) is nan.")

sinh = elementwise("sinh", _with_complex("sinh", own=True), numpy=np.sinh, dtype="float",
                   grad=lambda g, y, x: (mul(g, cosh(x)),), doc="The hyperbolic sine.")

cosh: Elemwise = elementwise("cosh", _with_complex("cosh", own=True), numpy=np.cosh, dtype="float",
                   grad=lambda g, y, x: (mul(g, sinh(x)),), doc="The hyperbolic cosine.")

tanh = elementwise("tanh", _with_complex("tanh", own=True), numpy=np.tanh, dtype="float",
                   grad=lambda g, y, x: (mul(g, sub(1, sqr(y))),), doc="The hyperbolic tangent.")

arcsinh = elementwise("arcsinh", _with_complex("asinh", own=True), numpy=np.arcsinh, dtype="float",
                      grad=lambda g, y, x: (true_div(g, hypot(x, number_like(1, x)) if is_float(x.type.dtype) else
                                                      sqrt(add(sqr(x), 1))),), doc="The inverse of sinh.")

arccosh = elementwise("arccosh", _with_complex("acosh", own=True), numpy=np.arccosh, dtype="float", sample=(1.1, 9.0),
                      grad=lambda g, y, x: (true_div(g, mul(sqrt(sub(x, 1)), sqrt(add(x, 1)))),),
                      doc="The inverse of cosh on x >= 1.")

arctanh = elementwise("arctanh", _with_complex("atanh", own=True), numpy=np.arctanh, dtype="float", sample=(-0.9, 0.9),
                      grad=lambda g, y, x: (true_div(g, _one_minus_square(x)),),
                      doc="The inverse of tanh on |x| < 1.")

deg2rad = elementwise("deg2rad", "{0} * ({T})0.017453292519943295769", numpy=np.deg2rad, dtype="float",
                      accepts="biuf",
                      grad=lambda g, y, x: (mul(g, number_like(math.pi / 180, y)),),
                      doc="Degrees as radians.")

rad2deg = elementwise("rad2deg", "{0} * ({T})57.295779513082320877", numpy=np.rad2deg, dtype="float",
                      accepts="biuf",
                      grad=lambda g, y, x: (mul(g, number_like(180 / math.pi, y)),),
                      doc="Radians as degrees.")


# -- the saturating family -----------------------------------------------------------------------------------


def _sigmoid(x: np.ndarray[Any, Any]) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


sigmoid: Elemwise = elementwise("sigmoid", "st_sigmoid{f}({0})", numpy=_sigmoid, dtype="float",
                                accepts="biuf",
                                grad=lambda g, y, x: (mul(g, y, sigmoid(neg(x))),),
                                doc="1 / (1 + exp(-x)), without overflow.")

softplus = elementwise("softplus", "st_softplus{f}({0})", numpy=lambda x: np.logaddexp(x, x.dtype.type(0)),
                       dtype="float", accepts="biuf", grad=lambda g, y, x: (mul(g, sigmoid(x)),),
                       doc="log(1 + exp(x)), without overflow.")

_relu = composite("relu", lambda x: maximum(x, 0), numpy=lambda x: np.where(x <= 0, x.dtype.type(0), x),
                  grad=lambda g, y, x: (switch(gt(x, 0), g, 0),), accepts="f", sample=(0.1, 3.0),
                  doc="max(x, 0). The gradient at 0 is 0.")


def relu(x: Any, alpha: Any = 0) -> Variable:
    """max(x, 0), or with ``alpha`` the slope for x < 0: a number, or a tensor that broadcasts against ``x``.

    The gradient at 0 is 0, or ``alpha``. Theano's ``T.nnet.relu``.

    >>> relu([-2.0, 3.0], 0.5).eval()
    array([-1.,  3.])
    """
    x = as_tensor_variable(x)
    if isinstance(alpha, (int, float)):
        if alpha == 0:
            result: Variable = _relu(x) if x.type.dtype.startswith("float") else maximum(x, 0)
            return result
        alpha = number_like(alpha, x)
    result = switch(gt(x, 0), x, mul(x, alpha))
    return result


def _hard_sigmoid(x: np.ndarray[Any, Any]) -> Any:
    t = x.dtype.type
    return np.where(x <= -2.5, t(0), np.where(x >= 2.5, t(1), x * t(0.2) + t(0.5)))


hard_sigmoid = composite(
    "hard_sigmoid", lambda x: clip(add(mul(x, number_like(0.2, x)), number_like(0.5, x)), 0, 1),
    numpy=_hard_sigmoid,
    grad=lambda g, y, x: (switch(lt(abs_(x), number_like(2.5, x)), mul(g, number_like(0.2, y)), 0),),
    accepts="f", sample=(-2.4, 2.4), doc="Three straight pieces near sigmoid: clip(0.2 x + 0.5, 0, 1).",
)


def _ultra_fast(x: Variable) -> Variable:
    half = mul(abs_(x), number_like(0.5, x))
    c = [number_like(v, x) for v in (1.5, 1.7, 3.0, 0.935409070603099, 0.0458812946797165, 0.99505475368673)]
    tanh_ = switch(lt(half, c[1]), true_div(mul(half, c[0]), add(half, 1)),
                   switch(lt(half, c[2]), add(c[3], mul(c[4], sub(half, c[1]))), c[5]))
    signed = switch(lt(x, 0), neg(tanh_), tanh_)
    return mul(add(signed, 1), number_like(0.5, x))  # type: ignore[no-any-return]


def _ultra_fast_numpy(x: np.ndarray[Any, Any]) -> Any:
    half = np.abs(x.astype(np.float64)) / 2
    tanh_ = np.select([half < 1.7, half < 3.0], [1.5 * half / (1 + half),
                                                0.935409070603099 + 0.0458812946797165 * (half - 1.7)],
                      0.99505475368673)
    return (1 + np.where(x < 0, -tanh_, tanh_)) / 2


ultra_fast_sigmoid = composite(
    "ultra_fast_sigmoid", _ultra_fast, numpy=_ultra_fast_numpy,
    grad=lambda g, y, x: (mul(g, y, sub(1, y)),), accepts="f", smooth=False,
    doc="Sigmoid by Theano's three pieces (off by up to 0.03, and quick); its gradient is that of sigmoid.",
)
