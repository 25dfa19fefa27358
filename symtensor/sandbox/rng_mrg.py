"""Theano's second family of random streams, ``theano.sandbox.rng_mrg``: here both draw from the same generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.random_functions import choice, multinomial_wo_replacement
from symtensor.tensor.shared_randomstreams import RandomStreams

__all__ = ["MRG_RandomStreams", "guess_n_streams"]


class MRG_RandomStreams(RandomStreams):
    """`RandomStreams` with a seed by default, and Theano's ``rstate``: where the next variable's stream starts.

    >>> from symtensor import function
    >>> f = function([], MRG_RandomStreams(7).binomial((4,), p=0.5))
    >>> f()
    array([0, 1, 1, 1])
    """

    def __init__(self, seed: Any = 12345) -> None:
        super().__init__(seed)

    @property
    def rstate(self) -> np.ndarray[Any, Any]:
        """The state that the next variable starts from. It may be set."""
        return self._value(len(self.state_updates))

    @rstate.setter
    def rstate(self, value: Any) -> None:
        self.key = (int(value[0]) - len(self.state_updates)) % 2**64

    def inc_rstate(self) -> None:
        """Skip a variable: the next one has the stream that the one after it had."""
        self.key = (self.key + 1) % 2**64

    def get_substream_rstates(self, n_streams: int, dtype: Any = None, inc_rstate: bool = True) -> np.ndarray[Any, Any]:
        """The states of the next ``n_streams`` variables, one in each row; with ``inc_rstate`` they are skipped."""
        states = np.array([[(int(self.rstate[0]) + k) % 2**64, 0] for k in range(n_streams)], np.uint64)
        if inc_rstate:
            self.key = (self.key + n_streams) % 2**64
        return states

    def n_streams(self, size: Any) -> int:
        """`guess_n_streams`."""
        return guess_n_streams(size)

    def gen(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        """As `RandomStreams.gen`; the sample's state is also its ``rstate``, as Theano named it here."""
        sample = super().gen(op, *args, **kwargs)
        sample.rstate = sample.rng
        return sample

    def choice(self, size: Any = 1, a: Any = None, replace: bool = True, p: Any = None, ndim: int | None = None,
               dtype: Any = "int64", nstreams: Any = None) -> Any:
        """`RandomStreams.choice`; for a matrix ``p`` and without replacement ``size`` categories of each row."""
        if a is None and p is not None and not replace and as_tensor_variable(p).type.ndim == 2:
            return self.gen(multinomial_wo_replacement, None, size, p, ndim, dtype)
        return self.gen(choice, size, a, replace, p, ndim, dtype)


def guess_n_streams(size: Any, warn: bool = False) -> int:
    """The number of parallel streams for a size (Theano's name): here each element has its own.

    >>> guess_n_streams((2, 3))
    6
    """
    items = size if isinstance(size, (tuple, list)) else (size,)
    return int(np.prod(items)) if all(isinstance(k, (int, np.integer)) for k in items) else 60 * 256
