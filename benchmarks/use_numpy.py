"""The workloads in NumPy, gradients by hand: what the results of the others are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Step = Callable[[], Any]
Learning = tuple[Step, Callable[[], list[Array]]]


def _log_softmax(x: Array) -> Array:
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _cross_entropy(logits: Array, y: Array) -> tuple[Array, Array]:
    """The losses of the rows, and the gradient of their sum."""
    logs, rows = _log_softmax(logits), np.arange(len(y))
    gradient = np.exp(logs)
    gradient[rows, y] -= 1
    return -logs[rows, y], gradient


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _learning(w: Any, step: Callable[[dict[str, Array]], tuple[Any, dict[str, Array]]]) -> Learning:
    """Steps down the gradients that ``step(parameters)`` returns beside its results."""
    parameters = {name: value.copy() for name, value in w.start.items()}
    rate = np.float32(w.rate)

    def one() -> Any:
        results, gradients = step(parameters)
        for name, gradient in gradients.items():
            parameters[name] -= rate * gradient
        return results

    return one, lambda: list(parameters.values())


def digits(w: Any) -> Learning:
    batches = itertools.cycle(range(w.batches))

    def step(p: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        index = next(batches)
        chosen = slice(index * w.batch, (index + 1) * w.batch)
        x, y = w.images[chosen], w.labels[chosen]
        below = np.tanh(x @ p["W1"] + p["b1"]) if w.hidden else x
        losses, d = _cross_entropy(below @ p["W"] + p["b"], y)
        d /= np.float32(w.batch)
        gradients = {"W": below.T @ d, "b": d.sum(axis=0)}
        if w.hidden:
            d = d @ p["W"].T * (1 - below * below)
            gradients.update(W1=x.T @ d, b1=d.sum(axis=0))
        return losses.mean(), gradients

    return _learning(w, step)


def running_sum(w: Any) -> Step:
    def step() -> Array:
        decay, state, states = np.float32(0.9), np.float32(0), np.empty_like(w.x)
        for k, value in enumerate(w.x):
            states[k] = state = state * decay + value
        return states

    return step


def char_rnn(w: Any) -> Learning:
    def step(p: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        states = [w.h0]
        for char in w.x:
            states.append(np.tanh(p["Wx"][char] + states[-1] @ p["Wh"] + p["b"]))
        h = np.stack(states)
        losses, d_logits = _cross_entropy(h[1:] @ p["Wy"] + p["by"], w.y)
        d_out, d_next, inner = d_logits @ p["Wy"].T, np.zeros_like(w.h0), np.empty_like(h[1:])
        for k in reversed(range(w.steps)):
            inner[k] = (d_out[k] + d_next) * (1 - h[k + 1]**2)
            d_next = inner[k] @ p["Wh"].T
        d_table = np.zeros_like(p["Wx"])
        np.add.at(d_table, w.x, inner)
        gradients = {"Wx": d_table, "Wh": h[:-1].T @ inner, "b": inner.sum(axis=0), "Wy": h[1:].T @ d_logits,
                     "by": d_logits.sum(axis=0)}
        return (losses.sum(), h[-1]), {name: np.clip(g, -5, 5) for name, g in gradients.items()}

    return _learning(w, step)


def lstm(w: Any) -> Learning:
    n = w.hidden

    def step(p: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        inputs = p["E"][w.x]
        projected = inputs @ p["Wx"] + p["b"]
        h, c, gates = [w.h0], [w.c0], []
        for k in range(w.steps):
            total = projected[k] + h[-1] @ p["Wh"]
            write, keep, read = (_sigmoid(total[:, j * n:(j + 1) * n]) for j in (0, 1, 3))
            gates.append((write, keep, np.tanh(total[:, 2 * n:3 * n]), read))
            c.append(keep * c[-1] + write * gates[-1][2])
            h.append(read * np.tanh(c[-1]))
        hs = np.stack(h)
        outputs = hs[1:].reshape(-1, n)
        losses, d_logits = _cross_entropy(outputs @ p["Wy"] + p["by"], w.y.reshape(-1))
        d_logits /= np.float32(w.batch)
        d_out = (d_logits @ p["Wy"].T).reshape(hs[1:].shape)
        d_total = np.empty((w.steps, w.batch, 4 * n), "float32")
        d_h, d_c = np.zeros_like(w.h0), np.zeros_like(w.c0)
        for k in reversed(range(w.steps)):
            write, keep, new, read = gates[k]
            tanh_c, d_h = np.tanh(c[k + 1]), d_h + d_out[k]
            d_c = d_c + d_h * read * (1 - tanh_c**2)
            d_total[k] = np.concatenate([d_c * new * write * (1 - write), d_c * c[k] * keep * (1 - keep),
                                         d_c * write * (1 - new**2), d_h * tanh_c * read * (1 - read)], axis=1)
            d_h, d_c = d_total[k] @ p["Wh"].T, d_c * keep
        flat, d_table = d_total.reshape(-1, 4 * n), np.zeros_like(p["E"])
        np.add.at(d_table, w.x.reshape(-1), flat @ p["Wx"].T)
        gradients = {"E": d_table, "Wx": inputs.reshape(-1, n).T @ flat, "Wh": hs[:-1].reshape(-1, n).T @ flat,
                     "b": flat.sum(axis=0), "Wy": outputs.T @ d_logits, "by": d_logits.sum(axis=0)}
        return (losses.sum() / np.float32(w.batch), h[-1], c[-1]), gradients

    return _learning(w, step)


def cbow(w: Any) -> Learning:
    batches = itertools.cycle(range(w.batches))

    def step(p: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        index = next(batches)
        chosen = slice(index * w.batch, (index + 1) * w.batch)
        context = w.contexts[chosen]
        h = p["into"][context].mean(axis=1)
        losses, d = _cross_entropy(h @ p["out"], w.targets[chosen])
        d /= np.float32(w.batch)
        d_h = d @ p["out"].T / np.float32(w.context)
        np.subtract.at(p["into"], context.reshape(-1), np.float32(w.rate) * np.repeat(d_h, w.context, axis=0))
        return losses.mean(), {"out": h.T @ d}

    return _learning(w, step)


def rbm(w: Any) -> Learning:
    rng = np.random.default_rng(1)

    def draw(chances: Array) -> Array:
        return (rng.random(chances.shape, "float32") < chances).astype("float32")

    def step(p: dict[str, Array]) -> tuple[Any, dict[str, Array]]:
        h = first = _sigmoid(w.data @ p["W"] + p["b"])
        for _ in range(w.steps):
            v = draw(_sigmoid(draw(h) @ p["W"].T + p["a"]))
            h = _sigmoid(v @ p["W"] + p["b"])
        n = np.float32(w.batch)
        return [], {"W": (v.T @ h - w.data.T @ first) / n, "a": (v - w.data).mean(axis=0),
                    "b": (h - first).mean(axis=0)}

    return _learning(w, step)


def chain(w: Any) -> Step:
    x = w.x
    return lambda: np.tanh(x) * np.exp(-x * x) + _sigmoid(2 * x) * np.log1p(x * x)


def chain_grad(w: Any) -> Step:
    def step() -> Array:
        x = w.x
        square = x * x
        t, bell, s, log = np.tanh(x), np.exp(-square), _sigmoid(2 * x), np.log1p(square)
        return bell * ((1 - t * t) - 2 * x * t) + 2 * s * ((1 - s) * log + x / (1 + square))

    return step


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def softmax(w: Any) -> Step:
    return lambda: _softmax(w.x)


def softmax_grad(w: Any) -> Step:
    def step() -> Array:
        p = _softmax(w.x)
        return p * (w.weights - (p * w.weights).sum(axis=1, keepdims=True))

    return step


def _normalized(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(1e-5))
    return centred * scale, scale


def layer_norm(w: Any) -> Step:
    return lambda: _normalized(w.x)[0] * w.gain + w.bias


def layer_norm_grad(w: Any) -> Step:
    def step() -> list[Array]:
        y, scale = _normalized(w.x)
        d = w.weights * w.gain
        d_x = scale * (d - d.mean(axis=1, keepdims=True) - y * (d * y).mean(axis=1, keepdims=True))
        return [d_x, (w.weights * y).sum(axis=0), w.weights.sum(axis=0)]

    return step


def total(w: Any) -> Step:
    return lambda: w.x.sum(axis=w.axis)


def permute(w: Any) -> Step:
    return lambda: w.y + w.x.transpose(w.axes)


def gather(w: Any) -> Step:
    return lambda: w.start["table"][w.index]


def gather_dot(w: Any) -> Step:
    table = w.start["table"]
    return lambda: (table[w.index] * table[w.other]).sum(axis=1)


def scatter(w: Any) -> Learning:
    table = w.start["table"].copy()
    return lambda: np.add.at(table, w.index, w.values), lambda: [table]


def scalar(w: Any) -> Step:
    return lambda: w.x + np.float32(1)


def many_nodes(w: Any) -> Step:
    def step() -> Any:
        nodes = [w.x] * 12
        for kind, back in w.plan:
            a, b = nodes[-1], nodes[-back]
            nodes.append(np.cos(a * b) if kind == 2 else np.tanh(a + b if kind == 0 else a - b))
        return nodes[-1]

    return step
