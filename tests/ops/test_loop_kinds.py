"""Random draws, sparse matrices, lists, host-only ops, printing and assertions inside loops and branches; branches
with loops in them and the reverse."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

import symtensor
from symtensor import function, grad, ifelse, loop, scan, scan_checkpoints, shared, sparse, typed_list
from symtensor import map as each
from symtensor import tensor as T
from symtensor.sandbox.rng_mrg import MRG_RandomStreams
from symtensor.tensor.shared_randomstreams import RandomStreams
from tests.ops.test_branch import Counted
from tests.ops.test_scan import LINKERS, V, W, check_derivatives, run

STREAMS = [RandomStreams, MRG_RandomStreams]


def draws(build, *values, calls=2):
    """What the calls give, in C; the interpreter must draw the same from the same seed."""
    found = []
    for linker in LINKERS:
        inputs, outputs, updates = build()
        with symtensor.config.change_flags(linker=linker):
            f = function(inputs, outputs, updates=updates, on_unused_input="ignore")
        found.append([f(*values) for _ in range(calls)])
    for a, b in zip(*found, strict=True):
        for x, y in zip(*(c if isinstance(c, list) else [c] for c in (a, b)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12)
    return found[1]


def different(*arrays):
    values = np.concatenate([np.ravel(a) for a in arrays])
    return len(np.unique(values)) == len(values)


# -- random draws --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("around", ["scan", "map", "loop", "checkpoints"])
def test_each_step_and_each_call_draws_anew(streams, around):
    def build(seed=5):
        draw = streams(seed)

        def step(*_):
            return draw.uniform((3,)) + draw.normal(())

        if around == "loop":
            looped = loop(lambda h: (h, step()), 0.0, n_steps=5)
            return [], looped.outputs, looped.updates
        outs, updates = {"scan": lambda: scan(step, n_steps=5), "map": lambda: each(step, T.arange(5)),
                         "checkpoints": lambda: scan_checkpoints(step, T.arange(5), save_every_N=2, all_steps=True),
                         }[around]()
        assert len(updates) == 2
        return [], outs, updates

    a, b = draws(build)
    assert a.shape == (5, 3)
    assert different(a, b)
    assert different(a, draws(lambda: build(6), calls=1)[0])


def test_kinds_of_draws_in_a_step():
    def build():
        draw = RandomStreams(1)
        outs, updates = scan(lambda: [draw.binomial((4,), n=1, p=0.5), draw.permutation(n=6), draw.choice((3,), a=9),
                                      draw.random_integers((4,), 0, 100), draw.multinomial(pvals=[[0.2, 0.8]])],
                             n_steps=30)
        return [], outs, updates

    coins, orders, picked, integers, hot = draws(build, calls=1)[0]
    assert set(coins.flat) == {0, 1}
    assert all(sorted(row) == list(range(6)) for row in orders)
    assert len({tuple(row) for row in orders}) > 20
    assert len({tuple(row) for row in integers}) == 30
    assert set(picked.flat) <= set(range(9))
    assert (hot.sum(-1) == 1).all()


@pytest.mark.parametrize("inner_updates", [True, False])
def test_draws_of_a_loop_in_a_loop(inner_updates):
    """The updates of the inner loop belong to those of the outer step."""
    def build():
        draw = RandomStreams(9)

        def outer():
            rows, updates = scan(lambda: draw.uniform(()), n_steps=3)
            return ([rows], updates) if inner_updates else rows + draw.uniform(())

        outs, updates = scan(outer, n_steps=2)
        return [], outs, updates

    assert different(*draws(build))


def test_a_draw_outside_is_one_for_all_steps():
    """As a non-sequence; the step that uses it by its name draws itself, as Theano's."""
    def build():
        draw = RandomStreams(3)
        noise, x = draw.uniform((2,)), T.dvector()
        (given, own), updates = scan(lambda a, n: [a * 0 + n, a * 0 + draw.normal((2,))], x, None, noise)
        return [x], [given, own], updates

    calls = draws(build, V)
    for given, own in calls:
        assert (given == given[0]).all()
        assert different(own)
    assert different(calls[0][0][0], calls[1][0][0])


def test_draws_in_branches():
    """In a step, and with a loop in a branch; what is not taken moves its stream on all the same."""
    def build():
        draw, x = RandomStreams(7), T.dvector()
        out, updates = each(lambda a: ifelse(a > 1, a + draw.uniform(()), draw.normal(()) - 10), x)
        return [x], out, updates

    a, b = draws(build, V)
    assert ((a > V) == (V > 1)).all()
    assert different(a, b)

    def outside():
        draw, c = RandomStreams(8), T.lscalar()
        inside, updates = scan(lambda h: h + draw.uniform(()), None, T.constant(0.0), n_steps=3)
        return [c], ifelse(c, inside[-1], T.constant(np.float64(-1))), updates

    assert different(*draws(outside, 1, calls=3))
    assert draws(outside, 0) == [-1, -1]


def test_gradients_through_draws():
    """Reparametrized: with the same noise, differences of calls are derivatives."""
    def build():
        draw, mu, s = RandomStreams(3), T.dscalar(), T.dscalar()
        out, updates = scan(lambda h: T.tanh(h * 0.5 + mu + s * draw.normal((2,)) - T.log(draw.uniform((2,))) / mu),
                            None, T.zeros(2), n_steps=4)
        chosen, more = scan(lambda h: h + draw.normal((), avg=mu, std=s) * draw.uniform((), low=mu, high=s), None,
                            T.constant(0.0), n_steps=3)
        cost = out.sum() + chosen[-1]
        return [mu, s], [cost, *grad(cost, [mu, s])], {**updates, **more}

    cost, *slopes = draws(build, 1.0, 2.0, calls=1)[0]
    h = 1e-5
    for k, (dm, ds) in enumerate(((h, 0), (0, h))):
        ends = [draws(build, 1 + sign * dm, 2 + sign * ds, calls=1)[0][0] for sign in (1, -1)]
        np.testing.assert_allclose(slopes[k], (ends[0] - ends[1]) / (2 * h), rtol=1e-7)
    assert np.isfinite(cost)


# -- sparse matrices and lists -------------------------------------------------------------------------------------


def matrix():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return scipy_sparse.csr_matrix(np.array([[1.0, 0, 0.5], [0, -1, 0], [0, 0, 2]]))


@pytest.mark.parametrize("given", [True, False])
def test_sparse_matrices_in_a_step(given):
    s, h0 = sparse.csr_matrix("s"), T.dvector("h0")

    def step(h, *others):
        return T.tanh(sparse.dot(others[0] if given else s, h.dimshuffle(0, "x"))[:, 0])

    out, _ = scan(step, None, h0, s if given else None, n_steps=3)
    value, h = matrix(), V[:3]
    found = run([s, h0], [out, grad(out.sum(), h0), function_of_data(out, s)], value, h)
    for row in found[0]:
        h = np.tanh(value @ h)
        np.testing.assert_allclose(row, h)

    def numeric(data, start):
        changed = value.copy()
        changed.data = data
        return function([s, h0], out.sum())(changed, start)

    for k, (got, at) in enumerate(((found[1], V[:3]), (found[2], value.data))):
        for j, slope in enumerate(got):
            d = 1e-6 * (np.arange(len(at)) == j)
            ends = [numeric(value.data + (d if k else 0) * sign, V[:3] + (0 if k else d) * sign) for sign in (1, -1)]
            np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def function_of_data(out, s):
    """The gradient with respect to the stored elements."""
    return sparse.csm_data(grad(out.sum(), s))


def test_sparse_matrices_in_branches():
    s, c, y = sparse.csr_matrix("s"), T.lscalar(), T.dmatrix("y")
    chosen, dense = ifelse(c, [s, y], [s * 2.0, sparse.dot(s, y)])
    value, rows = matrix(), np.arange(6.0).reshape(3, 2)
    slope = grad(sparse.dot(chosen, y).sum(), y)
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = function([c, s, y], [chosen, dense, sparse.sp_sum(chosen), slope])
        for flag in (1, 0):
            found = f(flag, value, rows)
            wanted = value.toarray() * (1 if flag else 2)
            np.testing.assert_array_equal(found[0].toarray(), wanted)
            np.testing.assert_array_equal(found[1], rows if flag else value @ rows)
            assert found[2] == wanted.sum()
            np.testing.assert_allclose(found[3], np.repeat(wanted.sum(0)[:, None], 2, 1))
    with pytest.raises(TypeError, match=r"Sparse\[float64, csr\] in one branch and Sparse\[float64, csc\]"):
        ifelse(c, s, sparse.csc_matrix())
    with pytest.raises(TypeError, match="in one branch"):
        ifelse(c, s, y)


def test_what_loops_cannot_walk_carry_or_stack():
    s, x, items = sparse.csr_matrix("s"), T.dvector("x"), typed_list.TypedListType(T.dvector)("items")
    for value in (s, items):
        with pytest.raises(TypeError, match="sequence 0 is .* tensors alone; pass it as a non-sequence"):
            scan(lambda a: a, value)
        with pytest.raises(TypeError, match="the initial value of output 0 is .* tensors alone"):
            scan(lambda a: a, None, value, n_steps=2)
        with pytest.raises(TypeError, match="an output of the step is .* tensors alone"):
            scan(lambda a, value=value: value, x)


def test_lists_in_loops_and_branches():
    """On the interpreter, as all functions of lists."""
    items, c = typed_list.TypedListType(T.dvector)("items"), T.lscalar()
    value = [V, V[:2], V[:3] * 2]
    for out in (scan(lambda k, some: some[k].sum(), T.arange(3), None, items)[0],
                scan(lambda k: items[k].sum(), T.arange(typed_list.length(items)))[0]):
        np.testing.assert_allclose(function([items], out)(value), [v.sum() for v in value])
    either = ifelse(c, items, typed_list.reverse(items))
    f = function([c, items], [either, typed_list.length(either)])
    for flag, wanted in ((1, value), (0, value[::-1])):
        found, count = f(flag, value)
        assert count == 3
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


# -- host-only ops, printing, assertions ----------------------------------------------------------------------------


def test_printing_in_a_step():
    x = T.dvector()
    out, _ = scan(lambda a, h: symtensor.printing.Print("at")(a) + h, x, T.constant(0.0))
    for linker in LINKERS:
        text = io.StringIO()
        with symtensor.config.change_flags(linker=linker):
            f = function([x], out)
        with contextlib.redirect_stdout(text):
            np.testing.assert_array_equal(f(np.array([1.0, 5.0])), [1, 6])
        assert text.getvalue() == "at __str__ = 1.0\nat __str__ = 5.0\n"


def test_assertions_in_a_step_tell_which():
    x, limit = T.dvector("x"), T.dscalar("limit")
    small, _ = scan(lambda a, h: T.opt.Assert("too large")(h + a, T.lt(a, limit)), x, T.constant(0.0), name="sums")
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = function([x, limit], small)
        np.testing.assert_array_equal(f(V, 2.0), V.cumsum())
        with pytest.raises(AssertionError, match="too large") as caught:
            f(np.array([1.0, 1, 9, 1]), 5.0)
        notes = "\n".join(caught.value.__notes__)
        assert "in step 2 of Scan{sums}" in notes
        assert "test_loop_kinds.py" in notes


def test_host_only_ops_in_nested_steps():
    x = T.dvector()
    out, _ = scan(lambda a: scan(lambda b, h: Counted()(h) + b * a, x, T.constant(1.0))[0][-1], x)
    wanted = []
    for a in V[:3]:
        h = 1.0
        for b in V[:3]:
            h = 2 * h + b * a
        wanted.append(h)
    Counted.calls = 0
    np.testing.assert_allclose(run([x], out, V[:3]), wanted)
    assert Counted.calls == 18
    check_derivatives(lambda x: scan(lambda a, h: T.sin(Counted()(h)) + a, x, T.constant(1.0))[0], V)


# -- loops in branches, branches in loops --------------------------------------------------------------------------


def test_loops_in_branches_in_loops():
    x, c = T.dvector(), T.lscalar()

    def step(a, h):
        power, _ = scan(lambda b: b * a, x)
        return ifelse(a > 1, Counted()(power.sum()) * 0.5, h + a)

    out, _ = scan(step, x, T.constant(0.0))
    both = ifelse(c, out[-1], scan(lambda a: a + 1, x)[0].sum())

    def wanted(x, c):
        h = 0.0
        for a in x:
            h = (x * a).sum() if a > 1 else h + a
        return h if c else (x + 1).sum()

    for flag in (1, 0):
        Counted.calls = 0
        run([c, x], both, flag, V)
        assert Counted.calls == (2 * (V > 1).sum() if flag else 0)  # of two programs
        value, slope = run([c, x], both, flag, V), run([c, x], grad(both, x), flag, V)
        np.testing.assert_allclose(value, wanted(V, flag))
        numeric = [(wanted(V + d, flag) - wanted(V - d, flag)) / 2e-6 for d in 1e-6 * np.eye(len(V))]
        np.testing.assert_allclose(slope, numeric, rtol=1e-7, atol=1e-8)


def test_a_branch_for_the_end_of_a_loop():
    """`until` a condition that branches; the state of the branch is the condition's."""
    x = T.dscalar()

    def step(h):
        new = ifelse(h > x, h - 1, h * 2)
        return new, symtensor.scan_module.until(T.eq(new, 7))

    out, _ = scan(step, None, T.constant(np.float64(1)), n_steps=50)
    np.testing.assert_array_equal(run([x], out, 6.0), [2, 4, 8, 7])


def test_updates_in_a_branch_of_a_step():
    x, count = T.dvector(), shared(0)
    out, updates = scan(lambda a: (a, {count: ifelse(a > 1, count + 1, count)}), x)
    for linker in LINKERS:
        count.set_value(0)
        with symtensor.config.change_flags(linker=linker):
            function([x], out, updates=updates)(V)
        assert count.get_value() == (V > 1).sum()


def test_weights_found_in_a_branch():
    w, m = shared(W), T.dmatrix()
    out, _ = scan(lambda row, h: ifelse(row[0] > 0, T.tanh(T.dot(h, w)), h + row), m, T.ones(3))
    value = np.random.default_rng(2).normal(size=(6, 3))
    slope = run([m], grad(out.sum(), w), value)
    cost = function([m], out.sum())
    along, ends = np.random.default_rng(3).normal(size=W.shape), []
    for sign in (1, -1):
        w.set_value(W + sign * 1e-6 * along)
        ends.append(cost(value))
    np.testing.assert_allclose((slope * along).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-7)
