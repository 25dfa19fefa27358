"""Indexing: parts of what was filled, computed, multiplied or written; writes that meet; joins."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import static_value
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.dot import Dot
from symtensor.ops.elementwise import add, cast, mul, neg, neq, sub, switch, true_div
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.index import AdvancedSubtensor1, Subtensor
from symtensor.ops.index_key import FULL
from symtensor.ops.index_mask import Nonzero
from symtensor.ops.index_set import AdvancedIncSubtensor, AdvancedIncSubtensor1, IncSubtensor
from symtensor.ops.join import Join
from symtensor.ops.reduction import put_back
from symtensor.ops.shape import MakeVector
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite, uniform_value


def typed(node: Apply) -> Any:
    """The op of a node."""
    return node.op


def slices(op: Any) -> bool:
    """Whether there are slices alone, which are never out of range."""
    return all(isinstance(slot, tuple) for slot in op.idx_list)


@rewrite("canonicalize", Subtensor)
def useless_slice(node: Apply, facts: Facts) -> Any:
    """Slices without a step that leave every dimension as it is."""
    op: Any = node.op
    if not slices(op) or any(slot[2] for slot in op.idx_list):
        return None
    return node.inputs[0] if facts.same_shape(node.inputs[0], node.outputs[0]) else None


@rewrite("canonicalize", Subtensor)
def item_of_made_vector(node: Apply, facts: Facts) -> Any:
    """The element, or a slice, of a vector that is spelled out."""
    inner, op = node.inputs[0].owner, typed(node)
    if inner is None or not isinstance(inner.op, MakeVector):
        return None
    given = op.split(node.inputs[1:])[0]
    parts: list[Any] = [None if part is None else static_value(part) for part in given]
    if parts.count(None) > given.count(None):
        return None
    if op.idx_list == ("i",):
        return inner.inputs[parts[0]] if -len(inner.inputs) <= parts[0] < len(inner.inputs) else None
    kept = inner.inputs[slice(*parts)] if parts[2] != 0 else ()
    return inner.op(*kept) if kept else None


def _dropped(op: Any, x: Variable, index: list[Variable]) -> list[int]:
    """The dimensions of 1 whose only element is taken, where nothing else is; else none."""
    taken = []
    for axis, (slot, parts) in enumerate(zip(op.idx_list, op.split(index), strict=True)):
        if slot == "i" and x.type.shape[axis] == 1 and static_value(parts[0]) in (0, -1):
            taken.append(axis)
        elif slot != FULL:
            return []
    return taken


@rewrite("canonicalize", Subtensor)
def index_of_one(node: Apply, facts: Facts) -> Any:
    """The only element along a dimension of 1 is taken by dropping the dimension."""
    x, *index = node.inputs
    taken = _dropped(node.op, x, index)
    return dimshuffle(x, [axis for axis in range(x.type.ndim) if axis not in taken]) if taken else None


@rewrite("canonicalize", Subtensor)
def reverse_twice(node: Apply, facts: Facts) -> Any:
    """x[::-1][::-1] is x."""
    inner, op = node.inputs[0].owner, typed(node)
    back = all(slot in (FULL, (False, False, True)) for slot in op.idx_list) and all(
        static_value(step) == -1 for step in node.inputs[1:])
    same = back and inner is not None and inner.op == op and inner.inputs[1:] == node.inputs[1:]
    return inner.inputs[0] if same and inner is not None else None


@rewrite("canonicalize", Subtensor)
def slice_of_alloc(node: Apply, facts: Facts) -> Any:
    """Slices of a filled tensor are filled tensors (an integer index stays: it may be out of range)."""
    x, op = node.inputs[0], typed(node)
    inner = x.owner
    if inner is None or not isinstance(inner.op, Alloc) or not slices(op):
        return None
    value, slots, index = inner.inputs[0], [], []
    dims = facts.shape(x)
    missing = x.type.ndim - value.type.ndim
    for axis, (slot, parts) in enumerate(zip(op.idx_list, op.split(node.inputs[1:]), strict=True)):
        one = axis < missing or value.type.shape[axis - missing] == 1
        if not one and facts.shape(value)[axis - missing] is not dims[axis]:
            return None
        slots += [FULL if one else slot] if axis >= missing else []
        index += [] if one else [part for part in parts if part is not None]
    sliced = Subtensor(slots)(value, *index) if index else value
    return alloc(sliced, *facts.shape(node.outputs[0]))


@rewrite("canonicalize", Subtensor, AdvancedSubtensor1, whole=True)
def index_of_elementwise(node: Apply, facts: Facts) -> Any:
    """f(x)[i] is f(x[i]) where nothing else needs f(x)."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Elemwise) or facts.clients(node.inputs[0]) != 1:
        return None
    operands = []
    for operand in inner.inputs:
        if facts.same_shape(operand, node.inputs[0]):
            operands.append(node.op(operand, *node.inputs[1:]))
        elif all(dim == 1 for dim in operand.type.shape):
            operands.append(dimshuffle(operand))
        else:
            return None
    return inner.op(*operands)


@rewrite("specialize", Subtensor, whole=True)
def index_of_dot(node: Apply, facts: Facts) -> Any:
    """Rows and columns of a product are products with rows and columns."""
    inner, op = node.inputs[0].owner, typed(node)
    if inner is None or not isinstance(inner.op, Dot) or facts.clients(node.inputs[0]) != 1 or not facts.fits(inner):
        return None
    a, b = inner.inputs
    first = op.split(node.inputs[1:])[:1] if a.type.ndim == 2 else []
    rest = op.split(node.inputs[1:])[len(first):]
    given = [[part for parts in some for part in parts if part is not None] for some in (first, rest)]
    if first:
        a = Subtensor(op.idx_list[:1])(a, *given[0])
    if rest:
        b = Subtensor((FULL, *op.idx_list[len(first):]))(b, *given[1])
    return inner.op(a, b)


@rewrite("canonicalize", Subtensor)
def read_what_was_set(node: Apply, facts: Facts) -> Any:
    """set_subtensor(x[i], y)[i] is y; inc_subtensor(zeros[i], y)[i] too."""
    inner = node.inputs[0].owner
    if inner is None or type(inner.op) is not IncSubtensor:
        return None
    if not inner.op.set_instead_of_inc and uniform_value(inner.inputs[0]) != 0:
        return None
    same = inner.op.idx_list == node.op.idx_list and inner.inputs[2:] == node.inputs[1:]  # type: ignore[attr-defined]
    return inner.inputs[1] if same else None


@rewrite("canonicalize", IncSubtensor)
def useless_write(node: Apply, facts: Facts) -> Any:
    """x with all of it set or increased, or with a part of it increased by 0, or set to what it is filled with."""
    x, y, *index = node.inputs
    op = typed(node)
    taken = _dropped(op, x, index) if type(op) is IncSubtensor else []
    if taken:
        y, index = put_back(y, x.type.ndim, taken), []
        return alloc(y, *facts.shape(x)) if op.set_instead_of_inc else add(x, y)
    if type(op) is not IncSubtensor or not slices(op):
        return None
    known, new = uniform_value(x), uniform_value(y)
    fits = all(dim == 1 for dim in y.type.shape)
    if fits and new is not None and (new == 0 if not op.set_instead_of_inc else known is not None and known == new):
        return x
    whole = facts.same_shape(op.reader(op.idx_list)(x, *index), x) and not any(slot[2] for slot in op.idx_list)
    if not whole:
        return None
    return alloc(y, *facts.shape(x)) if op.set_instead_of_inc else add(x, y)


@rewrite("canonicalize", IncSubtensor)
def write_of_alloc(node: Apply, facts: Facts) -> Any:
    """What is written is broadcast anyway."""
    x, y, *index = node.inputs
    if y.owner is None or not isinstance(y.owner.op, Alloc):
        return None
    part = typed(node).reader.of(typed(node).idx_list)(x, *index)
    return node.op(x, y.owner.inputs[0], *index) if facts.same_shape(part, y) else None


@rewrite("canonicalize", IncSubtensor)
def set_to_sum(node: Apply, facts: Facts) -> Any:
    """set_subtensor(x[i], x[i] + y) is inc_subtensor(x[i], y)."""
    x, y, *index = node.inputs
    op, inner = typed(node), y.owner
    if type(op) is not IncSubtensor or not op.set_instead_of_inc or inner is None or inner.op is not add:
        return None
    part = facts.intern(Subtensor(op.idx_list)(x, *index))
    if part not in inner.inputs or any(v.type.dtype != x.type.dtype for v in inner.inputs):
        return None
    rest = list(inner.inputs)
    rest.remove(part)
    return IncSubtensor(op.idx_list)(x, add(*rest), *index)


@rewrite("canonicalize", IncSubtensor, whole=True)
def write_twice(node: Apply, facts: Facts) -> Any:
    """Of two writes to the same place the second alone counts, or what it adds to the first."""
    x, y, *index = node.inputs
    op, inner = typed(node), x.owner
    if inner is None or type(op) is not IncSubtensor or type(inner.op) is not IncSubtensor or facts.clients(x) != 1:
        return None
    if inner.op.idx_list != op.idx_list or list(inner.inputs[2:]) != index:
        return None
    if op.set_instead_of_inc:
        return op(inner.inputs[0], y, *index)
    return inner.op(inner.inputs[0], add(inner.inputs[1], y), *index) if inner.op.set_instead_of_inc else None


@rewrite("canonicalize", AdvancedIncSubtensor)
def write_by_mask(node: Apply, facts: Facts) -> Any:
    """set_subtensor(x[mask], y), where y is the same at all places, is switch(mask, y, x)."""
    x, y, *index = node.inputs
    axes: Any = [axis for axis, _ in node.op.arrays(index)]  # type: ignore[attr-defined]
    source, first, behind = index[0].owner, axes[0], range(axes[-1] + 1, x.type.ndim)
    if source is None or not isinstance(source.op, Nonzero) or index != list(source.outputs):
        return None
    mask, new = source.inputs[0], ["x" for _ in axes]
    if facts.shape(mask) != facts.shape(x)[first:behind.start]:  # it may be smaller than x, and arrays far apart
        return None
    if y.owner is not None and isinstance(y.owner.op, Alloc) and not y.owner.inputs[0].type.ndim:
        y = y.owner.inputs[0]
    elif y.type.shape[first] == 1:
        y = dimshuffle(y, [*range(first), *new, *range(first + 1, y.type.ndim)])
    else:
        return None
    chosen = neq(dimshuffle(mask, [*range(mask.type.ndim), *("x" for _ in behind)]), 0)
    return switch(chosen, y if node.op.set_instead_of_inc else add(x, y), x)  # type: ignore[attr-defined]


def _scatter(variable: Variable, facts: Facts) -> Apply | None:
    """The node, where it is inc_subtensor(zeros[i], y) and nothing else reads it."""
    node = variable.owner
    if node is None or not isinstance(node.op, IncSubtensor) or node.op.set_instead_of_inc:
        return None
    return node if facts.clients(variable) == 1 and uniform_value(node.inputs[0]) == 0 else None


@rewrite("specialize", mul, true_div, neg, whole=True)
def scaled_scatter(node: Apply, facts: Facts) -> Any:
    """2 * inc_subtensor(zeros[i], y) is inc_subtensor(zeros[i], 2 * y); unknown scalars are taken for finite."""
    for k, variable in enumerate(node.inputs):
        inner, out = _scatter(variable, facts), node.outputs[0]
        if inner is None:
            continue
        factors = [_factor(v) for v in (*node.inputs[:k], *node.inputs[k + 1:])]
        if any(v is None or (not isinstance(v, Variable) and not np.isfinite(v)) for v in factors):
            continue
        if variable.type.dtype != out.type.dtype or not facts.same_shape(variable, out):
            continue
        if node.op is true_div and (k or (not isinstance(factors[0], Variable) and factors[0] == 0)):
            continue
        y = node.op(*[inner.inputs[1] if at == k else factors.pop(0) for at in range(len(node.inputs))])
        return inner.op(inner.inputs[0], y, *inner.inputs[2:])
    return None


def _factor(variable: Variable) -> Any:
    """The one value of a factor where it is known, its 0-d variable where it has one element, else None."""
    value = uniform_value(variable)
    if value is not None or any(dim != 1 for dim in variable.type.shape):
        return value
    return dimshuffle(variable, ())


@rewrite("specialize", add, sub, whole=True)
def add_scatter(node: Apply, facts: Facts) -> Any:
    """x + inc_subtensor(zeros[i], y) is inc_subtensor(x[i], y), which touches the part alone where x may change."""
    out = node.outputs[0]
    for k in range(len(node.inputs) - 1, 0 if node.op is sub else -1, -1):
        inner = _scatter(node.inputs[k], facts)
        if inner is None or len(node.inputs) == 1:
            continue
        rest = [*node.inputs[:k], *node.inputs[k + 1:]]
        base = rest[0] if len(rest) == 1 else node.op(*rest)
        if {base.type.dtype, node.inputs[k].type.dtype} != {out.type.dtype}:
            continue
        if facts.same_shape(base, out) and facts.same_shape(node.inputs[k], out):
            y = inner.inputs[1]
            return inner.op(base, neg(y) if node.op is sub else y, *inner.inputs[2:])
    return None


@rewrite("specialize", AdvancedIncSubtensor1, whole=True)
def merge_row_updates(node: Apply, facts: Facts) -> Any:
    """Rows of an input, or of zeros, increased twice are increased once, at joined places: an update in place is one
    step."""
    source, *rest = node.inputs
    inner = source.owner
    if inner is None or inner.op != node.op or facts.clients(source) != 1:
        return None
    x, row = inner.inputs[0], facts.shape(source)[1:]
    if x.owner is not None and uniform_value(x) != 0:
        return None
    values = [alloc(y, *facts.shape(index), *row) for y, index in (inner.inputs[1:], rest)]
    places = [cast(index, "int64") for index in (inner.inputs[2], rest[1])]
    return node.op(x, Join(0)(*values), Join(0)(*places))


# -- joins -----------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", Join)
def join_of_one(node: Apply, facts: Facts) -> Any:
    """What has no elements along the axis adds none; one tensor alone is itself."""
    axis = typed(node).axis
    kept = [v for v in node.inputs if v.type.shape[axis] != 0] or node.inputs[:1]
    if len(kept) == 1:
        return kept[0]
    return node.op(*kept) if len(kept) < len(node.inputs) else None


@rewrite("canonicalize", Join)
def join_of_made_vectors(node: Apply, facts: Facts) -> Any:
    """Vectors that are spelled out are joined by spelling them out."""
    made = [v.owner for v in node.inputs if v.owner is not None and isinstance(v.owner.op, MakeVector)]
    if len(made) < len(node.inputs):
        return None
    return MakeVector(node.outputs[0].type.dtype)(*(v for part in made for v in part.inputs))


@rewrite("canonicalize", Join, whole=True)
def join_of_join(node: Apply, facts: Facts) -> Any:
    """join(join(a, b), c) copies once."""
    parts: list[Variable] = []
    for v in node.inputs:
        inner = v.owner if v.owner is not None and v.owner.op == node.op and facts.clients(v) == 1 else None
        parts += [v] if inner is None else [cast(part, v.type.dtype) for part in inner.inputs]
    return node.op(*parts) if len(parts) > len(node.inputs) else None
