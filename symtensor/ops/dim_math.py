"""Arithmetic on dimensions and positions: int64 scalars, with constants folded at once.

Shapes, offsets and strides are spelled with these, so that what is static stays a constant and costs nothing.
Plain ints stand for constants. Conditions are bool scalars. """

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_index, constant, int64_constant, static_value

__all__ = ["add", "all_of", "any_of", "at_most", "below", "equal", "int_div", "is_natural", "maximum",
           "minimum", "mul", "neg", "product", "sub", "total", "where"]

Dim = Variable | int


def _record(name: str) -> Callable[..., Variable]:
    from symtensor.ops import elementwise  # its page needs shapes itself

    found: Callable[..., Variable] = getattr(elementwise, name)
    return found


def _pair(a: Dim, b: Dim) -> tuple[Variable, Variable, int | None, int | None]:
    left, right = as_index(a), as_index(b)
    return left, right, static_value(left), static_value(right)


def add(a: Dim, b: Dim) -> Variable:
    """``a + b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return int64_constant(m + n)
    if m == 0:
        return right
    return left if n == 0 else _record("add")(left, right)


def sub(a: Dim, b: Dim) -> Variable:
    """``a - b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return int64_constant(m - n)
    if left is right:
        return int64_constant(0)
    return left if n == 0 else _record("sub")(left, right)


def neg(a: Dim) -> Variable:
    """``-a``."""
    return sub(0, a)


def mul(a: Dim, b: Dim) -> Variable:
    """``a * b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return int64_constant(m * n)
    if m == 0 or n == 0:
        return int64_constant(0)
    if m == 1:
        return right
    return left if n == 1 else _record("mul")(left, right)


def int_div(a: Dim, b: Dim) -> Variable:
    """``a // b`` (floor)."""
    left, right, m, n = _pair(a, b)
    if m is not None and n:
        return int64_constant(m // n)
    return left if n == 1 else _record("int_div")(left, right)


def minimum(a: Dim, b: Dim) -> Variable:
    """The smaller one."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return int64_constant(min(m, n))
    if left is right or (m is not None and m <= 0 and is_natural(right)):
        return left
    return right if n is not None and n <= 0 and is_natural(left) else _record("minimum")(left, right)


def maximum(a: Dim, b: Dim) -> Variable:
    """The larger one."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return int64_constant(max(m, n))
    if left is right or (n is not None and n <= 0 and is_natural(left)):
        return left
    return right if m is not None and m <= 0 and is_natural(right) else _record("maximum")(left, right)


def product(dims: Iterable[Dim]) -> Variable:
    """The product; 1 for none."""
    result: Variable = int64_constant(1)
    for dim in dims:
        result = mul(result, dim)
    return result


def total(dims: Iterable[Dim]) -> Variable:
    """The sum; 0 for none."""
    result: Variable = int64_constant(0)
    for dim in dims:
        result = add(result, dim)
    return result


# -- conditions ----------------------------------------------------------------------------------------------


def _known(condition: Any) -> bool | None:
    if isinstance(condition, bool):
        return condition
    return bool(condition.data) if isinstance(condition, Constant) else None


def _truth(value: bool) -> Variable:
    return constant(value, dtype="bool")


def below(a: Dim, b: Dim) -> Variable:
    """``a < b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return _truth(m < n)
    if left is right or (n is not None and n <= 0 and is_natural(left)):
        return _truth(False)
    return _truth(True) if m is not None and m < 0 and is_natural(right) else _record("lt")(left, right)


def at_most(a: Dim, b: Dim) -> Variable:
    """``a <= b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return _truth(m <= n)
    if left is right or (m is not None and m <= 0 and is_natural(right)):
        return _truth(True)
    return _truth(False) if n is not None and n < 0 and is_natural(left) else _record("le")(left, right)


def equal(a: Dim, b: Dim) -> Variable:
    """``a == b``."""
    left, right, m, n = _pair(a, b)
    if m is not None and n is not None:
        return _truth(m == n)
    if left is right:
        return _truth(True)
    never = (m is not None and m < 0 and is_natural(right)) or (n is not None and n < 0 and is_natural(left))
    return _truth(False) if never else _record("eq")(left, right)


def all_of(*conditions: Variable) -> Variable:
    """Whether all conditions hold."""
    return _gather(conditions, "and_", neutral=True)


def any_of(*conditions: Variable) -> Variable:
    """Whether any condition holds."""
    return _gather(conditions, "or_", neutral=False)


def _gather(conditions: Sequence[Variable], name: str, neutral: bool) -> Variable:
    open_ones: list[Variable] = []
    for condition in conditions:
        known = _known(condition)
        if known is None:
            open_ones.append(condition)
        elif known is not neutral:
            return _truth(not neutral)
    if not open_ones:
        return _truth(neutral)
    result = open_ones[0]
    for condition in open_ones[1:]:
        result = _record(name)(result, condition)
    return result


def where(condition: Variable, a: Dim, b: Dim) -> Variable:
    """``a`` where the condition holds, else ``b``."""
    known = _known(condition)
    left, right, m, n = _pair(a, b)
    if known is not None:
        return left if known else right
    if left is right or (m is not None and m == n):
        return left
    return _record("switch")(condition, left, right)


# -- facts ---------------------------------------------------------------------------------------------------


def is_natural(dim: Dim, depth: int = 8) -> bool:
    """Whether an integer scalar is known not to be negative: a dimension, or made of such."""
    value = static_value(dim)
    if value is not None:
        return value >= 0
    owner = dim.owner if isinstance(dim, Variable) else None
    if owner is None or depth == 0:
        return False
    if type(owner.op).__name__ == "Shape_i":
        return True
    name = getattr(owner.op, "name", "")
    facts = (is_natural(variable, depth - 1) for variable in owner.inputs)
    if name in ("add", "mul", "minimum", "broadcast_dim"):
        return all(facts)
    if name == "maximum":
        return any(facts)
    if name == "int_div":
        return is_natural(owner.inputs[0], depth - 1) and (static_value(owner.inputs[1]) or 0) > 0
    if name == "switch":
        return all(is_natural(variable, depth - 1) for variable in owner.inputs[1:])
    return False
