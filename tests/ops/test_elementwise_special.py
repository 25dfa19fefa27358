"""Special functions against mpmath, native and by `perform`; where they know no gradient; single names."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.graph.errors import NullTypeGradError

mp.mp.dps = 40
rng = np.random.default_rng(11)


def uniform(low: float, high: float):
    return rng.uniform(low, high, 40)


def sizes(low: float, high: float):
    return 10 ** rng.uniform(low, high, 40)


TRUTH = {
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), 1e-15, [uniform(-20, 30), sizes(1, 6)]),
    "erfinv": (mp.erfinv, 1e-15, [uniform(-1, 1), sizes(-12, -1)]),
    "erfcinv": (lambda q: mp.erfinv(1 - q), 1e-15, [uniform(0.01, 2), 1 + sizes(-12, -2)]),
    "psi": (mp.digamma, 4e-15, [uniform(0, 20), uniform(-0.9, -0.6), uniform(1.4, 1.5), sizes(-5, 8)]),
    "tri_gamma": (lambda x: mp.psi(1, x), 2e-14, [uniform(0, 20), uniform(-3.9, -3.1), sizes(-5, 8)]),
    "polygamma": (mp.psi, 1e-13, [
        (rng.integers(0, 12, 40), uniform(0.1, 30)), (rng.integers(2, 6, 40), uniform(-4, 0))]),
    "gammainc": (lambda a, x: mp.gammainc(a, 0, x, regularized=True), 1e-13, [
        (uniform(0.1, 30), uniform(0.1, 40)), (uniform(0, 1), sizes(-6, 1)), (sizes(2, 3.5),) * 2]),
    "gammaincc": (lambda a, x: mp.gammainc(a, x, regularized=True), 1e-13, [
        (uniform(0.1, 30), uniform(0.1, 40)), (sizes(-9, 0), sizes(-6, 1)), (sizes(2, 3.5),) * 2]),
    "betainc": (lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), 2e-12, [
        (uniform(0.1, 40), uniform(0.1, 40), uniform(0, 1))]),
    "jv": (mp.besselj, 1e-12, [
        (uniform(0, 5), uniform(0, 40)), (uniform(0, 60), uniform(0, 60)), (uniform(-9, 0), uniform(0.1, 40)),
        (rng.integers(-9, 9, 40), uniform(-60, 60)), (uniform(0, 9), sizes(1, 5))]),
    "iv": (mp.besseli, 1e-12, [
        (uniform(0, 5), uniform(0, 40)), (uniform(0, 60), uniform(0, 60)), (uniform(-9, 0), uniform(0.1, 40)),
        (rng.integers(-9, 9, 40), uniform(-60, 60)), (uniform(0, 9), sizes(1, 2.8))]),
    "ive": (lambda v, x: mp.besseli(v, x) * mp.exp(-abs(x)), 1e-12, [(uniform(0, 60), sizes(0, 4))]),
    "j0": (lambda x: mp.besselj(0, x), 1e-12, [uniform(0, 2.3), uniform(-50, 50), sizes(1, 6)]),
    "j1": (lambda x: mp.besselj(1, x), 1e-12, [uniform(0, 3.7), uniform(-50, 50), sizes(1, 6)]),
    "i0": (lambda x: mp.besseli(0, x), 4e-15, [uniform(-40, 40), sizes(1, 2.8)]),
    "i1": (lambda x: mp.besseli(1, x), 4e-15, [uniform(-40, 40), sizes(1, 2.8)]),
    "sinc": (lambda x: mp.sinc(mp.pi * x), 1e-15, [uniform(-9, 9), 3 + sizes(-9, -1)]),
    "log1mexp": (lambda x: mp.log1p(-mp.exp(x)) if x < -1 else mp.log(-mp.expm1(x)), 1e-15, [-sizes(-9, 2)]),
}


@pytest.mark.parametrize("linker", ["py", "c"])
@pytest.mark.parametrize("name", TRUTH)
def test_against_mpmath(name, linker):
    truth, bound, samples = TRUTH[name]
    inputs = T.dvectors(len(samples[0]) if isinstance(samples[0], tuple) else 1)
    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    function = symtensor.function(inputs, getattr(T, name)(*inputs), mode=symtensor.Mode(linker))
    for sample in samples:
        arrays = [np.asarray(a, float) for a in (sample if isinstance(sample, tuple) else (sample,))]
        got = function(*arrays)
        for at, value in enumerate(got):
            point = [mp.mpf(float(a[at])) for a in arrays]
            want = truth(*point)
            # Bessel functions have zeros: there the error is small beside the size of their waves.
            size = mp.sqrt(2 / (mp.pi * abs(point[-1]))) if name in ("jv", "j0", "j1") and abs(point[-1]) > 1 else 0
            assert abs(value - want) <= bound * max(abs(want), min(size, 1)), (point, value, want)


@pytest.mark.parametrize(("name", "arguments"), [
    ("jv", 2), ("iv", 2), ("ive", 2), ("polygamma", 2), ("gammainc", 2), ("gammaincc", 2), ("gammau", 2), ("gammal", 2),
])
def test_no_gradient_towards_the_order(name, arguments):
    v, x = T.dvectors("v", "x")
    cost = getattr(T, name)(v, x).sum()
    symtensor.grad(cost, x)
    with pytest.raises(NullTypeGradError, match=f"{name}.*not implemented"):
        symtensor.grad(cost, v)


def test_derivatives_to_third_order():
    x = T.dvector("x")
    points = np.array([0.7, 1.9, 4.2])
    for name, truth in (("gammaln", mp.loggamma), ("j0", mp.j0), ("i1", lambda v: mp.besseli(1, v)), ("erf", mp.erf),
                        ("erfcx", lambda v: mp.exp(v * v) * mp.erfc(v)), ("sinc", lambda v: mp.sinc(mp.pi * v))):
        y = getattr(T, name)(x)
        for order in range(1, 4):
            y = symtensor.grad(y.sum(), x)
            want = [float(mp.diff(truth, p, order)) for p in points]
            np.testing.assert_allclose(y.eval({x: points}), want, rtol=1e-9, err_msg=f"{name} {order}")


def test_edges_of_x_log_y():
    x, y = T.dvectors("x", "y")
    a, b = np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, np.nan, np.inf, 0.0])
    values = [f.eval({x: a, y: b}) for f in (T.xlogy(x, y), T.xlogy0(x, y), T.xlog1py(x, y))]
    np.testing.assert_array_equal(values, [[0, np.nan, 0, -np.inf], [0, 0, 0, -np.inf], [0, np.nan, 0, 0]])
    slopes = symtensor.grad(T.xlogy0(x, y).sum(), y).eval({x: a, y: b})
    np.testing.assert_array_equal(slopes, [0, 0, 0, np.inf])


def test_compositions():
    i, j = T.lvectors("i", "j")
    a, b = np.array([7, -7, 6, 0]), np.array([2, 2, 3, 5])
    assert T.ceil_intdiv(i, j).eval({i: a, j: b}).tolist() == [4, -3, 2, 0]
    quotient, rest = T.divmod(i, j)
    assert (quotient.eval({i: a, j: b}) == a // b).all()
    assert (rest.eval({i: a, j: b}) == a % b).all()
    assert T.smallest(i, j, 3).eval({i: a, j: b}).tolist() == [2, -7, 3, 0]
    assert T.largest(i, j).eval({i: a, j: b}).tolist() == [7, 2, 6, 5]
    x = T.dvector("x")
    np.testing.assert_allclose(T.chi2sf(x, 3.0).eval({x: np.array([0.5, 9.0])}),
                               [0.918891411654676, 0.029290886534888233])
    bad = np.array([np.nan, np.inf, -np.inf, 2.0])
    np.testing.assert_array_equal(T.nan_to_num(x, nan=5.0).eval({x: bad}), np.nan_to_num(bad, nan=5.0))
    np.testing.assert_array_equal(T.nan_to_num(x, posinf=1).eval({x: bad}), np.nan_to_num(bad, posinf=1))
    with pytest.raises(TypeError, match="complex"):
        T.nan_to_num(T.zvector())
    assert T.nan_to_num(i) is i


def test_remainders_equal_numpys_to_the_bit():
    for dtype in ("float32", "float64"):
        info = np.finfo(dtype)
        edges = [0.0, -0.0, 1, -1, 3, np.inf, -np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal, 0.1, 0.3]
        sides = np.concatenate([rng.normal(size=40) * 10 ** rng.uniform(-12, 12, 40), edges]).astype(dtype)
        a, b = (v.ravel() for v in np.meshgrid(sides, sides))
        x, y = (T.TensorType(dtype, (None,))() for _ in "xy")
        function = symtensor.function([x, y], [x % y, x // y, T.fmod(x, y)])
        with np.errstate(all="ignore"):
            for got, want in zip(function(a, b), (a % b, a // b, np.fmod(a, b)), strict=True):
                np.testing.assert_array_equal(got, want)
                known = ~np.isnan(want)
                np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(want[known]))
