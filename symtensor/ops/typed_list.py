"""Lists of tensors (or of lists) of one type, as Theano's ``typed_list``: functions of them run on the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.errors import SymbolicTruthError
from symtensor.graph.op import Op, evaluators
from symtensor.graph.op import _as_type as as_type
from symtensor.graph.op import _as_variable as as_variable
from symtensor.graph.types import TensorType, Type
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import as_index

__all__ = ["ListOp", "MakeList", "TypedListConstant", "TypedListType", "TypedListVariable", "append", "count", "extend",
           "getitem", "index", "insert", "length", "make_list", "remove", "reverse"]


_WITHOUT = dict.fromkeys(("infer_shape", "gradient", "native"), "lists have no shape, no gradient and no place in C")


class TypedListType(Type):
    """Python lists whose elements have type ``ttype``, or with ``depth`` lists of lists of it (Theano's type).

    >>> from symtensor import tensor as T
    >>> TypedListType(T.dvector)
    TypedList <TensorType(float64, vector)>
    """

    def __init__(self, ttype: Any, depth: int = 0) -> None:
        if depth < 0:
            raise ValueError(f"TypedListType: the depth is at least 0, got {depth}")
        self.ttype = as_type(ttype) if depth == 0 else TypedListType(ttype, depth - 1)

    def get_depth(self) -> int:
        """How many lists are around a list of elements that are no lists."""
        return self.ttype.get_depth() + 1 if isinstance(self.ttype, TypedListType) else 0

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> list[Any]:
        """``value``, a list, with its elements filtered; TypeError naming the first that does not fit."""
        if not isinstance(value, list):
            raise TypeError(f"expected a list with elements of type {self.ttype}, got {type(value).__name__}")
        found = []
        for at, item in enumerate(value):
            try:
                found.append(self.ttype.filter(item, strict, allow_downcast))
            except TypeError as error:
                raise TypeError(f"element {at} of the list: {error}") from None
        return found

    def values_eq(self, a: Any, b: Any) -> bool:
        """Whether two lists have equal elements."""
        return len(a) == len(b) and all(map(self.ttype.values_eq, a, b))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedListType) and self.ttype == other.ttype

    def __hash__(self) -> int:
        return hash((TypedListType, self.ttype))

    def __repr__(self) -> str:
        return f"TypedList <{self.ttype}>"


class ListOp(Op):
    """A function of a list and further values (Theano had a class for each): ``name`` is one of `RECORDS`.

    ``append(x, v)``, ``extend(x, y)``, ``insert(x, i, v)``, ``remove(x, v)`` and ``reverse(x)`` give new lists;
    ``index(x, v)``, ``count(x, v)`` and ``length(x)`` int64 scalars. TypeError for values of another type than the
    elements', ValueError at run time where an element to find is not there.
    """

    __props__ = ("name",)
    without = _WITHOUT

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def make_node(self, *inputs: Any) -> Apply:
        takes, gives, _ = RECORDS[self.name]
        if len(inputs) != len(takes):
            raise TypeError(f"{self}: takes {len(takes)} values ({', '.join(takes)}), got {len(inputs)}")
        first = as_variable(inputs[0])
        if not isinstance(first.type, TypedListType):
            raise TypeError(f"{self}: expected a typed list, got {first} of type {first.type}")
        kinds = {"list": first.type, "element": first.type.ttype, "int": TensorType("int64", ())}
        made = [as_index(v) if kind == "int" else as_variable(v) for kind, v in zip(takes, inputs, strict=True)]
        for kind, variable in zip(takes, made, strict=True):
            if not kinds[kind].accepts(variable.type):
                raise TypeError(f"{self}: expected {kinds[kind]}, got {variable} of type {variable.type}")
        return Apply(self, made, [kinds[gives].make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        _, gives, function = RECORDS[self.name]
        found = function(node.inputs[0].type.ttype, *inputs)
        outputs[0][0] = np.asarray(found, dtype="int64") if gives == "int" else found


class MakeList(Op):
    """The list of its inputs, which have one type (Theano's op)."""

    __props__ = ()
    without = _WITHOUT

    def make_node(self, elements: Any, *more: Any) -> Apply:
        made = [as_variable(v) for v in (elements if isinstance(elements, (list, tuple)) else (elements, *more))]
        if not made:
            raise ValueError("make_list: an empty list has no type; use TypedListType(ttype) and its filter([])")
        kind = next((k for k in (v.type for v in made) if all(k.accepts(v.type) for v in made)), None)
        if kind is None:
            raise TypeError(f"make_list: the elements have one type, got {', '.join(str(v.type) for v in made)}")
        return Apply(self, made, [TypedListType(kind).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        outputs[0][0] = list(inputs)


def _at(kind: Type, values: list[Any], item: Any) -> int:
    for at, value in enumerate(values):
        if kind.values_eq(value, item):
            return at
    raise ValueError(f"the list holds no element equal to {item!r}")


def _without(kind: Type, values: list[Any], item: Any) -> list[Any]:
    at = _at(kind, values, item)
    return values[:at] + values[at + 1:]


def _slice(kind: Type, values: list[Any], *ends: Any) -> list[Any]:
    return values[slice(*(None if int(end) == _NONE else int(end) for end in ends))]


_NONE = -2**63  # a bound of a slice that is not given

RECORDS: dict[str, tuple[tuple[str, ...], str, Callable[..., Any]]] = {
    "getitem": (("list", "int"), "element", lambda t, x, i: x[int(i)]),
    "getslice": (("list", "int", "int", "int"), "list", _slice),
    "append": (("list", "element"), "list", lambda t, x, v: [*x, v]),
    "extend": (("list", "list"), "list", lambda t, x, y: x + y),
    "insert": (("list", "int", "element"), "list", lambda t, x, i, v: [*x[:int(i)], v, *x[int(i):]]),
    "remove": (("list", "element"), "list", _without),
    "reverse": (("list",), "list", lambda t, x: x[::-1]),
    "index": (("list", "element"), "int", _at),
    "count": (("list", "element"), "int", lambda t, x, v: sum(t.values_eq(y, v) for y in x)),
    "length": (("list",), "int", lambda t, x: len(x)),
}
"""By name: what each input is, what the output is, and the function of values, which gets the element type first."""

make_list = MakeList()
append, extend, insert, remove = map(ListOp, ("append", "extend", "insert", "remove"))
reverse, index, count, length = map(ListOp, ("reverse", "index", "count", "length"))


def getitem(x: Any, index: Any) -> Variable:
    """Element ``index`` (an integer, which may be symbolic), or the list of those in a slice. IndexError at run time
    for an element that is not there."""
    if not isinstance(index, slice):
        return ListOp("getitem")(x, index)  # type: ignore[no-any-return]
    ends = (index.start, index.stop, index.step)
    return ListOp("getslice")(x, *(_NONE if end is None else end for end in ends))  # type: ignore[no-any-return]


def _method(op: ListOp) -> Callable[..., Variable]:
    return lambda self, *args: op(self, *args)


class _Operators:
    """The functions of `symtensor.typed_list` with ``self`` first; they return new lists."""

    __slots__ = ()

    type: Any
    ttype = property(lambda self: self.type.ttype, doc="The type of the elements.")
    __getitem__ = getitem
    append, extend, insert, remove = map(_method, (append, extend, insert, remove))
    reverse, ind, count = map(_method, (reverse, index, count))  # ``index`` says which output of a node it is

    def __len__(self) -> int:
        raise SymbolicTruthError(f"the length of the list {self} is not known while the graph is built; use length(x)")

    def eval(self, inputs_to_values: Any = None) -> Any:
        """The value, given those of the inputs."""
        return evaluators[-1](self, inputs_to_values)  # type: ignore[arg-type]


class TypedListVariable(_Operators, Variable):
    """A symbolic list (Theano's name)."""


class TypedListConstant(_Operators, Constant):
    """A list whose value is known."""


TypedListType.variable_class, TypedListType.constant_class = TypedListVariable, TypedListConstant
