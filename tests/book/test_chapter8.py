"""From sequences to sequences, the book's eighth chapter: a stack of LSTM layers as one step, masks for sentences of
different lengths, a decoder that starts where the encoder ended, and one that reads its own words until the stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import function, shared
from symtensor.scan_module import until

SOURCE, TARGET, UNITS, LAYERS = 9, 8, 4, 2
STOP, START = 1, 0


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    """The chapter works in float32."""
    with symtensor.config.change_flags(floatX="float32"):
        yield


def normal(rng: Any, *shape: int) -> Any:
    return shared(rng.normal(0, 0.5, shape).astype("float32"))


def lstm_layer(rng):
    """A step of one layer, and its parameters: the four gates are one product each of input and state."""
    w, u, b = normal(rng, UNITS, 4 * UNITS), normal(rng, UNITS, 4 * UNITS), normal(rng, 4 * UNITS)

    def forward(mask, x, h, c):
        gates = T.dot(x, w) + T.dot(h, u) + b
        f, i, o = (T.nnet.sigmoid(gates[:, k * UNITS:(k + 1) * UNITS]) for k in range(3))
        cell = i * T.tanh(gates[:, 3 * UNITS:]) + f * c
        hidden = o * T.tanh(cell)
        kept = mask[:, None] * cell + (1.0 - mask)[:, None] * c, mask[:, None] * hidden + (1.0 - mask)[:, None] * h
        return T.cast(kept[1], symtensor.config.floatX), T.cast(kept[0], symtensor.config.floatX)

    return forward, [w, u, b]


def stack(rng, words, target=0):
    """The step of all layers. With a stop word it reads scores of words in place of words, and ends at that word."""
    embedding = normal(rng, words, UNITS)
    layers, parameters = zip(*(lstm_layer(rng) for _ in range(LAYERS)), strict=True)
    out = [normal(rng, UNITS, target)] if target else []

    def forward(mask, words, h, c, stop=None):
        output = embedding[words if stop is None else T.cast(words.argmax(axis=-1), "int32")]
        hs, cs = [], []
        for k, layer in enumerate(layers):
            output, cell = layer(mask, output, h[k], c[k])
            hs.append(output)
            cs.append(cell)
        if target:
            output = T.dot(output, out[0])
        outputs = tuple(T.cast(v, symtensor.config.floatX) for v in (output, hs, cs))
        return outputs if stop is None else (outputs, until(T.eq(output.argmax(axis=-1)[0], stop)))

    return forward, [embedding, *(p for some in parameters for p in some), *out]


class Translator:
    """An encoder whose last states a decoder begins with."""

    def __init__(self) -> None:
        rng = np.random.default_rng(8)
        self.encoder, first = stack(rng, SOURCE)
        self.decoder, second = stack(rng, TARGET, TARGET)
        self.params = [*first, *second]
        self.words, self.mask = T.imatrices("words", "mask")
        self.h0, self.c0 = T.tensor3s("h0", "c0")
        (self.encoded, self.h, self.c), self.updates = symtensor.scan(
            fn=self.encoder, sequences=[self.mask, self.words], outputs_info=[None, self.h0, self.c0])
        self.given, self.given_mask, self.target = T.imatrices("given", "given_mask", "target")
        (self.scores, *_), _ = symtensor.scan(
            fn=self.decoder, sequences=[self.given_mask, self.given], outputs_info=[None, self.h[-1], self.c[-1]])
        logs = T.log(T.nnet.softmax(self.scores.reshape((-1, TARGET))))
        picked = logs[T.arange(self.target.size), self.target.flatten()] * self.given_mask.flatten()
        self.cost = -picked.sum() / self.given_mask.sum()
        self.inputs = [self.words, self.mask, self.h0, self.c0, self.given, self.given_mask, self.target]

    def speak(self, longest):
        """The function that gives the scores of the words said, up to the stop."""
        first = np.zeros((1, TARGET), "float32")
        first[0, START] = 1
        (scores, *_), updates = symtensor.scan(
            fn=self.decoder, sequences=[shared(np.ones((longest, 1), "int32"))],
            outputs_info=[shared(first), self.h[-1], self.c[-1]], non_sequences=STOP)
        return function([self.words, self.mask, self.h0, self.c0], scores, updates=updates)


def data(lengths, words, rng):
    """Sentences as columns, and their masks."""
    mask = (np.arange(max(lengths))[:, None] < np.array(lengths)).astype("int32")
    return (rng.integers(2, words, mask.shape) * mask).astype("int32"), mask


def zeros(batch):
    return np.zeros((LAYERS, batch, UNITS), "float32")


def test_masks_stop_each_sentence_where_it_ends():
    rng = np.random.default_rng(0)
    net = Translator()
    words, mask = data([5, 2, 3], SOURCE, rng)
    for linker in ("py", "c"):
        with symtensor.config.change_flags(linker=linker):
            encode = function([net.words, net.mask, net.h0, net.c0], [net.h, net.c], updates=net.updates)
        h, c = encode(words, mask, zeros(3), zeros(3))
        assert h.shape == c.shape == (5, LAYERS, 3, UNITS)
        for k, length in enumerate((5, 2, 3)):  # as if each were alone, without a mask
            alone = encode(words[:length, k:k + 1], mask[:length, k:k + 1], zeros(1), zeros(1))
            np.testing.assert_allclose(h[-1][:, k], alone[0][-1][:, 0], rtol=2e-6, atol=1e-7)
            np.testing.assert_allclose(c[-1][:, k], alone[1][-1][:, 0], rtol=2e-6, atol=1e-7)
            assert (h[length - 1:, :, k] == h[-1, :, k]).all()


def test_learning_and_speaking():
    """Two sentences are learned by heart; the decoder that reads its own words says them and stops."""
    net = Translator()
    words = np.array([[2, 3], [4, 5], [6, 0]], "int32")
    mask = np.array([[1, 1], [1, 1], [1, 0]], "int32")
    said = np.array([[3, 5], [4, 2], [6, STOP], [STOP, 0]], "int32")
    target_mask = np.array([[1, 1], [1, 1], [1, 1], [1, 0]], "int32")
    given = np.vstack([[[START, START]], said[:-1]]).astype("int32")
    grads = T.grad(net.cost, net.params)
    norm = T.sqrt(sum((g**2).sum() for g in grads))
    train = function(net.inputs, net.cost, updates=[
        (p, p - 0.7 * g / T.maximum(norm, 1)) for p, g in zip(net.params, grads, strict=True)])
    arguments = (words, mask, zeros(2), zeros(2), given, target_mask, said)
    costs = [float(train(*arguments)) for _ in range(250)]
    assert costs[-1] < 0.1 < 1.5 < costs[0]
    speak = net.speak(20)
    for k, length in enumerate((4, 3)):
        scores = speak(words[:, k:k + 1], mask[:, k:k + 1], zeros(1), zeros(1))
        assert scores.shape == (length, 1, TARGET)  # twenty steps at most; it stops by itself
        assert scores[:, 0].argmax(1).tolist() == said[:length, k].tolist()


def test_gradient_through_both_loops():
    """The cost of the decoder reaches the embedding of the encoder."""
    with symtensor.config.change_flags(floatX="float64"):
        net = Translator()
        rng = np.random.default_rng(3)
        for p in net.params:
            p.set_value(rng.normal(0, 0.5, p.get_value().shape).astype("float32"))
        words, mask = data([3, 2], SOURCE, rng)
        given, given_mask = data([3, 4], TARGET, rng)
        grads = function(net.inputs, [net.cost, *T.grad(net.cost, net.params)])
        cost, *slopes = grads(words, mask, zeros(2), zeros(2), given, given_mask, given)
        value = function(net.inputs, net.cost)
        assert cost > 0
        for p, slope in zip(net.params, slopes, strict=True):
            before, along = p.get_value(), rng.choice([-1, 1], p.get_value().shape).astype("float32")
            ends, h = [], np.float32(2**-9)
            for sign in (1, -1):
                p.set_value(before + sign * h * along)
                ends.append(float(value(words, mask, zeros(2), zeros(2), given, given_mask, given)))
            p.set_value(before)
            np.testing.assert_allclose((slope * along).sum(), (ends[0] - ends[1]) / (2 * h), rtol=2e-3, atol=2e-4)
            assert slope.any()


def test_both_directions():
    """Two loops over one sentence, one backwards; each place sees what lies before it and behind it."""
    rng = np.random.default_rng(5)
    w, x = normal(rng, UNITS, UNITS), T.matrix()
    ways = [symtensor.scan(lambda row, h: T.tanh(row + T.dot(h, w)), x, T.zeros(UNITS), go_backwards=back)[0]
            for back in (False, True)]
    both = T.concatenate([ways[0], ways[1][::-1]], axis=1)
    rows = rng.normal(size=(5, UNITS)).astype("float32")
    found = function([x], both)(rows)
    for order, part in ((range(5), found[:, :UNITS]), (range(4, -1, -1), found[:, UNITS:])):
        h = np.zeros(UNITS)
        for t in order:
            h = np.tanh(rows[t] + h @ w.get_value())
            np.testing.assert_allclose(part[t], h, rtol=1e-5, atol=1e-6)
