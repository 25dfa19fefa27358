"""Matrix products of the runtime against NumPy: strides, sizes, dtypes, factors, with a BLAS and without."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import runtime_programs as programs

from symtensor.link import blas, execute

pytestmark = [pytest.mark.compiler, programs.needs_compiler]

DTYPES = {"float32": 0, "float64": 1, "complex64": 2, "complex128": 3}
TOLERANCE = {"float32": 2e-5, "float64": 1e-13, "complex64": 2e-5, "complex128": 1e-13}
LAYOUTS = ("rows", "columns", "both", "negative", "broadcast")


@pytest.fixture(params=["blas", "blocked", "native"])
def product(request: pytest.FixtureRequest) -> Iterator[Any]:
    runtime = programs.runtime_functions()
    found = blas.find()
    if request.param == "blas" and found is None:
        pytest.skip("no BLAS")
    if request.param != "blas":
        runtime.set_blas((0,) * 8)
    if request.param == "native":
        library = blas._blocked()
        runtime.set_blocked((library.address("st_blocked_sgemm"), library.address("st_blocked_dgemm")))
    before = runtime.threads()
    yield request.param
    runtime.set_blas(found.addresses if found is not None else (0,) * 8)
    runtime.set_blocked((0, 0))
    runtime.set_threads(before)


def elements(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype.startswith("complex") else 0)
    return np.asarray(values).astype(dtype)


def laid_out(rng: np.random.Generator, rows: int, columns: int, dtype: str, layout: str) -> np.ndarray:
    if layout == "rows":
        return elements(rng, (rows, columns + 3), dtype)[:, :columns]
    if layout == "columns":
        return elements(rng, (columns, rows + 1), dtype).T[:rows]
    if layout == "both":
        return elements(rng, (2 * rows, 3 * columns), dtype)[::2, ::3]
    if layout == "negative":
        return elements(rng, (rows, columns), dtype)[::-1, ::-1]
    return np.broadcast_to(elements(rng, (1, columns), dtype), (rows, columns))


def strides(array: np.ndarray) -> list[int]:
    return [step // array.itemsize for step in array.strides]


def gemm(alpha: Any, a: np.ndarray, b: np.ndarray, beta: Any, c: np.ndarray) -> None:
    factors = np.array(alpha, c.dtype), np.array(beta, c.dtype)
    programs.table().gemm(DTYPES[c.dtype.name], *c.shape, a.shape[1], factors[0].ctypes.data, a.ctypes.data,
                          *strides(a), b.ctypes.data, *strides(b), factors[1].ctypes.data, c.ctypes.data,
                          strides(c)[0])


def gemv(alpha: Any, a: np.ndarray, x: np.ndarray, beta: Any, y: np.ndarray) -> None:
    factors = np.array(alpha, y.dtype), np.array(beta, y.dtype)
    programs.table().gemv(DTYPES[y.dtype.name], *a.shape, factors[0].ctypes.data, a.ctypes.data, *strides(a),
                          x.ctypes.data, *strides(x), factors[1].ctypes.data, y.ctypes.data, *strides(y))


def close(found: np.ndarray, expected: np.ndarray, depth: int) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[found.dtype.name] * (1 + depth) ** 0.5 * 8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_for_all_sizes(product: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    sizes = (0, 1, 2, 5, 6, 7, 12, 13, 33, 67)
    for m, n, k in itertools.product(sizes, sizes, (0, 1, 3, 8, 40)):
        a, b = elements(rng, (m, k), dtype), elements(rng, (k, n), dtype)
        c = np.full((m, n), np.nan, dtype)
        gemm(1, a, b, 0, c)
        close(c, a @ b, k)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_for_all_layouts_and_factors(product: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    factors = ((1, 0), (1, 1), (-0.5, 0.25), (2, -1)) if dtype[0] == "f" else ((1, 0), (1, 1), (0.5 - 1j, 2j))
    for (m, n, k), of_a, of_b, (alpha, beta) in itertools.product(
        ((1, 9, 7), (9, 1, 7), (14, 11, 1), (31, 18, 20)), LAYOUTS, LAYOUTS, factors
    ):
        a, b = laid_out(rng, m, k, dtype, of_a), laid_out(rng, k, n, dtype, of_b)
        outer = elements(rng, (m, n + 2), dtype)
        c, before = outer[:, :n], outer.copy()
        if beta == 0:
            c[...] = np.nan
        gemm(alpha, a, b, beta, c)
        close(c, alpha * (a @ b) + (beta * before[:, :n] if beta else 0), k)
        np.testing.assert_array_equal(outer[:, n:], before[:, n:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(64, 1, 16), (131, 10, 37), (600, 32, 150), (90, 33, 20), (5, 70, 130),
                                   (20, 201, 64)], ids=str)
def test_narrow_gemm(product: str, dtype: str, shape: tuple[int, int, int]) -> None:
    """A short side, all layouts and factors; the same bits for any number of threads."""
    rng = np.random.default_rng(3)
    m, n, k = shape
    for of_a, of_b, (alpha, beta) in itertools.product(LAYOUTS, LAYOUTS, ((1, 0), (-0.5, 0.25))):
        a, b = laid_out(rng, m, k, dtype, of_a), laid_out(rng, k, n, dtype, of_b)
        before = elements(rng, (m, n + 2), dtype)
        results = []
        for threads in (1, 3):
            programs.runtime_functions().set_threads(threads)
            outer = before.copy()
            if beta == 0:
                outer[:, :n] = np.nan
            gemm(alpha, a, b, beta, outer[:, :n])
            np.testing.assert_array_equal(outer[:, n:], before[:, n:])
            results.append(outer[:, :n])
        close(results[0], alpha * (a @ b) + (beta * before[:, :n] if beta else 0), k)
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300, 259, 270), (1100, 130, 40), (20, 1500, 300)], ids=str)
def test_big_gemm_does_not_depend_on_threads(product: str, dtype: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(2)
    m, n, k = shape
    a, b = elements(rng, (m, k), dtype), elements(rng, (n, k), dtype).T
    results = []
    for threads in (1, 2, 3, 5):
        programs.runtime_functions().set_threads(threads)
        c = np.full((m, n), np.inf, dtype)
        gemm(1, a, b, 0, c)
        results.append(c)
    close(results[0], a @ b, k)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_no_product_depends_on_threads(product: str) -> None:
    rng = np.random.default_rng(5)
    for trial in range(12 if product == "blas" else 3):
        m, n, k = (int(size) for size in rng.integers(20, 900, 3))
        m = int(rng.integers(2, 60)) if trial % 3 == 0 else m
        for dtype in DTYPES:
            a, b = elements(rng, (m, k), dtype), elements(rng, (k, n), dtype)
            found = set()
            for threads in (1, 2, 3, 5):
                programs.runtime_functions().set_threads(threads)
                c = np.full((m, n), np.inf, dtype)
                gemm(1, a, b, 0, c)
                found.add(c.tobytes())
            assert len(found) == 1, (dtype, m, n, k)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemv(product: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    for (m, n), layout, step, (alpha, beta) in itertools.product(
        ((0, 3), (3, 0), (1, 1), (1, 40), (40, 1), (7, 5), (33, 70)), LAYOUTS, (1, 2, -1), ((1, 0), (-2, 1), (1, 0.5))
    ):
        a = laid_out(rng, m, n, dtype, layout)
        x = elements(rng, (n * abs(step),), dtype)[::step][:n]
        before = elements(rng, (m,), dtype)
        y = np.full(m, np.nan, dtype) if beta == 0 else before.copy()
        gemv(alpha, a, x, beta, y)
        close(y, alpha * (a @ x) + (beta * before if beta else 0), n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_big_gemv_does_not_depend_on_threads(product: str, dtype: str, layout: str) -> None:
    rng = np.random.default_rng(4)
    a, x = laid_out(rng, 701, 903, dtype, layout), elements(rng, (903,), dtype)
    results = []
    for threads in (1, 2, 4):
        programs.runtime_functions().set_threads(threads)
        y = np.full(701, np.nan, dtype)
        gemv(1, a, x, 0, y)
        results.append(y)
    close(results[0], a @ x, 903)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_nan_and_infinity_pass_through(product: str) -> None:
    a, b = np.ones((70, 60)), np.ones((60, 50))
    a[3, 4], a[5, 6], b[7, 8] = np.nan, np.inf, -np.inf
    c = np.zeros((70, 50))
    gemm(1, a, b, 0, c)
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal(c, expected)


def test_the_blas_found_is_the_one_used() -> None:
    execute.start()
    found = blas.find()
    if found is None:
        pytest.skip("no BLAS")
    assert len(found.addresses) == 20
    assert all(found.addresses[:8])


def test_speed_is_printed(product: str, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    lines = []
    for m, n, k, trans_a, trans_b in ((600, 500, 784, 0, 0), (600, 784, 500, 0, 1), (784, 500, 600, 1, 0),
                                      (600, 10, 500, 0, 0)):
        a = elements(rng, (k, m), "float32").T if trans_a else elements(rng, (m, k), "float32")
        b = elements(rng, (n, k), "float32").T if trans_b else elements(rng, (k, n), "float32")
        c, best = np.empty((m, n), "float32"), np.inf
        for _ in range(5):
            began = time.perf_counter()
            gemm(1, a, b, 0, c)
            best = min(best, time.perf_counter() - began)
        lines.append(f"{m}x{k}x{n} {'T' if trans_a else 'N'}{'T' if trans_b else 'N'}: {2e-9 * m * n * k / best:.0f}")
    with capsys.disabled():
        print(f"\n{product}, GFLOP/s: " + ", ".join(lines))
