"""`loop`: nests of states, outputs with names, and what may go wrong."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import symtensor
from symtensor import loop
from symtensor import tensor as T
from symtensor.ops.scan import until
from tests.ops.test_scan import M, V, W, check_derivatives, run


class Pair(NamedTuple):
    h: object
    c: object


def test_nests_and_names():
    m, w = T.dmatrix(), T.dmatrix()

    def step(state, x):
        h = T.tanh(T.dot(state["rnn"].h, w) + x["row"] * x["weight"])
        return ({"rest": [state["rest"][0] + 1, (state["rest"][1][0] * 0.5,)], "rnn": Pair(h, state["rnn"].c + h)},
                {"norm": (h**2).sum(), "both": (h, state["rnn"].c)})

    init = {"rnn": Pair(T.zeros(3), T.ones(3)), "rest": [0, (1.0,)]}
    looped = loop(step, init, {"row": m, "weight": T.arange(1.0, 10.0)})
    state, outputs = looped
    assert looped.updates == {}
    assert set(state) == {"rnn", "rest"}
    assert set(outputs) == {"norm", "both"}
    h, c, norms, before = np.zeros(3), np.ones(3), [], []
    for k, row in enumerate(M):
        h = np.tanh(h @ W + row * (k + 1))
        before.append(c)
        c = c + h
        norms.append((h**2).sum())
    found = run([m, w], [state["rnn"].h, state["rnn"].c, *state["rest"][1], outputs["norm"], outputs["both"][1]], M, W)
    for a, b in zip(found, [h, c, 0.5**6, norms, before]):
        np.testing.assert_allclose(a, b)
    assert run([m, w], state["rest"][0], M, W) == 6
    assert run([m, w], [state["rnn"].c, outputs["norm"]], M[:0], W)[1].shape == (0,)
    np.testing.assert_array_equal(run([m, w], state["rnn"].c, M[:0], W), np.ones(3))


def test_one_variable_and_no_sequence():
    n = T.lscalar()
    state, outputs = loop(lambda x: (x * 2, None), 1.0, n_steps=n)
    assert outputs is None
    assert run([n], state, 5) == 32
    assert run([n], state, 0) == 1


def test_until():
    limit = T.dscalar()
    state, outputs = loop(lambda x: (x * 2, x, until(x * 2 > limit)), T.constant(np.float64(1)), n_steps=100)
    assert run([limit], state, 20.0) == 32
    np.testing.assert_array_equal(run([limit], outputs, 20.0), [1, 2, 4, 8, 16])


def test_updates_of_streams():
    seed = symtensor.shared(1.0)
    seed.default_update = seed * 2
    looped = loop(lambda total: (total + seed, seed * 1), 0.0, n_steps=3)
    f = symtensor.function([], [looped.state, looped.outputs], updates=looped.updates)
    total, drawn = f()
    assert total == 7
    assert seed.get_value() == 8
    np.testing.assert_array_equal(drawn, [1, 2, 4])


def test_derivatives():
    check_derivatives(lambda m, w: loop(lambda s, x: ((T.tanh(T.dot(s[0], w) + x), s[1] * 0.5 + s[0]), s[1]),
                                        (T.zeros(3), T.ones(3)), m)[0][1], M, W)
    check_derivatives(lambda s: loop(lambda y, x: (T.sin(x * y) + 1, {"y": y * x}), 1.0, s)[1]["y"], V)


def test_errors():
    x = T.dvector("x")
    with pytest.raises(ValueError, match="xs or n_steps"):
        loop(lambda s: (s, None), 1.0)
    with pytest.raises(ValueError, match="number of steps is -2"):
        loop(lambda s: (s, None), 1.0, n_steps=-2)
    with pytest.raises(TypeError, match=r"\(state, output\)"):
        loop(lambda s, x: s + x, 1.0, x)
    with pytest.raises(TypeError, match="third item"):
        loop(lambda s, x: (s + x, None, x > 1), 1.0, x)
    with pytest.raises(ValueError, match=r"state\['a'\] has the keys \['b'\] at first, the step gives \['c'\]"):
        loop(lambda s: ({"a": {"c": s["a"]["b"]}}, None), {"a": {"b": 1.0}}, n_steps=2)
    with pytest.raises(ValueError, match=r"state\[1\] is one variable"):
        loop(lambda s: ((s[0], (s[1], s[1])), None), (1.0, 2.0), n_steps=2)
    with pytest.raises(TypeError, match=r"dimension"):
        loop(lambda s, x: (s + T.ones(3), None), T.constant(1.0), x)
