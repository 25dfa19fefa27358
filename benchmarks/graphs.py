"""The workloads in Theano's language, which symtensor and PyTensor share but for a few names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]
Learning = tuple[Step, Callable[[], list[np.ndarray]]]


class Graphs:
    """Builds every workload with ``module`` (its ``function``, ``shared``, ``scan``) and its tensor language ``T``.

    softmax : of the rows of a matrix. sigmoid : of anything. bernoulli : ``(shape, chances) -> draws, as floatX``.
    """

    def __init__(self, module: ModuleType, T: ModuleType, softmax: Callable[[Any], Any],
                 sigmoid: Callable[[Any], Any], bernoulli: Callable[[Any, Any], Any]) -> None:
        self.function, self.shared, self.scan = module.function, module.shared, module.scan
        self.T, self._softmax, self._sigmoid, self._bernoulli = T, softmax, sigmoid, bernoulli

    # ---- parts

    def _parameters(self, w: Any) -> dict[str, Any]:
        """Shared variables of the first values; ``w`` lets go of these."""
        return {name: self.shared(w.start.pop(name), name=name) for name in list(w.start)}

    def _losses(self, logits: Any, y: Any) -> Any:
        """Cross-entropies, spelled as most programs spell them."""
        return -self.T.log(self._softmax(logits))[self.T.arange(y.shape[0]), y]

    def _descent(self, w: Any, p: dict[str, Any], loss: Any, change: Callable[[Any], Any] = lambda g: g,
                 **options: Any) -> list[tuple[Any, Any]]:
        gradients = self.T.grad(loss, list(p.values()), **options)
        return [(v, v - np.float32(w.rate) * change(g)) for v, g in zip(p.values(), gradients)]

    def _batches(self, w: Any, p: dict[str, Any], loss: Any, given: dict[Any, Any]) -> Learning:
        """Steps through batches of arrays that the function holds."""
        index = self.T.lscalar("index")
        chosen = slice(index * w.batch, (index + 1) * w.batch)
        held = {variable: self.shared(array)[chosen] for variable, array in given.items()}
        step = self.function([index], loss, updates=self._descent(w, p, loss), givens=held)
        batches = itertools.cycle(range(w.batches))
        return lambda: step(next(batches)), self._values(p)

    def _values(self, p: dict[str, Any]) -> Callable[[], list[np.ndarray]]:
        return lambda: [v.get_value() for v in p.values()]

    def _of(self, build: Callable[..., Any], *arrays: np.ndarray) -> Step:
        """A function of arrays."""
        inputs = [self.T.tensor(dtype=str(a.dtype), shape=(None,) * a.ndim) for a in arrays]
        f = self.function(inputs, build(*inputs))
        return lambda: f(*arrays)

    # ---- workloads

    def digits(self, w: Any) -> Learning:
        T, x, y, p = self.T, self.T.matrix("x"), self.T.ivector("y"), self._parameters(w)
        below = T.tanh(T.dot(x, p["W1"]) + p["b1"]) if w.hidden else x
        loss = T.mean(self._losses(T.dot(below, p["W"]) + p["b"], y))
        return self._batches(w, p, loss, {x: w.images, y: w.labels})

    def running_sum(self, w: Any) -> Step:
        def build(x: Any) -> Any:
            return self.scan(lambda a, b: b * np.float32(0.9) + a, x, self.T.constant(np.float32(0)))[0]

        return self._of(build, w.x)

    def char_rnn(self, w: Any) -> Learning:
        T, p = self.T, self._parameters(w)
        x, y, h0 = T.ivector("x"), T.ivector("y"), T.vector("h0")
        h, _ = self.scan(lambda char, h: T.tanh(p["Wx"][char] + T.dot(h, p["Wh"]) + p["b"]), x, h0)
        loss = T.sum(self._losses(T.dot(h, p["Wy"]) + p["by"], y))
        step = self.function([x, y, h0], [loss, h[-1]], updates=self._descent(w, p, loss, lambda g: T.clip(g, -5, 5)))
        return lambda: step(w.x, w.y, w.h0), self._values(p)

    def lstm(self, w: Any) -> Learning:
        T, n, p = self.T, w.hidden, self._parameters(w)
        x, y, h0, c0 = T.imatrix("x"), T.imatrix("y"), T.matrix("h0"), T.matrix("c0")

        def cell(xt: Any, h: Any, c: Any) -> list[Any]:
            gates = T.dot(xt, p["Wx"]) + T.dot(h, p["Wh"]) + p["b"]
            write, keep, read = (self._sigmoid(gates[:, k * n:(k + 1) * n]) for k in (0, 1, 3))
            c = keep * c + write * T.tanh(gates[:, 2 * n:3 * n])
            return [read * T.tanh(c), c]

        (h, c), _ = self.scan(cell, p["E"][x], [h0, c0])
        logits = T.dot(h.reshape((-1, n)), p["Wy"]) + p["by"]
        loss = T.sum(self._losses(logits, y.flatten())) / np.float32(w.batch)
        step = self.function([x, y, h0, c0], [loss, h[-1], c[-1]], updates=self._descent(w, p, loss))
        return lambda: step(w.x, w.y, w.h0, w.c0), self._values(p)

    def cbow(self, w: Any) -> Learning:
        T, context, target, p = self.T, self.T.imatrix("context"), self.T.ivector("target"), self._parameters(w)
        h = T.mean(p["into"][context], axis=1)
        loss = T.mean(self._losses(T.dot(h, p["out"]), target))
        return self._batches(w, p, loss, {context: w.contexts, target: w.targets})

    def rbm(self, w: Any) -> Learning:
        """The gradient of the difference of free energies, the end of the chain held constant."""
        T, v, p = self.T, self.T.matrix("v"), self._parameters(w)

        def energy(v: Any) -> Any:
            return -T.dot(v, p["a"]) - T.sum(T.log(1 + T.exp(T.dot(v, p["W"]) + p["b"])), axis=1)

        def gibbs(v: Any) -> Any:
            h = self._sigmoid(T.dot(v, p["W"]) + p["b"])
            means = self._sigmoid(T.dot(self._bernoulli(h.shape, h), p["W"].T) + p["a"])
            return self._bernoulli(means.shape, means)

        chain, updates = self.scan(gibbs, outputs_info=v, n_steps=w.steps)
        end = chain[-1]
        loss = T.mean(energy(v)) - T.mean(energy(end))
        changes = self._descent(w, p, loss, consider_constant=[end])
        step = self.function([v], [], updates=[*updates.items(), *changes])
        return lambda: step(w.data), self._values(p)

    def _chain(self, x: Any) -> Any:
        T = self.T
        return T.tanh(x) * T.exp(-x * x) + self._sigmoid(2 * x) * T.log1p(x * x)

    def chain(self, w: Any) -> Step:
        return self._of(self._chain, w.x)

    def chain_grad(self, w: Any) -> Step:
        return self._of(lambda x: self.T.grad(self._chain(x).sum(), x), w.x)

    def softmax(self, w: Any) -> Step:
        return self._of(self._softmax, w.x)

    def softmax_grad(self, w: Any) -> Step:
        return self._of(lambda x, v: self.T.grad((self._softmax(x) * v).sum(), x), w.x, w.weights)

    def _normalized(self, x: Any, gain: Any, bias: Any) -> Any:
        T = self.T
        centred = x - T.mean(x, axis=1, keepdims=True)
        variance = T.mean(centred**2, axis=1, keepdims=True)
        return centred / T.sqrt(variance + np.float32(1e-5)) * gain + bias

    def layer_norm(self, w: Any) -> Step:
        return self._of(self._normalized, w.x, w.gain, w.bias)

    def layer_norm_grad(self, w: Any) -> Step:
        def build(x: Any, gain: Any, bias: Any, v: Any) -> Any:
            return self.T.grad((self._normalized(x, gain, bias) * v).sum(), [x, gain, bias])

        return self._of(build, w.x, w.gain, w.bias, w.weights)

    def total(self, w: Any) -> Step:
        return self._of(lambda x: x.sum(axis=w.axis), w.x)

    def permute(self, w: Any) -> Step:
        return self._of(lambda x, y: y + x.transpose(*w.axes), w.x, w.y)

    def gather(self, w: Any) -> Step:
        return self._of(lambda table, index: table[index], w.start["table"], w.index)

    def gather_dot(self, w: Any) -> Step:
        def build(table: Any, index: Any, other: Any) -> Any:
            return (table[index] * table[other]).sum(axis=1)

        return self._of(build, w.start["table"], w.index, w.other)

    def scatter(self, w: Any) -> Learning:
        T, p = self.T, self._parameters(w)
        index, values = T.ivector("index"), T.matrix("values")
        step = self.function([index, values], [], updates=[(p["table"], T.inc_subtensor(p["table"][index], values))])
        return lambda: step(w.index, w.values), self._values(p)

    def scalar(self, w: Any) -> Step:
        return self._of(lambda x: x + 1, w.x)

    def many_nodes(self, w: Any) -> Step:
        T = self.T

        def build(x: Any) -> Any:
            nodes = [x] * 12
            for kind, back in w.plan:
                a, b = nodes[-1], nodes[-back]
                nodes.append(T.cos(a * b) if kind == 2 else T.tanh(a + b if kind == 0 else a - b))
            return nodes[-1]

        return self._of(build, w.x)
