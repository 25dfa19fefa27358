"""`scan_checkpoints` against `scan`: values, gradients, memory."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import scan, scan_checkpoints
from symtensor import tensor as T
from symtensor.ops.scan import until
from tests.ops.test_scan import LINKERS, W, check_derivatives, rng, run

X = rng.uniform(-1, 1, (13, 3))
S = rng.uniform(0.5, 1.5, 13)

CASES = {
    "recurrent": ((X, W), lambda each, x, w: each(lambda row, h: T.tanh(row + T.dot(h, w)), [x], [T.ones(3)])),
    "several states": ((X, W), lambda each, x, w: each(
        lambda row, a, b, w: [T.tanh(b + row), T.dot(a, w) * 0.5, (a * b).sum()], [x],
        [T.zeros(3), T.ones(3), None], [w])),
    "taps": ((S, S[:3]), lambda each, s, y0: each(
        lambda a, b, y3, y1: T.sin(a * b) + y3 * y1, [{"input": s, "taps": [0, 1]}],
        [{"initial": y0, "taps": [-3, -1]}])),
}


@pytest.mark.parametrize("every", [1, 3, 4, 6, 12, 13, 20, None])
@pytest.mark.parametrize("name", CASES)
def test_equals_scan(name, every):
    values, build = CASES[name]
    inputs = [T.TensorType("float64", (None,) * v.ndim)() for v in values]
    plain = build(lambda *a: scan(*a, return_list=True), *inputs)[0]
    found = build(lambda *a: scan_checkpoints(*a, save_every_N=every, all_steps=True), *inputs)[0]
    found = found if isinstance(found, list) else [found]
    ends = build(lambda *a: scan_checkpoints(*a, save_every_N=every), *inputs)[0]
    ends = ends if isinstance(ends, list) else [ends]
    costs = [sum((v**2).sum() for v in plain), sum((v**2).sum() for v in found)]
    lasts = [sum((v[-1]**2).sum() for v in group) for group in (plain, found, ends)]
    grads = [symtensor.grad(cost, inputs) for cost in (*costs, *lasts)]
    f = symtensor.function(inputs, [*plain, *found, *ends, *costs, *lasts, *(g for group in grads for g in group)])
    values_of = f(*values)
    count, n = len(plain), len(values_of[0])
    step = every or int(np.ceil(np.sqrt(n)))
    for k in range(count):
        a, b, c = (values_of[k + j * count] for j in range(3))
        np.testing.assert_allclose(b, a, rtol=1e-13)
        at = [*range(step - 1, n, step), *([n - 1] if n % step else [])]
        np.testing.assert_allclose(c, a[at], rtol=1e-13)
    rest = values_of[3 * count + 5:]
    for j, pair in ((1, 0), (3, 2), (4, 2)):
        for k in range(2):
            np.testing.assert_allclose(rest[2 * j + k], rest[2 * pair + k], rtol=1e-12, atol=1e-12)


def test_second_derivatives_and_both_linkers():
    x, w = T.dmatrix(), T.dmatrix()
    out = scan_checkpoints(lambda row, h: T.tanh(row + T.dot(h, w)), x, T.ones(3), save_every_N=4)[0]
    assert run([x, w], out, X, W).shape == (4, 3)
    check_derivatives(lambda x, w: scan_checkpoints(
        lambda row, h: T.tanh(row + T.dot(h, w)), x, T.ones(3), save_every_N=4, all_steps=True)[0], X[:7], W)


def memory(loop, n):
    x, w = T.dmatrix(), T.dmatrix()
    h = loop(lambda h, x, w: T.tanh(x + T.dot(h, w)), outputs_info=T.ones((20, 3)), non_sequences=[x, w], n_steps=n)
    f = symtensor.function([x, w], symtensor.grad((h[0][-1]**2).sum(), w))
    return f.memory_plan([(20, 3), (3, 3)])


def test_memory_grows_like_the_root():
    def checkpoints(*args, **kwargs):
        return scan_checkpoints(*args, **kwargs, save_every_N=None)

    assert memory(scan, 1600) / memory(scan, 100) > 12
    assert memory(checkpoints, 1600) / memory(checkpoints, 100) < 5
    assert memory(checkpoints, 1600) < memory(scan, 1600) / 8


def test_updates_and_steps_known_at_run_time():
    seed = symtensor.shared(1.0)
    n = T.lscalar()
    total, updates = scan_checkpoints(lambda a: (a + seed, {seed: seed * 2}), outputs_info=T.constant(0.0), n_steps=n,
                                      save_every_N=3, all_steps=True)
    for linker in LINKERS:
        for k in (0, 2, 3, 7):
            seed.set_value(1.0)
            with symtensor.config.change_flags(linker=linker):
                f = symtensor.function([n], total, updates=updates)
            np.testing.assert_array_equal(f(k), 2.0**np.arange(1, k + 1) - 1)
            assert seed.get_value() == 2.0**k


def test_errors():
    with pytest.raises(ValueError, match="padding=False"):
        scan_checkpoints(lambda a: a, outputs_info=T.ones(2), n_steps=7, save_every_N=3, padding=False)
    with pytest.raises(ValueError, match="chunks of 0"):
        scan_checkpoints(lambda a: a, outputs_info=T.ones(2), n_steps=7, save_every_N=0)
    with pytest.raises(ValueError, match="until"):
        scan_checkpoints(lambda a: (a, until(a.sum() > 3)), outputs_info=T.ones(2), n_steps=7)
    with pytest.raises(ValueError, match="n_steps"):
        scan_checkpoints(lambda a: a, outputs_info=T.ones(2))
