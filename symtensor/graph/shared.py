"""Variables whose value lives between calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.lock import Lock
from symtensor.graph.types import Type
from symtensor.graph.variable import Variable

__all__ = ["Container", "SharedVariable"]


class Container:
    """Where a shared variable's value lives: ``storage[0]``, C-contiguous and aligned when it is an array.

    ``lock`` guards the storage: whoever writes, or reads twice, holds it.
    """

    __slots__ = ("__weakref__", "lock", "storage", "type")

    def __init__(self, type: Type, value: Any) -> None:
        self.type = type
        self.storage: list[Any] = [value]
        self.lock = Lock()

    @property
    def value(self) -> Any:
        """The stored value itself, not a copy."""
        return self.storage[0]


class SharedVariable(Variable):
    """A variable with a value that functions read, and change through ``updates`` (Theano's name).

    Made by `symtensor.shared`.
    """

    __slots__ = ("allow_downcast", "container", "default_update", "strict")

    def __init__(self, type: Type, value: Any, name: str | None = None, *, strict: bool = False,
                 allow_downcast: bool | None = None, borrow: bool = False) -> None:
        super().__init__(type, None, None, name)
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.default_update: Variable | None = None
        self.container = Container(type, self._own(value, borrow))

    def _own(self, value: Any, borrow: bool) -> Any:
        filtered = self.type.filter(value, strict=self.strict, allow_downcast=self.allow_downcast)
        if not isinstance(filtered, np.ndarray):
            return filtered
        usable = filtered.flags.c_contiguous and filtered.flags.aligned and filtered.flags.writeable
        return filtered if borrow and usable else np.array(filtered, order="C", copy=True)

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value: a copy, or with ``borrow`` the very memory (it may change under you at the next call)."""
        with self.container.lock:
            value = self.container.storage[0]
            return value.copy() if isinstance(value, np.ndarray) and not borrow else value

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Replace the value; its shape may change. TypeError, and no change, where it is not of the type."""
        value = self._own(new_value, borrow)
        with self.container.lock:
            self.container.storage[0] = value

    def zero(self, borrow: bool = False) -> None:
        """Set all elements to zero."""
        self.set_value(np.zeros_like(self.container.storage[0]), borrow=True)

    def clone(self, name: str | None = None) -> Variable:
        """Another variable over the same container."""
        copy = object.__new__(type(self))
        Variable.__init__(copy, self.type, None, None, name if name is not None else self.name)
        copy.strict, copy.allow_downcast = self.strict, self.allow_downcast
        copy.default_update, copy.container = self.default_update, self.container
        return copy

    def __reduce__(self) -> Any:
        return _rebuild_shared, (type(self), self.type, self.get_value(borrow=True), self.name, self.strict,
                                 self.allow_downcast)

    def __str__(self) -> str:
        return self.name if self.name is not None else f"<{self.type}>"


def _rebuild_shared(cls: type[SharedVariable], type_: Type, value: Any, name: str | None, strict: bool,
                    allow_downcast: bool | None) -> SharedVariable:
    return cls(type_, value, name, strict=strict, allow_downcast=allow_downcast)
