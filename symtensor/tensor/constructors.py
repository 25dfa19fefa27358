"""Constructors of input variables: by rank in floatX (``matrix``), by dtype letter and rank (``dmatrix``),
several at once (``matrices``), and of any type (``tensor``).

``T.dmatrix`` is itself a `TensorType`: calling it with a name makes a variable, and ops take it in
``itypes``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symtensor.config import config
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Variable

__all__ = ["RANKS", "TYPES", "tensor"]

RANKS: dict[str, tuple[bool, ...]] = {
    "scalar": (), "vector": (False,), "row": (True, False), "col": (False, True), "matrix": (False, False),
    **{f"tensor{n}": (False,) * n for n in range(3, 8)},
}
"""For each constructor's name which dimensions are known to be 1."""

LETTERS = {"b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32", "d": "float64",
           "c": "complex64",
           "z": "complex128"}
"""The letters in front: ``dmatrix`` is a float64 matrix."""

TYPES: dict[str, TensorType] = {
    letter + rank: TensorType(dtype, pattern) for letter, dtype in LETTERS.items() for rank,
    pattern in RANKS.items()
}
"""Every type with a name of its own: ``TYPES["dmatrix"]`` is ``T.dmatrix``."""


def tensor(*args: Any, dtype: Any = None, shape: Sequence[int | bool | None] | None = None,
           name: str | None = None,
           broadcastable: Sequence[bool] | None = None, ndim: int | None = None) -> Variable:
    """An input variable of any type.

    ``tensor(dtype, shape, name)``, where booleans in ``shape`` mean Theano's ``broadcastable``; or
    ``tensor(name, dtype=..., shape=...)``. ``dtype`` defaults to floatX; ``ndim`` stands for unknown
    dimensions.

    >>> tensor("float32", (None, 3), name="x").type.shape
    (None, 3)
    """
    if len(args) > 3:
        raise TypeError(f"tensor(dtype, shape, name) takes at most 3 arguments in order, got {len(args)}")
    rest = list(args)
    if rest and isinstance(rest[0], str) and dtype is not None:
        if name is not None:
            raise TypeError(f"tensor: two names, {rest[0]!r} and {name!r}")
        name = rest.pop(0)
    if rest:
        if dtype is not None:
            raise TypeError(f"tensor: two dtypes, {rest[0]!r} and {dtype!r}")
        dtype = rest.pop(0)
    if rest:
        shape = rest.pop(0)
    if rest:
        name = rest.pop(0)
    pattern = shape if shape is not None else broadcastable
    if pattern is None:
        if ndim is None:
            raise TypeError("tensor: give shape=(...), with None for an unknown dimension, or ndim=")
        pattern = (None,) * ndim
    return TensorType("floatX" if dtype is None else dtype, pattern).make_variable(name)


def _constructor(rank: str, pattern: tuple[bool, ...]) -> Callable[..., Variable]:
    def make(name: str | None = None, dtype: Any = None) -> Variable:
        return TensorType(config.floatX if dtype is None else dtype, pattern).make_variable(name)

    make.__name__ = make.__qualname__ = rank
    make.__doc__ = f"A {rank} variable: of ``dtype``, by default floatX. Theano's ``T.{rank}``."
    return make


def _several(name: str, make: Callable[..., Variable]) -> Callable[..., Variable | list[Variable]]:
    def make_several(*names: str | int, **kwargs: Any) -> Variable | list[Variable]:
        if len(names) == 1 and not isinstance(names[0], str):
            made = [make(**kwargs) for _ in range(names[0])]
        else:
            texts: Sequence[Any] = names[0] if len(names) == 1 and isinstance(names[0], str) else names
            made = [make(text, **kwargs) for text in texts]
        return made[0] if len(made) == 1 else made

    make_several.__name__ = make_several.__qualname__ = name
    make_several.__doc__ = (f"Several variables at once: ``{name}('a', 'b')`` or ``{name}('ab')`` by name, "
                            f"``{name}(2)`` by number. One alone comes without a list.")
    return make_several


def _plural(name: str) -> str:
    return name[:-2] + "ices" if name.endswith("matrix") else name + "s"


def _define() -> None:
    """Put every constructor into this module: 10 ranks, 80 types, and the plurals of both."""
    table: dict[str, Callable[..., Any]] = {rank: _constructor(rank, pattern) for rank,
                                            pattern in RANKS.items()}
    table.update(TYPES)
    for name, make in list(table.items()):
        table[_plural(name)] = _several(_plural(name), make)
    globals().update(table)
    __all__.extend(table)


_define()
