"""Cases of random numbers: the state is an input, so that they are functions like others."""

from __future__ import annotations

import numpy as np
import philox_reference as reference
from cases import case
from scipy import stats

from symtensor import tensor as T
from symtensor.ops import random_functions as f
from symtensor.ops.random import RandomBits
from symtensor.tensor.raw_random import RandomFunction

STATE = np.array([0x123456789ABCDEF0, 2**64 - 2], "uint64")  # whose counter wraps


def kind(x):
    return np.float64 if x.dtype == np.float64 else np.float32


case("random/bits 32", lambda s, x: RandomBits("uint32", 2)(s, x.shape[0], 3),
     lambda s, x: np.array(reference.integers(s, 3 * len(x), 32), "uint32").reshape(len(x), 3),
     lambda n, d: [STATE, d(n)], dtypes="d", sizes=(0, 1, 2, 3, 400), gradient=False)
case("random/bits 64", lambda s, x: RandomBits("uint64", 1)(s, x.shape[0]),
     lambda s, x: np.array(reference.integers(s, len(x), 64), "uint64"),
     lambda n, d: [STATE, d(n)], dtypes="d", sizes=(0, 1, 2, 3, 700), gradient=False)
case("random/uniform", lambda s, low, high: f.uniform(s, None, low, low + high, dtype=low.dtype),
     lambda s, low, high: [s + np.array([0, np.ceil(low.size * reference.bits_for(low.dtype) / 128)], "uint64"),
                           reference.unit(s, low.shape, low.dtype) * high + low],
     lambda n, d: [STATE, d(n, 3), d.positive(n, 3)], rtol={"f": 1e-6, "d": 1e-15})
case("random/uniform of scalars",
     lambda s, low, high: f.uniform(s, (low.shape[0], 2), low[:1, None], 5.0, dtype=low.dtype)[1],
     lambda s, low, high: reference.unit(s, (len(low), 2), low.dtype) * (5 - low[:1, None]) + low[:1, None],
     lambda n, d: [STATE, d(n), d(n)], sizes=(1, 4), rtol={"f": 1e-6, "d": 1e-15})
case("random/normal", lambda s, avg, std: f.normal(s, None, avg, std, dtype=avg.dtype)[1],
     lambda s, avg, std: reference.normal(s, (*avg.shape, 3)[:2], avg.dtype) * std + avg,
     lambda n, d: [STATE, d(n, 3), d.positive(n, 3)], rtol={"f": 1e-6, "d": 1e-14})
case("random/truncated", lambda s, avg: f.normal(s, None, avg, dtype=avg.dtype, truncate=True)[1],
     lambda s, avg: stats.norm.ppf(stats.norm.cdf(-2) + stats.norm.cdf(reference.normal(s, avg.shape, avg.dtype))
                                   * (1 - 2 * stats.norm.cdf(-2))) + avg,
     lambda n, d: [STATE, d(n, 3)], rtol={"f": 3e-6, "d": 1e-13})
case("random/exponential", lambda s, scale: f.exponential(s, None, scale, dtype=scale.dtype)[1],
     lambda s, scale: -np.log(reference.positive(s, scale.shape, scale.dtype)) * scale,
     lambda n, d: [STATE, d.positive(n, 3)], rtol={"f": 1e-6, "d": 1e-15})
case("random/gamma", lambda s, shape, scale: f.gamma(s, None, abs(shape), scale, dtype=scale.dtype)[1],
     lambda s, shape, scale: np.array([reference.gamma(s, k, abs(float(a))) for k, a in enumerate(shape.ravel())]
                                      ).reshape(shape.shape) * scale,
     lambda n, d: [STATE, d(n, 3), d.positive(n, 3)], gradient=False, rtol={"f": 1e-6, "d": 1e-12})
case("random/gamma by scale", lambda s, scale: f.gamma(s, (scale.shape[0],), 2.5, scale, dtype="float64")[1],
     lambda s, scale: np.array([reference.gamma(s, k, 2.5) for k in range(len(scale))]) * scale,
     lambda n, d: [STATE, d.positive(n)], dtypes="d")
case("random/bernoulli", lambda s, p: f.binomial(s, (7, p.shape[0]), 1, abs(p) / 2, dtype="int8")[1],
     lambda s, p: (reference.positive(s, (7, len(p)), kind(p)) <= abs(p) / 2).astype("int8"),
     lambda n, d: [STATE, d(n)], gradient=False)
case("random/binomial", lambda s, p: f.binomial(s, (5, p.shape[0]), [[3], [20], [1], [0], [19]], abs(p) / 2)[1],
     lambda s, p: np.array([[flipped(s, i * len(p) + j, n, abs(float(q)) / 2) for j, q in enumerate(p)]
                            for i, n in enumerate((3, 20, 1, 0, 19))], "int64").reshape(5, len(p)),
     lambda n, d: [STATE, d(n)], gradient=False, sizes=(0, 1, 9))
case("random/poisson", lambda s, lam: f.poisson(s, None, abs(lam), dtype="float32")[1],
     lambda s, lam: np.array([stats.poisson.ppf(reference.pair(s, k)[0], abs(float(x))) if x else 0.0
                              for k, x in enumerate(lam.ravel())], "float32").reshape(lam.shape),
     lambda n, d: [STATE, 4 * d(n, 3)], gradient=False)
case("random/integers", lambda s, low: f.random_integers(s, None, low, low + 2**40)[1],
     lambda s, low: low + np.array([x * (2**40 + 1) >> 64 for x in reference.integers(s, len(low), 64)], "int64"),
     lambda n, d: [STATE, d.index(9, n)], dtypes="d", gradient=False)
case("random/multinomial", lambda s, p: f.multinomial(s, None, 1, p, dtype="float32")[1],
     lambda s, p: np.array([np.arange(4) == chosen(reference.pair(s, k)[0], row.astype("d").cumsum())
                            for k, row in enumerate(p)], "float32").reshape(-1, 4),
     lambda n, d: [STATE, (lambda p: p / p.sum(1, keepdims=True))(d.positive(n, 4))], gradient=False)
case("random/permutation", lambda s, x: f.permutation(s, (2,), x.shape[0])[1],
     lambda s, x: np.argsort(np.array(reference.integers(s, 2 * len(x), 64), "uint64").reshape(2, len(x))),
     lambda n, d: [STATE, d(n)], dtypes="d", gradient=False)
case("random/shuffled rows", lambda s, x: f.shuffle_row_elements(s, x)[1],
     lambda s, x: np.take_along_axis(
         x, np.argsort(np.array(reference.integers(s, x.size, 64), "uint64").reshape(x.shape)), -1),
     lambda n, d: [STATE, d(n, 2, 3)])

case("random/of NumPy", lambda s, x: RandomFunction("laplace", T.dvector)(s, (x.shape[0],), 0.5, 2.0),
     lambda s, x: [s + np.array([0, 1], "uint64"), np.random.RandomState(
         np.random.Philox(key=int(s[0]), counter=int(s[1]) << 128)).laplace(0.5, 2, len(x))],
     lambda n, d: [STATE, d(n)], dtypes="d", gradient=False)


def flipped(state, element, n, p):
    """The quantile of the rarer side."""
    u = reference.pair(state, element)[0]
    return n - stats.binom.ppf(u, n, 1 - p) if p > 0.5 else max(stats.binom.ppf(u, n, p), 0)


def chosen(u, sums):
    """The category by inversion."""
    return np.searchsorted(sums, u * sums[-1], "right")
