"""Random numbers that take a number of tries not known before: Poisson, binomial, gamma, multinomial.

Element e of a draw walks a stream of its own: try t takes the block at counter (t, c + e), whose upper half is t. C,
CUDA and NumPy do the same arithmetic in double, so that they give the same numbers.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symtensor.graph.errors import NullTypeGradError
from symtensor.graph.op import Kernel
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable
from symtensor.ops.dimshuffle import pad_left
from symtensor.ops.elementwise import cast
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.random import Array, RandomOp, checked_state, philox
from symtensor.ops.random_math import QUANTILE, normal_quantile
from symtensor.ops.shape import addbroadcast, shape_i

__all__ = ["LAWS", "Law", "Multinomial", "RandomSample"]

Uniforms = Callable[[Any, Any], tuple[Array, Array]]  # (elements, tries) -> two numbers in (0, 1) for each

_TABLE = [math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + (k + 1) - math.log(2 * math.pi) / 2 for k in range(10)]
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)
_MEAN, _STEPS = 10, 200  # the mean from which rejection is used; the bound of a search

# Counts with this mean: binomial, or Poisson for infinite n and p = 0. By search below a mean of 10, else by
# W. Hörmann, "The generation of binomial random variates", Journal of Statistical Computation and Simulation 46
# (1993): BTRS, its limit for Poisson, and with logarithms that stay exact for large numbers.
_SUPPORT = QUANTILE + f"""
#ifdef __CUDACC__
#define ST_DRAW static __device__ double
#else
#define ST_DRAW static __attribute__((unused)) double
#endif
ST_RANDOM void st_uniforms(uint64_t key, uint64_t low, uint64_t high, double *u, double *v)
{{
    uint32_t w0, w1, w2, w3;
    st_philox(key, low, high, &w0, &w1, &w2, &w3);
    *u = ((double)(int64_t)(((uint64_t)w1 << 32 | w0) >> 12) + 0.5) * 0x1p-52;
    *v = ((double)(int64_t)(((uint64_t)w3 << 32 | w2) >> 12) + 0.5) * 0x1p-52;
}}
ST_RANDOM int64_t st_number_bits(double x) {{ int64_t bits; memcpy(&bits, &x, 8); return bits; }}
ST_DRAW st_stirling(double k) /* log k! - (log(2 pi) / 2 + (k + 1/2) log(k + 1) - (k + 1)) */
{{
    const double table[] = {{{", ".join(map(repr, _TABLE))}}};
    if (k < 10) return table[(int)k];
    const double x = 1 / (k + 1), y = x * x;
    return ((({_SERIES[3]!r} * y + {_SERIES[2]!r}) * y + {_SERIES[1]!r}) * y + {_SERIES[0]!r}) * x;
}}
ST_DRAW st_draw_count(uint64_t key, uint64_t low, uint64_t high, double n, double p, double mean)
{{
    const int finite = n < INFINITY;
    const double q = 1 - p;
    double u, v, k = 0;
    if (mean < {_MEAN}) {{
        st_uniforms(key, low, high, &u, &v);
        double f = exp(finite ? n * log1p(-p) : -mean);
        while (u > f && k < n && k < {_STEPS}) {{ u -= f; k += 1; f *= finite ? (n - k + 1) / k * (p / q) : mean / k; }}
        return k;
    }}
    const double spread = sqrt(mean * q), b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double m = floor(finite ? (n + 1) * p : mean), alpha = (2.83 + 5.1 / b) * spread, quick = 0.92 - 4.2 / b;
    const double slope = log((m + 1) * q / (finite ? (n - m + 1) * p : mean));
    for (;; high++) {{
        st_uniforms(key, low, high, &u, &v);
        u -= 0.5;
        const double edge = 0.5 - fabs(u);
        k = floor((2 * a / edge + b) * u + mean + 0.5);
        if (edge >= 0.07 && v <= quick) return k;
        if (k < 0 || k > n) continue;
        const double rest = finite ? st_stirling(n - m) - st_stirling(n - k)
            - (n - k + 0.5) * log1p((m - k) / (n - m + 1)) : k - m;
        if (log(v * alpha / (a / (edge * edge) + b)) <= (m - k) * slope - (k + 0.5) * log1p((k - m) / (m + 1))
            + st_stirling(m) - st_stirling(k) + rest) return k;
    }}
}}
ST_DRAW st_draw_poisson(uint64_t key, uint64_t low, uint64_t high, double mean)
{{
    return st_draw_count(key, low, high, INFINITY, 0, mean);
}}
ST_DRAW st_draw_binomial(uint64_t key, uint64_t low, uint64_t high, double n, double p)
{{
    const double least = p > 0.5 ? 1 - p : p, k = st_draw_count(key, low, high, n, least, n * least);
    return p > 0.5 ? n - k : k;
}}
ST_DRAW st_draw_gamma(uint64_t key, uint64_t low, uint64_t high, double shape)
{{
    double u, v, boost = 1;
    if (shape == 0) return 0;
    if (shape < 1) {{
        st_uniforms(key, low, (uint64_t)1 << 63, &u, &v);
        boost = pow(u, 1 / shape);
        shape += 1;
    }}
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;; high++) {{
        st_uniforms(key, low, high, &u, &v);
        const double z = st_normal_quantile(u - 0.5), root = 1 + c * z, cube = root * root * root;
        if (root > 0 && log(v) < 0.5 * z * z + d - d * cube + d * log(cube)) return d * cube * boost;
    }}
}}
"""


def _stirling(k: Array) -> Array:
    x = 1 / (k + 1)
    y = x * x
    series = (((_SERIES[3] * y + _SERIES[2]) * y + _SERIES[1]) * y + _SERIES[0]) * x
    return np.where(k < 10, np.array(_TABLE)[np.clip(k, 0, 9).astype(int)], series)


def _tries(uniforms: Uniforms, elements: Array, attempt: Callable[..., tuple[Array, Array]]) -> Array:
    """For each element the value of its first try that is accepted: ``attempt(positions, u, v)`` gives both."""
    found, left = np.zeros(elements.size), np.arange(elements.size)
    for number in itertools.count():
        value, accepted = attempt(left, *uniforms(elements[left], number))
        found[left[accepted]] = value[accepted]
        left = left[~accepted]
        if not left.size:
            break
    return found


def _count(uniforms: Uniforms, n: Array, p: Array, mean: Array) -> Array:
    finite, q, small = n < np.inf, 1 - p, mean < _MEAN
    u, k = uniforms(np.arange(n.size), 0)[0], np.zeros(n.shape)
    f, odds = np.exp(np.where(finite, np.where(finite, n, 0) * np.log1p(-p), -mean)), p / q
    going = small & (u > f) & (k < n)
    for _ in range(_STEPS):
        if not going.any():
            break
        u = np.where(going, u - f, u)
        k += going
        f = np.where(going, f * np.where(finite, (n - k + 1) / k * odds, mean / k), f)
        going &= (u > f) & (k < n)
    at = np.flatnonzero(~small)
    n, p, q, mean, finite = n[at], p[at], q[at], mean[at], finite[at]
    spread = np.sqrt(mean * q)
    b = 1.15 + 2.53 * spread
    a, alpha, quick = -0.0873 + 0.0248 * b + 0.01 * p, (2.83 + 5.1 / b) * spread, 0.92 - 4.2 / b
    m = np.floor(np.where(finite, (n + 1) * p, mean))
    slope = np.log((m + 1) * q / np.where(finite, (n - m + 1) * p, mean))

    def attempt(i: Array, u: Array, v: Array) -> tuple[Array, Array]:
        u, n_, m_ = u - 0.5, n[i], m[i]
        edge = 0.5 - np.abs(u)
        j = np.floor((2 * a[i] / edge + b[i]) * u + mean[i] + 0.5)
        rest = np.where(finite[i], _stirling(n_ - m_) - _stirling(n_ - j)
                        - (n_ - j + 0.5) * np.log1p((m_ - j) / (n_ - m_ + 1)), j - m_)
        exact = np.log(v * alpha[i] / (a[i] / (edge * edge) + b[i])) <= (
            (m_ - j) * slope[i] - (j + 0.5) * np.log1p((j - m_) / (m_ + 1)) + _stirling(m_) - _stirling(j) + rest)
        return j, ((edge >= 0.07) & (v <= quick[i])) | ((j >= 0) & (j <= n_) & exact)

    k[at] = _tries(uniforms, at, attempt)
    return k


def _poisson(uniforms: Uniforms, mean: Array) -> Array:
    return _count(uniforms, np.full(mean.shape, np.inf), np.zeros(mean.shape), mean)


def _binomial(uniforms: Uniforms, n: Array, p: Array) -> Array:
    least = np.where(p > 0.5, 1 - p, p)
    k = _count(uniforms, n, least, n * least)
    return np.where(p > 0.5, n - k, k)


def _gamma(uniforms: Uniforms, shape: Array) -> Array:
    """G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000)."""
    everyone = np.arange(shape.size)
    boost = np.where(shape < 1, uniforms(everyone, 1 << 63)[0] ** (1 / shape), 1.0)
    d = np.where(shape < 1, shape + 1, shape) - 1.0 / 3
    c = 1 / np.sqrt(9 * d)

    def attempt(at: Array, u: Array, v: Array) -> tuple[Array, Array]:
        z = normal_quantile.numpy(u - 0.5)
        root = 1 + c[at] * z
        cube = root * root * root
        accepted = (root > 0) & (np.log(v) < 0.5 * z * z + d[at] - d[at] * cube + d[at] * np.log(cube))
        return d[at] * cube * boost[at], accepted

    return np.where(shape == 0, 0.0, _tries(uniforms, everyone, attempt))


@dataclass(frozen=True)
class Law:
    """A distribution: its parameters with the largest value of each (the least is 0), its function in NumPy, and
    whether its values are whole numbers. In C it is ``st_draw_<name>``."""

    parameters: dict[str, float]
    numpy: Callable[..., Array]
    whole: bool = True


LAWS = {"poisson": Law({"lam": 1e15}, _poisson), "binomial": Law({"n": 1e15, "p": 1}, _binomial),
        "gamma": Law({"shape": 1e15}, _gamma, whole=False)}
"""The distributions of `RandomSample` by name."""


def _number(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<q", int(bits)))[0]
    return value


class RandomSample(RandomOp):
    """Independent samples of one of the `LAWS`. Inputs: the state, the parameters (float64, broadcast against the
    dimensions), and the dimensions. Takes as many blocks as there are elements.

    ValueError at run time for parameters that the distribution does not have, naming them.

    >>> RandomSample("poisson", "int64", 1)(np.array([1, 0], "uint64"), 3.0, 4).eval()
    array([5, 5, 3, 0])
    """

    __props__ = ("law", "dtype", "ndim")

    def __init__(self, law: str, dtype: str, ndim: int) -> None:
        self.law, self.dtype, self.ndim = law, dtype, ndim
        self.record = LAWS[law]
        self.broadcast = range(1, 1 + len(self.record.parameters))

    def make_node(self, state: Any, *inputs: Any) -> Apply:
        count = len(self.record.parameters)
        given = [pad_left(cast(value, "float64"), self.ndim) for value in inputs[:count]]
        return self._result([checked_state(state), *given, *map(as_index, inputs[count:])])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a bad parameter, or a size that is negative or does not fit."""
        if code != "ST_VALUE":
            return super().failure(node, code, values)
        name, most = list(self.record.parameters.items())[values[1]]
        return ValueError(f"{self.law}: {name} must be from 0 to {most:g}, got {_number(values[2]):g} for element "
                          f"{values[0]}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        size = self._size(node, inputs)
        flat = [np.broadcast_to(inputs[k], size).ravel() for k in self.broadcast]
        for k, (value, most) in enumerate(zip(flat, self.record.parameters.values(), strict=True)):
            bad = np.flatnonzero(~((value >= 0) & (value <= most)))
            if bad.size:
                raise self.failure(node, "ST_VALUE", (int(bad[0]), k, int(value[bad[0]].view("int64"))))
        with np.errstate(all="ignore"):
            values = self.record.numpy(_uniforms(inputs[0]), *flat).reshape(size)
        outputs[0][0] = (values.astype("int64") if self.record.whole else values).astype(self.dtype, copy=False)

    def kernel(self, node: Apply) -> Kernel:
        axes = range(self.ndim)
        lines = [unravel_c([f"j{axis}" for axis in axes], [f"OUT0_DIM({axis})" for axis in axes])]
        for k, most in zip(self.broadcast, self.record.parameters.values(), strict=True):
            places = ["0" if dim == 1 else f"(IN{k}_DIM({axis}) == 1 ? 0 : j{axis})"
                      for axis, dim in enumerate(node.inputs[k].type.shape)]
            lines += [f"const double a{k} = IN{k}({', '.join(places)});",
                      f"if (!(a{k} >= 0 && a{k} <= {most!r})) FAIL(ST_VALUE, i, {k - 1}, st_number_bits(a{k}));"]
        lines.append(f"((OUT0_T *)OUT0_PTR)[i] = (OUT0_T){'(int64_t)' if self.record.whole else ''}st_draw_{self.law}"
                     f"(IN0(0), IN0(1) + (uint64_t)i, 0, {', '.join(f'a{k}' for k in self.broadcast)});")
        return Kernel("\n".join(line for line in lines if line), d.product(self.dims(node)), _SUPPORT)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k in self.broadcast and not self.record.whole] for k in range(len(node.inputs))]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        if self.record.whole:
            return super().grad(inputs, output_grads)
        raise NullTypeGradError(f"{self.law}: samples have no derivative by {', '.join(self.record.parameters)}; take "
                                "it out of the graph of the cost with consider_constant")


def _uniforms(state: Array) -> Uniforms:
    def draw(elements: Any, tries: Any) -> tuple[Array, Array]:
        a, b, c, e = philox(int(state[0]), state[1] + elements.astype(np.uint64), tries)
        half, cut = np.uint64(32), np.uint64(12)
        u, v = ((((x | y << half) >> cut).astype("float64") + 0.5) * 2.0**-52 for x, y in ((a, b), (c, e)))
        return u, v

    return draw


class Multinomial(RandomOp):
    """For each row of ``pvals`` how often n draws gave each category. Called with the state, n (a column) and pvals (a
    matrix), each with a row for all or one for each, and the number of rows. Takes a block a row.

    One draw goes by inversion; more go by a binomial number for each category.

    >>> Multinomial("int64")(np.array([1, 0], "uint64"), [[10.0]], [[0.5, 0.25, 0.25]], 2).eval().sum(axis=1)
    array([10, 10])
    """

    __props__ = ("dtype",)
    broadcast = range(1, 3)

    def __init__(self, dtype: str) -> None:
        self.dtype, self.ndim = dtype, 2

    def make_node(self, state: Any, n: Any, pvals: Any, rows: Any, *categories: Any) -> Apply:
        pvals = as_tensor_variable(pvals)
        kind = "float64" if pvals.type.dtype == "float64" else "float32"
        n, pvals = addbroadcast(cast(n, "float64"), 1), cast(pvals, kind)
        return self._result([checked_state(state), n, pvals, as_index(rows), shape_i(pvals, 1)])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for bad parameters or sizes."""
        if code != "ST_VALUE":
            return super().failure(node, code, values)
        row, column, number = values[0], values[1], _number(values[2])
        what = {-1: f"row {row} of pvals sums to {number:g}, not 1 (within 0.001); divide by the sum",
                -2: f"n={number:g} is not from 0 to 1e15"}.get(column, f"pvals[{row}, {column}]={number:g} is negative")
        return ValueError(f"multinomial: {what}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        rows, count = self._size(node, inputs)
        n, p = np.broadcast_to(inputs[1][:, 0], rows), np.broadcast_to(inputs[2].astype("float64"), (rows, count))
        sums = np.cumsum(np.hstack([np.zeros((rows, 1)), p]), axis=1)[:, 1:]
        total = sums[:, -1] if count else np.zeros(rows)
        bad = np.column_stack([~(p >= 0), ~(np.abs(total - 1) <= 1e-3), ~((n >= 0) & (n <= 1e15))])
        if bad.any():
            row, place = np.unravel_index(np.argmax(bad), bad.shape)
            number = np.column_stack([p, total, n])[row, place]
            raise self.failure(node, "ST_VALUE", (int(row), int(place if place < count else count - 1 - place),
                                                  int(number.view("int64"))))
        made, uniforms = np.zeros((rows, count)), _uniforms(inputs[0])
        last = count - 1 - np.argmax(p[:, ::-1] > 0, axis=1) if rows else np.zeros(0, int)
        one, more = np.flatnonzero(n == 1), np.flatnonzero(n != 1)
        u = uniforms(one, 0)[0] * total[one]
        made[one, np.minimum((sums[one] <= u[:, None]).sum(1), last[one])] = 1
        left, rest, p, last = n[more].copy(), total[more].copy(), p[more], last[more]
        with np.errstate(all="ignore"):
            for j in range(count if more.size else 0):
                drawn = _binomial(lambda at, t, j=j: uniforms(more[at], t + (j << 32)),  # type: ignore[misc]
                                  left, np.where(j < last, np.minimum(p[:, j] / rest, 1.0), 0.0))
                made[more, j] = np.where(j == last, left, drawn)
                left, rest = left - made[more, j], rest - p[:, j]
        outputs[0][0] = made.astype(self.dtype)

    def kernel(self, node: Apply) -> Kernel:
        text = """
const int64_t count = OUT0_DIM(1), row = IN2_DIM(0) == 1 ? 0 : i;
const uint64_t key = IN0(0), low = IN0(1) + (uint64_t)i;
double left = IN1(IN1_DIM(0) == 1 ? 0 : i, 0), total = 0, sum = 0, u, v;
OUT0_T *const out = (OUT0_T *)OUT0_PTR + i * count;
int64_t last = 0;
for (int64_t j = 0; j < count; j++) {
    const double p = (double)IN2(row, j);
    if (!(p >= 0)) FAIL(ST_VALUE, i, j, st_number_bits(p));
    if (p > 0) last = j;
    total += p;
    out[j] = 0;
}
if (!(fabs(total - 1) <= 1e-3)) FAIL(ST_VALUE, i, -1, st_number_bits(total));
if (!(left >= 0 && left <= 1e15)) FAIL(ST_VALUE, i, -2, st_number_bits(left));
if (left == 1) {
    int64_t j = 0;
    st_uniforms(key, low, 0, &u, &v);
    for (u *= total; j < last && (sum += (double)IN2(row, j)) <= u; j++) {}
    out[j] = 1;
} else {
    for (int64_t j = 0; j < last && left > 0; j++) {
        const double p = (double)IN2(row, j), share = p / total;
        const double drawn = st_draw_binomial(key, low, (uint64_t)j << 32, left, share < 1 ? share : 1);
        out[j] = (OUT0_T)(int64_t)drawn;
        left -= drawn;
        total -= p;
    }
    out[last] = (OUT0_T)(int64_t)left;
}"""
        return Kernel(text.strip(), self.dims(node)[0], _SUPPORT)
