"""The workloads in symtensor."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import symtensor
from benchmarks.workloads import BATCH, BATCHES, CLASSES, HIDDEN, PIXELS, RATE, digits, glorot, reals
from symtensor import tensor as T

symtensor.config.floatX = "float32"
Step = Callable[[], Any]


def _train(rng: np.random.Generator, hidden: bool) -> Step:
    images, labels = (symtensor.shared(array) for array in digits(rng))
    width = HIDDEN if hidden else PIXELS
    W, b = (symtensor.shared(np.zeros(shape, "float32")) for shape in ((width, CLASSES), CLASSES))
    x, y, index = T.matrix("x"), T.ivector("y"), T.lscalar("index")
    below, parameters = x, [W, b]
    if hidden:
        W1, b1 = symtensor.shared(glorot(rng)), symtensor.shared(np.zeros(HIDDEN, "float32"))
        below, parameters = T.tanh(T.dot(x, W1) + b1), [W1, b1, W, b]
    p = T.nnet.softmax(T.dot(below, W) + b)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    updates = [(v, v - RATE * g) for v, g in zip(parameters, T.grad(cost, parameters))]
    chosen = slice(index * BATCH, (index + 1) * BATCH)
    step = symtensor.function([index], cost, updates=updates, givens={x: images[chosen], y: labels[chosen]})
    batches = itertools.cycle(range(BATCHES))
    return lambda: step(next(batches))


def logreg(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=False)


def mlp(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=True)


def _chain(x: Any) -> Any:
    return T.tanh(x) * T.exp(-x * x) + T.nnet.sigmoid(2 * x) * T.log1p(x * x)


def chain(rng: np.random.Generator) -> Step:
    x, value = T.vector("x"), reals(rng)
    f = symtensor.function([x], _chain(x))
    return lambda: f(value)


def chain_grad(rng: np.random.Generator) -> Step:
    x, value = T.vector("x"), reals(rng)
    f = symtensor.function([x], T.grad(_chain(x).sum(), x))
    return lambda: f(value)


def scalar(rng: np.random.Generator) -> Step:
    x, value = T.scalar("x"), np.asarray(1.5, "float32")
    f = symtensor.function([x], x + 1)
    return lambda: f(value)
