"""What rules see of the operands of a node: behind padding and broadcasting, through products of products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise

__all__ = ["CONSTANT", "flattened", "makers", "operands", "opposite", "uniform_value"]

Interning = Callable[[Variable], Variable]

_uniform: WeakKeyDictionary[Constant, Any] = WeakKeyDictionary()
_LARGE = 100_000
_LONGEST = 8


def uniform_value(variable: Variable) -> Any:
    """The one value all elements of ``variable`` have, as a NumPy scalar, where it is a constant (also dimshuffled,
    or broadcast by alloc); else None."""
    while not isinstance(variable, Constant):
        node = variable.owner
        if node is None or type(node.op).__name__ not in ("DimShuffle", "Alloc"):
            return None
        variable = node.inputs[0]
    if variable in _uniform:
        return _uniform[variable]
    data = variable.data
    value = None
    if isinstance(data, np.ndarray) and 0 < data.size <= _LARGE:
        first = data.reshape(-1)[0]
        if data.size == 1 or bool((data == first).all()):
            value = first
    _uniform[variable] = value
    return value


CONSTANT = "a constant of one value"


def makers(node: Apply) -> set[Any]:
    """What makes the operands, behind dimshuffles and allocs: ops, and CONSTANT."""
    found: set[Any] = set()
    for variable in (*node.inputs, *(flattened(node) or ())):
        while (owner := variable.owner) is not None:
            found.add(owner.op)
            if type(owner.op).__name__ not in ("DimShuffle", "Alloc"):
                break
            variable = owner.inputs[0]
        if isinstance(variable, Constant):
            found.add(CONSTANT)
    return found


def flattened(node: Apply) -> tuple[Variable, ...] | None:
    """The operands of an associative op with those of operands by the same op in their places; None where no operand
    is by the same op."""
    parts, dtype = list(node.inputs), node.outputs[0].type.dtype
    if node.op is not ELEMENTWISE["mul"] and node.op is not ELEMENTWISE["add"]:
        return None
    at = 0
    while at < len(parts) < _LONGEST:
        inner = parts[at].owner
        if inner is not None and inner.op is node.op and parts[at].type.dtype == dtype:
            parts[at:at + 1] = inner.inputs
        else:
            at += 1
    return tuple(parts) if len(parts) > len(node.inputs) else None


def operands(variable: Variable, op: Elemwise, intern: Interning) -> tuple[Variable, ...] | None:
    """The operands of ``op`` where ``variable`` is ``op`` applied to something, or a DimShuffle of that: then the
    operands are dimshuffled instead."""
    node = variable.owner
    if node is None:
        return None
    if node.op is op:
        return node.inputs
    if isinstance(node.op, DimShuffle) and not node.op.dropped:
        inner = node.inputs[0].owner
        if inner is not None and inner.op is op:
            return tuple(intern(node.op(v)) for v in inner.inputs)
    return None


def opposite(a: Variable, b: Variable) -> bool:
    """Whether a is -b: the negative, the difference the other way round, or the product with the other constant."""
    node, other = a.owner, b.owner
    if node is None:
        return False
    if node.op is ELEMENTWISE["neg"]:
        return node.inputs[0] is b
    if other is None or other.op is not node.op or len(node.inputs) != len(other.inputs):
        return False
    if node.op is ELEMENTWISE["sub"]:
        return node.inputs[0] is other.inputs[1] and node.inputs[1] is other.inputs[0]
    apart = [(v, w) for v, w in zip(node.inputs, other.inputs, strict=True) if v is not w]
    if node.op not in (ELEMENTWISE["mul"], ELEMENTWISE["true_div"]) or len(apart) != 1:
        return False
    first, second = map(uniform_value, apart[0])
    return first is not None and second is not None and first.dtype.kind == "f" and bool(first == -second)
