"""Text by recurrent networks, the book's fourth chapter: words by their numbers, a simple, an LSTM and a GRU step,
gradients through the last steps only, and the prediction of a sentence word by word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import function, shared

WORDS, UNITS = 7, 5


class Weights:
    """Shared arrays by name, made where they are first asked for; ``values`` is what NumPy computes with."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)
        self.made: dict[str, Any] = {}

    def __call__(self, name: str, *shape: int) -> Any:
        if name not in self.made:
            self.made[name] = shared(self.rng.normal(0, 0.4, shape), name)
        return self.made[name]

    @property
    def values(self) -> Callable[..., Any]:
        return lambda name, *shape: self.made[name].get_value()


def simple(m, weight, x, h):
    return [m.tanh(weight("U", WORDS, UNITS)[x] + m.dot(h, weight("W", UNITS, UNITS)) + weight("b", UNITS))]


def gate(m, weight, name, x, *states):
    total = weight(f"x{name}", WORDS, UNITS)[x] + weight(f"b{name}", UNITS)
    for k, state in enumerate(states):
        total = total + m.dot(weight(f"{k}{name}", UNITS, UNITS), state)
    return total


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def squash(m):
    return T.nnet.sigmoid if m is T else sigmoid


def lstm(m, weight, x, h, c):
    """Its gates look at the cell too; the candidate does not."""
    i, f, o = (squash(m)(gate(m, weight, name, x, h, c)) for name in "ifo")
    c = f * c + i * m.tanh(gate(m, weight, "c", x, h))
    return [o * m.tanh(c), c]


def gru(m, weight, x, h):
    z, r = (squash(m)(gate(m, weight, name, x, h)) for name in "zr")
    candidate = m.tanh(weight("xh", WORDS, UNITS)[x] + r * m.dot(weight("hh", UNITS, UNITS), h) + weight("bh", UNITS))
    return [(1 - z) * h + z * candidate]


CELLS = {"simple": (simple, 1), "lstm": (lstm, 2), "gru": (gru, 1)}
TEXT = np.array([0, 2, 3, 4, 5, 2, 6, 3, 4, 2, 5, 3, 6, 4], "int32")
NEXT = np.array([2, 3, 4, 5, 2, 6, 3, 4, 2, 5, 3, 6, 4, 1], "int32")


class Network:
    """A cell, its loop over the words of ``x``, and the mean cost of the words ``y`` that follow."""

    def __init__(self, cell: str, truncate: int = -1) -> None:
        self.step, states = CELLS[cell]
        self.weight = Weights()
        self.x, self.y = T.ivector("x"), T.ivector("y")
        self.start = [shared(np.zeros(UNITS), f"h{k}") for k in range(states)]

        def step(x, *before):
            after = self.step(T, self.weight, x, *before)
            return [*after, T.dot(after[0], self.weight("V", UNITS, WORDS)) + self.weight("by", WORDS)]

        found, self.updates = symtensor.scan(step, sequences=self.x, outputs_info=[*self.start, None],
                                             truncate_gradient=truncate)
        self.states, self.scores = found[:-1], found[-1]
        self.model = T.nnet.softmax(self.scores)
        self.cost = -T.mean(T.log(self.model)[T.arange(self.y.shape[0]), self.y])
        self.params = list(self.weight.made.values())

    def by_hand(self, x, y, constant=0):
        """States, scores and mean cost by NumPy, the cost without the first ``constant`` words."""
        weight, before, states, scores = self.weight.values, [h.get_value() for h in self.start], [], []
        for word in x:
            before = self.step(np, weight, word, *before)
            states.append(before)
            scores.append(before[0] @ weight("V") + weight("by"))
        scores = np.array(scores)
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        return states, scores, -logs[np.arange(constant, len(y)), y[constant:]].sum() / len(y)


@pytest.mark.parametrize("cell", CELLS)
def test_states_and_cost(cell):
    net = Network(cell)
    net.start[0].set_value(np.linspace(-0.5, 0.5, UNITS))
    states, scores, cost = net.by_hand(TEXT, NEXT)
    for linker in ("py", "c"):
        with symtensor.config.change_flags(linker=linker):
            *found, given, value = function([net.x, net.y], [*net.states, net.scores, net.cost])(TEXT, NEXT)
        for k, state in enumerate(found):
            np.testing.assert_allclose(state, [row[k] for row in states], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(given, scores, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(value, cost, rtol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_through_the_last_steps(cell):
    """Ten of fourteen: what came before counts as constant, as in a network that starts at step four."""
    net, whole = Network(cell, 10), Network(cell)
    grads = function([net.x, net.y], T.grad(net.cost, [*net.params, *net.start]))(TEXT, NEXT)
    early = whole.by_hand(TEXT[:4], NEXT[:4])[0][-1]
    for start, value in zip(whole.start, early, strict=True):
        start.set_value(value)
    late = function([whole.x, whole.y], T.grad(whole.cost, whole.params))(TEXT[4:], NEXT[4:])
    for got, want in zip(grads, late):
        np.testing.assert_allclose(got, want * 10 / 14, rtol=1e-9, atol=1e-12)
    assert not any(g.any() for g in grads[len(net.params):])
    rng = np.random.default_rng(1)
    for p, grad in zip(whole.params, late, strict=True):  # the whole gradient, against differences
        value, along, ends = p.get_value(), rng.normal(size=grad.shape), []
        for h in (1e-5, -1e-5):
            p.set_value(value + h * along)
            ends.append(whole.by_hand(TEXT[4:], NEXT[4:])[2])
        p.set_value(value)
        np.testing.assert_allclose((grad * along).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_training_and_prediction(cell):
    """The network learns one sentence by heart and says it again, from the start token to the end token."""
    sentence = np.array([0, 2, 3, 4, 5, 6, 1], "int32")
    net, rate = Network(cell, 10), T.scalar("rate")
    train = function([net.x, net.y, rate], net.cost, updates=[
        *net.updates.items(), *((p, p - rate * g) for p, g in zip(net.params, T.grad(net.cost, net.params)))])
    costs, speed = [], 1.0
    for _ in range(150):
        costs.append(float(train(sentence[:-1], sentence[1:], speed)))
        if len(costs) > 1 and costs[-1] > costs[-2]:
            speed *= 0.5
    assert costs[-1] < 0.1 < 1 < costs[0]
    predict = function([net.x], T.argmax(net.model, axis=-1))
    said = [0]
    while said[-1] != 1 and len(said) < 20:
        said.append(int(predict(said)[-1]))
    assert said == sentence.tolist()
