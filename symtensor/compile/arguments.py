"""The arguments of a call: which input each is for, and its value as an array of the input's type."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symtensor.compile.io import In
from symtensor.graph.variable import Variable

__all__ = ["Arguments"]


class Arguments:
    """The inputs a caller may pass, with their defaults.

    label : how messages call the function.
    specs : all its inputs, in order; implicit ones cannot be passed.
    """

    def __init__(self, label: str, specs: Sequence[In], defaults: Sequence[Any]) -> None:
        self.label = label
        self.specs = list(specs)
        self.defaults = list(defaults)  # by input; None: must be passed, or lives in a container
        self.callable = [index for index, spec in enumerate(specs) if not spec.implicit]
        self.required = [
            spec.value is None and spec.update is None for spec in specs
        ]
        self._by_name: dict[str, list[int]] = {}
        for index in self.callable:
            name = self.specs[index].name
            if name is not None:
                self._by_name.setdefault(name, []).append(index)

    def place(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[int, Any]:
        """Raw values by input index; TypeError where they are too many, missing, unknown or given twice."""
        if len(args) > len(self.callable):
            raise TypeError(f"{self.label} takes {_count(len(self.callable), 'argument')} ({self.names()}), "
                            f"got {len(args)}")
        placed = dict(zip(self.callable, args, strict=False))
        for name, value in kwargs.items():
            index = self._named(name)
            if index in placed:
                raise TypeError(
                    f"{self.label}: {name!r} is given twice: as argument {self.callable.index(index)} and "
                    "by its name"
                )
            placed[index] = value
        missing = [index for index in self.callable if self.required[index] and index not in placed]
        if missing:
            named = ", ".join(self._word(index) for index in missing)
            raise TypeError(f"{self.label} takes {_count(len(self.callable), 'argument')} ({self.names()}), "
                            f"got {len(placed)}: missing {named}")
        return placed

    def _named(self, name: str) -> int:
        found = self._by_name.get(name)
        if found is None:
            import difflib  # only a mistake needs it: import time

            near = difflib.get_close_matches(name, self._by_name, n=1)
            hint = f"did you mean {near[0]!r}? The" if near else "its"
            raise TypeError(f"{self.label} has no input named {name!r}; {hint} inputs are {self.names()}")
        if len(found) > 1:
            raise TypeError(
                f"{self.label} has {len(found)} inputs named {name!r}; pass them by position, or give them "
                "names with In(variable, name=...)"
            )
        return found[0]

    def convert(self, index: int, value: Any) -> np.ndarray[Any, Any]:
        """``value`` as a contiguous array of the type of input ``index``; TypeError saying what was
        expected."""
        spec = self.specs[index]
        try:
            array = spec.variable.type.filter(value, strict=spec.strict, allow_downcast=spec.allow_downcast)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self.label}: argument {self._position(index)}: {error}") from None
        if not isinstance(array, np.ndarray):
            return array
        flags = array.flags
        if spec.mutable and not flags.writeable:
            raise ValueError(
                f"{self.label}: argument {self._position(index)} is read-only, but the input was declared "
                "mutable=True; pass a copy, or leave mutable out"
            )
        return array if flags.c_contiguous and flags.aligned else np.array(array, order="C", copy=True)

    def keyword(self, index: int) -> str | None:
        """The name by which a caller may pass an input; None where it has none of its own."""
        name = self.specs[index].name
        return sys.intern(str(name)) if name is not None and len(self._by_name.get(name, ())) == 1 else None

    def find(self, key: Any) -> int | None:
        """The input that ``key`` (a name, a variable, or a position) means, or None."""
        if isinstance(key, str):
            matching = [index for index, spec in enumerate(self.specs) if spec.name == key]
            return matching[0] if len(matching) == 1 else None
        if isinstance(key, Variable):
            return next((index for index, spec in enumerate(self.specs) if spec.variable is key), None)
        if isinstance(key, int) and -len(self.specs) <= key < len(self.specs):
            return key % len(self.specs)
        return None

    def names(self) -> str:
        """The inputs as messages list them."""
        return ", ".join(self._word(index) for index in self.callable)

    def _word(self, index: int) -> str:
        spec = self.specs[index]
        return spec.name if spec.name is not None else str(spec.variable)

    def _position(self, index: int) -> str:
        name = self.specs[index].name
        at = self.callable.index(index) if index in self.callable else index
        return f"{at} {name!r}" if name is not None else f"{at}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
