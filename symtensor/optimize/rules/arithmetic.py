"""Arithmetic: canonical forms, and cheaper spellings of the same value.

Values are preserved for every input, infinite and nan ones included; the sign of a zero may change (``x + 0``). The
user's order of additions and multiplications is kept: results equal NumPy's to the last bit wherever no constants are
merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.types import is_continuous, is_float, is_integer, upcast
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import constant
from symtensor.ops.elementwise import add, cast, inv, mul, neg, pow, second, sgn, sqr, sub, tensor_copy, true_div
from symtensor.ops.elementwise_compare import ceil, floor, round_half_away_from_zero, round_half_to_even, trunc
from symtensor.ops.elementwise_math import exp2, sqrt
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import constant_slot, pattern, rewrite, rules, uniform_value

_WIDE = 16  # operands of a sum or product

x, y, z = pattern("x y z")
c = constant_slot("c")


def numeric(x: Variable, **_: Variable) -> bool:
    """Arithmetic, not logic: sums and products of bools are or and and."""
    return bool(x.type.dtype != "bool")


def never_wraps(x: Variable, y: Variable) -> bool:
    """Whether -x in the dtype of x is -x in that of x + y: -(-128) is -128 in int8."""
    dtype = x.type.dtype
    return dtype != "bool" and (is_continuous(dtype) or dtype == upcast(dtype, y.type.dtype))


def fraction(x: Variable, **_: Variable) -> bool:
    """Quotients of integers are floats."""
    return is_continuous(x.type.dtype)


# -- neutral elements, signs -----------------------------------------------------------------------------------------

rules("canonicalize", (x + 0, x), name="add_zero")
rules("canonicalize", (x - 0, x), name="sub_zero")
rules("canonicalize", (x * 1, x), name="mul_one")
rules("canonicalize", (x / 1, x), name="div_one")
rules("canonicalize", (x * -1, -x), name="mul_minus_one", when=numeric)
rules("canonicalize", (x / -1, -x), name="div_minus_one", when=numeric)
rules("canonicalize", (0 - x, -x), name="zero_minus", when=numeric)
rules("canonicalize", (neg(-x), x), name="double_neg")
rules("canonicalize", (-(x - y), y - x), name="neg_of_sub")
rules("canonicalize", (x - (-y), x + y), name="sub_neg", when=lambda x, y: never_wraps(y, x))
rules("canonicalize", ((-x) * (-y), x * y), name="mul_neg_neg",
      when=lambda x, y: never_wraps(x, y) and never_wraps(y, x))
rules("canonicalize", ((-x) * y, -(x * y)), name="mul_neg",
      when=lambda x, y: uniform_value(y) is None and never_wraps(x, y))
rules("canonicalize", ((-x) / y, -(x / y)), (x / (-y), -(x / y)), name="div_neg",
      when=lambda x, y: is_float(x.type.dtype) and uniform_value(x) is None and uniform_value(y) is None)
rules("canonicalize", (abs(-x), abs(x)), (abs(abs(x)), abs(x)), (abs(sqr(x)), sqr(x)), name="abs_of",
      when=lambda x: is_float(x.type.dtype))
rules("canonicalize", (sqr(-x), sqr(x)), (sqr(abs(x)), sqr(x)), name="sqr_of", when=lambda x: is_float(x.type.dtype))
rules("canonicalize", (inv(inv(x)), x), name="inv_of_inv", assumes={"finite", "nonzero"})
rules("canonicalize", (x * 0, 0), name="times_zero", assumes={"finite"})
rules("canonicalize", (0 / x, 0), name="zero_div", assumes={"finite", "nonzero"}, when=fraction)
rules("canonicalize", (x / abs(x), sgn(x)), (abs(x) / x, sgn(x)), name="div_by_abs", assumes={"finite", "nonzero"},
      when=lambda x: is_float(x.type.dtype))
rules("canonicalize", ((x / y) / z, x / (y * z)), (x / (y / z), (x * z) / y), (inv(x / y), y / x),
      name="div_of_div", assumes={"finite", "nonzero"}, when=fraction)
rules("canonicalize", (tensor_copy(x), x), name="copy")


_SUMS: dict[Elemwise, Callable[[int], Any]] = {
    add: lambda n: [(1,) * n], sub: lambda n: [(1, -1)], neg: lambda n: [(-1,)]}
_PRODUCTS: dict[Elemwise, Callable[[int], Any]] = {
    mul: lambda n: [(1,) * n], true_div: lambda n: [(1, -1)], inv: lambda n: [(-1,)], sqr: lambda n: [(1,), (1,)]}
"""How often, and on which side of the minus sign or the line, the operands of an op count."""


def _sides(variable: Variable, dtype: str, ops: dict[Elemwise, Any], depth: int = 12) -> list[list[Variable]]:
    """The terms added and subtracted, or the factors above and below the line."""
    node = variable.owner
    if node is None or not isinstance(node.op, Elemwise) or node.op not in ops:
        return [[variable], []]
    if variable.type.dtype != dtype or depth == 0:
        return [[variable], []]
    sides: list[list[Variable]] = [[], []]
    for signs in ops[node.op](len(node.inputs)):
        for operand, sign in zip(node.inputs, signs, strict=True):
            parts = _sides(operand, dtype, ops, depth - 1)
            for side, more in zip(sides, parts[::sign], strict=True):
                side.extend(more)
    return sides


def _cancelled(node: Apply, ops: dict[Elemwise, Any]) -> Any:
    """The sum or product without what is on both sides; None where nothing is."""
    dtype = node.outputs[0].type.dtype
    above, below = _sides(node.outputs[0], dtype, ops)
    common = [part for part in dict.fromkeys(above) for _ in range(min(above.count(part), below.count(part)))]
    if not common:
        return None
    for part in common:
        above.remove(part)
        below.remove(part)
    above, below = ([cast(part, dtype) for part in side] for side in (above, below))  # sums of int8 wrap early
    join, take, neutral = (add, sub, 0) if ops is _SUMS else (mul, true_div, 1)
    top, bottom = (join(*side) if len(side) > 1 else side[0] if side else None for side in (above, below))
    top = constant(neutral, dtype=dtype) if top is None else top
    return top if bottom is None else take(top, bottom)


@rewrite("canonicalize", add, sub)
def cancel_integers(node: Apply, facts: Facts) -> Any:
    """(x + y) - x is y in integers, which wrap."""
    dtype = node.outputs[0].type.dtype
    return _cancelled(node, _SUMS) if is_integer(dtype) and dtype != "bool" else None


@rewrite("canonicalize", add, sub, assumes={"finite"})
def cancel_terms(node: Apply, facts: Facts) -> Any:
    """(x + y) - x is y, but for what rounding takes from y."""
    return _cancelled(node, _SUMS) if is_continuous(node.outputs[0].type.dtype) else None


@rewrite("canonicalize", mul, true_div, assumes={"finite", "nonzero"})
def cancel_factors(node: Apply, facts: Facts) -> Any:
    """(x y) / x is y."""
    return _cancelled(node, _PRODUCTS) if is_continuous(node.outputs[0].type.dtype) else None


@rewrite("canonicalize", add)
def add_neg(node: Apply, facts: Facts) -> Any:
    """a + -b is a - b."""
    if len(node.inputs) != 2:
        return None
    for index, variable in enumerate(node.inputs):
        if variable.owner is not None and variable.owner.op is neg and never_wraps(variable, node.outputs[0]):
            return sub(node.inputs[1 - index], variable.owner.inputs[0])
    return None


@rewrite("canonicalize", mul, true_div)
def constant_times_neg(node: Apply, facts: Facts) -> Any:
    """c * -x is (-c) * x, and so is -x / c."""
    if len(node.inputs) != 2:
        return None
    for at in (0, 1) if node.op is mul else (0,):
        inner, value = node.inputs[at].owner, uniform_value(node.inputs[1 - at])
        if inner is not None and inner.op is neg and value is not None and is_continuous(value.dtype.name):
            operands = [inner.inputs[0], neg(node.inputs[1 - at])]
            return node.op(*operands)
    return None


@rewrite("canonicalize", neg)
def neg_of_constant_times(node: Apply, facts: Facts) -> Any:
    """-(c * x) is (-c) * x."""
    inner = node.inputs[0].owner
    if inner is None or inner.op not in (mul, true_div) or not is_continuous(node.outputs[0].type.dtype):
        return None
    for at, variable in enumerate(inner.inputs):
        if uniform_value(variable) is not None and is_continuous(variable.type.dtype):
            return inner.op(*inner.inputs[:at], neg(variable), *inner.inputs[at + 1:])
    return None


@rewrite("canonicalize", mul, sub)
def integer_zero(node: Apply, facts: Facts) -> Any:
    """x * 0 and x - x are 0 in integers (in floats not where x is inf or nan)."""
    dtype = node.outputs[0].type.dtype
    if not is_integer(dtype):
        return None
    same = node.op is sub and node.inputs[0] is node.inputs[1]
    if same or (node.op is mul and any(uniform_value(v) == 0 for v in node.inputs)):
        return constant(0, dtype=dtype)
    return None


@rewrite("canonicalize", mul)
def product_of_same(node: Apply, facts: Facts) -> Any:
    """x * x is sqr(x)."""
    first, *rest = node.inputs
    if len(rest) == 1 and rest[0] is first and first.type.dtype != "bool":
        return sqr(first)
    return None


@rewrite("canonicalize", add, mul)
def single_operand(node: Apply, facts: Facts) -> Any:
    return node.inputs[0] if len(node.inputs) == 1 else None


# -- constants -------------------------------------------------------------------------------------------------------


def _merged(op: Elemwise, a: Any, b: Any, dtype: np.dtype[Any]) -> Any:
    """The constant that does the work of two, or None where that would cost more than a rounding."""
    with np.errstate(all="ignore"):
        value = np.asarray(op.numpy(a.astype(dtype), b.astype(dtype)))
    if dtype.kind in "iu":
        return value
    if dtype.kind != "f" or not np.isfinite(value):
        return None
    if op is add:  # constants of different signs may cancel what is added in between
        return value if (a >= 0) == (b >= 0) else None
    return value if abs(value) >= np.finfo(dtype).tiny or (value == 0 and not (a and b)) else None


@rewrite("canonicalize", add, mul)
def merge_constants(node: Apply, facts: Facts) -> Any:
    """(x * c) * d is x * (c d), also where the inner product is an operand; sums likewise."""
    inputs = list(node.inputs)
    at = [i for i, v in enumerate(inputs) if uniform_value(v) is not None]
    if not at or node.outputs[0].type.dtype == "bool":
        return None
    if len(at) == 1:  # look into an operand of the same op and dtype
        for k, v in enumerate(inputs):
            if v.owner is not None and v.owner.op is node.op and v.type.dtype == node.outputs[0].type.dtype:
                inner = [u for u in v.owner.inputs if uniform_value(u) is not None]
                if inner:
                    rest = [u for u in v.owner.inputs if u is not inner[0]]
                    rest += [u for i, u in enumerate(inputs) if i not in (at[0], k)]
                    return _with_merged(node, inputs[at[0]], inner[0], rest)
        return None
    return _with_merged(node, inputs[at[0]], inputs[at[1]], [u for i, u in enumerate(inputs) if i not in at[:2]])


def _with_merged(node: Apply, a: Variable, b: Variable, rest: list[Variable]) -> Any:
    value = _merged(node.op, uniform_value(a), uniform_value(b), node.outputs[0].type.numpy_dtype)  # type: ignore[arg-type]
    if value is None or not rest:
        return None
    return node.op(*rest, constant(value))


@rewrite("canonicalize", true_div)
def div_by_power_of_two(node: Apply, facts: Facts) -> Any:
    """x / c is x * (1 / c) where 1 / c is exact."""
    value = uniform_value(node.inputs[1])
    dtype = node.outputs[0].type.dtype
    if value is None or not is_float(dtype) or not math.isfinite(float(value)) or float(value) == 0:
        return None
    mantissa, exponent = math.frexp(float(value))
    if abs(mantissa) != 0.5 or abs(exponent) > 14 or node.inputs[0].type.dtype != dtype:
        return None
    return mul(node.inputs[0], constant(1.0 / float(value), dtype=dtype))


@rewrite("specialize", add, mul)
def wide_in_parts(node: Apply, facts: Facts) -> Any:
    """A sum of many terms is a sum of sums, in the same order: a loop reads few arrays at a time."""
    dtype = node.outputs[0].type.dtype
    if len(node.inputs) <= _WIDE or dtype == "float16" or any(v.type.dtype != dtype for v in node.inputs):
        return None
    total, *rest = node.inputs
    for at in range(0, len(rest), _WIDE - 1):
        total = node.op(total, *rest[at:at + _WIDE - 1])
    return total


# -- powers ----------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", pow)
def power_of_constant(node: Apply, facts: Facts) -> Any:
    """x ** 0, 1, 2 as 1, x, sqr(x)."""
    value = uniform_value(node.inputs[1])
    if value is None or float(value.real) not in (0, 1, 2) or value.imag:
        return None
    base = cast(node.inputs[0], node.outputs[0].type.dtype)
    exponent = int(value.real)
    return constant(1, dtype=base.type.dtype) if exponent == 0 else base if exponent == 1 else sqr(base)


_POWERS: dict[float, Callable[[Variable], Variable]] = {
    3.0: lambda b: mul(b, sqr(b)), 4.0: lambda b: sqr(sqr(b)), -1.0: inv, -2.0: lambda b: inv(sqr(b)),
    0.5: sqrt, -0.5: lambda b: inv(sqrt(b)), 1.5: lambda b: mul(b, sqrt(b)),
}
"""Half powers are NumPy's ``x ** 0.5``, which is sqrt (nan at -inf, where the general power is inf)."""


@rewrite("canonicalize", pow)
def cheap_power(node: Apply, facts: Facts) -> Any:
    """Small powers of floats without a logarithm."""
    value, dtype = uniform_value(node.inputs[1]), node.outputs[0].type.dtype
    if value is None or not is_float(dtype) or float(value) not in _POWERS:
        return None
    return _POWERS[float(value)](cast(node.inputs[0], dtype))


rules("specialize", (2 ** x, exp2(x)), name="power_of_two", when=lambda x: is_float(x.type.dtype))
rules("canonicalize", (1 ** x, 1), name="power_of_one", when=lambda x: not x.type.dtype.startswith("complex"))
rules("canonicalize", ((x ** y) ** z, x ** (y * z)), ((x ** y) * (x ** z), x ** (y + z)),
      name="power_of_power", assumes={"positive", "finite"}, when=lambda x, **_: is_float(x.type.dtype))


# -- casts -----------------------------------------------------------------------------------------------------------

_CASTS = tuple(op for name, op in ELEMENTWISE.items() if name.startswith("cast{"))


@rewrite("canonicalize", *_CASTS)
def cast_of_cast(node: Apply, facts: Facts) -> Any:
    """A cast to the dtype that is there already, or after one that loses nothing."""
    source, dtype = node.inputs[0], node.outputs[0].type.dtype
    if source.type.dtype == dtype:
        return source
    inner = source.owner
    if inner is None or inner.op not in _CASTS:
        return None
    first = inner.inputs[0]
    return cast(first, dtype) if np.can_cast(first.type.dtype, source.type.dtype, "safe") else None


@rewrite("canonicalize", floor, ceil, trunc, round_half_to_even, round_half_away_from_zero)
def round_integer(node: Apply, facts: Facts) -> Any:
    return node.inputs[0] if is_integer(node.inputs[0].type.dtype) else None


# -- operands that carry no shape ------------------------------------------------------------------------------------


@rewrite("canonicalize", second)
def fill_to_alloc(node: Apply, facts: Facts) -> Any:
    """The engine expands the value to the shape of both where that is larger."""
    return node.inputs[1]


@rewrite("canonicalize", Elemwise)
def scalar_operand(node: Apply, facts: Facts) -> Any:
    """An operand that repeats one value need not have the full shape when others have it."""
    for at, operand in enumerate(node.inputs):
        if len(node.inputs) == 1 or _is_single(operand):
            continue
        small = _unexpanded(operand)
        if small is None:
            continue
        rest = [v for k, v in enumerate(node.inputs) if k != at]
        if facts.covered(node.outputs[0], [small, *rest]):
            return node.op(*node.inputs[:at], small, *node.inputs[at + 1:])
    return None


@rewrite("canonicalize", Elemwise)
def elementwise_of_alloc(node: Apply, facts: Facts) -> Any:
    """Computed before it is expanded, not after (the engine expands the result)."""
    small = [_unexpanded(operand) if not _is_single(operand) else operand for operand in node.inputs]
    if all(map(_is_single, node.inputs)) or any(value is None for value in small):
        return None
    return node.op(*small)


def _is_single(operand: Variable) -> bool:
    return all(dim == 1 for dim in operand.type.shape)


def _unexpanded(operand: Variable) -> Variable | None:
    """What was broadcast to ``operand``: the value of an alloc, or the one element of a constant."""
    if isinstance(operand, Constant):
        value = uniform_value(operand)
        return None if value is None else constant(np.reshape(value, (1,) * operand.type.ndim))
    node = operand.owner
    return node.inputs[0] if node is not None and type(node.op).__name__ == "Alloc" else None
