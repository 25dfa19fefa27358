"""The workloads in JAX. Arguments live on its device; parameters are donated, as its training loops do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import BATCH, BATCHES, CLASSES, HIDDEN, PIXELS, RATE, digits, glorot, reals

Step = Callable[[], Any]


def _train(rng: np.random.Generator, hidden: bool) -> Step:
    images, labels = (jnp.asarray(array) for array in digits(rng))
    width = HIDDEN if hidden else PIXELS
    parameters = [jnp.zeros((width, CLASSES)), jnp.zeros(CLASSES)]
    if hidden:
        parameters += [jnp.asarray(glorot(rng)), jnp.zeros(HIDDEN)]

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        W, b, *first = parameters
        below = jnp.tanh(x @ first[0] + first[1]) if first else x
        logs = jax.nn.log_softmax(below @ W + b)
        return -jnp.mean(logs[jnp.arange(BATCH), y])

    @partial(jax.jit, donate_argnums=0)
    def step(parameters: Any, index: Any) -> Any:
        x = jax.lax.dynamic_slice_in_dim(images, index * BATCH, BATCH)
        y = jax.lax.dynamic_slice_in_dim(labels, index * BATCH, BATCH)
        loss, gradients = jax.value_and_grad(cost)(parameters, x, y)
        return loss, [v - RATE * g for v, g in zip(parameters, gradients)]

    batches = itertools.cycle(range(BATCHES))
    state = [parameters]

    def one() -> Any:
        loss, state[0] = step(state[0], next(batches))
        return jax.block_until_ready((loss, state[0]))

    return one


def logreg(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=False)


def mlp(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=True)


def _chain(x: Any) -> Any:
    return jnp.tanh(x) * jnp.exp(-x * x) + jax.nn.sigmoid(2 * x) * jnp.log1p(x * x)


def chain(rng: np.random.Generator) -> Step:
    f, value = jax.jit(_chain), jnp.asarray(reals(rng))
    return lambda: f(value).block_until_ready()


def chain_grad(rng: np.random.Generator) -> Step:
    f, value = jax.jit(jax.grad(lambda x: _chain(x).sum())), jnp.asarray(reals(rng))
    return lambda: f(value).block_until_ready()


def scalar(rng: np.random.Generator) -> Step:
    f, value = jax.jit(lambda x: x + 1), jnp.asarray(1.5)
    return lambda: f(value).block_until_ready()
