"""Advanced recurrent networks, the book's tenth chapter: dropout with one mask for a whole sequence, states that stay
from batch to batch, and three transitions: simple, LSTM with masks of its own for each gate, highways of some depth."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import function, ifelse, shared
from symtensor.tensor.shared_randomstreams import RandomStreams

BATCH, STEPS, UNITS, WORDS, DEPTH, DROP = 3, 6, 4, 11, 3, 0.4


class Model:
    """Embedded words, a recurrence, scores of the words that follow. ``given`` are the masks that were drawn."""

    def __init__(self, kind: str) -> None:
        self.rng = np.random.default_rng(10)
        self.streams = RandomStreams(7)
        self.training = T.iscalar("training")
        self.params: list = []
        self.given: list = []
        self.words, self.next = T.imatrices("words", "next")
        self.h0 = shared(np.zeros((BATCH, UNITS)), "h0")
        inputs = self.weight(WORDS, UNITS)[self.words.T]
        y = getattr(self, kind)(inputs)
        self.sticky = [(self.h0, y[-1])]
        scores = self.linear(y, UNITS, WORDS).reshape((-1, WORDS))
        logs = T.log(T.nnet.softmax(scores))
        self.cost = -T.mean(logs[T.arange(scores.shape[0]), self.next.T.flatten()])
        self.y = y

    def weight(self, *shape):
        self.params.append(shared(self.rng.normal(0, 0.5, shape)))
        return self.params[-1]

    def linear(self, x, inputs, outputs):
        return T.dot(x, self.weight(inputs, outputs)) + self.weight(outputs)

    def noise(self):
        """A mask of the batch, drawn once for each sequence."""
        self.given.append(self.streams.binomial(size=(BATCH, UNITS), p=1 - DROP, dtype="float64") / (1 - DROP))
        return self.given[-1]

    def drop(self, x, noise):
        return ifelse(self.training, x * noise, x)

    def simple(self, inputs):
        rows = self.linear(self.drop(inputs, self.noise()), UNITS, UNITS)
        w = self.weight(UNITS, UNITS)
        return symtensor.scan(lambda row, y, noise: T.tanh(row + T.dot(self.drop(y, noise), w)), sequences=rows,
                              outputs_info=[self.h0], non_sequences=[self.noise()])[0]

    def lstm(self, inputs):
        rows = [self.linear(self.drop(inputs, self.noise()), UNITS, UNITS) for _ in range(4)]
        masks = T.stack(*(self.noise() for _ in range(4)))
        w = [self.weight(UNITS, UNITS) for _ in range(4)]

        def step(i, f, c, o, y, cell, masks):
            totals = [row + T.dot(self.drop(y, masks[k]), w[k]) for k, row in enumerate((i, f, c, o))]
            cell = T.nnet.sigmoid(totals[1]) * cell + T.nnet.sigmoid(totals[0]) * T.tanh(totals[2])
            return T.nnet.sigmoid(totals[3]) * T.tanh(cell), cell

        (y, _), _ = symtensor.scan(step, sequences=rows, outputs_info=[self.h0, T.zeros((BATCH, UNITS))],
                                   non_sequences=[masks])
        return y

    def highway(self, inputs):
        h_rows, t_rows = (self.linear(self.drop(inputs, self.noise()), UNITS, UNITS) for _ in range(2))
        w = [[self.weight(UNITS, UNITS) for _ in range(2)] for _ in range(DEPTH)]

        def step(h_row, t_row, y, noise):
            for k in range(DEPTH):
                seen = self.drop(y, noise)
                more = (h_row, t_row) if k == 0 else (0.0, 0.0)
                h = T.tanh(more[0] + T.dot(seen, w[k][0]))
                gate = T.nnet.sigmoid(more[1] + T.dot(seen, w[k][1]) - 1.0)
                y = h * gate + y * (1 - gate)
            return y

        return symtensor.scan(step, sequences=[h_rows, t_rows], outputs_info=[self.h0],
                              non_sequences=[self.noise()])[0]


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def by_hand(kind, values, masks, words, y):
    """The rows of y by NumPy. ``values`` are those of the parameters, in the order of their making."""
    values = iter(values)
    embedded, cell, found = next(values)[words.T], np.zeros_like(y), []
    count = {"simple": 1, "lstm": 4, "highway": 2}[kind]
    rows = [(embedded * masks[k]) @ next(values) + next(values) for k in range(count)]
    w = [next(values) for _ in range({"simple": 1, "lstm": 4, "highway": 2 * DEPTH}[kind])]
    own = masks[count:]
    for t in range(len(embedded)):
        if kind == "simple":
            y = np.tanh(rows[0][t] + (y * own[0]) @ w[0])
        elif kind == "lstm":
            i, f, c, o = (rows[k][t] + (y * own[k]) @ w[k] for k in range(4))
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
            y = sigmoid(o) * np.tanh(cell)
        else:
            for k in range(DEPTH):
                h, g = ((y * own[0]) @ w[2 * k + j] + (rows[j][t] if k == 0 else 0) for j in range(2))
                y = np.tanh(h) * sigmoid(g - 1) + y * (1 - sigmoid(g - 1))
        found.append(y)
    return np.array(found)


KINDS = ("simple", "lstm", "highway")
WORDS_OF = np.random.default_rng(1).integers(0, WORDS, (BATCH, STEPS)).astype("int32")


@pytest.mark.parametrize("kind", KINDS)
def test_one_mask_for_a_sequence(kind):
    """The same mask in every step, others at the next call, none where it is not trained; the last state stays."""
    for linker in ("py", "c"):
        model = Model(kind)
        values, state, seen = [p.get_value() for p in model.params], np.zeros((BATCH, UNITS)), []
        with symtensor.config.change_flags(linker=linker):
            f = function([model.words, model.training], [model.y, *model.given], updates=model.sticky)
        for training in (1, 1, 0):
            y, *masks = f(WORDS_OF, training)
            assert {float(v) for mask in masks for v in mask.flat} == {0.0, 1 / (1 - DROP)}
            wanted = by_hand(kind, values, masks if training else [1.0] * len(masks), WORDS_OF, state)
            np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)
            state = y[-1]
            np.testing.assert_array_equal(model.h0.get_value(), state)
            seen.append(masks[-1])
        assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_training(kind):
    """Gradients with the masks that were drawn, clipped in their norm; the cost of a text falls."""
    model = Model(kind)
    grads, rate = T.grad(model.cost, model.params), shared(1.0)
    norm = T.sqrt(sum((g**2).sum() for g in grads))
    factor = T.minimum(1, 5 / norm)
    train = function([model.words, model.next], [model.cost, norm, *grads], givens={model.training: np.int32(1)},
                     updates=[*model.sticky, *((p, p - rate * factor * g) for p, g in
                                               zip(model.params, grads, strict=True))])
    test = function([model.words, model.next], model.cost, givens={model.training: np.int32(0)})
    after = np.roll(WORDS_OF, -1, axis=1)
    costs = [float(test(WORDS_OF, after))]
    for k in range(150):
        cost, length, *slopes = train(WORDS_OF, after)
        np.testing.assert_allclose(length, np.sqrt(sum((g**2).sum() for g in slopes)), rtol=1e-9)
        assert np.isfinite(cost)
        if k > 100:
            rate.set_value(0.9 * rate.get_value())
    model.h0.set_value(np.zeros((BATCH, UNITS)))
    costs.append(float(test(WORDS_OF, after)))
    assert costs[1] < 0.75 * costs[0]


def test_gradient_of_the_highway():
    """Without masks, against differences; through all depths of all steps."""
    model = Model("highway")
    after = np.roll(WORDS_OF, -1, axis=1)
    given = {model.training: np.int32(0)}
    cost, *grads = function([model.words, model.next], [model.cost, *T.grad(model.cost, [model.h0, *model.params])],
                            givens=given)(WORDS_OF, after)
    value = function([model.words, model.next], model.cost, givens=given)
    rng = np.random.default_rng(3)
    for p, g in zip([model.h0, *model.params], grads, strict=True):
        before, along, ends = p.get_value(), rng.normal(size=g.shape), []
        for h in (1e-5, -1e-5):
            p.set_value(before + h * along)
            ends.append(value(WORDS_OF, after))
        p.set_value(before)
        np.testing.assert_allclose((g * along).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-8)
    assert cost > 0
