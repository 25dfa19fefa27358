"""The workloads in PyTorch, eager."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

torch.set_num_threads(2)
Step = Callable[[], Any]
Learning = tuple[Step, Callable[[], list[np.ndarray]]]
Parameters = dict[str, Any]
_eager: Callable[[Any], Any] = lambda function: function  # noqa: E731
compiled = _eager  # replaced by use_torch_compile


def _tensor(array: np.ndarray) -> Any:
    """The array's own memory; whole numbers as the int64 that indices are here."""
    found = torch.from_numpy(array)
    return found.long() if found.dtype == torch.int32 else found


def _of(function: Callable[..., Any], *arrays: np.ndarray) -> Step:
    f, values = compiled(function), [_tensor(a) for a in arrays]

    def step() -> Any:
        with torch.no_grad():
            return f(*values)

    return step


def _gradient_of(function: Callable[..., Any], count: int, *arrays: np.ndarray) -> Step:
    """The gradients of a scalar by the first ``count`` arrays."""
    f, values = compiled(function), [_tensor(a) for a in arrays]
    wanted = [value.requires_grad_() for value in values[:count]]
    return lambda: torch.autograd.grad(f(*values), wanted)


def _parameters(w: Any, turned: tuple[str, ...] = ()) -> Parameters:
    """Parameters to learn; those that PyTorch's own layers want so, transposed."""
    values = {name: torch.from_numpy(value.T.copy() if name in turned else value) for name, value in w.start.items()}
    return {name: value.requires_grad_() for name, value in values.items()}


def _descent(w: Any, p: Parameters, cost: Callable[..., Any], arguments: Callable[[], list[Any]],
             turned: tuple[str, ...] = (), clip: float | None = None) -> Learning:
    """Steps down the gradient of ``cost(*parameters, *arguments()) -> loss, further results``."""
    f, all_ = compiled(cost), list(p.values())

    def one() -> Any:
        loss, *others = f(*all_, *arguments())
        gradients = torch.autograd.grad(loss, all_)
        with torch.no_grad():
            if clip is not None:
                gradients = torch._foreach_clamp_min(torch._foreach_clamp_max(gradients, clip), -clip)
            if any(g.is_sparse for g in gradients):
                for parameter, gradient in zip(all_, gradients):
                    parameter.add_(gradient, alpha=-w.rate)
            else:
                torch._foreach_add_(all_, gradients, alpha=-w.rate)
        return [loss.item(), *(value.detach() for value in others)]

    return one, lambda: [v.detach().numpy().T if name in turned else v.detach().numpy() for name, v in p.items()]


def _silent(step: Step) -> Step:
    """The step without its result."""

    def one() -> None:
        step()

    return one


def digits(w: Any) -> Learning:
    images, labels = _tensor(w.images), _tensor(w.labels)
    batches = itertools.cycle(range(w.batches))

    def cost(*given: Any) -> Any:
        *first, W, b, x, y = given
        below = torch.tanh(x @ first[0] + first[1]) if first else x
        return (F.cross_entropy(below @ W + b, y),)

    def arguments() -> list[Any]:
        index = next(batches)
        chosen = slice(index * w.batch, (index + 1) * w.batch)
        return [images[chosen], labels[chosen]]

    return _descent(w, _parameters(w), cost, arguments)


def running_sum(w: Any) -> Step:
    def build(x: Any) -> Any:
        states, state = [], torch.tensor(0.0)
        for value in x.unbind():
            state = state * 0.9 + value
            states.append(state)
        return torch.stack(states)

    return _of(build, w.x)


def char_rnn(w: Any) -> Learning:
    """With PyTorch's own loop over the steps, on characters as one-hot rows."""
    chars, y, h0 = F.one_hot(_tensor(w.x), w.chars).float(), _tensor(w.y), _tensor(w.h0)[None]
    none = torch.zeros(w.hidden)

    def cost(Wx: Any, Wh: Any, b: Any, Wy: Any, by: Any) -> Any:
        h, last = torch._VF.rnn_tanh(chars, h0, (Wx, Wh, b, none), True, 1, 0.0, False, False, False)
        return F.cross_entropy(h @ Wy + by, y, reduction="sum"), last[0]

    turned = ("Wx", "Wh")
    return _descent(w, _parameters(w, turned), cost, list, turned, clip=5.0)


def lstm(w: Any) -> Learning:
    """With PyTorch's own layer."""
    x, y, h0, c0 = (_tensor(a) for a in (w.x, w.y, w.h0, w.c0))
    h0, c0, none = h0[None], c0[None], torch.zeros(4 * w.hidden)

    def cost(E: Any, Wx: Any, Wh: Any, b: Any, Wy: Any, by: Any) -> Any:
        h, last, memory = torch._VF.lstm(F.embedding(x, E), (h0, c0), (Wx, Wh, b, none), True, 1, 0.0, True, False,
                                         False)
        logits = h.reshape(-1, w.hidden) @ Wy + by
        return F.cross_entropy(logits, y.reshape(-1), reduction="sum") / w.batch, last[0], memory[0]

    turned = ("Wx", "Wh")
    return _descent(w, _parameters(w, turned), cost, list, turned)


def cbow(w: Any) -> Learning:
    contexts, targets = _tensor(w.contexts), _tensor(w.targets)
    batches = itertools.cycle(range(w.batches))
    sparse = compiled is _eager

    def cost(into: Any, out: Any, context: Any, target: Any) -> Any:
        return (F.cross_entropy(F.embedding_bag(context, into, mode="mean", sparse=sparse) @ out, target),)

    def arguments() -> list[Any]:
        index = next(batches)
        chosen = slice(index * w.batch, (index + 1) * w.batch)
        return [contexts[chosen], targets[chosen]]

    return _descent(w, _parameters(w), cost, arguments)


def rbm(w: Any) -> Learning:
    data, p = _tensor(w.data), _parameters(w)

    def energy(v: Any, W: Any, a: Any, b: Any) -> Any:
        return (-v @ a - F.softplus(v @ W + b).sum(dim=1)).mean()

    def cost(W: Any, a: Any, b: Any) -> Any:
        v = data
        with torch.no_grad():
            for _ in range(w.steps):
                h = torch.bernoulli(torch.sigmoid(v @ W + b))
                v = torch.bernoulli(torch.sigmoid(h @ W.T + a))
        return (energy(data, W, a, b) - energy(v, W, a, b),)

    step, state = _descent(w, p, cost, list)
    return _silent(step), state


def _chain(x: Any) -> Any:
    return torch.tanh(x) * torch.exp(-x * x) + torch.sigmoid(2 * x) * torch.log1p(x * x)


def chain(w: Any) -> Step:
    return _of(_chain, w.x)


def chain_grad(w: Any) -> Step:
    return _gradient_of(lambda x: _chain(x).sum(), 1, w.x)


def softmax(w: Any) -> Step:
    return _of(lambda x: torch.softmax(x, dim=1), w.x)


def softmax_grad(w: Any) -> Step:
    return _gradient_of(lambda x, v: (torch.softmax(x, dim=1) * v).sum(), 1, w.x, w.weights)


def layer_norm(w: Any) -> Step:
    return _of(lambda x, gain, bias: F.layer_norm(x, gain.shape, gain, bias), w.x, w.gain, w.bias)


def layer_norm_grad(w: Any) -> Step:
    return _gradient_of(lambda x, gain, bias, v: (F.layer_norm(x, gain.shape, gain, bias) * v).sum(), 3,
                        w.x, w.gain, w.bias, w.weights)


def total(w: Any) -> Step:
    return _of(lambda x: x.sum() if w.axis is None else x.sum(dim=w.axis), w.x)


def permute(w: Any) -> Step:
    return _of(lambda x, y: y + x.permute(w.axes), w.x, w.y)


def gather(w: Any) -> Step:
    return _of(lambda table, index: F.embedding(index, table), w.start["table"], w.index)


def gather_dot(w: Any) -> Step:
    return _of(lambda table, index, other: (table[index] * table[other]).sum(dim=1), w.start["table"], w.index,
               w.other)


def scatter(w: Any) -> Learning:
    table = torch.from_numpy(w.start["table"])
    step = _of(lambda index, values: table.index_add_(0, index, values), w.index, w.values)
    return _silent(step), lambda: [table.numpy()]


def scalar(w: Any) -> Step:
    return _of(lambda x: x + 1, w.x)


def many_nodes(w: Any) -> Step:
    def build(x: Any) -> Any:
        nodes = [x] * 12
        for kind, back in w.plan:
            a, b = nodes[-1], nodes[-back]
            nodes.append(torch.cos(a * b) if kind == 2 else torch.tanh(a + b if kind == 0 else a - b))
        return nodes[-1]

    return _of(build, w.x)
