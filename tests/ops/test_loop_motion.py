"""What the optimizer moves out of loops stays what it was."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import scan
from symtensor import tensor as T
from symtensor.ops.index_set import IncSubtensor
from symtensor.ops.loop import Loop


@pytest.mark.parametrize("gather", [lambda e, i: e[i[0]], lambda e, i: e[i].sum(axis=0)])
def test_gradients_of_gathered_rows_are_scattered_behind_the_loop(gather):
    e, places = T.dmatrix(), T.lmatrix()
    out, _ = scan(lambda i, h, e: T.tanh(gather(e, i) + h), places, T.zeros((5,), dtype="float64"), e)
    g = symtensor.grad((out * out).sum(), e)
    f = symtensor.function([e, places], g, mode=symtensor.Mode("c"))
    inner = [node for loop in f.maker.fgraph.toposort() if isinstance(loop.op, Loop) for node in loop.op.order]
    assert inner
    assert not any(isinstance(node.op, IncSubtensor) for node in inner)
    rng = np.random.default_rng(3)
    values = rng.normal(size=(6, 5)), rng.integers(-6, 6, size=(4, 3))
    plain = symtensor.function([e, places], g, mode=symtensor.Mode("py", None))
    np.testing.assert_allclose(f(*values), plain(*values), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "int32", "float32"])
def test_last_sums_keep_their_dtype(dtype):
    a, s = T.vector(dtype=dtype), T.scalar(dtype=dtype)
    out, _ = scan(lambda a, s: s + a, a, s)
    f = symtensor.function([a, s], out[-1], mode=symtensor.Mode("c"))
    found = f(np.full(5, 100).astype(dtype), np.zeros((), dtype))
    assert found.dtype == dtype
    assert found == np.full(5, 100).astype(dtype).sum(dtype=dtype)


def test_a_sum_that_would_widen_its_state_is_refused():
    a, s = T.dmatrix(), T.dvector()
    out, _ = scan(lambda a, s: s + a, a, s)
    f = symtensor.function([a, s], out[-1])
    np.testing.assert_array_equal(f(np.ones((4, 3)), np.zeros(3)), [4, 4, 4])
    with pytest.raises(ValueError, match=r"step 0 gives state 0 of shape \(3,\)"):
        f(np.ones((4, 3)), np.zeros(1))


@pytest.mark.parametrize(("inner", "wanted"), [
    (lambda i, x: x[x > i].sum(), lambda i, v: v[v > i].sum()),
    (lambda i, x: T.exp(x[(x > i).nonzero()]).sum(), lambda i, v: np.exp(v[v > i]).sum()),
    (lambda i, x: x[T.arange(i)].sum(), lambda i, v: v[:i].sum()),
])
def test_rows_whose_shape_changes_stay_in_the_loop(inner, wanted):
    x, n = T.dvector(), T.lvector()
    v = np.array([1.0, 2.0, 3.0])
    out, _ = scan(inner, n, None, x)
    np.testing.assert_allclose(symtensor.function([x, n], out)(v, np.arange(3)), [wanted(i, v) for i in range(3)])


def test_products_of_constants_stay_right_when_work_moves():
    a = T.dtensor3()
    w = np.arange(27.0).reshape(3, 3, 3)
    out, _ = symtensor.map(lambda a: T.slinalg.cholesky(a.dot(a.T)), a)
    g = symtensor.grad((out * T.constant(w)).sum(), a)
    value = np.random.default_rng(0).normal(size=(3, 3, 3))
    found = [symtensor.function([a], g, mode=mode)(value) for mode in (symtensor.Mode("c"), symtensor.Mode("py", None))]
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_rows_of_which_the_last_is_read_are_not_kept():
    n, h = T.lscalar(), T.dvector()
    (states, rows, numbers), _ = scan(lambda i, h: [h * 0.5, h * 2 + i, i * 3], T.arange(n), [h, None, None])
    f = symtensor.function([h, n], [rows[-1], numbers[-1]])
    (loop,) = [node for node in f.maker.fgraph.toposort() if isinstance(node.op, Loop)]
    assert not loop.op.rows
    assert all(state.keep == 1 for state in loop.op.states)
    found = f(np.ones(2), 4)
    np.testing.assert_array_equal(found[0], [3.25, 3.25])
    assert found[1] == 9
    with pytest.raises(IndexError):
        f(np.ones(2), 0)
    both = symtensor.function([h, n], [rows[-1], rows.sum(), states[-1]])(np.ones(2), 4)
    np.testing.assert_array_equal(both[0], [3.25, 3.25])
