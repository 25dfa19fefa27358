"""Special functions of Python floats, for where there is no C compiler: the algorithms of ``st_special.h``.

NumPy has none of them. Numbers in comments are formulas of the Digital Library of Mathematical Functions
(dlmf.nist.gov). Arguments are NumPy's float64 numbers, whose arithmetic gives inf and nan where Python's raises.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy import float64 as F

__all__ = ["bell", "betainc", "each", "erfcinv", "erfcx", "erfinv", "gamma", "gammainc", "gammaln", "ive", "jv",
           "polygamma", "psi", "tri_gamma"]


_MOST = 20000  # terms summed before the result is nan


def each(function: Callable[..., float]) -> Callable[..., Any]:
    """A function of numbers on arrays that broadcast against each other, in double."""

    def apply(*xs: np.ndarray[Any, Any]) -> Any:
        whole = np.broadcast(*xs)
        flat = [function(*map(F, values)) for values in whole] if len(xs) > 1 else [function(F(v)) for v in xs[0].flat]
        return np.array(flat, np.float64).reshape(whole.shape).astype(xs[-1].dtype)

    return apply


def _near(*cases: Any) -> Any:
    return next((value for condition, value in cases if condition), None)


# -- gamma and its relatives -----------------------------------------------------------------------------------------

_PSI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)  # 5.11.2
_ZETA = (0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07,
         2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13,
         8.586062056277845e-15, -2.174868698558062e-16)  # Bernoulli numbers by factorials: 25.11.5
_LOG_GAMMA = (-0.5772156649015329, 0.8224670334241132, -0.40068563438653143, 0.27058080842778454, -0.20738555102867398,
              0.16955717699740818, -0.1440498967688461)  # 5.7.3


def gamma(x: Any) -> Any:
    """The gamma function; nan at negative integers."""
    if x == 0:
        return math.copysign(math.inf, x)
    if x == -math.inf or (x < 0 and x == math.floor(x)):
        return math.nan
    try:
        return math.gamma(x)
    except OverflowError:
        return math.copysign(math.inf, x)


def gammaln(x: Any) -> Any:
    """log(|gamma(x)|)."""
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


def psi(x: Any) -> Any:
    """The derivative of gammaln; in (1, 2) the difference from its zero there, every term with that factor."""
    if x == 0:
        return math.copysign(math.inf, -x)
    if x < 0:
        return math.nan if x == np.floor(x) else psi(1 - x) - math.pi / np.tan(math.pi * (x - np.rint(x)))
    if 1 < x < 2:
        y, part, total = F(1.4616321449683622), 0.0, 0.0
        d = (x - y) - 9.549995429965697e-17
        slope = sum(1 / ((x + k) * (y + k)) for k in range(10))
        x, y = x + 10, y + 10
        r, s = 1 / (x * x), 1 / (y * y)
        for term in (*reversed(_PSI), 0.0):  # the divided difference of the series
            part, total = part * r + total, total * s + term
        return d * (slope + np.log1p(d / y) / d + 0.5 / (x * y) + (x + y) * r * s * part)
    total = 0.0
    while x < 10:
        total, x = total - 1 / x, x + 1
    return total + np.log(x) - 0.5 / x - np.polyval((*reversed(_PSI), 0.0), 1 / (x * x))


def _zeta(s: Any, a: Any) -> Any:
    """The sum of (a + k)**-s over k >= 0 for whole s >= 2."""
    if math.isinf(a):
        return 0.0 if a > 0 else math.nan
    if a <= 0:
        f = a - np.floor(a)
        return math.inf if f == 0 else _zeta(s, f) + (-1) ** int(s) * (_zeta(s, np.ceil(a) - a) - _zeta(s, 1 - a))
    total = 0.0
    while a < 10 + s:
        term = a**-s
        total, a = total + term, a + 1
        if not term > 1e-18 * total:
            return total
    tail, factor = a / (s - 1) + 0.5, s / a
    for k, b in enumerate(_ZETA):
        tail, factor = tail + b * factor, factor * (s + 2 * k + 1) * (s + 2 * k + 2) / (a * a)
    return total + a ** (1 - s) * (tail / a)


def polygamma(n: Any, x: Any) -> Any:
    """The derivative of psi of order n, a whole number >= 0; else nan."""
    if not n >= 0 or n != np.floor(n) or np.isnan(x) or np.isinf(n):
        return math.nan
    return psi(x) if n == 0 else (-1) ** (int(n) + 1) * gamma(n + 1) * _zeta(n + 1, x)


def tri_gamma(x: Any) -> Any:
    """The derivative of psi."""
    return polygamma(F(1), x)


def _gamma_term(a: Any, x: Any) -> Any:
    """x**a exp(-x) / gamma(a + 1)."""
    if a < 20:
        return x**a * np.exp(-x) / gamma(a + 1) if x <= 700 else np.exp(a * np.log(x) - x - gammaln(a + 1))
    m = (x - a) / a
    s = m / (2 + m)
    e = m * s - 2 * sum(s**k / k for k in range(3, 60, 2)) if abs(m) < 0.5 else m - np.log(x / a)
    r = 1 / (a * a)
    tail = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / a
    return np.exp(-a * e) / np.sqrt(2 * math.pi * a) * np.exp(-tail)


def gammainc(a: Any, x: Any, upper: bool = False) -> Any:
    """The regularized incomplete gamma function P(a, x), or Q(a, x): 8.7.1, 8.9.2, 8.7.3."""
    if not (a >= 0 and x >= 0) or (math.isinf(a) and math.isinf(x)) or a == x == 0:
        return math.nan
    if a == 0 or math.isinf(x) or x == 0 or math.isinf(a):
        return float(upper) if math.isinf(a) or (x == 0 and a > 0) else float(not upper)
    if x < 1 and a < 1 and upper:
        log_gamma = gammaln(1 + a) if a > 0.01 else a * np.polyval(_LOG_GAMMA[::-1], a)
        whole, term, total = a * np.log(x) - log_gamma, F(1), 0.0
        for k in range(1, 40):
            term *= -x / k
            total += term / (a + k)
        return -np.expm1(whole) - np.exp(whole) * a * total
    if x < 1 or x < a:
        total = term = F(1)
        for k in range(1, _MOST):
            term *= x / (a + k)
            total += term
            if not term > 1e-17 * total:
                break
        total *= math.nan if term > 1e-17 * total else _gamma_term(a, x)
        return 1 - total if upper else total
    total = _fraction(x + 1 - a, ((-k * (k - a), x + 1 - a + 2 * k) for k in itertools.count(1.0)))
    total *= a * _gamma_term(a, x)
    return total if upper else 1 - total


def _fraction(b: Any, pairs: Iterable[tuple[Any, Any]]) -> Any:
    """1 / (b + n1 / (b1 + n2 / (b2 + ...))) of pairs (n, b), by Lentz's algorithm."""
    c, d = 1e300, 1 / (b or F(1e-300))
    total = d
    for n, b in itertools.islice(pairs, _MOST):
        c = b + n / c or F(1e-300)
        d = 1 / (n * d + b or F(1e-300))
        total *= c * d
        if not abs(c * d - 1) >= 1e-15:
            return total
    return math.nan


def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularized incomplete beta function I_x(a, b): 8.17.22, on the side where it converges."""
    if not (a >= 0 and b >= 0 and a + b > 0 and 0 <= x <= 1):
        return math.nan
    if x in (0, 1) or a == 0 or b == 0:
        return x if x in (0, 1) else float(a == 0)
    front = np.exp(a * np.log(x) + b * np.log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b))
    swap = x > (a + 1) / (a + b + 2)
    if swap:
        a, b, x = b, a, 1 - x

    def steps() -> Any:
        yield -(a + b) * x / (a + 1), 1.0
        for m in itertools.count(1):
            yield m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), 1.0
            yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), 1.0

    result = front / a * _fraction(F(1), steps())
    return 1 - result if swap else result


# -- the error function ----------------------------------------------------------------------------------------------

_SLOPE = 2 / math.sqrt(math.pi)


def bell(x: Any) -> Any:
    """exp(-x**2), x**2 in two parts."""
    head = F(np.float32(x))
    return 0.0 if abs(x) >= 28 else np.exp(-head * head) * np.exp(-(x - head) * (x + head))


def erfcx(x: Any, slope: bool = False) -> Any:
    """exp(x**2) erfc(x), or its derivative; from 2 on the continued fraction 7.9.1."""
    if not x >= -27:
        return x if np.isnan(x) else -math.inf if slope else math.inf
    if x < 2:
        y = math.erfc(x) / bell(x)
        return 2 * x * y - _SLOPE if slope else y
    tail = F(0)
    for k in range(60 if x < 1e8 else 1, 0, -1):
        tail = k / 2 / (x + tail)
    return (-2 * tail if slope else 1) / ((x + tail) * math.sqrt(math.pi))


def _newton(x: Any, step_at: Callable[[Any], Any]) -> Any:
    for _ in range(60):
        step = step_at(x)
        x += step
        if not abs(step) > 1e-16 * abs(x):
            break
    return x


def _inverse_tail(q: Any) -> Any:
    """x >= 0 with erfc(x) == q, 0 < q <= 1/2: Newton's method on log(erfc), which is nearly a parabola."""

    def step(x: Any) -> Any:
        tail = math.erfc(x)
        return np.log(tail / q) * tail / (_SLOPE * np.exp(-x * x)) if tail else 0.0

    size = -np.log(q)
    x = np.sqrt(size - np.log(math.pi * size) / 2)
    return _newton(x if x == x else F(0.5), step)


def erfcinv(q: Any) -> Any:
    """The inverse of erfc."""
    if not 0 <= q <= 2:
        return math.nan
    if q in (0, 2):
        return math.inf if q == 0 else -math.inf
    if 0.5 <= q <= 1.5:
        return erfinv(1 - q)
    return _inverse_tail(q) if q < 1 else -_inverse_tail(2 - q)


def erfinv(p: Any) -> Any:
    """The inverse of erf."""
    if not abs(p) <= 1:
        return math.nan
    if abs(p) == 1:
        return math.copysign(math.inf, p)
    if abs(p) > 0.5:
        return np.copysign(_inverse_tail(1 - abs(p)), p)
    return _newton(p / _SLOPE, lambda x: (p - math.erf(x)) / (_SLOPE * np.exp(-x * x)))


# -- Bessel functions ------------------------------------------------------------------------------------------------


def _series(v: Any, x: Any, sign: int, shift: Any) -> Any:
    """(x/2)**v / gamma(v + 1) exp(-shift) sum of (sign x**2 / 4)**k / (k! (v + 1)_k): 10.2.2, 10.25.2."""
    total = term = F(1)
    scale, q = 0.0, sign * x * x / 4
    for k in itertools.count(1):
        if k > _MOST:
            return math.nan
        term *= q / (k * (v + k))
        total += term
        if not abs(term) >= 1e-17 * abs(total) and k > -v:
            break
        if term > 1e280:
            term, total, scale = term * 1e-280, total * 1e-280, scale + 280 * math.log(10)
    if abs(v) < 20 and scale == 0:
        return total * (x / 2) ** v / gamma(v + 1) * np.exp(-shift)
    total = -total if v < -1 and np.floor(v) % 2 == 0 else total  # the sign of gamma(v + 1)
    return total * np.exp(v * np.log(x / 2) - gammaln(v + 1) - shift + scale)


def _hankel(v: Any, x: Any) -> list[Any]:
    """The terms a_k(v) / x**k of 10.17.1 as far as they shrink."""
    terms = [F(1)]
    for k in range(1, 200):
        term = terms[-1] * (4 * v * v - (2 * k - 1) ** 2) / (8 * k * x)
        if abs(term) < 1e-18 or (abs(term) > abs(terms[-1]) and k > 2 * abs(v)):
            break
        terms.append(term)
    return terms


def _large(v: Any, x: Any) -> Any:
    """J_v(x) for x >= 25, v < 2: 10.17.3. Near its zeros cos(x - pi/4) is cos(2 x) / (cos x - sin x) / sqrt(2)."""
    terms = _hankel(v, x)
    even, odd = (sum((-1) ** k * term for k, term in enumerate(terms[start::2])) for start in (0, 1))
    s, c = np.sin(x), np.cos(x)
    if v in (0, 1):
        plus, minus = s + c, s - c
        if x < 1e300:
            plus, minus = (-np.cos(2 * x) / minus, minus) if s * c < 0 else (plus, -np.cos(2 * x) / plus)
        along, across = (plus, minus) if v == 0 else (minus, -plus)
    else:
        phase = (v / 2 + 0.25) * math.pi
        cp, sp = np.cos(phase), np.sin(phase)
        along, across = math.sqrt(2) * (c * cp + s * sp), math.sqrt(2) * (s * cp - c * sp)
    return (along * even - across * odd) / np.sqrt(math.pi * x)


def _down(m: Any, x: Any, n: int) -> tuple[Any, Any, Any, Any]:
    """Ratios of J_(m + k)(x) for k = n, 0, 1 by 10.6.1 downward from where they vanish, and what scales them (10.23.15,
    good for x < 25)."""
    most = max(m + n, x)
    top = 2 * int((most + 12 * np.cbrt(most) + 14) / 2)
    ys = [0.0] * (top + 2)
    ys[top] = F(1e-290)
    for k in range(top, 0, -1):
        ys[k - 1] = 2 * (m + k) / x * ys[k] - ys[k + 1]
        if abs(ys[k - 1]) > 1e250:
            ys[k - 1:] = [y * 1e-250 for y in ys[k - 1:]]
    weights = (gamma(m + 1), *((m + 2 * k) * math.exp(math.lgamma(m + k) - math.lgamma(k + 1))
                               for k in range(1, top // 2 + 1)))
    return ys[n], ys[0], ys[1], (x / 2) ** m / sum(w * y for w, y in zip(weights, ys[::2], strict=False))


def _bessel_edges(v: Any, x: Any) -> tuple[Any, Any, int, Any]:
    """Order, argument and sign for x > 0, and the value where it needs no computation, else None."""
    sign = 1
    if v == np.floor(v) and not math.isinf(v):
        sign = (-1) ** int(v) if x < 0 else 1
        x = abs(x)
    value = _near((np.isnan(v) or np.isnan(x) or x < 0 or math.isinf(v), math.nan), (math.isinf(x), 0.0),
                  (x == 0 and v == 0, 1.0), (x == 0 and v > 0, 0.0),
                  (x == 0, 0.0 if v == np.floor(v) else math.copysign(math.inf, gamma(v + 1))))
    return v, x, sign, value


def jv(v: Any, x: Any) -> Any:
    """The Bessel function J_v(x)."""
    v, x, sign, value = _bessel_edges(v, x)
    if value is not None:
        return value
    n = np.floor(v)
    m = v - n
    if m == 0 and v < 0:
        v, n, sign = -v, -n, sign * (-1) ** int(v)
    if v >= 0 and x * x <= 4 * (v + 1):
        return sign * _series(v, x, -1, 0.0)
    if abs(n) > _MOST:
        return math.nan
    if x >= 25:
        a, b = _large(m, x), _large(m + 1, x)
    elif x * x <= 4 * (m + 1):
        a, b = _series(m, x, -1, 0.0), _series(m + 1, x, -1, 0.0)
    else:
        y, a, b, scale = _down(m, x, max(int(n), 0))
        if n >= 0:
            return sign * scale * y
        a, b = scale * a, scale * b
    if n > x:
        y, first, second, _ = _down(m, x, int(n))
        return sign * y * (a / first if abs(a) > abs(b) else b / second)
    for k in range(int(-n)):
        a, b = 2 * (m - k) / x * a - b, a
    for k in range(int(n)):
        a, b = b, 2 * (m + k + 1) / x * b - a
    return sign * a


def ive(v: Any, x: Any) -> Any:
    """The modified Bessel function I_v(x), times exp(-|x|): 10.40.1 or the series."""
    v, x, sign, value = _bessel_edges(v, x)
    if value is not None:
        return value
    v = abs(v) if v == np.floor(v) else v
    if x < 25 or x < v * v / 2:
        return sign * _series(v, x, 1, x)
    return sign * sum((-1) ** k * term for k, term in enumerate(_hankel(v, x))) / np.sqrt(2 * math.pi * x)
