"""Random numbers: known answers, distributions, edges, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import philox_reference as reference
import pytest
from scipy import stats

from symtensor import Mode, config, function, grad
from symtensor import tensor as T
from symtensor.graph.errors import NullTypeGradError
from symtensor.ops import random_functions as f
from symtensor.ops.random import RandomBits, key_of, philox
from symtensor.ops.random_math import normal_quantile, random_below
from symtensor.ops.random_sample import LAWS, Multinomial, RandomSample

STATE = np.array([2024, 7], "uint64")
N = 40_000


@pytest.fixture(autouse=True)
def double():
    with config.change_flags(floatX="float64"):
        yield


def drawn(*builds, mode=None):
    """The samples of functions of a state, all in one program."""
    state = T.TensorType("uint64", (None,))("state")
    return function([state], [build(state)[1] for build in builds], mode=mode)(STATE)


# -- bits --------------------------------------------------------------------------------------------------------------

KNOWN = [  # from the known-answer tests of Random123: counter, key, block
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([2**32 - 1] * 4, [2**32 - 1] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
     [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_known_answers(counter, key, words):
    low, high, k = (a | b << 32 for a, b in (counter[:2], counter[2:], key))
    assert [int(w[0]) for w in philox(k, np.array([low], "uint64"), np.array([high], "uint64"))] == words
    assert reference.block(k, low | high << 64) == words


def test_c_gives_the_known_answers():
    s = T.TensorType("uint64", (None,))("s")
    g = function([s], RandomBits("uint32", 1)(s, 4), mode=Mode("c"))
    assert [hex(x) for x in g(np.zeros(2, "uint64"))] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_bits(dtype):
    """Every form at bits of all zeros and all ones stays inside its interval."""
    from symtensor.ops.random import _FORMS

    bits = np.array([0, 1, 2**31, 2**32 - 1] if dtype == "float32" else [0, 1, 2**63, 2**64 - 1],
                    "uint32" if dtype == "float32" else "uint64")
    unit, positive, tail = (_FORMS[form, dtype][1](bits) for form in ("unit", "positive", "tail"))
    assert unit[0] == 0 <= unit.min() <= unit.max() < 1
    assert 0 < positive.min() <= positive.max() <= 1
    assert 0 < abs(tail).min() <= abs(tail).max() <= 0.5
    np.testing.assert_array_equal(np.sign(tail), [1, 1, -1, -1])
    assert np.isfinite(normal_quantile.numpy(tail)).all()


def test_bits_look_random():
    """Each bit, and each pair of neighbours, is balanced over a long stream."""
    (words,) = drawn(lambda s: (s, RandomBits("uint32", 1)(s, 2**20)))
    bits = np.unpackbits(words.view("uint8")).reshape(-1, 32)
    assert abs(bits.mean(0) - 0.5).max() < 5 / math.sqrt(4 * 2**20)
    assert abs((bits[:-1] ^ bits[1:]).mean() - 0.5) < 5 / math.sqrt(4 * bits.size)
    assert stats.chisquare(np.bincount(words >> np.uint32(22), minlength=1024)).pvalue > 1e-3
    assert len(np.unique(words)) > 2**20 - 300  # as many repetitions as chance has


def test_random_below_is_exact():
    x = np.array([0, 1, 2**63, 2**64 - 1, 0x123456789ABCDEF0], "uint64")
    for most in (0, 1, 5, 2**32, 2**63 - 1, 2**64 - 1):
        wanted = [int(v) * (most + 1) >> 64 for v in x]
        assert random_below.numpy(x, np.uint64(most)).tolist() == wanted
        assert random_below(T.constant(x), T.constant(np.uint64(most))).eval().tolist() == wanted


@pytest.mark.parametrize(("dtype", "least", "ulps"), [("float32", 2.0**-33, 3), ("float64", 2.0**-65, 5)])
def test_normal_quantile_is_accurate(dtype, least, ulps):
    p = np.concatenate([np.geomspace(least, 0.5, 3001), np.linspace(0.07, 0.08, 999)]).astype(dtype)
    v = T.TensorType(dtype, (None,))("v")
    (both,) = [function([v], normal_quantile(v))(np.concatenate([p, -p]))]
    wanted = stats.norm.isf(p.astype("float64"))
    for found in (both[:len(p)], -both[len(p):], normal_quantile.numpy(p)):
        assert (abs(found - wanted) <= ulps * np.finfo(dtype).eps * abs(wanted) + 1e-16).all()
    with np.errstate(divide="ignore", invalid="ignore"):
        assert normal_quantile.numpy(np.zeros(1, dtype)) == np.inf


# -- distributions -----------------------------------------------------------------------------------------------------

CONTINUOUS = {
    "uniform": (lambda s, t: f.uniform(s, (N,), -1, 3, dtype=t), stats.uniform(-1, 4)),
    "normal": (lambda s, t: f.normal(s, (N,), 2.0, 0.5, dtype=t), stats.norm(2, 0.5)),
    "truncated": (lambda s, t: f.truncated_normal(s, (N,), 2.0, 0.5, dtype=t), stats.truncnorm(-2, 2, 2, 0.5)),
    "exponential": (lambda s, t: f.exponential(s, (N,), 3.0, dtype=t), stats.expon(0, 3)),
    "gamma": (lambda s, t: f.gamma(s, (N,), 2.5, 3.0, dtype=t), stats.gamma(2.5, 0, 3)),
    "gamma, small": (lambda s, t: f.gamma(s, (N,), 0.3, dtype=t), stats.gamma(0.3)),
    "gamma, large": (lambda s, t: f.gamma(s, (N,), 1e6, dtype=t), stats.gamma(1e6)),
    "beta": (lambda s, t: f.beta(s, (N,), 0.5, 3.0, dtype=t), stats.beta(0.5, 3)),
}
DISCRETE = {
    "bernoulli": (lambda s: f.binomial(s, (N,), p=0.3), stats.binom(1, 0.3)),
    "bernoulli of a tensor": (lambda s: f.bernoulli(s, (N,), np.full(1, 0.3)), stats.binom(1, 0.3)),
    "binomial, search": (lambda s: f.binomial(s, (N,), 20, 0.1), stats.binom(20, 0.1)),
    "binomial, flipped": (lambda s: f.binomial(s, (N,), 20, 0.9), stats.binom(20, 0.9)),
    "binomial, tries": (lambda s: f.binomial(s, (N,), 25, 0.4), stats.binom(25, 0.4)),
    "binomial, many": (lambda s: f.binomial(s, (N,), 1000, 0.7), stats.binom(1000, 0.7)),
    "poisson, small": (lambda s: f.poisson(s, (N,), 0.2), stats.poisson(0.2)),
    "poisson, search": (lambda s: f.poisson(s, (N,), 9.99), stats.poisson(9.99)),
    "poisson, tries": (lambda s: f.poisson(s, (N,), 10.0), stats.poisson(10)),
    "poisson, many": (lambda s: f.poisson(s, (N,), 800.0), stats.poisson(800)),
    "integers": (lambda s: f.random_integers(s, (N,), -3, 9), stats.randint(-3, 10)),
    "integers, open": (lambda s: f.integers(s, 17, size=(N,)), stats.randint(0, 17)),
    "choice": (lambda s: f.choice(s, (N,), 5), stats.randint(0, 5)),
    "choice by chance": (lambda s: f.choice(s, (N,), [1, 2, 3], p=[0.2, 0.3, 0.5]),
                         stats.rv_discrete(values=([1, 2, 3], [0.2, 0.3, 0.5]))),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_continuous_distributions(dtype):
    """Kolmogorov and Smirnov, and the moments; C and interpreter agree."""
    builds = [lambda s, make=make: make(s, dtype) for make, _ in CONTINUOUS.values() if dtype != "float16"
              or make is not CONTINUOUS["gamma, large"][0]]
    native, plain = drawn(*builds), drawn(*builds, mode=Mode("py"))
    laws = [item for item in CONTINUOUS.items() if dtype != "float16" or item[0] != "gamma, large"]
    for (name, (_, law)), x, y in zip(laws, native, plain):
        assert x.dtype == dtype, name
        np.testing.assert_allclose(x, y, {2: 2e-3, 4: 2e-6, 8: 1e-12}[x.itemsize], 1e-7, err_msg=name)
        values = x.astype("float64")
        assert stats.kstest(values, law.cdf).pvalue > 0.005, name
        assert abs(values.mean() - law.mean()) < 4.5 * law.std() / math.sqrt(N), name
        assert abs(values.var() / law.var() - 1) < 4.5 * math.sqrt((law.stats("k") + 2) / N), name
        low, high = law.support()
        assert low <= values.min() <= values.max() <= high, name


def test_discrete_distributions():
    """Chi square, and C equal to the interpreter."""
    builds = [make for make, _ in DISCRETE.values()]
    for (name, (_, law)), x, y in zip(DISCRETE.items(), drawn(*builds), drawn(*builds, mode=Mode("py"))):
        assert x.dtype == "int64", name
        np.testing.assert_array_equal(x, y, err_msg=name)
        low = int(x.min())
        counts = np.bincount(x - low)
        wanted = N * law.pmf(np.arange(low, low + len(counts)))
        keep = wanted >= 5
        counts, wanted = np.append(counts[keep], counts[~keep].sum()), np.append(wanted[keep], N - wanted[keep].sum())
        if wanted[-1] < 1:
            assert counts[-1] <= 5, name
            counts, wanted = counts[:-1], wanted[:-1] * counts[:-1].sum() / wanted[:-1].sum()
        assert stats.chisquare(counts, wanted).pvalue > 0.002, name


def test_large_counts():
    poisson, binomial = drawn(lambda s: f.poisson(s, (N,), 1e14), lambda s: f.binomial(s, (N,), 10**14, 0.25))
    assert stats.kstest((poisson - 1e14) / 1e7, "norm").pvalue > 0.005
    assert stats.kstest((binomial - 0.25e14) / math.sqrt(1e14 * 0.1875), "norm").pvalue > 0.005


def test_degenerate_parameters():
    p = np.array([0.0, 1.0])
    rows = drawn(*(lambda s, n=n: f.binomial(s, (50, 2), n, p) for n in (1, 7, 10**6)),
                 lambda s: f.poisson(s, (9,), 0.0), lambda s: f.gamma(s, (9,), 0.0),
                 lambda s: f.normal(s, (9,), 3.0, 0.0), lambda s: f.uniform(s, (9,), 2, 2),
                 lambda s: f.binomial(s, (9,), 0, 0.5), lambda s: f.random_integers(s, (9,), 4, 4),
                 lambda s: f.multinomial(s, (9,), 1, [0.0, 1.0, 0.0]), lambda s: f.multinomial(s, (9,), 0, [0.5, 0.5]))
    wanted = [[0, 1], [0, 7], [0, 10**6], 0, 0, 3, 2, 0, 4, [0, 1, 0], 0]
    for found, value in zip(rows, wanted):
        assert (found == np.array(value)).all(), value


def test_beta_with_small_parameters():
    """Both of its gamma numbers underflow."""
    (x,) = drawn(lambda s: f.beta(s, (N,), 0.001, 0.001))
    assert abs(x.mean() - 0.5) < 4.5 * 0.5 / math.sqrt(N)
    assert abs(np.mean((x > 1e-3) & (x < 1 - 1e-3)) - np.diff(stats.beta(0.001, 0.001).cdf([1e-3, 1 - 1e-3]))) < 0.005


def test_upper_bound_is_excluded():
    """Where rounding would reach it."""
    x, y, z = drawn(lambda s: f.uniform(s, (2**20,), 1, 2, dtype="float32"),
                    lambda s: f.uniform(s, (2**16,), 4000, 4001, dtype="float16"),
                    lambda s: f.uniform(s, (1000,), 3.0, -1.0))
    assert 1 <= x.min() <= x.max() < 2
    assert (y == 4000).all()
    assert -1 < z.min() <= z.max() <= 3


def test_full_range_of_integers():
    (x,) = drawn(lambda s: f.random_integers(s, (N,), -(2**63), 2**63 - 1))
    assert stats.kstest(x / 2.0**64 + 0.5, "uniform").pvalue > 0.005


def test_multinomial_counts():
    p = np.array([0.1, 0.0, 0.2, 0.3, 0.4, 0.0])
    for n in (1, 5, 1000):
        x, y = (drawn(lambda s: f.multinomial(s, (4000,), n, p), mode=mode)[0] for mode in (None, Mode("py")))
        np.testing.assert_array_equal(x, y)
        assert (x.sum(1) == n).all()
        assert x.min() == 0 == x[:, p == 0].max()
        keep = p > 0
        assert stats.chisquare(x.sum(0)[keep], 4000 * n * p[keep]).pvalue > 0.005
        q = p[keep]
        np.testing.assert_allclose(np.cov(x[:, keep].T), n * (np.diag(q) - np.outer(q, q)), atol=0.09 * n)


def test_shapes_of_multinomial():
    p2, p3 = np.full((3, 2), 0.5), np.full((1, 3, 2), 0.5)
    shapes = [x.shape for x in drawn(
        lambda s: f.multinomial(s, None, 1, p2), lambda s: f.multinomial(s, (3,), 1, p2),
        lambda s: f.multinomial(s, (5, 3), 2, p2), lambda s: f.multinomial(s, (5, 3), 2, p3),
        lambda s: f.multinomial(s, (), 2, [0.5, 0.5]), lambda s: f.multinomial(s, None, [1, 5, 9], p2),
        lambda s: f.multinomial(s, 4, 1, [0.5, 0.5]), lambda s: f.multinomial(s, (2, 2), [[1], [2]], [0.5, 0.5]))]
    assert shapes == [(3, 2), (3, 2), (5, 3, 2), (5, 3, 2), (2,), (3, 2), (4, 2), (2, 2, 2)]


def test_orders():
    perms, few, weighted, rows = drawn(
        lambda s: f.permutation(s, (6000,), 3), lambda s: f.choice(s, (4,), 10, replace=False),
        lambda s: f.multinomial_wo_replacement(s, None, 2, np.tile([[0.1, 0.2, 0.7]], (20000, 1))),
        lambda s: f.shuffle_row_elements(s, np.arange(24).reshape(2, 3, 4)))
    assert stats.chisquare(np.bincount(perms @ [9, 3, 1])[[5, 7, 11, 15, 19, 21]]).pvalue > 0.005
    assert len(set(few)) == 4
    first = np.bincount(weighted[:, 0], minlength=3)
    assert stats.chisquare(first, 20000 * np.array([0.1, 0.2, 0.7])).pvalue > 0.005
    second = np.bincount(weighted[weighted[:, 0] == 2, 1], minlength=3)  # of the rest, in proportion
    assert stats.chisquare(second[:2], second.sum() * np.array([1, 2]) / 3).pvalue > 0.005
    assert (np.sort(rows, -1).ravel() == np.arange(24)).all()
    assert (rows.ravel() != np.arange(24)).any()


# -- shapes, dtypes, gradients -----------------------------------------------------------------------------------------


def test_sizes():
    s, x, n, v = T.constant(STATE), T.dmatrix("x"), T.lscalar("n"), T.lvector("v")
    sizes = [(2, 3), 4, (), x.shape, (n, x.shape[0]), n, [n, 5], np.array([2, 2])]
    outs = [f.normal(s, size)[1] for size in sizes] + [f.normal(s, v, ndim=2)[1], f.normal(s, None, x, 1.0)[1],
                                                      f.normal(s, None, x[:, :1], x[0], ndim=3)[1]]
    found = function([x, n, v], outs)(np.zeros((2, 3)), 6, [7, 1])
    assert [o.shape for o in found] == [(2, 3), (4,), (), (2, 3), (6, 2), (6,), (6, 5), (2, 2), (7, 1), (2, 3),
                                        (1, 2, 3)]
    assert outs[0].type.shape == (2, 3)


def test_dtypes():
    s = T.constant(STATE)
    for floatX in ("float32", "float64"):
        with config.change_flags(floatX=floatX):
            assert f.uniform(s, (2,))[1].dtype == f.normal(s, (2,), 0.5, 2)[1].dtype == floatX
            assert f.normal(s, (2,), np.zeros(2))[1].dtype == "float64"
    for dtype in ("int8", "uint8", "int32", "bool", "float16", "float32"):
        for make in (f.binomial, f.poisson, f.random_integers):
            assert make(s, (2,), dtype=dtype)[1].eval().dtype == dtype
        assert f.multinomial(s, (2,), dtype=dtype)[1].eval().dtype == dtype


def test_gradients_by_parameters():
    s, m, d = T.constant(STATE), T.dvector("m"), T.dvector("d")
    x = f.normal(s, None, m, d)[1]
    z, gm, gd = function([m, d], [(x - m) / d, *grad(x.sum(), [m, d])])(np.zeros(3), np.full(3, 2.0))
    assert (gm == 1).all()
    np.testing.assert_allclose(gd, z, rtol=1e-12)
    shape = T.dvector("shape")
    with pytest.raises(NullTypeGradError, match="gamma: samples have no derivative by shape"):
        grad(f.gamma(s, None, shape)[1].sum(), shape)
    counts = f.poisson(s, None, shape, dtype="float64")[1]
    assert (grad(counts.sum() + shape.sum(), shape).eval({shape: np.ones(2)}) == 1).all()


# -- what is refused ---------------------------------------------------------------------------------------------------

S = T.constant(STATE)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: f.normal(S, (2,), 0, -1.0), "normal: std must not be negative, got -1"),
    (lambda: f.binomial(S, (2,), 1, 1.5), "p must be from 0 to 1, got 1.5"),
    (lambda: f.binomial(S, (2,), 5, [0.5, -0.1]), "binomial: p must be from 0 to 1"),
    (lambda: f.binomial(S, (2,), -5, 0.5), "binomial: n must not be negative"),
    (lambda: f.poisson(S, (2,), -1.0), "poisson: lam must not be negative"),
    (lambda: f.exponential(S, (2,), -1.0), "exponential: scale must not be negative"),
    (lambda: f.random_integers(S, (2,), 5, 4), "random_integers: high must not be below low, 5, got 4"),
    (lambda: f.integers(S, 0, size=(2,)).__getitem__(1).eval(), "high must not be below low"),
    (lambda: f.uniform(S, (-2,)), "dimension 0 of the size is -2"),
    (lambda: f.uniform(S, (2, 3), np.zeros((3, 1)), 1.0), "does not broadcast against the size"),
    (lambda: f.uniform(S, (2,), np.zeros((3, 2)), 1.0), "does not broadcast against the size"),
    (lambda: f.uniform(S, (2,), ndim=3), "ndim=3 are expected"),
    (lambda: f.normal(S, None, np.zeros((2, 2)), ndim=1), "2 dimension"),
    (lambda: f.multinomial(S, (), 1, np.full((2, 2), 0.5)), "more rows"),
    (lambda: f.multinomial(S, None, 1, [[0.5, 0.6]])[1].eval(), "row 0 of pvals sums to 1.1"),
    (lambda: f.multinomial(S, None, 1, [[1.5, -0.5]])[1].eval(), r"pvals\[0, 1\]=-0.5 is negative"),
    (lambda: f.choice(S, (2,), 2, p=[0.5, 0.6])[1].eval(), "p must sum to 1"),
    (lambda: f.choice(S, (2,), 2, p=[1.5, -0.5]), "choice: p must not be negative"),
    (lambda: f.choice(S, (2,), 0), "choice: a must be at least 1"),
    (lambda: f.choice(S, (2,), 3, False, [0.0, 1.0, 0.0])[1].eval(), "choice: without replacement .* above 0"),
    (lambda: f.multinomial_wo_replacement(S, None, 1, [[1.5, -0.5]]), "must not be negative"),
    (lambda: f.beta(S, (2,), 0.0, 1.0), "beta: a and b must be above 0"),
    (lambda: f.choice(S, (5,), 3, replace=False), "choice: without replacement .* 5 of 3"),
    (lambda: f.choice(S, (5,), 3, p=[0.5, 0.5]), "specify_shape"),
    (lambda: f.multinomial_wo_replacement(S, None, 3, [[0.5, 0.5]]), "3 of 2"),
    (lambda: f.gamma(S, (2,), -1.0)[1].eval(), "gamma: shape must be from 0 to 1e"),
])
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: f.uniform(S, (2,), dtype="int32"), "samples are floating point"),
    (lambda: f.random_integers(S, (2,), 0.5, 4), "the bounds are integers"),
    (lambda: f.uniform(np.zeros(2), (2,)), "a random state is a uint64 vector"),
    (lambda: f.choice(S, (2,), np.zeros((2, 2))), "an integer or a vector"),
    (lambda: f.choice(S, (2,), None), "choice: give a"),
    (lambda: f.shuffle_row_elements(S, 1.0), "no rows"),
    (lambda: f.multinomial_wo_replacement(S, pvals=[0.5, 0.5]), "pvals is a matrix"),
    (lambda: f.uniform(S, (2.5,)), "integer"),
    (lambda: RandomBits("float32", 1, "bits"), "no form"),
    (lambda: key_of("a"), "a seed is an int"),
])
def test_bad_types(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_bad_seed():
    with pytest.raises(ValueError, match="a seed is an int >= 0"):
        key_of(-1)


@pytest.mark.parametrize("linker", ["c", "py"])
def test_bad_values_at_run_time(linker):
    x, v, n, s = T.dscalar("x"), T.dvector("v"), T.lscalar("n"), T.TensorType("uint64", (None,))("s")
    for make, given, message in [
        (lambda: f.normal(S, (2,), 0.0, x), {x: -1.0}, "std must not be negative"),
        (lambda: f.uniform(s, (2,)), {s: np.zeros(1, "uint64")}, "dimension 0 is 1, but 2 is expected"),
        (lambda: f.poisson(s, (2,)), {s: np.zeros(3, "uint64")}, "dimension 0 is 3, but 2 is expected"),
        (lambda: f.bernoulli(S, (2,), x), {x: 1.5}, "p must be from 0 to 1"),
        (lambda: f.poisson(S, None, v), {v: [1.0, np.nan]}, "lam must be from 0 to 1e.15, got nan for element 1"),
        (lambda: f.binomial(S, None, n, v), {n: 3, v: [0.5, 1.5]}, "p must be from 0 to 1, got 1.5 for element 1"),
        (lambda: f.random_integers(S, (2,), n, 3), {n: 4}, "high must not be below low"),
        (lambda: f.uniform(S, (n,)), {n: -3}, "dimension 0 of the size is -3"),
        (lambda: f.normal(S, (n,), v), {n: 1, v: [1.0, 2.0]}, "does not broadcast against the size"),
        (lambda: f.choice(S, (n,), v, replace=False), {n: 3, v: [1.0, 2.0]}, "choice: without replacement"),
        (lambda: f.poisson(S, (n,), v), {n: 1, v: [1.0, 2.0]}, "broadcast"),
        (lambda: f.multinomial(S, None, n, T.stack([v])), {n: -1, v: [0.5, 0.5]}, "n=-1 is not from 0"),
        (lambda: f.multinomial(S, (n,), 1, T.stack([v, v])), {n: 3, v: [0.5, 0.5]}, "dimension 0 of a parameter is 2"),
    ]:
        g = function(list(given), make()[1], mode=Mode(linker))
        with pytest.raises(ValueError, match=message):
            g(*given.values())


def test_ops_say_what_they_are():
    assert str(RandomBits("float32", 1, "unit")) == "RandomBits{dtype='float32', ndim=1, form='unit'}"
    poisson, *others = (RandomSample(law, "int64", 1) for law in ("poisson", "poisson", "gamma"))
    assert [poisson == other for other in others] == [True, False]
    assert set(LAWS) == {"poisson", "binomial", "gamma"}
    assert Multinomial("int64") == Multinomial("int64")
