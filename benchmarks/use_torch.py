"""The workloads in PyTorch, eager."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.workloads import BATCH, BATCHES, CLASSES, HIDDEN, PIXELS, RATE, digits, glorot, reals

torch.set_num_threads(2)
Step = Callable[[], Any]
compiled: Callable[[Any], Any] = lambda function: function  # noqa: E731 - replaced by use_torch_compile


def _train(rng: np.random.Generator, hidden: bool) -> Step:
    images, labels = (torch.from_numpy(array) for array in digits(rng))
    labels = labels.long()
    width = HIDDEN if hidden else PIXELS
    parameters = [torch.zeros(width, CLASSES), torch.zeros(CLASSES)]
    if hidden:
        parameters += [torch.from_numpy(glorot(rng)), torch.zeros(HIDDEN)]
    for parameter in parameters:
        parameter.requires_grad_()

    @compiled
    def cost(x: Any, y: Any, W: Any, b: Any, *first: Any) -> Any:
        below = torch.tanh(x @ first[0] + first[1]) if first else x
        return torch.nn.functional.cross_entropy(below @ W + b, y)

    batches = itertools.cycle(range(BATCHES))

    def one() -> Any:
        index = next(batches)
        chosen = slice(index * BATCH, (index + 1) * BATCH)
        loss = cost(images[chosen], labels[chosen], *parameters)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-RATE)
        return loss.item()

    return one


def logreg(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=False)


def mlp(rng: np.random.Generator) -> Step:
    return _train(rng, hidden=True)


def _chain(x: Any) -> Any:
    return torch.tanh(x) * torch.exp(-x * x) + torch.sigmoid(2 * x) * torch.log1p(x * x)


def chain(rng: np.random.Generator) -> Step:
    f, value = compiled(_chain), torch.from_numpy(reals(rng))
    return lambda: f(value)


def chain_grad(rng: np.random.Generator) -> Step:
    f, value = compiled(lambda x: _chain(x).sum()), torch.from_numpy(reals(rng)).requires_grad_()
    return lambda: torch.autograd.grad(f(value), value)


def scalar(rng: np.random.Generator) -> Step:
    f, value = compiled(lambda x: x + 1), torch.tensor(1.5)
    return lambda: f(value)
