"""Immutable values with named fields. What a frozen dataclass is, without the half a millisecond that each one takes
to define: that is what most of a first call's imports would be."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, NoReturn, dataclass_transform

__all__ = ["Record"]


@dataclass_transform(frozen_default=True)
class Record:
    """Base of classes whose annotations are the fields: equal, and hashed, by their values.

    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(x=1, y=0)
    (Point(x=1, y=0), True)
    """

    _names: ClassVar[tuple[str, ...]] = ()
    _values: ClassVar[Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._names = tuple(name for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar"))
        cls._values = attrgetter(*cls._names)

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self._names
        if named or len(values) != len(names):
            given = {**dict(zip(names, values)), **named}
            missing = [name for name in names if name not in given and not hasattr(type(self), name)]
            if missing or len(given) != len(values) + len(named) or not given.keys() <= set(names):
                raise TypeError(f"{type(self).__name__} takes {', '.join(names)}; got {len(values)} value(s)"
                                f"{''.join(f', {name}' for name in named)}")
            values = tuple(given[name] if name in given else getattr(type(self), name) for name in names)
        self.__dict__.update(zip(names, values, strict=True))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = type(self)._values
        return bool(values(self) == values(other))

    def __hash__(self) -> int:
        return hash(type(self)._values(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._names)})"
