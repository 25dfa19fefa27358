"""Sorting: NaN, ties, large rows, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T

pytestmark = pytest.mark.compiler


def values(dtype: str, rows: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    found = rng.integers(0, columns // 3 + 2, (rows, columns)).astype(dtype)
    if found.dtype.kind == "f":
        found[rng.random(found.shape) < 0.1] = np.nan
        found[rng.random(found.shape) < 0.1] = -0.0
    return found


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64"])
def test_ties_and_nan(dtype: str) -> None:
    x, k = T.matrix(dtype=dtype), T.lscalar()
    outputs = [T.sort(x), T.argsort(x), T.topk(x, k), T.argtopk(x, k), T.argtopk(x, -k)]
    native = symtensor.function([x, k], outputs)
    assert native.backend == "c"
    meant = symtensor.function([x, k], outputs, mode=symtensor.Mode(linker="py", optimizer=None))
    for columns in (1, 2, 15, 16, 17, 33, 100, 1000):
        given = values(dtype, 3, columns)
        for count in {1, columns // 2 or 1, columns}:
            for a, b in zip(native(given, count), meant(given, count)):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(native(given, 1)[1], np.argsort(given, kind="stable"))
        np.testing.assert_array_equal(native(given, columns)[4], np.argsort(given, kind="stable"))


def test_topk_of_ties_takes_the_first() -> None:
    assert T.argtopk([2, 5, 5, 1, 5], 2).eval().tolist() == [1, 2]
    assert T.argtopk([2, 1, 5, 1, 1], -2).eval().tolist() == [1, 3]
    assert np.isnan(T.topk([2.0, np.nan, 5.0], 1).eval()).all()  # a NaN sorts last, as the largest


def test_gradient_of_sort_with_ties_goes_to_the_stable_places() -> None:
    x = T.dvector("x")
    slope = symtensor.grad((T.sort(x) * np.array([1.0, 2, 3, 4])).sum(), x)
    np.testing.assert_array_equal(slope.eval({x: np.array([5.0, 1, 5, 1])}), [3, 1, 4, 2])


def test_bad_input() -> None:
    x = T.dmatrix("x")
    for function in (T.sort, T.argsort):
        with pytest.raises(ValueError, match="axis 2 is outside"):
            function(x, 2)
        with pytest.raises(ValueError, match="kind is quicksort"):
            function(x, kind="bubble")
        with pytest.raises(ValueError, match="order names fields"):
            function(x, order="a")
    with pytest.raises(ValueError, match="k = 0 is not possible"):
        T.topk(x, 0)
    with pytest.raises(ValueError, match=r"k = 5 is not possible: axis 0 has 2 element\(s\)"):
        T.topk([1, 2], 5)
    k = T.lscalar()
    for bad in (0, 4, -4):
        with pytest.raises(ValueError, match=f"k = {bad} is not possible"):
            T.topk(x, k).eval({x: np.zeros((2, 3)), k: bad})
    with pytest.raises(TypeError, match="idx_dtype is an integer dtype"):
        T.argtopk(x, 1, idx_dtype="float32")
    with pytest.raises(TypeError, match="sorted values are a vector"):
        T.searchsorted(x, 1)
    with pytest.raises(ValueError, match="side is"):
        T.searchsorted([1], 1, side="middle")
    with pytest.raises(TypeError, match="sorter is a vector of positions"):
        T.searchsorted([1, 2], 1, sorter=[0.0, 1.0])


def test_searchsorted_with_nan() -> None:
    x, v = np.array([1.0, 2, np.nan, np.nan]), np.array([np.nan, 2, 0])
    for side in ("left", "right"):
        np.testing.assert_array_equal(T.searchsorted(x, v, side).eval(), np.searchsorted(x, v, side))
