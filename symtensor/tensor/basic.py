"""The tensor language under Theano's other name for it, ``theano.tensor.basic``: all names of `symtensor.tensor`.

>>> from symtensor import tensor as T
>>> T.basic.choose is T.choose
True
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """The name in `symtensor.tensor`."""
    from symtensor import tensor

    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(tensor, name)
