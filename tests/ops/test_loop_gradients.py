"""Derivatives of loops: what no derivative reaches, states of integers, the last steps alone, steps whose values change
their shape, gradients inside steps, and checkpoints at any number of steps."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import function, grad, ifelse, loop, scan, scan_checkpoints, shared
from symtensor import tensor as T
from symtensor.ops.scan import until
from tests.ops.test_scan import LINKERS, M, V, W, check_derivatives, run

DERIVATIVES = {
    "integer state": (lambda x: scan(lambda k, h: [(k * 2 + 1) % 6, T.sin(h * x[k])], None,
                                     [np.int64(0), T.constant(1.0)], n_steps=5)[0][1], V),
    "integer rows": (lambda x: scan(lambda k, h: h * x[k], T.as_tensor_variable([3, 0, 3]), T.constant(1.0))[0], V),
    "counted steps": (lambda x: loop(lambda s: ((s[0] + 1, s[1] * x[s[0]]), s[1]), (np.int64(0), 1.0), n_steps=4)[1],
                      V),
    "until and taps": (lambda x, y: scan(lambda a, y2, y1: (a * y1 + y2 * 0.1, until(y1 > 1.4)), x,
                                         {"initial": y, "taps": [-2, -1]})[0], V + 0.3, V[:2]),
    "taps in any order": (lambda x, y: scan(lambda c, a, y1, y3: T.sin(a * c) + y3 * y1, {"input": x, "taps": [1, -1]},
                                            {"initial": y, "taps": [-1, -3]})[0], V, V[:3]),
    "backwards and shorter": (lambda x, y: scan(lambda a, b, h: T.tanh(a * h + b), [x, {"input": y, "taps": [1]}], 0.5,
                                                n_steps=3, go_backwards=True)[0], V, V[::-1].copy()),
    "longer and longer": (lambda x, y: scan(lambda k: T.exp(x[:k] * y).sum(), T.arange(1, 7))[0], V, V[0]),
    "a product that changes": (lambda x, w: scan(
        lambda k: T.tanh(T.dot(x[:k].T, T.dot(x[:k], w))).sum(axis=0), T.arange(1, 4))[0], M, W),
    "steps that differ": (lambda y: scan(lambda k: scan(lambda h: T.exp(-h) * y, None, y, n_steps=k)[0].sum(),
                                         T.as_tensor_variable([2, 4, 0, 1]))[0], V[0]),
    "inner until": (lambda x: scan(lambda a: scan(lambda h: (T.sin(h * a) + h, until(h > 2.5 * a)), None, a,
                                                  n_steps=9)[0][-1], x)[0], V),
    "descent": (lambda x: scan(lambda w: w - 0.1 * grad((T.cosh(w - x) * w).sum(), w), None, T.zeros_like(x),
                               n_steps=4)[0], V),
    "branches": (lambda x: scan(lambda a, h: ifelse(a > 1, T.sin(h) * a, h + a * h), x, T.constant(1.0))[0], V),
    "a state in another's place": (lambda x: scan(lambda a, p, q: [q * a, p + a], x, [T.constant(1.0)] * 2)[0][0], V),
    "a state that nothing reads": (lambda x: scan(lambda a, h: T.sin(a), x, T.constant(1.0))[0], V),
    "only the initial rows": (lambda y: scan(lambda a: a + 1, None, {"initial": y, "taps": [-3]}, n_steps=2)[0], V[:3]),
    "no step": (lambda x, y: T.concatenate([scan(lambda a, h: a * h, x[:0], y)[0], x * y]), V, V[0]),
    "one step": (lambda x, y: scan(lambda h: T.tanh(h * x), None, y, n_steps=1)[0], V, V[::-1].copy()),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    build, *values = DERIVATIVES[name]
    check_derivatives(build, *values)


def test_third_derivative():
    s = T.dscalar()
    powers, _ = scan(lambda h: h * s, None, s, n_steps=4)
    found, wanted = powers[-1], 5.0
    for order in range(3):
        found = grad(found, s)
        np.testing.assert_allclose(run([s], found, 1.3), wanted * 1.3**(4 - order))
        wanted *= 4 - order


def test_with_respect_to_everything():
    """Sequences, initial values, non-sequences, shared variables and what the step found by itself, in one sweep."""
    w, free = shared(W, "w"), T.dvector("free")
    m, h0, b = T.dmatrix("m"), T.dvector("h0"), T.dvector("b")
    out, _ = scan(lambda row, h, b: T.tanh(row + T.dot(h, w) + b) * free, m, h0, b)
    cost = (out**2).sum()
    values = [M, V[:3], V[3:] * 0.1, V[:3] + 0.1]
    slopes = run([m, h0, b, free], grad(cost, [w, m, h0, b, free]), *values)
    f = function([m, h0, b, free], cost)
    rng = np.random.default_rng(5)
    for k, slope in enumerate(slopes):
        along = rng.normal(size=slope.shape)
        ends = []
        for sign in (1e-5, -1e-5):
            w.set_value(W + (sign * along if k == 0 else 0))
            ends.append(f(*[v + (sign * along if j == k - 1 else 0) for j, v in enumerate(values)]))
        np.testing.assert_allclose((slope * along).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-7, atol=1e-8)
    v = T.dmatrix()
    forward = run([m, h0, b, free, v], symtensor.Rop(cost, [w], [v]), *values, W)
    w.set_value(W)
    np.testing.assert_allclose(run([m, h0, b, free, v], symtensor.Rop(cost, [w], [v]), *values, W),
                               (run([m, h0, b, free], grad(cost, w), *values) * W).sum(), rtol=1e-10)
    assert np.isfinite(forward)


class Opaque(symtensor.Op):
    """Twice the input; has no gradient."""

    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] * 2


def test_what_has_no_derivative():
    x, y = T.dvector("x"), T.dscalar("y")
    (product, opaque, over), _ = scan(lambda a, h, y: [h * a, Opaque()(h), T.ge(a, 1) * 1.0], x,
                                      [T.constant(1.0), None, None], y)
    np.testing.assert_allclose(run([x], grad(product[-1], x), V), V.prod() / V)  # beside one without
    with pytest.raises(symtensor.gradient.NullTypeGradError, match=r"with respect to x .*Opaque"):
        grad(opaque.sum(), x)
    with pytest.raises(symtensor.gradient.DisconnectedInputError, match="y"):
        grad(product.sum(), y)
    for cost, to in ((product.sum(), y), (over.sum(), x)):
        assert not np.any(run([x, y], grad(cost, to, disconnected_inputs="ignore"), V, 1.0))
    inside, _ = scan(lambda a, h: h + Opaque()(a), x, T.constant(1.0))
    with pytest.raises(symtensor.gradient.NullTypeGradError, match="Opaque"):
        grad(inside[-1], x)
    whole, _ = scan(lambda a, k: k + 1, x, T.constant(np.int64(0)))
    with pytest.raises(symtensor.gradient.DisconnectedInputError, match="carry no gradient"):
        grad(whole[-1], x)


def test_constants_and_known_gradients():
    x, y = T.dvector(), T.dscalar()
    out, _ = scan(lambda a, h: a * h * y, x, T.constant(1.0))
    v = V * 0 + 2
    np.testing.assert_allclose(run([x, y], grad(out[-1], x, consider_constant=[y]), v, 1.0), [32] * 6)
    known = run([x, y], grad(None, x, known_grads={out: T.arange(6.0)}), v, 1.0)
    np.testing.assert_allclose(known, [sum(k * 2.0**k for k in range(t, 6)) for t in range(6)])
    cut, _ = scan(lambda a, h: a * symtensor.gradient.disconnected_grad(h), x, T.constant(1.0))
    np.testing.assert_allclose(run([x], grad(cut.sum(), x), v), 2.0**np.arange(6))
    clipped, _ = scan(lambda a, h: symtensor.gradient.grad_clip(h, -3, 3) * a, x, T.constant(1.0))
    slope, wanted = 1.0, []
    for t in reversed(range(6)):
        wanted.append(slope * 2.0**t)
        slope = np.clip(slope * 2.0, -3, 3)
    np.testing.assert_allclose(run([x], grad(clipped[-1], x), v), wanted[::-1])


@pytest.mark.parametrize("truncate", [0, 1, 3, 6, 100])
def test_the_last_steps_alone(truncate):
    """As if the loop began there, at a constant; a cost of all steps counts those steps alone."""
    x, y = T.dvector(), T.dvector()
    out, _ = scan(lambda a, y2, y1, s: T.sin(a * y1) + y2 * s, x, {"initial": y, "taps": [-2, -1]}, T.constant(0.5),
                  truncate_gradient=truncate)
    at = max(6 - truncate, 0)
    whole, _ = scan(lambda a, y2, y1: T.sin(a * y1) + y2 * 0.5, x, {"initial": y, "taps": [-2, -1]})
    trace = T.concatenate([y, whole])[at:at + 2]
    start = trace if not at else symtensor.gradient.disconnected_grad(trace)
    late, _ = scan(lambda a, y2, y1: T.sin(a * y1) + y2 * 0.5, x[at:], {"initial": start, "taps": [-2, -1]})
    costs = [out.sum(), late.sum()] + ([out[-1], late[-1]] if truncate else [])
    grads = [g for cost in costs for g in grad(cost, [x, y], disconnected_inputs="ignore")]
    found = run([x, y], grads, V, V[:2])
    for k in range(0, len(found), 4):
        for got, want in zip(found[k:k + 2], found[k + 2:k + 4]):
            np.testing.assert_allclose(got, want, atol=1e-14)


def test_jacobian_and_hessian():
    x = T.dvector()
    out, _ = scan(lambda a, h: T.sin(a * h), x, T.constant(1.0))
    jacobian, hessian = run([x], [symtensor.gradient.jacobian(out, x), symtensor.gradient.hessian(out[-1], x)], V)
    assert (jacobian == np.tril(jacobian)).all()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    f, h = function([x], grad(out[-1], x)), 1e-5
    numeric = [(f(V + d) - f(V - d)) / (2 * h) for d in h * np.eye(6)]
    np.testing.assert_allclose(hessian, numeric, rtol=1e-6, atol=1e-7)


def test_steps_that_fail_in_the_gradient_tell_the_step():
    x, k = T.dvector("x"), T.lvector("k")
    out, _ = scan(lambda i, h: h * x[i], k, T.constant(1.0), name="product")
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            f = function([x, k], grad(out[-1], x))
        with pytest.raises(IndexError, match=r"index 6 [\s\S]*test_loop_gradients.py[\s\S]*in step 1 of Scan\{product"):
            f(V, np.array([0, 6, 1]))


def test_checkpoints_at_any_number_of_steps():
    """Steps and chunks known at run time, several states, taps, rows: values and gradients are those of `scan`."""
    m, w, y, n, every = T.dmatrix(), T.dmatrix(), T.dmatrix(), T.lscalar(), T.lscalar()

    def step(row, after, y3, y1, h, w):
        return [T.tanh(y3 + T.dot(y1, w) + row), T.sin(h + after * 0.5) + y1, (y1 * h).sum()]

    arguments = (step, [m[:n], {"input": m[:n + 2], "taps": [2]}], [{"initial": y, "taps": [-3, -1]}, T.zeros(3), None],
                 w)
    plain, _ = scan(*arguments, n_steps=n)
    inputs = [m, w, y]
    found = []
    for size in (every, None):
        found.append(scan_checkpoints(*arguments, n_steps=n, save_every_N=size, all_steps=True)[0])
    weights = [T.cos(T.arange(10.0)), T.sin(T.arange(10.0)), T.arange(10.0)]
    costs = [sum((v.T * c[:n]).sum() for v, c in zip(outs, weights)) + (outs[0]**2).sum() for outs in (plain, *found)]
    f = function([*inputs, n, every], [v for outs in (plain, *found) for v in outs]
                 + [g for cost in costs for g in grad(cost, inputs)])
    value = np.random.default_rng(1).uniform(-1, 1, (12, 3))
    for count, size in [(1, 1), (1, 3), (2, 2), (3, 2), (4, 2), (5, 7), (7, 3), (9, 3), (10, 4), (10, 1), (10, 10)]:
        a, b, c, ga, gb, gc = (f(value, W, value[:3], count, size)[3 * k:3 * k + 3] for k in range(6))
        for one, other in ((a, b), (a, c), (ga, gb), (ga, gc)):
            for x, z in zip(one, other, strict=True):
                np.testing.assert_allclose(x, z, rtol=1e-12, atol=1e-12)
