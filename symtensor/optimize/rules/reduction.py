"""Reductions: of reductions, of what was filled, joined or multiplied; sums of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import is_continuous, is_float, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.argreduce import ArgReduction
from symtensor.ops.convert import static_value
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.dot import Dot
from symtensor.ops.elementwise import cast, mul, neg, pow, true_div
from symtensor.ops.elementwise_math import exp, expm1, log, sigmoid, softplus, tanh
from symtensor.ops.join import Join
from symtensor.ops.reduce import Reduction, SumTo
from symtensor.ops.reduction import put_back
from symtensor.ops.softmax import LogSoftmax, Softmax
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite, uniform_value


def typed(node: Apply) -> Any:
    """The reduction of a node."""
    return node.op


def over(op: Reduction, axes: Sequence[int], ndim: int | None = None) -> Reduction:
    """The same reduction over other axes; None stands for all of ``ndim``."""
    return Reduction(op.name, None if len(axes) == ndim else axes, op.dtype, op.acc_dtype)


@rewrite("canonicalize", Reduction)
def reduce_ones(node: Apply, facts: Facts) -> Any:
    """Axes of one element need no reduction."""
    source, op = node.inputs[0], typed(node)
    axes = op.axes(source.type.ndim)
    kept = tuple(axis for axis in axes if not facts.inference.is_one(facts.shape(source)[axis]))
    if len(kept) == len(axes) and axes:
        return None
    value = over(op, kept)(source) if kept else source
    left = [axis for axis in range(source.type.ndim) if axis not in kept]
    value = cast(value, node.outputs[0].type.dtype)
    return dimshuffle(value, [at for at, axis in enumerate(left) if axis not in axes])


@rewrite("canonicalize", Reduction)
def reduce_dimshuffle(node: Apply, facts: Facts) -> Any:
    """The reduction does not depend on the order of the axes; those that remain are ordered after it."""
    source, op = node.inputs[0], typed(node)
    inner = source.owner
    if inner is None or not isinstance(inner.op, DimShuffle) or inner.op.dropped or not op.axes(source.type.ndim):
        return None
    order, axes = inner.op.order, op.axes(source.type.ndim)
    moved = sorted(order[axis] for axis in axes if order[axis] != "x")
    if not moved:
        return None  # reduce_ones takes these away
    left = [order[axis] for axis in range(source.type.ndim) if axis not in axes]
    kept = sorted(axis for axis in left if axis != "x")
    value = over(op, moved, inner.inputs[0].type.ndim)(inner.inputs[0])
    return dimshuffle(value, [axis if axis == "x" else kept.index(axis) for axis in left])


@rewrite("canonicalize", Reduction, whole=True)
def reduce_reduction(node: Apply, facts: Facts) -> Any:
    """The sum of a sum is a sum over more axes."""
    source, op = node.inputs[0], typed(node)
    inner = source.owner
    if inner is None or not isinstance(inner.op, Reduction) or facts.clients(source) != 1:
        return None
    if (inner.op.name, inner.op.dtype, inner.op.acc_dtype) != (op.name, op.dtype, op.acc_dtype):
        return None
    ndim = inner.inputs[0].type.ndim
    first = inner.op.axes(ndim)
    left = [axis for axis in range(ndim) if axis not in first]
    return over(op, [*first, *(left[axis] for axis in op.axes(source.type.ndim))], ndim)(inner.inputs[0])


@rewrite("canonicalize", Reduction)
def sum_of_neg(node: Apply, facts: Facts) -> Any:
    inner = node.inputs[0].owner
    if typed(node).name != "sum" or inner is None or inner.op is not neg:
        return None
    return neg(node.op(inner.inputs[0])) if is_continuous(node.outputs[0].type.dtype) else None


@rewrite("canonicalize", Reduction)
def max_of_neg(node: Apply, facts: Facts) -> Any:
    """The largest of -x is minus the smallest of x."""
    inner, op = node.inputs[0].owner, typed(node)
    other = {"max": "min", "min": "max"}.get(op.name)
    if inner is None or inner.op is not neg or other is None or not is_float(node.outputs[0].type.dtype):
        return None
    return neg(Reduction(other, op.axis, op.dtype, op.acc_dtype)(inner.inputs[0]))


@rewrite("canonicalize", Reduction)
def reduce_alloc(node: Apply, facts: Facts) -> Any:
    """The sum of equal elements is their number times the element; their product a power; their largest is the
    element."""
    source, op = node.inputs[0], typed(node)
    inner = source.owner
    if inner is None or not isinstance(inner.op, Alloc):
        return None
    value, ndim = inner.inputs[0], source.type.ndim
    missing = ndim - value.type.ndim
    equal = [axis for axis in op.axes(ndim) if axis < missing or value.type.shape[axis - missing] == 1]
    if not equal:
        return None
    sizes = [facts.shape(source)[axis] for axis in equal]
    filled, known = all((static_value(dim) or 0) > 0 for dim in sizes), uniform_value(value)
    if not filled and (op.name not in ("sum", "prod") or known is None or not np.isfinite(known)):
        return None
    dtype = op.dtypes(value.type.dtype)[1] if is_integer(node.outputs[0].type.dtype) else node.outputs[0].type.dtype
    result = cast(value, dtype)
    if op.name in ("sum", "prod"):
        result = (mul if op.name == "sum" else pow)(result, cast(d.product(sizes), dtype))
    left = [axis for axis in range(ndim) if axis not in equal]
    rest = [axis for axis in op.axes(ndim) if axis not in equal]
    spread = alloc(dimshuffle(result, [axis - missing for axis in left if axis >= missing]),
                   *(facts.shape(source)[axis] for axis in left)) if left else dimshuffle(result)
    return over(op, [left.index(axis) for axis in rest])(spread) if rest else spread


@rewrite("canonicalize", Reduction, whole=True)
def reduce_join(node: Apply, facts: Facts) -> Any:
    """stack([x, y]).sum(axis=0) is x + y."""
    source, op = node.inputs[0], typed(node)
    inner = source.owner
    if inner is None or not isinstance(inner.op, Join) or facts.clients(source) != 1 or len(inner.inputs) > 8:
        return None
    axis, parts = inner.op.axis, inner.inputs
    if axis not in op.axes(source.type.ndim) or any(part.type.shape[axis] != 1 for part in parts):
        return None
    dtype = op.dtypes(source.type.dtype)[0]
    combined = cast(parts[0], dtype)
    for part in parts[1:]:
        combined = op.record.combine(combined, cast(part, dtype))
    return over(op, op.axes(source.type.ndim))(combined)


def _outside(node: Apply, facts: Facts) -> tuple[Any, Variable, list[Variable]] | None:
    """Of a sum of products or quotients that nothing else reads: the op, what stays, and the factors that do not
    change along the summed axes."""
    source, op = node.inputs[0], typed(node)
    inner, dtype = source.owner, node.outputs[0].type.dtype
    if op.name != "sum" or inner is None or inner.op not in (mul, true_div) or facts.clients(source) != 1:
        return None
    if source.type.dtype != dtype or dtype not in ("float32", "float64"):
        return None
    axes = op.axes(source.type.ndim)
    still = [v for v in inner.inputs if all(v.type.shape[axis] == 1 for axis in axes)]
    inside = [v for v in inner.inputs if v not in still]
    if not still or not inside or (inner.op is true_div and inside != [inner.inputs[0]]):
        return None
    body = inner.op(*inside) if len(inside) > 1 else cast(inside[0], dtype)
    if not facts.same_shape(body, source):  # something is spread along the axes
        return None
    return inner.op, body, still


def _taken_out(node: Apply, found: tuple[Any, Variable, list[Variable]]) -> Any:
    op, body, still = found
    axes = typed(node).axes(body.type.ndim)
    left = [axis for axis in range(body.type.ndim) if axis not in axes]
    return op(cast(node.op(body), node.outputs[0].type.dtype), *(dimshuffle(v, left) for v in still))


@rewrite("specialize", Reduction, whole=True)
def sum_of_scaled(node: Apply, facts: Facts) -> Any:
    """sum(c x) is c sum(x), for numbers c that do not make it overflow before its time."""
    found = _outside(node, facts)
    values: list[Any] = [None] if found is None else [uniform_value(v) for v in found[2]]
    if found is None or any(v is None or not np.isfinite(v) or v == 0 for v in values):
        return None
    return _taken_out(node, found) if all((abs(v) >= 1) == (found[0] is mul) or abs(v) == 1 for v in values) else None


@rewrite("specialize", Reduction, whole=True, assumes={"finite", "nonzero"})
def sum_of_factor(node: Apply, facts: Facts) -> Any:
    """sum(x y, axis) is y sum(x, axis), and sum(x / y, axis) is sum(x, axis) / y, where y does not change along the
    axis."""
    found = _outside(node, facts)
    return None if found is None else _taken_out(node, found)


@rewrite("specialize", Reduction, whole=True)
def sum_of_dot(node: Apply, facts: Facts) -> Any:
    """The sum of the rows of A B is (the sum of the rows of A) B: a product of a vector, not of a matrix."""
    source, op = node.inputs[0], typed(node)
    inner, dtype = source.owner, node.outputs[0].type.dtype
    if op.name != "sum" or inner is None or not isinstance(inner.op, Dot) or facts.clients(source) != 1:
        return None
    a, b = inner.inputs
    same = a.type.ndim == b.type.ndim == 2 and {a.type.dtype, b.type.dtype, dtype} <= {"float32", "float64"}
    if not same or not facts.fits(inner):
        return None
    for axis in op.axes(2):
        total = over(op, (axis,))(a if axis == 0 else b)
        a, b = (total, b) if axis == 0 else (a, total)
    return inner.op(a, b)


@rewrite("stabilize", Reduction, assumes={"positive"})
def prod_of_exp(node: Apply, facts: Facts) -> Any:
    """prod(exp(x)) is exp(sum(x))."""
    inner, op = node.inputs[0].owner, typed(node)
    if op.name != "prod" or inner is None or inner.op is not exp or not is_float(node.outputs[0].type.dtype):
        return None
    return exp(Reduction("sum", op.axis, op.dtype, op.acc_dtype)(inner.inputs[0]))


@rewrite("stabilize", log, assumes={"positive"})
def log_of_prod(node: Apply, facts: Facts) -> Any:
    """log(prod(x)) is sum(log(x)), which neither overflows nor underflows."""
    total = node.inputs[0].owner
    if total is None or not isinstance(total.op, Reduction) or total.op.name != "prod":
        return None
    dtype = node.outputs[0].type.dtype
    return Reduction("sum", total.op.axis, dtype, None)(log(cast(total.inputs[0], dtype)))


@rewrite("stabilize", ArgReduction)
def argmax_of_increasing(node: Apply, facts: Facts) -> Any:
    """The largest of exp(x), softmax(x), ... is where the largest of x is."""
    inner = node.inputs[0].owner
    if inner is None or not is_float(inner.inputs[0].type.dtype):
        return None
    rows = isinstance(inner.op, (Softmax, LogSoftmax)) and inner.op.at(node.inputs[0].type.ndim) == node.op.axis  # type: ignore[attr-defined]
    return node.op(inner.inputs[0]) if rows or inner.op in (exp, expm1, softplus, sigmoid, tanh) else None


@rewrite("canonicalize", SumTo)
def sum_to_known(node: Apply, facts: Facts) -> Any:
    """Where it is known which dimensions are 1, it is a sum over those, or nothing."""
    g, like = node.inputs
    have, want = facts.shape(g), facts.shape(like)
    one = facts.inference.is_one
    if any(a is not b and not one(b) for a, b in zip(have, want, strict=True)):
        return None
    axes = tuple(axis for axis, (a, b) in enumerate(zip(have, want, strict=True)) if a is not b)
    if not axes:
        return g
    return put_back(Reduction("sum", axes, g.type.dtype, None)(g), g.type.ndim, axes)
