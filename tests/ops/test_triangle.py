"""Diagonals and triangles against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check, check_grad, evaluate, failing_checks

from symtensor import tensor as T
from symtensor.ops import triangle as D

X = np.arange(6.0).reshape(2, 3)
Y = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("k", [-2, -1, 0, 1, 3])
def test_bands_and_triangles(k):
    n, m, kk = np.array(3), np.array(4), np.array(k)
    check(D.eye, lambda n, m, k: np.eye(3, 4, int(k)), n, m, kk)
    check(D.tri, lambda n, m, k: np.tri(3, 4, int(k)), n, m, kk)
    check(lambda: D.eye(3, k=k, dtype="int8"), lambda: np.eye(3, k=k, dtype="int8"))
    x = np.arange(24.0).reshape(2, 3, 4)
    x[0, 0, 3] = x[0, 2, 0] = np.nan
    check(lambda x: D.tril(x, k), lambda x: np.tril(x, k), x)
    check(lambda x: D.triu(x, k), lambda x: np.triu(x, k), x)
    check_grad(lambda x: D.tril(x, k) + 2 * D.triu(x, k), X / 10)


def test_identity():
    check(D.identity_like, lambda x: np.eye(2, 3, dtype="float32"), X.astype("float32"))
    check(lambda n: D.identity(n), lambda n: np.eye(3), np.array(3))
    assert D.eye(3).type.shape == (3, 3)
    with pytest.raises(TypeError, match="a matrix is expected"):
        D.identity_like(T.vector())
    with pytest.raises(TypeError, match="at least two dimensions"):
        D.tril(T.vector())
    n = T.lscalar("n")
    with pytest.raises(ValueError, match="eye: the shape .-1, -1. has a negative dimension"):
        evaluate([D.eye(n)], {n: np.array(-1)})
    assert failing_checks(D.eye(n), {n: np.array(-1)})


def test_diagonals():
    for k in (-4, -1, 0, 2, 9):
        check(lambda x: D.diagonal(x, k), lambda x: np.diagonal(x, k), Y)
        check(lambda x: D.diagonal(x, k, 2, 0), lambda x: np.diagonal(x, k, 2, 0), Y)
        check(lambda x, k: D.diag(x, k), lambda x, k: np.diag(x, int(k)), Y[0], np.array(k))
        check(lambda x: D.diag(x, k), lambda x: np.diag(x, k), Y[0, 0])
    check(D.trace, np.trace, Y[0])
    check_grad(lambda x: D.diag(x, 1), Y[0] / 10)
    check_grad(lambda x: D.diag(x, -1), Y[0, 0] / 10)
    with pytest.raises(ValueError, match="two axes"):
        D.diagonal(T.matrix(), 0, 1, -1)
    with pytest.raises(TypeError, match="vector or matrix"):
        D.diag(T.scalar())
