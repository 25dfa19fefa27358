"""Selection, comparison and logic: switches, clips, extrema, signs, conditions that are decided."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symtensor.graph.types import is_float, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import constant
from symtensor.ops.elementwise import (
    abs_,
    and_,
    clip,
    eq,
    ge,
    gt,
    int_div,
    isfinite,
    isinf,
    isnan,
    le,
    left_shift,
    lt,
    maximum,
    minimum,
    mod,
    neq,
    or_,
    right_shift,
    sgn,
    sqr,
    switch,
    xor,
)
from symtensor.ops.elementwise_extra import logical_and, logical_not, logical_or, logical_xor
from symtensor.ops.elementwise_math import exp, sigmoid, softplus, sqrt
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import pattern, rewrite, rules, uniform_value

x, y, z, w = pattern("x y z w")


def real(x: Variable, **_: Variable) -> bool:
    return is_float(x.type.dtype)


def whole(x: Variable, **_: Variable) -> bool:
    return is_integer(x.type.dtype) and x.type.dtype != "bool"


def unsigned(x: Variable, **_: Variable) -> bool:
    return x.type.dtype.startswith("u")


def logic(x: Variable, y: Variable | None = None, **_: Variable) -> bool:
    return x.type.dtype == "bool" and (y is None or y.type.dtype == "bool")


# -- logic and bits --------------------------------------------------------------------------------------------------

rules("canonicalize", (~(~x), x), (~eq(x, y), neq(x, y)), (~neq(x, y), eq(x, y)), name="double_invert")
rules("canonicalize", (~lt(x, y), ge(x, y)), (~le(x, y), gt(x, y)), (~gt(x, y), le(x, y)), (~ge(x, y), lt(x, y)),
      name="invert_comparison", when=lambda x, y: is_integer(x.type.dtype) and is_integer(y.type.dtype))
rules("canonicalize", (and_(x, x), x), (or_(x, x), x), (xor(x, x), 0), name="bits_of_same")
rules("canonicalize", (and_(x, 0), 0), (and_(x, -1), x), (or_(x, 0), x), (or_(x, -1), -1), (xor(x, 0), x),
      (left_shift(x, 0), x), (right_shift(x, 0), x), name="bits_of_constant", when=whole)
rules("canonicalize", (and_(x, False), False), (and_(x, True), x), (or_(x, False), x), (or_(x, True), True),
      (xor(x, False), x), (xor(x, True), ~x), (eq(x, True), x), (eq(x, False), ~x), (neq(x, False), x),
      (neq(x, True), ~x), name="logic_of_constant", when=logic)
rules("canonicalize", (logical_and(x, y), and_(x, y)), (logical_or(x, y), or_(x, y)), (logical_xor(x, y), xor(x, y)),
      (logical_not(x), ~x), name="logic_of_bool", when=logic)
rules("canonicalize", (mod(x, 1), 0), (mod(x, x), 0), (int_div(0, x), 0), name="remainder", when=whole)
rules("canonicalize", (isnan(x), False), (isinf(x), False), (isfinite(x), True), name="class_of_integer",
      when=lambda x: is_integer(x.type.dtype))
rules("canonicalize", (isnan(-x), isnan(x)), (isnan(abs(x)), isnan(x)), (isinf(-x), isinf(x)),
      (isinf(abs(x)), isinf(x)), (isfinite(-x), isfinite(x)), (isfinite(abs(x)), isfinite(x)),
      name="class_of_sign", when=real)

# -- extrema and signs -----------------------------------------------------------------------------------------------

rules("canonicalize", (maximum(x, x), x), (minimum(x, x), x), (maximum(maximum(x, y), y), maximum(x, y)),
      (minimum(minimum(x, y), y), minimum(x, y)), name="extremum_of_same")
rules("canonicalize", (maximum(x, -math.inf), x), (minimum(x, math.inf), x), name="extremum_of_infinity", when=real)
rules("canonicalize", (maximum(x, 0), x), (minimum(x, 0), 0), (lt(x, 0), False), (ge(x, 0), True), (gt(0, x), False),
      (le(0, x), True), name="unsigned_and_zero", when=unsigned)
rules("canonicalize", (lt(abs(x), 0), False), (lt(sqr(x), 0), False), (lt(exp(x), 0), False), (lt(sqrt(x), 0), False),
      name="nonnegative_and_zero", when=real)
rules("canonicalize", (-maximum(-x, -y), minimum(x, y)), (-minimum(-x, -y), maximum(x, y)),
      (maximum(-x, -y), -minimum(x, y)), (minimum(-x, -y), -maximum(x, y)), name="extremum_of_neg",
      when=lambda x, y: real(x) and real(y))
rules("canonicalize", (sgn(sgn(x)), sgn(x)), (sgn(-x), -sgn(x)), (x * sgn(x), abs(x)), (abs(x) * sgn(x), x),
      name="sign_of_sign", when=real)
rules("canonicalize", (switch(lt(x, 0), -x, x), abs(x)), (switch(le(x, 0), -x, x), abs(x)),
      (switch(gt(x, 0), x, -x), abs(x)), (switch(ge(x, 0), x, -x), abs(x)), name="switch_to_abs", when=real)
rules("canonicalize", (switch(lt(x, y), x, y), minimum(x, y)), (switch(le(x, y), x, y), minimum(x, y)),
      (switch(gt(x, y), x, y), maximum(x, y)), (switch(ge(x, y), x, y), maximum(x, y)), name="switch_to_extremum",
      when=lambda x, y: is_integer(x.type.dtype) and x.type.dtype == y.type.dtype)  # of floats nan decides otherwise

# -- switches --------------------------------------------------------------------------------------------------------

rules("canonicalize", (switch(neq(x, 0), y, z), switch(x, y, z)), (switch(eq(x, 0), y, z), switch(x, z, y)),
      (switch(logical_not(x), y, z), switch(x, z, y)), name="switch_on_truth")
rules("canonicalize", (switch(~x, y, z), switch(x, z, y)), name="switch_on_invert", when=lambda x, **_: logic(x))
rules("canonicalize", (switch(x, switch(y, z, w), w), switch(and_(x, y), z, w)),
      (switch(x, w, switch(y, w, z)), switch(or_(x, y), w, z)), name="switch_in_switch",
      when=lambda x, y, **_: logic(x, y))
rules("canonicalize", (switch(x, y, 0) + switch(x, 0, z), switch(x, y, z)), name="complementary_switches",
      when=lambda y, z, **_: "bool" not in (y.type.dtype, z.type.dtype))
rules("canonicalize", (switch(x, y, 0) * z, switch(x, y * z, 0)), (switch(x, 0, y) * z, switch(x, 0, y * z)),
      (switch(x, y, 0) / z, switch(x, y / z, 0)), (switch(x, 0, y) / z, switch(x, 0, y / z)),
      name="switch_sink", assumes={"finite", "nonzero"}, when=lambda y, z, **_: real(y) and real(z))

_CASTS = tuple(op for name, op in ELEMENTWISE.items() if name.startswith("cast{"))


@rewrite("canonicalize", switch, neq, eq)
def truth_of_cast(node: Apply, facts: Facts) -> Any:
    """What is 0 in one integer dtype or in bool is 0 in a wider one, and in floats."""
    inner = node.inputs[0].owner
    if inner is None or inner.op not in _CASTS or not is_integer(inner.inputs[0].type.dtype):
        return None
    if node.op is not switch and (uniform_value(node.inputs[1]) is None or uniform_value(node.inputs[1]) != 0):
        return None
    source, dtype = inner.inputs[0], node.inputs[0].type.dtype
    if is_integer(dtype) and dtype != "bool" and not np.can_cast(source.type.dtype, dtype, "safe"):
        return None  # bits may be lost
    zero = () if node.op is switch else (constant(0, dtype=source.type.dtype),)
    return node.op(source, *zero, *node.inputs[1:] if node.op is switch else ())


@rewrite("canonicalize", switch)
def switch_known(node: Apply, facts: Facts) -> Any:
    """A condition that is constant, or sides that are the same."""
    condition, then, other = node.inputs
    value = uniform_value(condition)
    if value is None:
        return then if then is other else None
    return then if value else other


@rewrite("canonicalize", switch)
def switch_of_switch(node: Apply, facts: Facts) -> Any:
    """An inner switch on the same condition has decided."""
    condition, *sides = node.inputs
    for at, side in enumerate(sides):
        inner = side.owner
        if inner is not None and inner.op is switch and inner.inputs[0] is condition:
            sides[at] = inner.inputs[1 + at]
            return switch(condition, *sides)
    return None


@rewrite("canonicalize", lt, gt, neq, le, ge, eq)
def compare_with_itself(node: Apply, facts: Facts) -> Any:
    """x < x and x > x are false (also for nan); for integers the others are decided too."""
    if node.inputs[0] is not node.inputs[1]:
        return None
    if node.op in (lt, gt):
        return constant(False)
    return constant(node.op is not neq) if is_integer(node.inputs[0].type.dtype) else None


@rewrite("canonicalize", clip)
def useless_clip(node: Apply, facts: Facts) -> Any:
    """Clipping to the bounds it was clipped to, or to infinite ones (nan bounds do not pass)."""
    value, low, high = node.inputs
    inner = value.owner
    if inner is not None and inner.op is clip and inner.inputs[1:] == node.inputs[1:]:
        return value
    bounds = uniform_value(low), uniform_value(high)
    infinite = None not in bounds and float(bounds[0]) == -math.inf and float(bounds[1]) == math.inf
    return value if infinite else None


_NONNEGATIVE = (exp, sigmoid, softplus, sqrt)


@rewrite("canonicalize", abs_, sgn)
def sign_of_known(node: Apply, facts: Facts) -> Any:
    """abs of what is never negative."""
    inner = node.inputs[0].owner
    known = inner is not None and inner.op in _NONNEGATIVE
    unsigned = node.inputs[0].type.dtype.startswith("u")
    return node.inputs[0] if node.op is abs_ and (known or unsigned) else None


@rewrite("canonicalize", int_div)
def int_div_one(node: Apply, facts: Facts) -> Any:
    value = uniform_value(node.inputs[1])
    return node.inputs[0] if value is not None and value == 1 and is_integer(node.outputs[0].type.dtype) else None
