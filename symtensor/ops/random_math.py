"""Elementwise functions that make samples of random bits: the normal distribution's quantile, and numbers below one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.ops.elementwise import mul, neg, sqr, zero_gradient
from symtensor.ops.elementwise_math import exp, number_like
from symtensor.ops.elemwise import elementwise
from symtensor.ops.random import PHILOX, Array

__all__ = ["QUANTILE", "normal_quantile", "random_below"]

# Minimax rational approximations, numerator and denominator from the constant up: of z / x in 0.7225 - x**2 for
# x = 1 - 2 p up to 0.85, and of z in sqrt(-log p) - 1.6 beyond (down to p = 2**-65, and 2**-33 for float). Relative
# errors are below 8e-17, and 5e-8. The variables are Wichura's (algorithm AS 241, Applied Statistics 37, 1988).
_QUANTILE = {
    "float64": (
        (1.69356643639818332, 16.6423429792175949, 61.6091579780605248, 107.269738719474942, 89.6796139472957737,
         32.8384093851816907, 4.07980682814218743, 0.0765438591537305661),
        (1.0, 10.5781168543685914, 42.9472194420850955, 84.2777469981924587, 82.8565525630214828, 38.3800751311589968,
         7.01228476380886684, 0.318899272668435744),
        (1.42343711074968369, 4.63190376683679263, 5.79637488333604612, 3.7206285687698513, 1.34784483013846215,
         0.280623938786504471, 0.0320972982162660074, 0.00175788989116878405, 0.0000323393406860367424),
        (1.0, 2.05429172489178815, 1.6939472292072106, 0.719922137734277445, 0.167767410989253469,
         0.0208347733244935463, 0.00120655445672456852, 0.0000228667889050194149)),
    "float32": (
        (1.69356635999025059, 6.30335601027975144, 4.9759249686567714, 0.461449587821271147),
        (1.0, 4.47324440610663565, 4.92081397041063459, 1.04917989068758182),
        (1.42343711146362504, 3.22280116247920034, 2.16943338019624475, 0.534695773695276683, 0.0399199140303384335),
        (1.0, 1.06436210197008519, 0.333584352030719093, 0.0282164778947259488)),
}


def _polynomial(x: Any, terms: Sequence[float]) -> Any:
    total = x.dtype.type(terms[-1])
    for term in reversed(terms[:-1]):
        total = total * x + x.dtype.type(term)
    return total


def _normal_quantile(v: Array) -> Array:
    dtype = "float64" if v.dtype == np.float64 else "float32"
    number = np.dtype(dtype).type
    p = np.abs(v.astype(dtype))
    x = number(1) - number(2) * p
    center, center_under, far, far_under = _QUANTILE[dtype]
    r, s = number(0.7225) - x * x, np.sqrt(-np.log(p)) - number(1.6)
    inside = p > number(0.075)
    above = np.where(inside, x * _polynomial(r, center), _polynomial(s, far))
    z = above / np.where(inside, _polynomial(r, center_under), _polynomial(s, far_under))
    return np.copysign(np.where(p == 0, number(np.inf), z), v).astype(v.dtype)


def _quantile_text(dtype: str) -> str:
    f = "f" if dtype == "float32" else ""
    ctype = "float" if f else "double"

    def polynomial(x: str, terms: Sequence[float]) -> str:
        text = f"{terms[-1]!r}{f}"
        for term in reversed(terms[:-1]):
            text = f"({text} * {x} + {term!r}{f})"
        return text

    center, center_under, far, far_under = _QUANTILE[dtype]
    return f"""
ST_RANDOM {ctype} st_normal_quantile{f}({ctype} v)
{{
    const {ctype} p = fabs{f}(v), x = 1.0{f} - 2.0{f} * p;
    const {ctype} r = 0.7225{f} - x * x, s = sqrt{f}(-st_log{f}(p)) - 1.6{f};
    const int inside = p > 0.075{f};
    const {ctype} above = inside ? x * {polynomial("r", center)} : {polynomial("s", far)};
    const {ctype} z = above / (inside ? {polynomial("r", center_under)} : {polynomial("s", far_under)});
    return copysign{f}(p == 0.0{f} ? ({ctype})INFINITY : z, v);
}}
"""


QUANTILE = (f"{PHILOX}#ifndef ST_QUANTILE\n#define ST_QUANTILE\n{_quantile_text('float64')}{_quantile_text('float32')}"
            "#endif\n")
"""C text of ``st_normal_quantile`` and ``st_normal_quantilef``."""

normal_quantile = elementwise(
    "normal_quantile", "st_normal_quantile{f}({0})", numpy=_normal_quantile, accepts="f", sample=(0.01, 0.49),
    support=QUANTILE, grad=lambda g, y, v: (neg(mul(g, number_like(math.sqrt(2 * math.pi), y),
                                                    exp(mul(sqr(y), number_like(0.5, y))))),),
    doc="normal_quantile(v): the z with the sign of v that a standard normal number exceeds in size, on that side, "
        "with probability |v| <= 1/2. Accurate in both tails; infinite at 0.")


def _random_below(x: Array, most: Array) -> Any:
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a, b, c, e = x >> half, x & mask, most >> half, most & mask
    middle = a * e + (b * e >> half)
    other = b * c + (middle & mask)
    return a * c + (middle >> half) + (other >> half) + (x * most + x < x)


_BELOW = PHILOX + """
ST_RANDOM uint64_t st_random_below(uint64_t x, uint64_t most)
{
#ifdef __CUDACC__
    const uint64_t high = __umul64hi(x, most);
#else
    const uint64_t high = (uint64_t)((unsigned __int128)x * most >> 64);
#endif
    return high + (x * most + x < x);
}
"""

random_below = elementwise(
    "random_below", "st_random_below({0}, {1})", numpy=_random_below, grad=zero_gradient, nin=2, accepts="u",
    dtype=lambda *_: "uint64", operands="output", sample=(0.0, 1000.0), smooth=False, support=_BELOW,
    doc="random_below(x, most): 64 random bits as a number from 0 to most: x * (most + 1) / 2**64, rounded down.")
