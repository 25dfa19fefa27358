"""Loops: `scan` with every kind of argument against a Python loop, on the interpreter and in C; derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import scan
from symtensor import tensor as T
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply
from symtensor.link import execute, execute_ctypes
from symtensor.ops.loop import Loop
from symtensor.ops.scan import until

LINKERS = ("py", "c")
rng = np.random.default_rng(0)
V = rng.uniform(0.5, 1.5, 6)
M = rng.uniform(-1, 1, (6, 3))
W = rng.uniform(-1, 1, (3, 3))


def run(inputs, outputs, *values, updates=None):
    """The values on the interpreter; the compiled program must agree."""
    found = []
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            function = symtensor.function(inputs, outputs, on_unused_input="ignore", updates=updates)
        assert function.backend == linker
        found.append(function(*values))
    for a, b in zip(*(x if isinstance(x, list) else [x] for x in found)):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    return found[1]


def check_derivatives(build, *values):
    """First and second derivatives against differences, and forward against reverse mode."""
    inputs = [T.TensorType("float64", (None,) * np.ndim(v))() for v in values]
    out = build(*inputs)
    weights = T.constant(rng.uniform(0.5, 1.5, run(inputs, out, *values).shape))
    cost = (out * weights).sum()
    along = [rng.uniform(-1, 1, np.shape(v)) for v in values]
    grads = symtensor.grad(cost, inputs, disconnected_inputs="ignore")
    slope = sum((g * v).sum() for g, v in zip(grads, along))
    forward = (symtensor.Rop(out, inputs, [T.constant(v) for v in along]) * weights).sum()
    second = sum((g * v).sum() for g, v in zip(symtensor.grad(slope, inputs, disconnected_inputs="ignore"), along))
    found = [float(x) for x in run(inputs, [cost, slope, forward, second], *values)]

    def at(step):
        return [float(x) for x in function(*[v + step * d for v, d in zip(values, along)])]

    function = symtensor.function(inputs, [cost, slope], on_unused_input="ignore")
    h = 1e-4
    ends = [(np.array(at(s * h)) - np.array(at(-s * h))) / (2 * s * h) for s in (1, 2)]
    numeric = (4 * ends[0] - ends[1]) / 3
    np.testing.assert_allclose(found[1], numeric[0], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found[2], found[1], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[3], numeric[1], rtol=1e-6, atol=1e-6)


def test_powers():
    k, a = T.iscalar(), T.dvector()
    powers, updates = scan(lambda before, a: before * a, outputs_info=T.ones_like(a), non_sequences=a, n_steps=k)
    assert updates == {}
    np.testing.assert_allclose(run([k, a], powers, 4, V), [V, V**2, V**3, V**4])
    np.testing.assert_allclose(run([k, a], powers[-1], 4, V), V**4)
    assert run([k, a], powers, 0, V).shape == (0, 6)


def test_polynomial_of_two_sequences_of_which_one_is_longer():
    c, x = T.dvector(), T.dscalar()
    parts, _ = scan(lambda a, power, x: a * x**power, [c, T.arange(10000)], None, x)
    np.testing.assert_allclose(run([c, x], parts.sum(), np.array([1.0, 0, 2]), 3.0), 19.0)


def test_taps_of_sequences_and_outputs():
    s, y0 = T.dvector(), T.dvector()
    out, _ = scan(lambda a, b, c, y3, y1: a - 2 * b + c + 0.5 * y3 - y1,
                  sequences={"input": s, "taps": [-1, 0, 2]}, outputs_info={"initial": y0, "taps": [-3, -1]})
    y = [0.1, 0.2, 0.3]
    for t in range(1, 4):
        y.append(V[t - 1] - 2 * V[t] + V[t + 2] + 0.5 * y[-3] - y[-1])
    np.testing.assert_allclose(run([s, y0], out, V, np.array(y[:3])), y[3:])


@pytest.mark.parametrize("taps", [[0], [-1, 1]])
def test_backwards(taps):
    s = T.dvector()
    out, _ = scan(lambda *a: sum(x * (k + 1) for k, x in enumerate(a[:-1])) + 0.5 * a[-1],
                  {"input": s, "taps": taps}, T.constant(0.0), go_backwards=True)
    low, high, y, wanted = min(0, *taps), max(0, *taps), 0.0, []
    for t in reversed(range(-low, 6 - high)):
        y = sum(V[t + tap] * (k + 1) for k, tap in enumerate(taps)) + 0.5 * y
        wanted.append(y)
    np.testing.assert_allclose(run([s], out, V), wanted)


def test_steps_fewer_than_rows_and_no_rows():
    m, n = T.dmatrix(), T.lscalar()
    out, _ = scan(lambda row, h: T.tanh(row + h), m, T.zeros(3), n_steps=n)
    h, wanted = np.zeros(3), []
    for row in M[:4]:
        h = np.tanh(row + h)
        wanted.append(h)
    np.testing.assert_allclose(run([m, n], out, M, 4), wanted)
    assert run([m, n], out, M[:0], 0).shape == (0, 3)


def test_several_outputs_of_all_kinds():
    m, w = T.dmatrix(), T.dmatrix()
    (h, norm, count), _ = scan(
        lambda row, h, k, w: [T.tanh(row + T.dot(h, w)), (h**2).sum(), k + 1], m,
        [T.zeros(3), None, T.constant(np.int64(5))], w)
    a, wanted = np.zeros(3), []
    for row in M:
        norm_, a = (a**2).sum(), np.tanh(row + a @ W)
        wanted.append((a, norm_))
    found = run([m, w], [h, norm, count], M, W)
    np.testing.assert_allclose(found[0], [x for x, _ in wanted])
    np.testing.assert_allclose(found[1], [x for _, x in wanted])
    np.testing.assert_array_equal(found[2], np.arange(6, 12))


def test_until():
    limit = T.dscalar()
    out, _ = scan(lambda x, limit: (x * 2, until(x * 2 > limit)), None, T.constant(1.0), limit, n_steps=1024)
    np.testing.assert_array_equal(run([limit], out, 40.0), [2, 4, 8, 16, 32, 64])
    np.testing.assert_array_equal(run([limit], out[-1], 40.0), 64)
    assert run([limit], out, -1.0).shape == (1,)


def test_updates_of_shared_variables():
    total = symtensor.shared(np.array([1.0, 2.0]))
    m = T.dmatrix()
    out, updates = scan(lambda row: (row.sum() + total.sum(), {total: total + row[:2]}), m)
    start, wanted = np.array([1.0, 2.0]), []
    for row in M:
        wanted.append(row.sum() + start.sum())
        start = start + row[:2]
    for linker in LINKERS:
        total.set_value(np.array([1.0, 2.0]))
        with symtensor.config.change_flags(linker=linker):
            f = symtensor.function([m], out, updates=updates)
        np.testing.assert_allclose(f(M), wanted)
        np.testing.assert_allclose(total.get_value(), start)


def test_what_a_step_finds_by_itself():
    weights, b, m = symtensor.shared(W), T.dvector("b"), T.dmatrix()
    out, _ = scan(lambda row: T.dot(row, weights) * T.exp(b), m)
    np.testing.assert_allclose(run([m, b], out, M, V[:3]), M @ W * np.exp(V[:3]))
    with pytest.raises(ValueError, match=r"strict=True.*non_sequences"):
        scan(lambda row: row * b, m, strict=True)


def test_scan_in_scan():
    m, w = T.dmatrix(), T.dmatrix()

    def outer(row, h):
        inner, _ = scan(lambda a, c, h: c + a * h.sum(), row, T.constant(0.0), h)
        return T.tanh(T.dot(h, w) + inner[-1])

    out, _ = scan(outer, m, T.ones(3))
    h, wanted = np.ones(3), []
    for row in M:
        h = np.tanh(h @ W + row.sum() * h.sum())
        wanted.append(h)
    np.testing.assert_allclose(run([m, w], out, M, W), wanted)


def test_map_reduce_and_folds():
    x = T.dvector()
    zero = T.constant(0.0)
    np.testing.assert_allclose(run([x], symtensor.map(lambda a: a**2, x)[0], V), V**2)
    np.testing.assert_allclose(run([x], symtensor.reduce(lambda a, b: a + b, x, zero)[0], V), V.sum())
    forth = run([x], symtensor.foldl(lambda a, b: b / 2 + a, x, zero)[0], V)
    back = run([x], symtensor.foldr(lambda a, b: b / 2 + a, x, zero)[0], V)
    np.testing.assert_allclose([forth, back], [sum(v / 2 ** (5 - k) for k, v in enumerate(V)),
                                               sum(v / 2**k for k, v in enumerate(V))])


def recurrent(x, w, h0):
    return scan(lambda row, h: T.tanh(row + T.dot(h, w)), x, h0)[0]


DERIVATIVES = {
    "recurrent": (recurrent, M, W, V[:3]),
    "last": (lambda x, w, h0: recurrent(x, w, h0)[-1], M, W, V[:3]),
    "batch": (lambda x, w, h0: scan(lambda row, h: T.tanh(T.dot(row, w) + T.dot(h, w.T)), x, h0)[0],
              rng.uniform(-1, 1, (4, 2, 3)), W, rng.uniform(-1, 1, (2, 3))),
    "taps": (lambda s, y0: scan(lambda a, b, y3, y1: T.sin(a * b) + y3 * y1, {"input": s, "taps": [0, 1]},
                                {"initial": y0, "taps": [-3, -1]})[0], V, V[:3]),
    "stacked": (lambda m, w: scan(lambda row: T.exp(T.dot(w, row)).sum(), m)[0], M, W),
    "backwards": (lambda s: scan(lambda a, y: T.sin(a) * y + a, s, T.constant(1.0), go_backwards=True)[0], V),
    "until": (lambda s: scan(lambda a, y: (a * y, until(y > 1.1)), s, 1.0)[0], V + 0.5),
    "nested": (lambda m, w: scan(lambda row, h: T.tanh(scan(lambda a, c: c * a + h.sum(), row, h[0])[0] + T.dot(h, w)),
                                 m, T.ones(3))[0], M[:3], W),
    "two states": (lambda m, w: scan(lambda row, a, b: [T.tanh(b + row), T.dot(a, w) * 0.5], m,
                                     [T.ones(3), T.zeros(3)])[0][1], M, W),
    "gates": (lambda m, w: scan(lambda row, h, c: (lambda g: [T.tanh(c * T.nnet.sigmoid(g)) * 0.9, c * 0.5 + g])(
        T.dot(h, w) + row), m, [T.zeros(3), T.ones(3)])[0][0], M, W),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    build, *values = DERIVATIVES[name]
    check_derivatives(build, *values)


def test_truncated_gradient():
    m, w = T.dmatrix(), T.dmatrix()
    h, _ = scan(lambda row, h: T.tanh(row + T.dot(h, w)), m, T.ones(3), truncate_gradient=2)
    early = scan(lambda row, h: T.tanh(row + T.dot(h, w)), m[:4], T.ones(3))[0][-1]
    late = scan(lambda row, h: T.tanh(row + T.dot(h, w)), m[4:], symtensor.gradient.disconnected_grad(early))[0]
    a, b = (symtensor.grad((x**2).sum(), [m, w]) for x in (h[-1], late[-1]))
    found = run([m, w], [*a, *b], M, W)
    np.testing.assert_allclose(found[0], found[2], atol=1e-12)
    np.testing.assert_allclose(found[1], found[3], atol=1e-12)
    assert not found[0][:4].any()


def test_errors():
    x = T.dvector("x")
    with pytest.raises(ValueError, match="n_steps"):
        scan(lambda h: h, None, T.zeros(3))
    with pytest.raises(TypeError, match=r"float64, the value before is float32.*astype"):
        scan(lambda a, h: h + a, x, T.fscalar())
    with pytest.raises(TypeError, match="dimension"):
        scan(lambda a, h: h + x, x, T.constant(0.0))
    with pytest.raises(ValueError, match="outputs_info describes 2"):
        scan(lambda a: a, x, [None, None])
    with pytest.raises(ValueError, match="taps"):
        scan(lambda a, h: h, x, {"initial": x, "taps": [1]})
    h, _ = scan(lambda a, h: T.concatenate([h, h]), x, x)
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = symtensor.function([x], h)
        with pytest.raises(ValueError, match="shape"):
            f(V)
    n = T.lscalar()
    h, _ = scan(lambda h: h + 1, None, T.zeros(2), n_steps=n)
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = symtensor.function([n], h)
        with pytest.raises(ValueError, match="number of steps is -3"):
            f(-3)


def test_shapes_that_depend_on_data():
    x = T.lvector()
    rows, _ = scan(lambda k: T.arange(T.maximum(k, 2)).sum() + T.arange(k).shape[0], x)
    np.testing.assert_array_equal(run([x], rows, np.array([1, 4, 3])), [2, 10, 6])
    ranges, _ = scan(lambda k: T.arange(k), x)
    np.testing.assert_array_equal(run([x], ranges, np.array([2, 2])), [[0, 1], [0, 1]])
    grown, _ = scan(lambda k, h: T.arange(k), x, x[:2])
    np.testing.assert_array_equal(run([x], grown, np.array([2, 2])), [[0, 1], [0, 1]])
    for out in (ranges, grown):
        for linker in LINKERS:
            with symtensor.config.change_flags(linker=linker):
                f = symtensor.function([x], out)
            with pytest.raises(ValueError, match="shape"):
                f(np.array([2, 3]))


class Picky(Op):
    """A host-only op that refuses large values."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        if inputs[0].sum() > 5:
            raise ValueError("too much")
        outputs[0][0] = inputs[0].copy()


def test_errors_tell_the_step():
    x, k = T.dvector("x"), T.lvector("k")
    picked, _ = scan(lambda i, x: x[i] * 2, k, None, x, name="pick")
    host, _ = scan(lambda i, h: Picky()(h + i), k, T.zeros(3), name="sum")
    nested, _ = scan(lambda i: scan(lambda j: x[i + j] * Picky()(x[0]), k, name="inner")[0], k, name="outer")
    cases = [(picked, (V[:3], np.arange(4)), IndexError, r"index 3 .*size 3[\s\S]*Subtensor"
              r"[\s\S]*test_scan.py:\d+ in <lambda>[\s\S]*in step 3 of Scan\{pick\}, made at .*test_scan.py"),
             (host, (V, np.arange(5)), ValueError, r"too much\n  in Picky[\s\S]*shape \(3,\)[\s\S]*"
              r"in step 2 of Scan\{sum\}, made at"),
             (nested, (V[:4] * 0, np.arange(4)), IndexError, r"index 4 .*size 4[\s\S]*made at .*test_scan.py[\s\S]*"
              r"in step 3 of Scan\{inner\}, .*\n  in step 1 of Scan\{outer\}")]
    for out, values, kind, text in cases:
        for linker in LINKERS:
            with symtensor.config.change_flags(linker=linker):
                f = symtensor.function([x, k], out, on_unused_input="ignore")
            with pytest.raises(kind, match=text):
                f(*values)
            assert f(values[0], np.zeros(2, int)).shape[0] == 2  # the next call is as good as the first
    with pytest.raises(ValueError, match="the number of steps") as caught:
        symtensor.function([k], scan(lambda h: h + 1, None, T.zeros(2), n_steps=k[0])[0])(np.array([-1]))
    assert "in step" not in str(caught.value)


def test_gradients_run_the_loop_once():
    x, w = T.dmatrix(), T.dmatrix()
    h, _ = scan(lambda row, h: T.tanh(T.nnet.sigmoid(T.dot(h, w)) + row), x, T.zeros(3))
    f = symtensor.function([x, w], [h[-1].sum(), *symtensor.grad(h[-1].sum(), [x, w])])
    assert sum(isinstance(node.op, Loop) for node in f.maker.fgraph.order) == 2  # forth and back


@pytest.mark.parametrize("kind", ["extension", "ctypes"])
def test_programs_report_the_steps(kind, monkeypatch):
    x, k = T.dvector("x"), T.lvector("k")
    picked, _ = scan(lambda i: scan(lambda j: x[i + j], k)[0], k, name="pick")
    host, _ = scan(lambda i: T.switch(i > 3, Picky()(x * i), x), k, name="sum")
    codes = [symtensor.function([x, k], out).maker.compiled.code for out in (picked, host)]
    if kind == "ctypes":
        monkeypatch.setattr(execute, "Program", execute_ctypes.Program)
    with pytest.raises(execute.ProgramFailure) as caught:
        execute.load(codes[0]).run([V[:4], np.arange(4)])
    assert [*caught.value.values[9::2]] == [1, 3]
    with pytest.raises(ValueError, match=r"too much[\s\S]*\n  in step 1 of Scan\{sum\}, made at"):
        execute.load(codes[1]).run([V[:4], np.array([0, 9])])


def test_errors_in_branches_and_gradients_tell_the_step():
    x, k = T.dvector("x"), T.lvector("k")
    out, _ = scan(lambda i, h: symtensor.ifelse(i > 2, x[i] * h, h * x[0]), k, T.ones(()), name="either")
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = symtensor.function([x, k], symtensor.grad(out[-1], x))
        np.testing.assert_allclose(f(V[:3], np.array([0, 1])), [2 * V[0], 0, 0])
        with pytest.raises(IndexError, match=r"index 3[\s\S]*in step 2 of Scan\{either\}"):
            f(V[:3], np.array([0, 1, 3]))


def test_what_does_not_change_in_a_branch():
    check_derivatives(lambda s, y: scan(lambda a, h: symtensor.ifelse(a > 1, T.exp(y).sum() * h, h * a), s, 1.0)[0],
                      V, V[:3])
