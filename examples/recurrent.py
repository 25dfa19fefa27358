"""What the examples of recurrent networks share: cells as one step of a loop, and an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

import symtensor
from symtensor import tensor as T

Variable = T.TensorVariable
Step = Callable[..., list[Variable]]


@dataclass
class Parameters:
    """The shared variables of a model, made with weights uniform after Glorot and Bengio (2010)."""

    rng: np.random.Generator
    all: list[T.TensorSharedVariable] = field(default_factory=list)

    def weights(self, name: str, n_in: int, n_out: int) -> T.TensorSharedVariable:
        bound = np.sqrt(6.0 / (n_in + n_out))
        return self._keep(name, self.rng.uniform(-bound, bound, (n_in, n_out)))

    def bias(self, name: str, size: int, value: float = 0.0) -> T.TensorSharedVariable:
        return self._keep(name, np.full(size, value))

    def _keep(self, name: str, value: np.ndarray) -> T.TensorSharedVariable:
        self.all.append(symtensor.shared(value.astype(symtensor.config.floatX), name=name))
        return self.all[-1]

    @property
    def count(self) -> int:
        """How many numbers there are to learn."""
        return sum(parameter.get_value(borrow=True).size for parameter in self.all)


@dataclass
class Cell:
    """A recurrent layer: ``step(projected input, *state before) -> state``; its output is the first part of the state.

    ``project`` is what the input is multiplied with, for all steps at once.
    """

    states: int
    step: Step
    project: T.TensorSharedVariable


def simple(p: Parameters, name: str, n_in: int, n: int) -> Cell:
    """h' = tanh(x W + h U + b)."""
    U, b = p.weights(f"{name}.U", n, n), p.bias(f"{name}.b", n)
    return Cell(1, lambda x, h: [T.tanh(x + T.dot(h, U) + b)], p.weights(f"{name}.W", n_in, n))


def lstm(p: Parameters, name: str, n_in: int, n: int) -> Cell:
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with forget gates whose biases start at 1)."""
    U, b = p.weights(f"{name}.U", n, 4 * n), p.bias(f"{name}.b", 4 * n)
    b.set_value(np.repeat(np.float32([0, 1, 0, 0]), n))

    def step(x: Variable, h: Variable, c: Variable) -> list[Variable]:
        gates = x + T.dot(h, U) + b
        write, keep, read = (T.nnet.sigmoid(gates[:, k * n:(k + 1) * n]) for k in range(3))
        c = keep * c + write * T.tanh(gates[:, 3 * n:])
        return [read * T.tanh(c), c]

    return Cell(2, step, p.weights(f"{name}.W", n_in, 4 * n))


def gru(p: Parameters, name: str, n_in: int, n: int) -> Cell:
    """Gated recurrent unit (Cho et al. 2014)."""
    U, V, b = p.weights(f"{name}.U", n, 2 * n), p.weights(f"{name}.V", n, n), p.bias(f"{name}.b", 3 * n)

    def step(x: Variable, h: Variable) -> list[Variable]:
        x = x + b
        gates = T.nnet.sigmoid(x[:, :2 * n] + T.dot(h, U))
        update, reset = gates[:, :n], gates[:, n:]
        return [(1 - update) * h + update * T.tanh(x[:, 2 * n:] + T.dot(reset * h, V))]

    return Cell(1, step, p.weights(f"{name}.W", n_in, 3 * n))


CELLS: dict[str, Callable[[Parameters, str, int, int], Cell]] = {"simple": simple, "lstm": lstm, "gru": gru}


def clipped(gradients: Sequence[Variable], limit: float) -> list[Variable]:
    """All gradients scaled by one factor, so that their joint norm is at most ``limit`` (Pascanu et al. 2013)."""
    norm = T.sqrt(sum((g**2).sum() for g in gradients))
    factor = limit / T.maximum(norm, limit)
    return [g * factor for g in gradients]


def adam(parameters: Sequence[T.TensorSharedVariable], gradients: Sequence[Variable],
         rate: Variable | float) -> list[tuple[T.TensorSharedVariable, Variable]]:
    """Updates of parameters and of the running moments of their gradients (Kingma and Ba 2015)."""
    steps = symtensor.shared(np.float32(0), name="steps")
    now = steps + 1
    scale = rate * T.sqrt(1 - T.cast(0.999, "float32")**now) / (1 - T.cast(0.9, "float32")**now)
    updates = [(steps, now)]
    for parameter, g in zip(parameters, gradients, strict=True):
        zeros = np.zeros_like(parameter.get_value())
        m, v = symtensor.shared(zeros, name=f"m.{parameter.name}"), symtensor.shared(zeros, name=f"v.{parameter.name}")
        new_m, new_v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        updates += [(m, new_m), (v, new_v), (parameter, parameter - scale * new_m / (T.sqrt(new_v) + 1e-8))]
    return updates


def in_rows(ids: np.ndarray, rows: int) -> np.ndarray:
    """A text cut into ``rows`` of the same length, as columns: shape (length, rows)."""
    length = len(ids) // rows
    return np.ascontiguousarray(ids[:length * rows].reshape(rows, length).T)
