"""The workloads in JAX. Arguments live on its device; parameters are donated, as its training loops do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Step = Callable[[], Any]
Learning = tuple[Step, Callable[[], list[np.ndarray]]]
Parameters = dict[str, Any]


def _of(function: Callable[..., Any], *arrays: np.ndarray) -> Step:
    f, values = jax.jit(function), [jnp.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(f(*values))


def _learning(w: Any, update: Callable[..., tuple[Any, Parameters]], arguments: Callable[[], list[Any]]) -> Learning:
    """Steps of ``update(parameters, *arguments()) -> results, parameters``."""
    names = list(w.start)
    state = [{name: jnp.array(w.start.pop(name)) for name in names}]
    step = jax.jit(update, donate_argnums=0)

    def one() -> Any:
        results, state[0] = step(state[0], *arguments())
        jax.block_until_ready(state[0])
        return results

    return one, lambda: [np.asarray(state[0][name]) for name in names]


def _descent(w: Any, cost: Callable[..., tuple[Any, Any]], arguments: Callable[[], list[Any]],
             change: Callable[[Any], Any] = lambda g: g) -> Learning:
    """Steps down the gradient of ``cost(parameters, *arguments()) -> loss, further results``."""
    rate = w.rate

    def update(p: Parameters, *given: Any) -> tuple[Any, Parameters]:
        (loss, others), gradients = jax.value_and_grad(cost, has_aux=True)(p, *given)
        return (loss, *others), jax.tree.map(lambda v, g: v - rate * change(g), p, gradients)

    return _learning(w, update, arguments)


def _losses(logits: Any, y: Any) -> Any:
    return -jax.nn.log_softmax(logits)[jnp.arange(len(y)), y]


def _numbers(w: Any) -> Callable[[], list[Any]]:
    batches = itertools.cycle(range(w.batches))
    return lambda: [next(batches)]


def digits(w: Any) -> Learning:
    images, labels, batch = jnp.asarray(w.images), jnp.asarray(w.labels), w.batch

    def cost(p: Parameters, index: Any) -> Any:
        x = jax.lax.dynamic_slice_in_dim(images, index * batch, batch)
        y = jax.lax.dynamic_slice_in_dim(labels, index * batch, batch)
        below = jnp.tanh(x @ p["W1"] + p["b1"]) if "W1" in p else x
        return jnp.mean(_losses(below @ p["W"] + p["b"], y)), ()

    return _descent(w, cost, _numbers(w))


def running_sum(w: Any) -> Step:
    def step(state: Any, x: Any) -> Any:
        state = state * 0.9 + x
        return state, state

    return _of(lambda x: jax.lax.scan(step, jnp.float32(0), x)[1], w.x)


def char_rnn(w: Any) -> Learning:
    def cost(p: Parameters, x: Any, y: Any, h0: Any) -> Any:
        def step(h: Any, char: Any) -> Any:
            h = jnp.tanh(p["Wx"][char] + h @ p["Wh"] + p["b"])
            return h, h

        last, h = jax.lax.scan(step, h0, x)
        return jnp.sum(_losses(h @ p["Wy"] + p["by"], y)), (last,)

    given = [jnp.asarray(a) for a in (w.x, w.y, w.h0)]
    return _descent(w, cost, lambda: given, lambda g: jnp.clip(g, -5, 5))


def lstm(w: Any) -> Learning:
    n, batch = w.hidden, w.batch

    def cost(p: Parameters, x: Any, y: Any, h0: Any, c0: Any) -> Any:
        def step(state: Any, inputs: Any) -> Any:
            h, c = state
            gates = inputs + h @ p["Wh"]
            write, keep, read = (jax.nn.sigmoid(gates[:, k * n:(k + 1) * n]) for k in (0, 1, 3))
            c = keep * c + write * jnp.tanh(gates[:, 2 * n:3 * n])
            h = read * jnp.tanh(c)
            return (h, c), h

        last, h = jax.lax.scan(step, (h0, c0), p["E"][x] @ p["Wx"] + p["b"])
        losses = _losses(h.reshape(-1, n) @ p["Wy"] + p["by"], y.reshape(-1))
        return jnp.sum(losses) / batch, last

    given = [jnp.asarray(a) for a in (w.x, w.y, w.h0, w.c0)]
    return _descent(w, cost, lambda: given)


def cbow(w: Any) -> Learning:
    contexts, targets, batch = jnp.asarray(w.contexts), jnp.asarray(w.targets), w.batch

    def cost(p: Parameters, index: Any) -> Any:
        context = jax.lax.dynamic_slice_in_dim(contexts, index * batch, batch)
        target = jax.lax.dynamic_slice_in_dim(targets, index * batch, batch)
        return jnp.mean(_losses(p["into"][context].mean(axis=1) @ p["out"], target)), ()

    return _descent(w, cost, _numbers(w))


def rbm(w: Any) -> Learning:
    rate, steps, data = w.rate, w.steps, jnp.asarray(w.data)

    def energy(p: Parameters, v: Any) -> Any:
        return jnp.mean(-v @ p["a"] - jax.nn.softplus(v @ p["W"] + p["b"]).sum(axis=1))

    def update(p: Parameters, key: Any) -> Any:
        def gibbs(v: Any, key: Any) -> Any:
            first, second = jax.random.split(key)
            h = jax.random.bernoulli(first, jax.nn.sigmoid(v @ p["W"] + p["b"])).astype("float32")
            return jax.random.bernoulli(second, jax.nn.sigmoid(h @ p["W"].T + p["a"])).astype("float32"), None

        end, _ = jax.lax.scan(gibbs, data, jax.random.split(key, steps))
        gradients = jax.grad(lambda p: energy(p, data) - energy(p, end))(p)
        return (), jax.tree.map(lambda v, g: v - rate * g, p, gradients)

    seeds = itertools.count()
    make_key = jax.jit(jax.random.key)
    return _learning(w, update, lambda: [make_key(next(seeds))])


def _chain(x: Any) -> Any:
    return jnp.tanh(x) * jnp.exp(-x * x) + jax.nn.sigmoid(2 * x) * jnp.log1p(x * x)


def chain(w: Any) -> Step:
    return _of(_chain, w.x)


def chain_grad(w: Any) -> Step:
    return _of(jax.grad(lambda x: _chain(x).sum()), w.x)


def softmax(w: Any) -> Step:
    return _of(jax.nn.softmax, w.x)


def softmax_grad(w: Any) -> Step:
    return _of(jax.grad(lambda x, v: (jax.nn.softmax(x) * v).sum()), w.x, w.weights)


def _normalized(x: Any, gain: Any, bias: Any) -> Any:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gain + bias


def layer_norm(w: Any) -> Step:
    return _of(_normalized, w.x, w.gain, w.bias)


def layer_norm_grad(w: Any) -> Step:
    def loss(x: Any, gain: Any, bias: Any, v: Any) -> Any:
        return (_normalized(x, gain, bias) * v).sum()

    return _of(jax.grad(loss, argnums=(0, 1, 2)), w.x, w.gain, w.bias, w.weights)


def total(w: Any) -> Step:
    return _of(partial(jnp.sum, axis=w.axis), w.x)


def permute(w: Any) -> Step:
    axes = w.axes
    return _of(lambda x, y: y + x.transpose(axes), w.x, w.y)


def gather(w: Any) -> Step:
    return _of(lambda table, index: table[index], w.start["table"], w.index)


def gather_dot(w: Any) -> Step:
    return _of(lambda table, index, other: (table[index] * table[other]).sum(axis=1), w.start["table"], w.index,
               w.other)


def scatter(w: Any) -> Learning:
    given = [jnp.asarray(w.index), jnp.asarray(w.values)]
    return _learning(w, lambda p, index, values: ((), {"table": p["table"].at[index].add(values)}), lambda: given)


def scalar(w: Any) -> Step:
    return _of(lambda x: x + 1, w.x)


def many_nodes(w: Any) -> Step:
    def build(x: Any) -> Any:
        nodes = [x] * 12
        for kind, back in w.plan:
            a, b = nodes[-1], nodes[-back]
            nodes.append(jnp.cos(a * b) if kind == 2 else jnp.tanh(a + b if kind == 0 else a - b))
        return nodes[-1]

    return _of(build, w.x)
