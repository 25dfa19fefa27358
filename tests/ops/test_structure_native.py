"""Shapes, creation, joining and indexing in native code against NumPy: many results of few compiled functions."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check_native, evaluate
from test_index import ADVANCED, BASIC, I1, I2, X

import symtensor
from symtensor import tensor as T
from symtensor.link import execute, execute_ctypes
from symtensor.ops import triangle as D
from symtensor.ops.index import getitem
from symtensor.ops.index_advanced import nonzero, take
from symtensor.ops.index_set import inc_subtensor, set_subtensor

pytestmark = pytest.mark.compiler


@pytest.mark.parametrize("keys", [BASIC[::2], ADVANCED[::3]], ids=["basic", "arrays"])
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




def test_results_of_any_number_of_threads():
    """Large enough for all threads: writes are divided by their target, so that sums have one order."""
    rng = np.random.default_rng(0)
    x, wide, flat = rng.normal(size=(900, 130)), rng.normal(size=(70, 3000)), rng.normal(size=100_000)
    i, j, k = rng.integers(-900, 900, 5000), rng.integers(0, 130, 300), rng.integers(0, 50, 200_000)
    X, W, F, I, J, K = T.dmatrix(), T.dmatrix(), T.dvector(), T.lvector(), T.lvector(), T.lvector()
    outputs = [
        T.inc_subtensor(X[I], X[0] * I.dimshuffle(0, "x")), T.inc_subtensor(X[:, J], X[:, :1]),
        T.set_subtensor(X[I, 3:100:2], 1.5), T.inc_subtensor(X[I[:300], J], W[0, :300]),
        X[I], X[:, J], X[::-3, J], X[:, I % 7],
        T.inc_subtensor(X[-800:-2:3, 5:], X[:266, 5:]), T.set_subtensor(X[::-1], X), T.inc_subtensor(X[5], X[6]),
        T.set_subtensor(W[3:, 100:2000:3], W[:1, 100:2000:3]), T.inc_subtensor(W[:, 2], 1.0),
        T.inc_subtensor(F[K], 0.1), T.set_subtensor(F[K], F[:1] + K), T.inc_subtensor(F[::-1], F), F[F > 0], X[X > 1],
        T.set_subtensor(X[X > 0], X[X > 0] * 2), T.inc_subtensor(X[X > 0], 1.0), T.nonzero(X > 1.5)[1],
        X[X[:, 0] > 0], X[X[:, 0] > 0, 1:50],
    ]
    given = {X: x, W: wide, F: flat, I: i, J: j, K: k}
    wanted = evaluate(outputs, given, observe=False)
    with symtensor.config.change_flags(linker="c"):
        function = symtensor.function(list(given), outputs)
    assert function.backend == "c"
    execute.start()
    runtime = execute.extension if execute.extension is not None else execute_ctypes.runtime()
    before = runtime.threads()
    try:
        for threads in (1, 2, 5):
            runtime.set_threads(threads)
            for output, value, want in zip(outputs, function(*given.values()), wanted):
                np.testing.assert_array_equal(value, want, err_msg=f"{output.owner}, {threads} threads")
    finally:
        runtime.set_threads(before)


def test_update_of_rows():
    """A step of gradient descent on rows changes them in place: no copy of the others."""
    rng = np.random.default_rng(0)
    start, places = rng.normal(size=(5000, 70)), rng.integers(-5000, 5000, 300)
    I = T.lvector("I")
    for step in (lambda W, h, cost: W - 0.5 * symtensor.grad(cost, W),
                 lambda W, h, cost: T.inc_subtensor(h, -0.5 * symtensor.grad(cost, h))):
        W = symtensor.shared(start, "W")
        h = W[I]
        with symtensor.config.change_flags(linker="c"):
            f = symtensor.function([I], updates=[(W, step(W, h, T.sqr(h).sum()))])
        assert f.memory_plan([(300,)]) < 3 * 300 * 70 * 8
        f(places)
        wanted = start.copy()
        np.add.at(wanted, places, -start[places])
        np.testing.assert_allclose(W.get_value(), wanted, rtol=1e-14, atol=1e-14)
        with pytest.raises(IndexError, match="index 5000 is out of range for axis 0 of size 5000"):
            f(np.append(places, 5000))
        np.testing.assert_allclose(W.get_value(), wanted, rtol=1e-14, atol=1e-14)


def test_update_of_rows_that_are_read_twice():
    i, j = T.lvectors("i", "j")
    start = np.random.default_rng(0).normal(size=(900, 70))
    W = symtensor.shared(start, "W")
    with symtensor.config.change_flags(linker="c"):
        f = symtensor.function([i, j], updates=[(W, W - 0.5 * symtensor.grad((T.sqr(W[i]) * W[j]).sum(), W))])
    a, b = np.array([1, 2, 2, 899]), np.array([2, 1, 0, -1])
    assert f.memory_plan([(4,), (4,)]) < 10 * 4 * 70 * 8
    f(a, b)
    wanted = start.copy()
    np.add.at(wanted, a, -start[a] * start[b])
    np.add.at(wanted, b, -0.5 * start[a] ** 2)
    np.testing.assert_allclose(W.get_value(), wanted, rtol=1e-14, atol=1e-14)


def test_gradients_of_parts_are_added_in_the_result():
    X = T.dmatrix("X")
    cost = (X[:, :2] * X[:, 2:4] + T.exp(X[:, 4:6])).sum()
    with symtensor.config.change_flags(linker="c"):
        f = symtensor.function([X], symtensor.grad(cost, X))
    x = np.random.default_rng(0).normal(size=(1000, 8))
    wanted = np.concatenate([x[:, 2:4], x[:, :2], np.exp(x[:, 4:6]), np.zeros((1000, 2))], axis=1)
    np.testing.assert_allclose(f(x), wanted, rtol=1e-14)
    assert f.memory_plan([x.shape]) <= 1.3 * x.nbytes  # the result and one temporary
