"""Streams of random variables with states in shared variables (Theano's ``theano.tensor.shared_randomstreams``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops.random import key_of, random_state_type
from symtensor.ops.tensor_variable import TensorSharedVariable
from symtensor.tensor.raw_random import RandomStreamsBase

__all__ = ["RandomState", "RandomStateSharedVariable", "RandomStreams"]


class RandomState(np.ndarray[Any, np.dtype[np.uint64]]):
    """The value of a generator's state, key and counter, as an array that can be seeded."""

    def seed(self, seed: Any = None) -> None:
        """Start the stream of ``seed`` from its beginning, in place."""
        self[...] = key_of(seed), 0

    def get_state(self) -> tuple[int, int]:
        """The key and the counter, for `set_state`."""
        return int(self[0]), int(self[1])

    def set_state(self, state: tuple[int, int]) -> None:
        """Go to where `get_state` was called, in place."""
        self[...] = state


class RandomStateSharedVariable(TensorSharedVariable):
    """A shared variable with the state of one random variable (Theano's name); its values are `RandomState`."""

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The state: a copy, or with ``borrow`` the memory itself."""
        return super().get_value(borrow, return_internal_type).view(RandomState)


class RandomStreams(RandomStreamsBase):
    """Makes random variables: each has a state of its own, which every call of a function that uses it advances.

    Parameters
    ----------
    seed : an int >= 0 or a sequence of them; None: one that nobody chose. The same seed gives the same numbers, on the
        interpreter and in C, whatever the number of threads. Variables made in turn have successive keys, and so
        different numbers.

    The methods are the functions of `symtensor.tensor.random` without their first argument, the state. ``size`` is an
    int, a sequence of ints and integer scalars, or None: the shape that the parameters broadcast to. Real samples are
    of floatX promoted with the parameters' dtypes, whole ones int64, unless ``dtype`` is given. ValueError for
    parameters that a distribution does not have (a negative ``std``).

    A variable ``x`` has its state as ``x.rng``, and ``x.update`` is the pair of this and the next state.

    >>> from symtensor import function
    >>> f = function([], RandomStreams(seed=234).uniform((2,), dtype="float32"))
    >>> f(), f()
    (array([0.9220401, 0.7076003], dtype=float32), array([0.5413958 , 0.83418024], dtype=float32))
    """

    def __init__(self, seed: Any = None) -> None:
        self.key = key_of(seed)
        self.state_updates: list[tuple[RandomStateSharedVariable, Variable]] = []

    def updates(self) -> list[tuple[RandomStateSharedVariable, Variable]]:
        """The (state, next state) of every variable made so far; functions apply them by default."""
        return list(self.state_updates)

    def seed(self, seed: Any = None) -> None:
        """Start again, as if the stream and all its variables had been made with ``seed``."""
        self.key = key_of(seed)
        for number, (state, _) in enumerate(self.state_updates):
            state.set_value(self._value(number), borrow=True)

    def _value(self, number: int) -> Any:
        return np.array([(self.key + number) % 2**64, 0], np.uint64)

    def gen(self, op: Callable[..., tuple[Variable, Variable]], *args: Any, **kwargs: Any) -> Any:
        """The random variable ``op(state, *args, **kwargs)[1]`` with a new state, updated to ``[0]`` by default."""
        state = RandomStateSharedVariable(random_state_type, self._value(len(self.state_updates)))
        update, sample = op(state, *args, **kwargs)
        state.default_update = update
        self.state_updates.append((state, update))
        sample.rng, sample.update = state, (state, update)  # type: ignore[attr-defined]
        return sample
