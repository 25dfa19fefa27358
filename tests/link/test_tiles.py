"""Loops over operands that lie across each other give what NumPy gives, by tiles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T

pytestmark = pytest.mark.compiler


def tiled(f: symtensor.Function) -> bool:
    return "* 65 + i - low]" in f.c_source()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "complex128"])
@pytest.mark.parametrize("shape", [(130, 70), (64, 64), (1, 200), (200, 1), (0, 5), (5, 0), (3, 2)])
def test_a_matrix_and_a_transposed_one(shape: tuple[int, int], dtype: str) -> None:
    x, y = T.matrix("x", dtype=dtype), T.matrix("y", dtype=dtype)
    f = symtensor.function([x, y], [y + x.T, y * 2], mode=symtensor.Mode("c"))
    assert tiled(f)
    a = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    b = np.arange(np.prod(shape)).reshape(shape[::-1]).astype(dtype)
    sums, doubled = f(a, b)
    np.testing.assert_array_equal(sums, b + a.T)
    np.testing.assert_array_equal(doubled, b * 2)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_axes_in_any_order(axes: tuple[int, ...]) -> None:
    x, y, z = T.tensor3("x"), T.tensor3("y"), T.tensor3("z")
    f = symtensor.function([x, y, z], y * x.transpose(*axes) - z.transpose(*axes[::-1]), mode=symtensor.Mode("c"))
    rng = np.random.default_rng(0)
    a = rng.random((30, 80, 67))
    b = rng.random([a.shape[axis] for axis in axes])
    c = rng.random([b.shape[axis] for axis in np.argsort(axes[::-1])])
    want = b * a.transpose(axes) - c.transpose(axes[::-1])
    np.testing.assert_array_equal(f(a, b, c), want)


def test_rows_and_columns_are_broadcast_beside_a_transposed_matrix() -> None:
    x, y, row, column = T.matrix("x"), T.matrix("y"), T.row("row"), T.col("column")
    f = symtensor.function([x, y, row, column], T.exp(x.T + row) * y + column, mode=symtensor.Mode("c"))
    assert tiled(f)
    rng = np.random.default_rng(1)
    a, b, r, c = rng.random((100, 150)), rng.random((150, 100)), rng.random((1, 100)), rng.random((150, 1))
    np.testing.assert_allclose(f(a, b, r, c), np.exp(a.T + r) * b + c, rtol=1e-14)


def test_the_memory_of_an_operand_is_overwritten() -> None:
    x, y = T.matrix("x"), symtensor.shared(np.ones((150, 100)), name="y")
    f = symtensor.function([x], [], updates=[(y, y + T.tanh(x).T * 2)], mode=symtensor.Mode("c"))
    a = np.random.default_rng(2).random((100, 150))
    f(a)
    np.testing.assert_allclose(y.get_value(), 1 + 2 * np.tanh(a).T, rtol=1e-14)


def test_what_lies_in_line_goes_without_tiles() -> None:
    x, y, narrow = T.matrix("x"), T.matrix("y"), T.tensor("float64", (None, 3))
    assert not tiled(symtensor.function([x, y], x + y, mode=symtensor.Mode("c")))
    assert not tiled(symtensor.function([x, narrow], x + narrow.T, mode=symtensor.Mode("c")))
    assert not tiled(symtensor.function([x], x[:, ::-1] + 1, mode=symtensor.Mode("c")))
