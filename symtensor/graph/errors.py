"""Exceptions of the library. Every message names the op, the values, the user's line and a remedy."""

from __future__ import annotations

__all__ = [
    "DisconnectedInputError",
    "MissingInputError",
    "NullTypeGradError",
    "SymtensorError",
    "SymbolicTruthError",
    "UnusedInputError",
]


class SymtensorError(Exception):
    """Base of the library's own exceptions."""


class SymbolicTruthError(SymtensorError, TypeError, ValueError):
    """A symbolic variable was used where Python needs a value now (``if x:``, ``float(x)``, ``len(x)``).

    It is a TypeError (what Python raises for such objects) and a ValueError (what the array API standard
    asks of lazy arrays).
    """


class MissingInputError(SymtensorError, ValueError):
    """An output needs a variable that is neither an input, nor shared, nor given (Theano's name)."""


class UnusedInputError(SymtensorError, ValueError):
    """An input of a function is not needed for any output or update (Theano's name)."""


class DisconnectedInputError(SymtensorError, ValueError):
    """A gradient was asked with respect to a variable the cost does not depend on (Theano's name)."""


class NullTypeGradError(SymtensorError, TypeError):
    """A gradient was needed where it is undefined or not implemented (Theano's name)."""
