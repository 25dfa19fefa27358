"""Elementwise special functions: error functions, the gamma family, Bessel functions, and x log y.

The C texts are functions of ``st_special.h``, which computes in double and rounds once; without a compiler
`elementwise_scalar` says the same in Python. Names are Theano's, and SciPy's where Theano had none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops import elementwise_scalar as scalar
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import add, mul, neg, sgn, sub, switch, true_div
from symtensor.ops.elementwise_compare import eq
from symtensor.ops.elementwise_math import exp, log, log1p, number_like
from symtensor.ops.elemwise import Elemwise, elementwise

__all__ = [
    "betainc", "chi2sf", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "gamma", "gammainc", "gammaincc", "gammal",
    "gammaln", "gammau", "i0", "i1", "iv", "ive", "j0", "j1", "jv", "polygamma", "psi", "tri_gamma", "xlog1py", "xlogx",
    "xlogy", "xlogy0",
]

_SLOPE = 2 / math.sqrt(math.pi)
Gradient = Callable[..., Sequence[Any]]


def _special(name: str, c: str, numpy: Any, doc: str, grad: Gradient | None = None, **fields: Any) -> Elemwise:
    return elementwise(name, f"({{T}}){c}", numpy=numpy, grad=grad, dtype="float", accepts="biuf", doc=doc, **fields)


def _each(function: Callable[..., float], *more: Any) -> Callable[..., Any]:
    return scalar.each(lambda *xs: function(*xs, *more))


# -- the error function ----------------------------------------------------------------------------------------------


bell: Elemwise = elementwise(
    "bell", "({T})stx_bell({0})", numpy=_each(scalar.bell), dtype="float", accepts="biuf",
    grad=lambda g, y, x: (mul(g, number_like(-2, y), x, y),), doc="exp(-x**2), exact also where x**2 has lost digits.")


def _times_bell(factor: float) -> Gradient:
    return lambda g, y, x: (mul(g, number_like(factor, y), bell(x)),)


def _over_bell(factor: float) -> Gradient:
    return lambda g, y, x: (true_div(mul(g, number_like(factor, y)), bell(y)),)


erf = elementwise("erf", "erf{f}({0})", numpy=_each(math.erf), dtype="float", accepts="biuf", grad=_times_bell(_SLOPE),
                  doc="The error function.")
erfc = _special("erfc", "erfc({0})", _each(math.erfc), "1 - erf(x), exact for large x.", _times_bell(-_SLOPE))
erfcx = _special("erfcx", "stx_erfcx({0}, 0)", _each(scalar.erfcx), "exp(x**2) erfc(x), which neither overflows nor "
                 "vanishes for large x.", lambda g, y, x: (mul(g, erfcx_slope(x)),))
erfcx_slope: Elemwise = _special(
    "erfcx_slope", "stx_erfcx({0}, 1)", _each(scalar.erfcx, True),
    "The derivative of erfcx, 2 x erfcx(x) - 2/sqrt(pi).",
    lambda g, y, x: (mul(g, number_like(2, y), add(erfcx(x), mul(x, y))),))
erfinv = _special("erfinv", "stx_erfinv({0})", _each(scalar.erfinv), "The inverse of erf on [-1, 1].",
                  _over_bell(1 / _SLOPE), sample=(-0.9, 0.9))
erfcinv = _special("erfcinv", "stx_erfcinv({0})", _each(scalar.erfcinv), "The inverse of erfc on [0, 2].",
                   _over_bell(-1 / _SLOPE), sample=(0.1, 1.9))


# -- the gamma family ------------------------------------------------------------------------------------------------

gamma = _special("gamma", "stx_gamma({0})", _each(scalar.gamma), "The gamma function; nan at negative integers.",
                 lambda g, y, x: (mul(g, y, psi(x)),), sample=(0.5, 5.0))
gammaln = _special("gammaln", "lgamma({0})", _each(scalar.gammaln), "log(|gamma(x)|).",
                   lambda g, y, x: (mul(g, psi(x)),), sample=(0.5, 5.0))
psi: Elemwise = _special("psi", "stx_psi({0})", _each(scalar.psi), "The digamma function, the derivative of gammaln.",
                         lambda g, y, x: (mul(g, tri_gamma(x)),), sample=(0.5, 5.0))
tri_gamma: Elemwise = _special(
    "tri_gamma", "stx_tri_gamma({0})", _each(scalar.tri_gamma), "The trigamma function, the derivative of psi.",
    lambda g, y, x: (mul(g, polygamma(number_like(2, y), x)),), sample=(0.5, 5.0))
polygamma: Elemwise = _special(
    "polygamma", "stx_polygamma({0}, {1})", _each(scalar.polygamma), "polygamma(n, x): the derivative of psi of order "
    "n, a whole number from 0 to 169 (nan for others). No gradient towards n.",
    lambda g, y, n, x: (NotImplemented, mul(g, polygamma(add(n, 1), x))), nin=2, sample=((1.0, 1.0), (0.5, 5.0)))


def _density(k: Variable, x: Variable, power: float = 1) -> Variable:
    """x**(k - 1) exp(-x), over gamma(k)**power: the slope of the incomplete gamma functions."""
    one = number_like(1, x)
    exponent = sub(xlogy(sub(k, one), x), x)
    result: Variable = exp(sub(exponent, gammaln(k)) if power else exponent)
    return result


gammainc = _special(
    "gammainc", "stx_gammainc({0}, {1}, 0)", _each(scalar.gammainc), "gammainc(k, x): the regularized lower incomplete "
    "gamma function. No gradient towards k.",
    lambda g, y, k, x: (NotImplemented, mul(g, _density(k, x))), nin=2, sample=((0.5, 5.0), (0.2, 9.0)))
gammaincc = _special(
    "gammaincc", "stx_gammainc({0}, {1}, 1)", _each(scalar.gammainc, True), "gammaincc(k, x): the regularized upper "
    "incomplete gamma function, 1 - gammainc(k, x). No gradient towards k.",
    lambda g, y, k, x: (NotImplemented, neg(mul(g, _density(k, x)))), nin=2, sample=((0.5, 5.0), (0.2, 9.0)))
gammal = _special(
    "gammal", "(stx_gamma({0}) * stx_gammainc({0}, {1}, 0))",
    _each(lambda k, x: scalar.gamma(k) * scalar.gammainc(k, x)),
    "gammal(k, x): the lower incomplete gamma function. No gradient towards k.",
    lambda g, y, k, x: (NotImplemented, mul(g, _density(k, x, 0))), nin=2, sample=((0.5, 5.0), (0.2, 9.0)))
gammau = _special(
    "gammau", "(stx_gamma({0}) * stx_gammainc({0}, {1}, 1))",
    _each(lambda k, x: scalar.gamma(k) * scalar.gammainc(k, x, True)),
    "gammau(k, x): the upper incomplete gamma function. No gradient towards k.",
    lambda g, y, k, x: (NotImplemented, neg(mul(g, _density(k, x, 0)))), nin=2, sample=((0.5, 5.0), (0.2, 9.0)))


def _beta_slope(a: Variable, b: Variable, x: Variable) -> Any:
    one = number_like(1, x)
    whole = sub(gammaln(add(a, b)), add(gammaln(a), gammaln(b)))
    return exp(add(xlogy(sub(a, one), x), xlog1py(sub(b, one), neg(x)), whole))


betainc = _special(
    "betainc", "stx_betainc({0}, {1}, {2})", _each(scalar.betainc), "betainc(a, b, x): the regularized incomplete beta "
    "function. No gradient towards a and b.",
    lambda g, y, a, b, x: (NotImplemented, NotImplemented, mul(g, _beta_slope(a, b, x))),
    nin=3, sample=((0.5, 5.0), (0.5, 5.0), (0.1, 0.9)))


def chi2sf(x: Any, k: Any) -> Variable:
    """The probability that a chi-squared variable with ``k`` degrees of freedom exceeds ``x`` (Theano's name).

    >>> f"{chi2sf(3.0, 2.0).eval():.4f}"
    '0.2231'
    """
    x, k = as_tensor_variable(x), as_tensor_variable(k)
    result: Variable = gammaincc(true_div(k, number_like(2, k)), true_div(x, number_like(2, x)))
    return result


# -- Bessel functions ------------------------------------------------------------------------------------------------

_j = _each(scalar.jv)


def _iv(v: Any, x: Any) -> Any:
    half = np.exp(abs(x) / 2)
    if math.isinf(x) and v == v:
        return x if x > 0 else math.nan if v != np.floor(v) else -x if v % 2 == 0 else x
    return scalar.ive(v, x) * half * half


def _half(*terms: Variable) -> Any:
    return mul(number_like(0.5, terms[0]), *terms)


def _bessel_grad(f: Callable[..., Any], sign: int) -> Gradient:
    """The slope (f(v - 1, x) + sign f(v + 1, x)) / 2."""

    def grad(g: Variable, y: Variable, v: Variable, x: Variable) -> Sequence[Any]:
        one = number_like(1, v)
        return NotImplemented, _half(g, (add, sub)[sign < 0](f(sub(v, one), x), f(add(v, one), x)))

    return grad


_ORDERS: dict[str, Any] = {"nin": 2, "sample": ((0.2, 3.0), (0.3, 9.0))}
jv: Elemwise = _special("jv", "stx_jv({0}, {1})", _j, "jv(v, x): the Bessel function of the first kind of real order v "
                        "(x < 0 for whole v only). No gradient towards v.",
                        lambda *args: _bessel_grad(jv, -1)(*args), **_ORDERS)
iv: Elemwise = _special("iv", "stx_iv({0}, {1})", _each(_iv), "iv(v, x): the modified Bessel function of the first "
                        "kind of real order v (x < 0 for whole v only). No gradient towards v.",
                        lambda *args: _bessel_grad(iv, 1)(*args), **_ORDERS)


def _ive_grad(g: Variable, y: Variable, v: Variable, x: Variable) -> Sequence[Any]:
    slope = _bessel_grad(ive, 1)(g, y, v, x)[1]
    return NotImplemented, sub(slope, mul(g, sgn(x), y))


ive: Elemwise = _special("ive", "stx_ive({0}, {1})", _each(scalar.ive), "ive(v, x): iv(v, x) exp(-|x|), which does not "
                         "overflow. No gradient towards v.", _ive_grad, **_ORDERS)
j0: Elemwise = _special("j0", "stx_jv(0, {0})", lambda x: _j(np.zeros_like(x), x), "The Bessel function of the first "
                        "kind of order 0.", lambda g, y, x: (neg(mul(g, j1(x))),), sample=(0.3, 9.0))
j1: Elemwise = _special("j1", "stx_jv(1, {0})", lambda x: _j(np.ones_like(x), x), "The Bessel function of the first "
                        "kind of order 1.", lambda g, y, x: (_half(g, sub(j0(x), jv(number_like(2, y), x))),),
                        sample=(0.3, 9.0))
i0: Elemwise = _special("i0", "stx_iv(0, {0})", lambda x: iv.numpy(np.zeros_like(x), x), "The modified Bessel function "
                        "of the first kind of order 0.", lambda g, y, x: (mul(g, i1(x)),), sample=(0.3, 9.0))
i1: Elemwise = _special("i1", "stx_iv(1, {0})", lambda x: iv.numpy(np.ones_like(x), x), "The modified Bessel function "
                        "of the first kind of order 1.",
                        lambda g, y, x: (_half(g, add(i0(x), iv(number_like(2, y), x))),), sample=(0.3, 9.0))


# -- x log y ---------------------------------------------------------------------------------------------------------


def _times_log(name: str, log_c: str, log_of: Any, graph_log: Any, slope: Any, zero: str, doc: str) -> Elemwise:
    """x log(y), 0 where ``zero`` (C, and Python on arrays) holds."""
    keeps_nan = "!=" in zero

    def numpy(x: Any, y: Any) -> Any:
        known = (x == 0) & ~np.isnan(y) if keeps_nan else x == 0
        return np.where(known, x.dtype.type(0), x * log_of(y))

    def grad(g: Variable, value: Variable, x: Variable, y: Variable) -> Sequence[Any]:
        return mul(g, graph_log(y)), switch(eq(x, 0), 0, true_div(mul(g, x), slope(y)))

    return elementwise(name, f"{zero} ? 0 : {{0}} * {log_c}({{1}})", numpy=numpy, grad=grad, nin=2, dtype="float",
                       accepts="biuf", sample=((-3.0, 3.0), (0.1, 9.0)), doc=doc)


xlogy0 = _times_log("xlogy0", "st_log{f}", np.log, log, lambda y: y, "{0} == 0",
                    "xlogy0(x, y): x log(y), and 0 where x is 0, whatever y is (Theano's meaning).")
xlogy = _times_log("xlogy", "st_log{f}", np.log, log, lambda y: y, "({0} == 0) & !({1} != {1})",
                   "xlogy(x, y): x log(y), and 0 where x is 0 unless y is nan.")
xlog1py = _times_log("xlog1py", "st_log1p{f}", np.log1p, log1p, lambda y: add(y, 1), "({0} == 0) & !({1} != {1})",
                     "xlog1py(x, y): x log(1 + y), and 0 where x is 0 unless y is nan.")
xlogx = elementwise("xlogx", "{0} == 0 ? 0 : {0} * st_log{f}({0})", dtype="float", accepts="biuf", sample=(0.1, 9.0),
                    numpy=lambda x: np.where(x == 0, x.dtype.type(0), x * np.log(x)),
                    grad=lambda g, y, x: (mul(g, add(log(x), 1)),), doc="x log(x), and 0 at 0.")
