"""Elementwise special functions: the error function and the gamma family.

NumPy has none of them: their meaning here is that of Python's `math` module, and for the polygamma functions
the asymptotic series after recurrence (Abramowitz and Stegun 6.3.5, 6.3.18, 6.4.6, 6.4.12).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops.elementwise import mul, neg, sqr
from symtensor.ops.elementwise_math import exp, number_like
from symtensor.ops.elemwise import Elemwise, elementwise

__all__ = ["erf", "erfc", "erfcinv", "erfinv", "gamma", "gammaln", "psi", "tri_gamma"]

Array = np.ndarray[Any, Any]


def _each(function: Callable[[float], float]) -> Callable[[Array], Any]:
    """A scalar function on arrays, in double."""

    def apply(x: Array) -> Any:
        flat = [function(value) for value in x.ravel().tolist()]
        return np.array(flat, dtype=np.float64).reshape(x.shape).astype(x.dtype)

    return apply


def _gamma(x: float) -> float:
    if x == 0:
        return math.copysign(math.inf, x)
    if x == -math.inf or (x < 0 and x == math.floor(x)):
        return math.nan
    try:
        return math.gamma(x)
    except OverflowError:
        return math.copysign(math.inf, x)


def _gammaln(x: float) -> float:
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


# Bernoulli numbers B2, B4, ... over 2k, and plain: the series of psi and of its derivative in 1/x**2.
_PSI_TERMS = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_TRI_TERMS = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _psi(x: float) -> float:
    if x == 0:
        return math.copysign(math.inf, -x)
    if x == -math.inf or (x < 0 and x == math.floor(x)):
        return math.nan
    if x < 0:
        part = x - math.floor(x)  # the period of tan: exact for large |x|
        return _psi(1 - x) - math.pi / math.tan(math.pi * part)
    total = 0.0
    while x < 10:
        total -= 1 / x
        x += 1
    r = 1 / (x * x)
    series = 0.0
    for term in reversed(_PSI_TERMS):
        series = (series + term) * r
    return total + math.log(x) - 0.5 / x - series


def _tri_gamma(x: float) -> float:
    if math.isinf(x):
        return 0.0 if x > 0 else math.nan
    if x <= 0 and x == math.floor(x):
        return math.inf
    if x < 0:
        return -_tri_gamma(1 - x) + (math.pi / math.sin(math.pi * (x - math.floor(x)))) ** 2
    total = 0.0
    while x < 10:
        total += 1 / x / x
        x += 1
    r = 1 / (x * x)
    series = 0.0
    for term in reversed(_TRI_TERMS):
        series = (series + term) * r
    return total + 1 / x + r / 2 + series / x


def _series(terms: tuple[float, ...]) -> str:
    text = "0.0"
    for term in reversed(terms):
        text = f"({text} + ({term!r})) * r"
    return text


_POLYGAMMA = f"""
static inline double st_psi(double x) {{
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0 && x == floor(x)) return NAN;
    double total = 0;
    if (x < 0) {{
        total = -M_PI / tan(M_PI * (x - floor(x)));
        x = 1 - x;
    }}
    for (; x < 10; x += 1) total -= 1 / x;
    double r = 1 / (x * x);
    return total + log(x) - 0.5 / x - {_series(_PSI_TERMS)};
}}
static inline double st_tri_gamma(double x) {{
    if (isinf(x)) return x > 0 ? 0 : NAN;
    if (x <= 0 && x == floor(x)) return INFINITY;
    double total = 0, sign = 1;
    if (x < 0) {{
        double s = M_PI / sin(M_PI * (x - floor(x)));
        total = s * s;
        sign = -1;
        x = 1 - x;
    }}
    double sum = 0;
    for (; x < 10; x += 1) sum += 1 / x / x;
    double r = 1 / (x * x);
    return total + sign * (sum + 1 / x + r / 2 + {_series(_TRI_TERMS)} / x);
}}
"""

# tgamma may give inf or nan at the poles, by platform; one meaning for all.
_GAMMA = """
static inline double st_gamma(double x) {
    if (x == 0) return copysign(INFINITY, x);
    if (x < 0 && x == floor(x)) return NAN;
    return tgamma(x);
}
"""

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

erf = elementwise("erf", "erf{f}({0})", numpy=_each(math.erf), dtype="float", accepts="biuf",
                  doc="The error function.",
                  grad=lambda g, y, x: (mul(g, number_like(_TWO_OVER_ROOT_PI, y), exp(neg(sqr(x)))),))

erfc = elementwise("erfc", "erfc{f}({0})", numpy=_each(math.erfc), dtype="float", accepts="biuf",
                   grad=lambda g, y, x: (mul(g, number_like(-_TWO_OVER_ROOT_PI, y), exp(neg(sqr(x)))),),
                   doc="1 - erf(x), exact for large x.")


def _inverse_tail(q: float) -> float:
    """x >= 0 with erfc(x) == q, 0 < q <= 1: Newton's method on log(erfc), which is nearly a parabola."""
    size = -math.log(q)
    x = math.sqrt(size - math.log(math.pi * size) / 2) if q < 0.5 else (1 - q) * math.sqrt(math.pi) / 2
    for _ in range(60):
        tail = math.erfc(x)
        if tail == 0:
            break
        step = math.log(tail / q) * tail / (_TWO_OVER_ROOT_PI * math.exp(-x * x))
        x += step
        if abs(step) <= 1e-16 * abs(x):
            break
    return x


def _erfcinv(q: float) -> float:
    if math.isnan(q) or q < 0 or q > 2:
        return math.nan
    if q in (0, 2):
        return math.inf if q == 0 else -math.inf
    return _inverse_tail(q) if q <= 1 else -_inverse_tail(2 - q)


def _erfinv(p: float) -> float:
    if math.isnan(p) or abs(p) > 1:
        return math.nan
    if abs(p) == 1:
        return math.copysign(math.inf, p)
    if abs(p) > 0.5:
        return math.copysign(_inverse_tail(1 - abs(p)), p)
    x = p / _TWO_OVER_ROOT_PI
    for _ in range(60):
        step = (p - math.erf(x)) / (_TWO_OVER_ROOT_PI * math.exp(-x * x))
        x += step
        if abs(step) <= 1e-16 * abs(x):
            break
    return x


_ERFINV = f"""
static inline double st_inverse_tail(double q) {{
    double size = -log(q);
    double x = q < 0.5 ? sqrt(size - log(M_PI * size) / 2) : (1 - q) * {math.sqrt(math.pi) / 2!r};
    for (int k = 0; k < 60; k++) {{
        double tail = erfc(x);
        if (tail == 0) break;
        double step = log(tail / q) * tail / ({_TWO_OVER_ROOT_PI!r} * exp(-x * x));
        x += step;
        if (fabs(step) <= 1e-16 * fabs(x)) break;
    }}
    return x;
}}
static inline double st_erfcinv(double q) {{
    if (!(q >= 0 && q <= 2)) return NAN;
    if (q == 0 || q == 2) return q == 0 ? INFINITY : -INFINITY;
    return q <= 1 ? st_inverse_tail(q) : -st_inverse_tail(2 - q);
}}
static inline double st_erfinv(double p) {{
    if (!(fabs(p) <= 1)) return NAN;
    if (fabs(p) == 1) return copysign(INFINITY, p);
    if (fabs(p) > 0.5) return copysign(st_inverse_tail(1 - fabs(p)), p);
    double x = p / {_TWO_OVER_ROOT_PI!r};
    for (int k = 0; k < 60; k++) {{
        double step = (p - erf(x)) / ({_TWO_OVER_ROOT_PI!r} * exp(-x * x));
        x += step;
        if (fabs(step) <= 1e-16 * fabs(x)) break;
    }}
    return x;
}}
"""

erfinv = elementwise("erfinv", "({T})st_erfinv({0})", numpy=_each(_erfinv), dtype="float", accepts="biuf",
                     grad=lambda g, y, x: (mul(g, number_like(1 / _TWO_OVER_ROOT_PI, y), exp(sqr(y))),),
                     sample=(-0.9, 0.9), support=_ERFINV, doc="The inverse of erf on [-1, 1].")

erfcinv = elementwise("erfcinv", "({T})st_erfcinv({0})", numpy=_each(_erfcinv), dtype="float", accepts="biuf",
                      grad=lambda g, y, x: (mul(g, number_like(-1 / _TWO_OVER_ROOT_PI, y), exp(sqr(y))),),
                      sample=(0.1, 1.9), support=_ERFINV, doc="The inverse of erfc on [0, 2].")


def _gamma_grad(g: Variable, y: Variable, x: Variable) -> Any:
    return (mul(g, y, psi(x)),)


gamma = elementwise("gamma", "({T})st_gamma({0})", numpy=_each(_gamma), dtype="float", accepts="biuf",
                    grad=_gamma_grad,
                    sample=(0.5, 5.0), support=_GAMMA, doc="The gamma function; nan at negative integers.")

gammaln = elementwise("gammaln", "({T})lgamma({0})", numpy=_each(_gammaln), dtype="float", accepts="biuf",
                      grad=lambda g, y, x: (mul(g, psi(x)),), sample=(0.5, 5.0), doc="log(|gamma(x)|).")

psi: Elemwise = elementwise("psi", "({T})st_psi({0})", numpy=_each(_psi), dtype="float", accepts="biuf",
                  grad=lambda g, y, x: (mul(g, tri_gamma(x)),), sample=(0.5, 5.0), support=_POLYGAMMA,
                  doc="The digamma function, the derivative of gammaln.")

tri_gamma: Elemwise = elementwise(
    "tri_gamma", "({T})st_tri_gamma({0})", numpy=_each(_tri_gamma), dtype="float", accepts="biuf",
    sample=(0.5, 5.0), support=_POLYGAMMA,
    doc="The trigamma function, the derivative of psi. It has no gradient.",
)
