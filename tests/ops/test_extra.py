"""Bad input and special values of running sums, repeats, counts, grids and Fourier transforms."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T

pytestmark = pytest.mark.compiler
x, v, n = T.dmatrix("x"), T.lvector("v"), T.lscalar("n")

WRONG = {  # what is known while the graph is built
    "cumsum": (lambda: T.cumsum(x, 2), ValueError, "cumsum: axis 2"),
    "diff": (lambda: T.diff(x, -1), ValueError, "diff: n says"),
    "repeat axis": (lambda: T.repeat(x, 2, axis=3), ValueError, "repeat: axis 3"),
    "repeat negative": (lambda: T.repeat(x, -2, axis=0), ValueError, "repeat: repeats is -2"),
    "repeat vector": (lambda: T.repeat([1, 2], [1, -1]), ValueError, "entry 1 of repeats is -1"),
    "repeat length": (lambda: T.repeat([1, 2], [1, 1, 1]), ValueError, r"3 number\(s\) of repeats"),
    "repeat floats": (lambda: T.repeat(x, 1.5), TypeError, "repeats is an integer"),
    "tile": (lambda: T.tile(x, (2, -1)), ValueError, "negative"),
    "tile ndim": (lambda: T.tile(x, (1, 2, 3), ndim=2), ValueError, "ndim=2 is less than 3"),
    "roll": (lambda: T.roll(x, (1, 2), (0,)), ValueError, r"2 shift\(s\) for 1 axes"),
    "pad mode": (lambda: T.pad(x, 1, "mean"), ValueError, "mode is one of"),
    "pad width": (lambda: T.pad(x, ((1, 2),) * 3), ValueError, "pad_width"),
    "pad negative": (lambda: T.pad(x, -1), ValueError, "negative width"),
    "rot90": (lambda: T.rot90(x, 1, (0, -2)), ValueError, "are one"),
    "bincount": (lambda: T.bincount([1.5]), TypeError, "vector of integers"),
    "bincount negative": (lambda: T.bincount([1, -1]), ValueError, "-1 is negative"),
    "one hot": (lambda: T.to_one_hot([0, 3], 3), ValueError, "3 is out of range; give numbers from 0 to 2"),
    "choose mode": (lambda: T.choose([0], [1], mode="x"), ValueError, "mode is 'raise'"),
    "choose": (lambda: T.choose([0, 2], [1, 2]), ValueError, "2 is out of range"),
    "choose nothing": (lambda: T.choose([0], []), ValueError, "nothing to choose"),
    "unravel": (lambda: T.unravel_index([6], (2, 3)), ValueError, "6 is out of range"),
    "ravel": (lambda: T.ravel_multi_index(([0], [3]), (2, 3)), ValueError, "3 is out of range"),
    "ravel order": (lambda: T.ravel_multi_index(([0], [1]), (2, 3), order="A"), ValueError, "order is 'C' or 'F'"),
    "ravel count": (lambda: T.ravel_multi_index(([0],), (2, 3)), ValueError, "give one for each"),
    "linspace": (lambda: T.linspace(0, 1, -1), ValueError, "num is -1"),
    "meshgrid": (lambda: T.meshgrid(x), TypeError, "vectors are expected"),
    "mgrid": (lambda: T.mgrid[3], TypeError, "give slices with a stop"),
    "vander": (lambda: T.vander(x), TypeError, "a vector is expected"),
    "fill_diagonal": (lambda: T.fill_diagonal(v, 1), TypeError, "at least two dimensions"),
    "fill_diagonal value": (lambda: T.fill_diagonal(x, v), TypeError, "the value is a scalar"),
    "fft axis": (lambda: T.fft.fft(x, axis=2), ValueError, "fft: axis 2"),
    "fft n": (lambda: T.fft.fft(x, 0), ValueError, "n is 1 or more"),
    "fft norm": (lambda: T.fft.fft(x, norm="both"), ValueError, "norm is None"),
    "fft axes": (lambda: T.fft.fftn(x, axes=(0, 0)), ValueError, "different axes"),
    "fft empty": (lambda: T.fft.fft(np.zeros((2, 0))), ValueError, "needs one or more"),
    "rfftn complex": (lambda: T.fft.rfftn(T.zmatrix()), TypeError, "real numbers are expected"),
    "rfft": (lambda: T.fft.rfft(T.dvector()), TypeError, "a batch of signals"),
    "irfft": (lambda: T.fft.irfft(x), TypeError, "real and imaginary parts"),
    "flatten": (lambda: T.flatten(x, 1, 1), ValueError, "two names of one thing"),
    "argmax": (lambda: T.argmax(np.zeros((0, 3)), 0), ValueError, "argmax: zero-size array"),
}


@pytest.mark.parametrize("name", WRONG)
def test_known_while_the_graph_is_built(name: str) -> None:
    build, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        build()


LATE = {  # what is known when the function runs
    "repeat negative": (lambda: T.repeat(x, v, 0), {x: np.zeros((2, 1)), v: [1, -3]}, "entry 1 of repeats is -3"),
    "repeat length": (lambda: T.repeat(x, v, 0), {x: np.zeros((2, 1)), v: [1, 1, 1]}, r"3 number\(s\) of repeats"),
    "repeat scalar": (lambda: T.repeat(x, n, 0), {x: np.zeros((2, 1)), n: -1}, "negative"),
    "bincount": (lambda: T.bincount(v), {v: [2, -7]}, "-7 is negative"),
    "one hot": (lambda: T.to_one_hot(v, n), {v: [0, 9], n: 9}, "9 is out of range; give numbers from 0 to 8"),
    "choose": (lambda: T.choose(v, [0.0, 1.0]), {v: [0, -1]}, "-1 is negative"),
    "unravel": (lambda: T.unravel_index(v, (2, n))[0], {v: [4], n: 2}, "4 is out of range"),
    "fft": (lambda: T.fft.fft(x), {x: np.zeros((2, 0))}, "needs one or more"),
    "fill_diagonal": (lambda: T.fill_diagonal(T.stack([x, x]), 1), {x: np.zeros((2, 3))}, "is expected"),
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("linker", ["c", "py"])
def test_known_at_run_time(name: str, linker: str) -> None:
    build, given, words = LATE[name]
    function = symtensor.function(list(given), build(), mode=symtensor.Mode(linker=linker))
    with pytest.raises(ValueError, match=words):
        function(*given.values())


def test_cumsum_of_float32_is_accurate() -> None:
    given = np.full(300_000, 0.1, "float32")
    a = T.fvector()
    found = symtensor.function([a], T.cumsum(a))(given)
    np.testing.assert_allclose(found, np.cumsum(given, dtype="float64"), rtol=1e-7)


@pytest.mark.parametrize("zeros", [(), (1,), (1, 3), (0, 2, 4)])
def test_third_derivative_of_cumprod_with_zeros(zeros: tuple[int, ...]) -> None:
    values = np.array([1.5, -0.5, 2.0, 0.75, -1.25])
    values[list(zeros)] = 0
    a = T.dvector()
    slope = symtensor.grad((T.cumprod(a) * np.arange(1.0, 6)).sum(), a)
    curve = symtensor.grad((slope * np.arange(5.0)).sum(), a)
    function = symtensor.function([a], [curve, symtensor.grad((curve * np.arange(2.0, 7)).sum(), a)])
    step = 1e-3  # cumprod is a polynomial: central differences along an axis are exact up to rounding

    def along(direction: np.ndarray) -> np.ndarray:
        return (function(values + step * direction)[0] - function(values - step * direction)[0]) / (2 * step)

    wanted = [along(unit) @ np.arange(2.0, 7) for unit in np.eye(5)]
    np.testing.assert_allclose(function(values)[1], wanted, rtol=1e-9, atol=1e-9)


def test_fft_by_its_definition() -> None:
    z = np.random.default_rng(0).normal(size=(2, 7)) + 1j
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(7), np.arange(7)) / 7)
    np.testing.assert_allclose(T.fft.fft(z).eval(), z @ matrix, rtol=1e-12)
    np.testing.assert_allclose(T.fft.ifft(T.fft.fft(z)).eval(), z, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 4, 5])
def test_fft_gradients_are_adjoint(size: int) -> None:
    """<F x, y> = <x, F* y>, where F* is what the gradient applies."""
    rng = np.random.default_rng(1)
    a, b, c = (rng.normal(size=(2, size)) for _ in range(3))
    re, im = T.dmatrix(), T.dmatrix()
    z = T.complex(re, im)
    for y in (T.fft.fft(z), T.fft.ifft(z, norm="ortho"), T.fft.fft(z, n=size + 1)):
        real_weight, imag_weight = rng.normal(size=(2, *y.eval({re: a, im: b}).shape))
        cost = (T.real(y) * real_weight + T.imag(y) * imag_weight).sum()
        slopes = symtensor.grad(cost, [re, im])
        found = symtensor.function([re, im], [cost, (slopes[0] * re + slopes[1] * im).sum()])(a, c)
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_names_of_theano() -> None:
    assert T.extra_ops.cpu_contiguous(x.T).eval({x: np.ones((2, 3))}).flags.c_contiguous
    assert T.basic.choose is T.choose
    assert T.mgrid[0:2, 0:n][1].eval({n: 3}).tolist() == [[0, 1, 2]] * 2
    assert repr(T.ogrid) == "symtensor.tensor.ogrid"


@pytest.mark.parametrize("dtype", ["int64", "float64", "int32"])
def test_constants_of_few_values_are_copied_right(dtype: str) -> None:
    given = ((np.arange(24) // 2) % 3).astype(dtype)  # blocks such as 2, 2, 0, 0, which GCC 12 may take for 2, 2, 2, 2
    np.testing.assert_array_equal(symtensor.function([], T.constant(given))(), given)


def test_weights_of_bincount_are_as_many_as_the_numbers() -> None:
    numbers, weights = T.lvector(), T.dvector()
    with pytest.raises(ValueError, match="bincount: the weights, as many .*: dimension 0 is 1, but 2 is expected"):
        T.bincount(numbers, weights).eval({numbers: [1, 2], weights: [1.0]})
