"""Branches: only the side taken runs, on the interpreter and in C."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import symtensor
from symtensor import ifelse
from symtensor import tensor as T

LINKERS = ("py", "c")
M = np.arange(6.0).reshape(2, 3)


class Counted(symtensor.Op):
    """The input times two; counts its calls."""

    __props__ = ()
    calls = 0

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        type(self).calls += 1
        outputs[0][0] = 2 * inputs[0]

    def infer_shape(self, node, shapes):
        return shapes

    def grad(self, inputs, output_grads):
        return [Counted()(output_grads[0])]


def compiled(inputs, outputs):
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            function = symtensor.function(inputs, outputs, on_unused_input="ignore")
        assert function.backend == linker
        yield function


def calls(function, *values):
    before = Counted.calls
    return function(*values), Counted.calls - before


def test_only_one_side_runs():
    c, x, y = T.lscalar(), T.dmatrix(), T.dmatrix()
    for f in compiled([c, x, y], ifelse(c, Counted()(T.exp(x)) + 1, Counted()(Counted()(y)))):
        value, count = calls(f, 1, M, -M)
        np.testing.assert_allclose(value, 2 * np.exp(M) + 1)
        assert count == 1
        value, count = calls(f, 0, M, -M)
        np.testing.assert_allclose(value, -4 * M)
        assert count == 2


def test_lists_scalars_and_sizes_known_at_run_time():
    c, x = T.dscalar(), T.dmatrix()
    a, b, s = ifelse(c > 0, [x, x[:1], x.sum()], [x * 2, x[:, ::-1], x.max() + c])
    for f in compiled([c, x], [a, b, s, b.shape, a + 1]):
        for value in (1.0, -1.0):
            found = f(value, M)
            wanted = [M, M[:1], M.sum()] if value > 0 else [M * 2, M[:, ::-1], M.max() + value]
            for got, want in zip(found, [*wanted, wanted[1].shape, wanted[0] + 1]):
                np.testing.assert_allclose(got, want)


def test_nested_and_shared_work():
    c, d, x = T.lscalar(), T.lscalar(), T.dvector()
    shared = Counted()(x)
    inner = ifelse(d, shared + 1, Counted()(shared))
    for f in compiled([c, d, x], [ifelse(c, inner, x), ifelse(c, inner * 2, shared)]):
        for cv, dv, wanted in ((1, 1, 1), (1, 0, 2), (0, 1, 1), (0, 0, 1)):
            v = np.arange(3.0)
            (p, q), count = calls(f, cv, dv, v)
            inside = 2 * v + 1 if dv else 4 * v
            np.testing.assert_allclose(p, inside if cv else v)
            np.testing.assert_allclose(q, inside * 2 if cv else 2 * v)
            assert count == wanted


def test_errors_of_the_other_side_do_not_happen():
    c, x, i = T.lscalar(), T.dvector(), T.lscalar()
    for f in compiled([c, x, i], ifelse(c, x[i], T.constant(np.float64(7)))):
        assert f(0, np.zeros(2), 5) == 7
        with pytest.raises(IndexError):
            f(1, np.zeros(2), 5)
    y = T.dvector()
    for f in compiled([c, x, y], ifelse(c, (x + y).sum(), T.constant(np.float64(7)))):
        assert f(0, np.zeros(2), np.zeros(3)) == 7
        with pytest.raises(ValueError, match="shape|broadcast|dimension"):
            f(1, np.zeros(2), np.zeros(3))


def test_in_a_loop_and_around_one():
    c, x = T.lscalar(), T.dvector()
    out, _ = symtensor.scan(lambda a, y: ifelse(a > 1.5, Counted()(y) + a, y - a), x, T.constant(np.float64(1)))
    for f in compiled([x], out):
        value, count = calls(f, np.array([1.0, 2, 3]))
        np.testing.assert_allclose(value, [0, 2, 7])
        assert count == 2
    for f in compiled([c, x], ifelse(c, out[-1], x.sum())):
        assert calls(f, 0, np.array([1.0, 2, 3])) == (6, 0)
        assert calls(f, 1, np.array([1.0, 2, 3])) == (7, 2)


def test_gradient():
    c, x = T.lscalar(), T.dvector()
    y = ifelse(c, (x**2).sum(), T.exp(x).sum())
    g = symtensor.grad(y, x)
    v = np.array([0.5, 1.5])
    for f in compiled([c, x], [g, symtensor.grad(g.sum(), x), symtensor.Rop(y, x, T.ones_like(x))]):
        for value, wanted in ((1, (2 * v, np.full(2, 2.0), 2 * v.sum())), (0, (np.exp(v),) * 2 + (np.exp(v).sum(),))):
            for got, want in zip(f(value, v), wanted):
                np.testing.assert_allclose(got, want)


def test_bad_branches():
    x = T.dvector()
    with pytest.raises(TypeError, match="cast or reshape"):
        ifelse(x.sum() > 0, x, x.sum())
    with pytest.raises(TypeError, match="switch"):
        ifelse(x > 0, x, x)
    with pytest.raises(ValueError, match=r"1 value\(s\) in one branch, 2"):
        ifelse(x.sum() > 0, [x], [x, x])


def test_gradients_run_on_the_side_taken_alone():
    c, d, x, w = T.lscalar(), T.lscalar(), T.dvector(), T.dvector()
    inner = ifelse(d, Counted()(T.tanh(x * w)), x * w)
    loss = ifelse(c, Counted()(Counted()(inner)).sum(), (w * 3).sum() + T.exp(x[0])) + (w**2).sum()
    g = symtensor.grad(loss, [x, w])
    v, u = np.array([0.5, -1.0]), np.array([2.0, 0.25])
    for f in compiled([c, d, x, w], [loss, *g]):
        for cv, dv, wanted in ((1, 1, 6), (1, 0, 4), (0, 1, 0), (0, 0, 0)):
            (_, gx, gw), count = calls(f, cv, dv, v, u)
            assert count == wanted  # forward and backward, once each
            slope = 8 * (1 - np.tanh(v * u) ** 2) if dv else np.full(2, 4.0)
            np.testing.assert_allclose(gx, slope * u if cv else [np.exp(0.5), 0])
            np.testing.assert_allclose(gw, 2 * u + (slope * v if cv else 3))


def test_gradients_of_values_on_both_sides_and_inside():
    c, x = T.lscalar(), T.dvector()
    inside = T.exp(x)
    a, b = ifelse(c, [inside, x], [x, x])
    out = (a * b).sum()
    wrt = [x, inside]
    for f in compiled([c, x], symtensor.grad(out, wrt, disconnected_inputs="ignore")):
        v = np.array([0.5, -1.0])
        for cv, wanted in ((1, (np.exp(v) * (v + 1), v)), (0, (2 * v, 0 * v))):
            for got, want in zip(f(cv, v), wanted):
                np.testing.assert_allclose(got, want)


def test_two_branches_share_a_side():
    c, x = T.lscalar(), T.dvector()
    test = T.neq(c, 0)
    both = Counted()(T.sqr(x))
    out = ifelse(test, both.sum(), x.sum()) * ifelse(test, T.exp(both).sum(), x.sum())
    g = symtensor.grad(out, x)
    v = np.array([0.5, -0.25])
    for f in compiled([c, x], [out, g]):
        (value, got), count = calls(f, 1, v)
        assert count == 2
        y = 2 * v**2
        np.testing.assert_allclose(value, y.sum() * np.exp(y).sum())
        np.testing.assert_allclose(got, 4 * v * (np.exp(y).sum() + y.sum() * np.exp(y)))
        (value, got), count = calls(f, 0, v)
        assert count == 0
        np.testing.assert_allclose(got, 2 * v.sum() * np.ones(2))


def test_gradients_in_a_loop_run_on_the_side_taken_alone():
    x, w = T.dvector(), T.dvector()
    out, _ = symtensor.scan(lambda a, y, w: ifelse(a > 1.5, T.tanh(Counted()(y * w)) + a, y - a * w), x,
                            T.zeros_like(w), w)
    g = symtensor.grad(out[-1].sum(), [x, w])
    v, u, steps = np.array([1.0, 2, 3, 0]), np.array([0.3, 0.7]), 1e-6
    def value(v, u):
        y = np.zeros(2)
        for a in v:
            y = np.tanh(2 * y * u) + a if a > 1.5 else y - a * u
        return y.sum()
    for f in compiled([x, w], g):
        (gx, gw), count = calls(f, v, u)
        assert count == 4
        for k, got in enumerate(gx):
            e = steps * np.eye(4)[k]
            np.testing.assert_allclose(got, (value(v + e, u) - value(v - e, u)) / (2 * steps), atol=1e-8)
        for k, got in enumerate(gw):
            e = steps * np.eye(2)[k]
            np.testing.assert_allclose(got, (value(v, u + e) - value(v, u - e)) / (2 * steps), atol=1e-8)


def test_products_and_gathers_of_branches_stay_in_the_loop():
    x, i, w = T.dmatrix(), T.lvector(), T.dmatrix()
    out, _ = symtensor.scan(lambda row, at, w: ifelse(at >= 0, w[at] + T.dot(row, w), row), [x, i], None, w)
    for f in compiled([x, i, w], out):
        rows, w_value = np.arange(6.0).reshape(2, 3), np.arange(9.0).reshape(3, 3)
        found = f(rows, np.array([1, -9]), w_value)  # -9 is no row of w
        np.testing.assert_allclose(found, [w_value[1] + rows[0] @ w_value, rows[1]])


def test_what_does_not_change_runs_once_where_its_branch_is_taken():
    c, x, w = T.lscalar(), T.dvector(), T.dvector()
    out, _ = symtensor.scan(lambda a, y, w: ifelse(c, Counted()(w) * a + y, y + a), x, T.zeros_like(w), w)
    for f in compiled([c, x, w], out[-1]):
        value, count = calls(f, 1, np.ones(3), np.arange(2.0))
        np.testing.assert_allclose(value, [0, 6])
        assert count == 1
        value, count = calls(f, 0, np.ones(3), np.arange(2.0))
        np.testing.assert_allclose(value, [3, 3])
        assert count == 0


def test_steps_on_the_host_keep_no_memory_of_earlier_steps():
    x = T.dvector()
    out, _ = symtensor.scan(lambda y: Counted()(y) / 2, None, x, n_steps=100)
    value = np.ones(50_000)
    for f in compiled([x], out[-1]):
        f(value)
        tracemalloc.start()
        found, count = calls(f, value)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(found, value)
        assert count == 100
        assert peak < 15 * value.nbytes


def test_what_does_not_change_fails_in_no_step_that_does_not_take_it():
    x, n = T.dvector(), T.lvector()
    out, _ = symtensor.scan(lambda i, x: ifelse(i > 100, x[99] + Counted()(x)[0], x[0]), n, None, x)
    for f in compiled([x, n], out):
        value, count = calls(f, np.arange(3.0) + 1, np.arange(4))
        np.testing.assert_array_equal(value, np.ones(4))
        assert count == 0
        with pytest.raises(IndexError, match="step 1"):
            f(np.arange(3.0), np.array([0, 200]))
