"""Random numbers: streams, and the functions of an explicit state.

>>> from symtensor import function
>>> from symtensor.tensor.random import RandomStreams
>>> f = function([], RandomStreams(0).random_integers((3,), 1, 6))
>>> f()
array([4, 4, 6])
"""

from symtensor.tensor.raw_random import *  # noqa: F403
from symtensor.tensor.raw_random import __all__ as _functions
from symtensor.tensor.shared_randomstreams import RandomState, RandomStateSharedVariable, RandomStreams

__all__ = ["RandomState", "RandomStateSharedVariable", "RandomStreams", *_functions]
