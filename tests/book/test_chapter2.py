"""The feedforward networks of the book's second chapter on small made-up digits: losses, activations, training on
mini-batches out of shared variables, dropout, and every update rule. Convolutions have tests of their own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import config, function, shared
from symtensor.tensor.shared_randomstreams import RandomStreams

BATCH, IN, HIDDEN, OUT = 20, 12, 16, 10
RATES = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.1, "adadelta": 1.0, "rmsprop": 0.01, "adam": 0.01}


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    with config.change_flags(floatX="float32"):
        yield


def zeros(shape, name=""):
    return shared(np.zeros(shape, dtype=config.floatX), name=name, borrow=True)


def glorot(rng, shape, name=""):
    high = np.sqrt(6.0 / (np.sum(shape[:2]) * np.prod(shape[2:])))
    return shared(np.asarray(rng.uniform(low=-high, high=high, size=shape), dtype=config.floatX), name=name)


@pytest.fixture
def digits():
    rng = np.random.RandomState(0)
    images = rng.standard_normal((200, IN)).astype("float32")
    labels = (images @ rng.standard_normal((IN, OUT))).argmax(1)
    return shared(images), T.cast(shared(labels.astype("float32")), "int32"), images, labels


def cost_of(model, y):
    return -T.mean(T.log(model)[T.arange(y.shape[0]), y])


def test_single_layer(digits):
    train_x, train_y, images, labels = digits
    x, y, index = T.matrix("x"), T.ivector("y"), T.lscalar()
    w, b = zeros((IN, OUT), "W"), zeros((OUT,), "b")
    model = T.nnet.softmax(T.dot(x, w) + b)
    predicted = T.argmax(model, axis=1)
    cost, error = cost_of(model, y), T.mean(T.neq(predicted, y))
    part = slice(index * BATCH, (index + 1) * BATCH)
    train = function(
        inputs=[index], outputs=[cost, error],
        updates=[(w, w - 0.13 * T.grad(cost=cost, wrt=w)), (b, b - 0.13 * T.grad(cost=cost, wrt=b))],
        givens={x: train_x[part], y: train_y[part]},
    )
    first = train(0)
    np.testing.assert_allclose(first[0], np.log(10), rtol=1e-6)  # all classes alike
    assert first[0].dtype == np.float32
    for _ in range(30):
        history = [train(i) for i in range(len(images) // BATCH)]
    assert np.mean(history, axis=0)[0] < 1.2
    validate = function(inputs=[x, y], outputs=[cost, error])
    infer = function(inputs=[x], outputs=[predicted])
    assert validate(images, labels.astype("int32"))[1] == pytest.approx((infer(images)[0] != labels).mean())


def test_losses():
    rng = np.random.RandomState(1)
    p = rng.rand(4, 3).astype("float32")
    p /= p.sum(1, keepdims=True)
    hot = np.eye(3, dtype="float32")[[0, 2, 1, 1]]
    model, true, sigma = T.matrix(), T.matrix(), 4.0
    far = T.abs_(model - true)
    smooth = T.switch(T.lt(far, 1.0 / sigma), 0.5 * sigma * T.sqr(model - true), far - 0.5 / sigma).sum(axis=1).mean()
    losses = [T.nnet.categorical_crossentropy(model, true).mean(), T.nnet.binary_crossentropy(model, true).mean(),
              T.sqr(model - true).mean(), far.mean(), smooth, T.sqr(T.maximum(1.0 - true * model, 0.0)).mean(),
              T.maximum(1.0 - true * model, 0.0).mean()]
    d = np.abs(p - hot)
    expected = [-np.log(p[hot > 0]).mean(), -np.log(np.where(hot > 0, p, 1 - p)).mean(), (d**2).mean(), d.mean(),
                np.where(d < 0.25, 2 * d * d, d - 0.125).sum(1).mean(), (np.maximum(1 - hot * p, 0) ** 2).mean(),
                np.maximum(1 - hot * p, 0).mean()]
    np.testing.assert_allclose(function([model, true], losses)(p, hot), expected, rtol=1e-5)


def test_activations():
    x = T.matrix()
    leak = np.float32(0.1)
    spelled = [(x + T.abs_(x)) / 2.0, ((1 + leak) * x + (1 - leak) * T.abs_(x)) / 2.0, T.clip(x + 0.5, 0.0, 1.0),
               T.max([x[:, n::3] for n in range(3)], axis=0), T.nnet.sigmoid(x), T.tanh(x)]
    given = np.linspace(-3, 3, 24, dtype="float32").reshape(4, 6)
    expected = [np.maximum(given, 0), np.where(given > 0, given, leak * given), np.clip(given + 0.5, 0, 1),
                given.reshape(4, 2, 3).max(2), 1 / (1 + np.exp(-given)), np.tanh(given)]
    for found, value in zip(function([x], spelled)(given), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-7)
        assert found.dtype == np.float32


def clip_norms(gradients, c):
    norm = T.sqrt(sum([T.sum(g**2) for g in gradients]))
    return [T.switch(T.ge(norm, c), g * c / norm, g) for g in gradients]


def rule_updates(rule, params, grads, rate):
    """The chapter's update rules; state is made as ``p * 0.``, and time is a shared scalar."""
    t = shared(np.float32(1.0))
    updates = [(t, t + 1.0)] if rule == "adam" else []
    for p, g in zip(params, grads, strict=True):
        m, v = shared(p.get_value() * 0.0), shared(p.get_value() * 0.0)
        if rule == "sgd":
            updates.append((p, p - rate * g))
        elif rule in ("momentum", "nesterov"):
            new = 0.9 * m - rate * g
            updates += [(m, new), (p, p + (new if rule == "momentum" else 0.9 * new - rate * g))]
        elif rule == "adagrad":
            new = m + g**2
            updates += [(m, new), (p, p - (rate / T.sqrt(new + 1e-6)) * g)]
        elif rule == "adadelta":
            new = 0.9 * m + (1 - 0.9) * g**2
            step = g * T.sqrt(v + 1e-6) / T.sqrt(new + 1e-6)
            updates += [(m, new), (p, p - rate * step), (v, 0.9 * v + (1 - 0.9) * step**2)]
        elif rule == "rmsprop":
            new = 0.9 * m + (1 - 0.9) * g**2
            updates += [(m, new), (p, p - rate * (g / T.sqrt(new + 1e-6)))]
        else:
            m_t, v_t = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g**2
            scaled = rate * m_t / (1 - 0.9**t) / (T.sqrt(v_t / (1 - 0.999**t)) + 1e-6)
            updates += [(m, m_t), (v, v_t), (p, p - scaled)]
    return updates


@pytest.mark.parametrize("rule", list(RATES))
def test_two_layers_learn(digits, rule):
    train_x, train_y, images, _ = digits
    rng = np.random.RandomState(2)
    x, y, index = T.matrix("x"), T.ivector("y"), T.lscalar()
    w1, b1, w2, b2 = params = [glorot(rng, (IN, HIDDEN)), zeros(HIDDEN), zeros((HIDDEN, OUT)), zeros(OUT)]
    model = T.nnet.softmax(T.dot(T.tanh(T.dot(x, w1) + b1), w2) + b2)
    cost = cost_of(model, y)
    updates = rule_updates(rule, params, clip_norms(T.grad(cost, params), 50), RATES[rule])
    part = slice(index * BATCH, (index + 1) * BATCH)
    train = function([index], cost, updates=updates, givens={x: train_x[part], y: train_y[part]})
    means = [np.mean([train(i) for i in range(len(images) // BATCH)]) for _ in range(40)]
    assert means[-1] < 0.8 * means[0]
    assert all(p.get_value().dtype == np.float32 for p in params)


def test_dropout():
    """The mask is of integers: the cast keeps the layer in float32."""
    hidden, srng = T.matrix(), RandomStreams(3)
    mask = srng.binomial(n=1, p=1 - 0.5, size=hidden.shape)
    assert (hidden * mask).dtype == "float64"
    dropped = hidden * T.cast(mask, config.floatX)
    assert dropped.dtype == "float32"
    drop = function([hidden], [dropped, symtensor.grad(dropped.sum(), hidden)])
    out, slope = drop(np.full((100, 50), 3, "float32"))
    np.testing.assert_array_equal(out, 3 * slope)
    assert set(np.unique(slope)) == {0, 1}
    assert abs(slope.mean() - 0.5) < 0.05
    assert (drop(np.ones((100, 50), "float32"))[1] != slope).any()
