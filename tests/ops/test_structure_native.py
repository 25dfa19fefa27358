"""Shapes, creation, joining and indexing in native code against NumPy: many results of few compiled functions."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check_native
from test_index import ADVANCED, BASIC, I1, I2, X

import symtensor
from symtensor import tensor as T
from symtensor.ops import triangle as D
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import nonzero, take
from symtensor.ops.index_set import inc_subtensor, set_subtensor

pytestmark = pytest.mark.compiler


@pytest.mark.parametrize("keys", [BASIC, ADVANCED[::2], ADVANCED[1::2]], ids=["basic", "arrays", "more arrays"])
def test_indexing(keys):
    cases = []
    for key in keys:
        part = np.asarray(X[key])
        y = np.arange(part.size, dtype="float64").reshape(part.shape) * 0.5
        cases.append((lambda x, key=key: getitem(x, key), X))
        cases.append((lambda x, y, key=key: set_subtensor(getitem(x, key), y), X, y))
        cases.append((lambda x, y, key=key: inc_subtensor(getitem(x * 2, key), y), X, y))
        if part.ndim:
            cases.append((lambda x, y, key=key: inc_subtensor(getitem(x, key), y), X, y[..., :1].copy()))
    check_native(cases)


def test_indexing_by_variables():
    i, j, m = np.array(-2), np.array(1, "int8"), X > 7
    check_native([
        (lambda x, i, j: getitem(x, (i, slice(j, None), slice(None, None, -j))), X, i, j),
        (lambda x, i, j: getitem(x, (slice(j, i), slice(i, None, i))), X, i, j),
        (lambda x, i: getitem(x, (slice(None), i)), X, I2),
        (lambda x, i, j: getitem(x, (i, slice(None), j)), X, I1, np.array([[1], [2]])),
        (lambda x, i, j: getitem(x, (i, j)), X, I1, np.array([2], "uint8")),
        (lambda x, m: getitem(x, m), X, m),
        (lambda x, m: set_subtensor(getitem(x, m), 0.0), X, m),
        (lambda x, i: take(x, i, 1, "wrap"), X, I2 * 7),
        (lambda x, i: take(x, i, mode="clip"), X, I2 * 70),
        (lambda m: nonzero(m, return_matrix=True), m),
        (lambda p, y: getitem(p, (T.arange(y.shape[0]), y)), X[0], np.array([1, 3, 0])),
    ])


def test_shapes_creation_and_joining():
    n, v = np.array(4), X[0, 0]
    check_native(
        [
            (lambda x: T.reshape(x, (4, -1)), X),
            (lambda x: T.reshape(x.dimshuffle(2, 0, 1), (-1, 3)), X),
            (lambda x, n: T.reshape(x[:, ::-1], (n, 6)), X, n),
            (lambda x, n: T.reshape(x, (n, -n + 3, 6)), X, n),
            (T.flatten, X),
            (T.shape, X),
            (T.size, X),
            (lambda x: T.specify_shape(x, (2, None, 4)), X),
            (lambda x: T.unbroadcast(x, 0) + 1, X[:1]),
            (lambda x: T.squeeze(x, 0), X[:1]),
            (lambda v, n: T.alloc(v, n, 2), np.array(1.5), n),
            (lambda v, n: T.alloc(v, n, 4), v, n),
            (lambda x, n: T.alloc(x, n, 2, 3), X[:, :, 0], n),
            (lambda x, n: T.alloc(x, n, n, 2), X[0, :1, :1], n),
            (lambda n: T.arange(n), n),
            (lambda n: T.arange(n, -n, -3), n),
            (lambda v: T.arange(0.1, v, 0.3), np.array(2.5)),
            (lambda v: T.arange(v, dtype="float32"), np.array(3.5, "float32")),
            (lambda n: T.eye(n, n + 1, n - 3), n),
            (lambda n: T.tri(n, k=-1), n),
            (lambda x: T.tril(x) + T.triu(x, 1), X),
            (lambda x: D.diagonal(x, 1, 1, 2), X),
            (lambda v: D.diag(v, -1), v),
            (T.ones_like, X),
            (lambda a, b: T.concatenate([a, b], 0), X, X[:1]),
            (lambda a, b: T.concatenate([a, b, a], 1), X, X[:, :1]),
            (lambda a, b: T.concatenate([a, b], 2), X, X[:, :, :0].astype("float32")),
            (lambda a, b: T.stack([a.T, b.T], axis=1), X, X * 2),
            (lambda a, b: T.stack(a, b, a), n, n),
            (lambda x: T.split(x, [1, 0, 3], axis=2), X),
            (lambda x, s: T.split(x, s, 2, axis=1), X, np.array([2, 1])),
            (lambda x: x.T[1:].reshape((-1,)), X),
            (lambda x: T.zeros_like(x[0]), X),
        ]
    )


def test_gradients():
    def build(x, i):
        y = T.sqr(getitem(x, (slice(None), i))).sum() + (getitem(x, (0, slice(None, None, -1))) ** 3).sum()
        return symtensor.grad(y + T.concatenate([x, x[1:]], 0).prod(axis=0).sum(), x)

    check_native([(build, np.arange(24.0).reshape(2, 3, 4), I2[0])])


def test_failures():
    x, i, j, y = T.dmatrix("x"), T.lscalar("i"), T.lvector("j"), T.dvector("y")
    data, state = np.arange(6.0).reshape(2, 3), symtensor.shared(np.zeros(3), "state")
    cases = [
        (x[i], IndexError, "index 2 is out of range for axis 0 of size 2"),
        (x[j], IndexError, "index 5 is out of range for axis 0 of size 2"),
        (x[0, ::i - 2], ValueError, "step of the slice of axis 1"),
        (set_subtensor(x[0], y), ValueError, "does not broadcast to the 3"),
        (inc_subtensor(x[j], 1.0), IndexError, "index 5"),
        (T.reshape(x, (i, 2)), ValueError, "6 element.s. do not fit in the shape .2, 2."),
        (T.specify_shape(x, (None, i)), ValueError, "dimension 1 is 3, but 2"),
        (T.alloc(y, i + 1), ValueError, "is 2, which does not broadcast to 3"),
        (T.alloc(0.0, i - 3), ValueError, "dimension 0 is -1"),
        (T.concatenate([x, x[:, :i]]), ValueError, "dimension 1 of input 1 is 2"),
        (T.arange(0, i, i - 2), ValueError, "step must not be zero"),
        (T.eye(i - 3), ValueError, "negative dimension"),
        (x[:, j][:, 0], IndexError, "index 5 is out of range for axis 1"),
    ]
    for linker in ("c", "py"):
        for output, error, match in cases:
            with symtensor.config.change_flags(linker=linker):
                f = symtensor.function([x, i, j, y], output, updates=[(state, state + 1)], on_unused_input="ignore")
            with pytest.raises(error, match=match):
                f(data, 2, np.array([0, 5]), np.zeros(2))
            np.testing.assert_array_equal(state.get_value(), np.zeros(3))
