"""Rules about where elements lie: dimshuffle, reshape, indexing, alloc, and reductions of these."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.types import is_continuous
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import static_value
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.elementwise import add, cast, mul, neg, neq, sub, switch, true_div
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.identity import ViewOp
from symtensor.ops.index import AdvancedSubtensor1, Subtensor
from symtensor.ops.index_mask import Nonzero
from symtensor.ops.index_set import AdvancedIncSubtensor, AdvancedIncSubtensor1, IncSubtensor
from symtensor.ops.join import Join
from symtensor.ops.reduce import Reduction, SumTo
from symtensor.ops.reduction import put_back
from symtensor.ops.reshape import Reshape
from symtensor.ops.shape import MakeVector, SpecifyShape
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite, uniform_value


@rewrite("canonicalize", ViewOp)
def past_differentiation(node: Apply, facts: Facts) -> Any:
    """Identities that only steer the gradient are gone, so that other rules see through them."""
    return node.inputs[0]


# -- dimshuffle ------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", DimShuffle)
def merge_dimshuffles(node: Apply, facts: Facts) -> Any:
    """Two in a row are one; one that changes nothing is none."""
    source, order = node.inputs[0], node.op.order  # type: ignore[attr-defined]
    inner = source.owner
    if inner is not None and isinstance(inner.op, DimShuffle):
        return dimshuffle(inner.inputs[0], [axis if axis == "x" else inner.op.order[axis] for axis in order])
    same = len(order) == source.type.ndim and all(
        axis == at or (axis == "x" and source.type.shape[at] == 1) for at, axis in enumerate(order))
    return source if same else None


@rewrite("canonicalize", DimShuffle)
def dimshuffle_of_alloc(node: Apply, facts: Facts) -> Any:
    """A filled tensor dimshuffled is a filled tensor."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Alloc) or inner.inputs[0].type.ndim:
        return None
    return alloc(inner.inputs[0], *facts.shape(node.outputs[0])) if node.outputs[0].type.ndim else inner.inputs[0]


# -- reshape ---------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", Reshape)
def useless_reshape(node: Apply, facts: Facts) -> Any:
    """To the shape it has already; or of a reshape."""
    source = node.inputs[0]
    if facts.same_shape(source, node.outputs[0]):
        return source
    inner = source.owner
    if inner is None or not isinstance(inner.op, Reshape):
        return None
    sizes = [facts.inference.simplify(d.product(facts.shape(v))) for v in (inner.inputs[0], source)]
    return node.op(inner.inputs[0], *facts.shape(node.outputs[0])) if sizes[0] is sizes[1] else None


@rewrite("canonicalize", Reshape)
def reshape_to_dimshuffle(node: Apply, facts: Facts) -> Any:
    """A reshape that only adds and drops dimensions of 1 is a dimshuffle."""
    source, result = node.inputs[0], node.outputs[0]
    one = facts.inference.is_one
    old = [(axis, dim) for axis, dim in enumerate(facts.shape(source)) if not one(dim)]
    new = [dim for dim in facts.shape(result) if not one(dim)]
    if [dim for _, dim in old] != new or any(source.type.shape[a] == 0 for a, _ in old):
        return None
    axes = iter([axis for axis, _ in old])
    return dimshuffle(source, ["x" if one(dim) else next(axes) for dim in facts.shape(result)])


@rewrite("canonicalize", Reshape)
def reshape_of_alloc(node: Apply, facts: Facts) -> Any:
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Alloc) or inner.inputs[0].type.ndim:
        return None
    sizes = [facts.inference.simplify(d.product(facts.shape(v))) for v in (node.inputs[0], node.outputs[0])]
    return alloc(inner.inputs[0], *facts.shape(node.outputs[0])) if sizes[0] is sizes[1] else None


# -- alloc -----------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", Alloc)
def useless_alloc(node: Apply, facts: Facts) -> Any:
    """Of a value that has the shape already; of an alloc; or of a padded scalar."""
    value = node.inputs[0]
    if facts.same_shape(value, node.outputs[0]):
        return value
    inner = value.owner
    if inner is not None and isinstance(inner.op, Alloc) and not inner.inputs[0].type.ndim:
        dims = zip(facts.shape(value), facts.shape(node.outputs[0]), strict=True)
        fits = all(a is b or facts.inference.is_one(a) for a, b in dims)
        return node.op(inner.inputs[0], *node.inputs[1:]) if fits else None
    padded = inner is not None and isinstance(inner.op, DimShuffle) and not inner.inputs[0].type.ndim
    return node.op(inner.inputs[0], *node.inputs[1:]) if padded and inner is not None else None


@rewrite("canonicalize", SpecifyShape)
def useless_specify_shape(node: Apply, facts: Facts) -> Any:
    """The stated dimensions are those that are known."""
    source = node.inputs[0]
    if node.outputs[0].type != source.type:
        return None
    dims = facts.shape(source)
    stated = [facts.inference.simplify(dim) for dim in node.inputs[1:]]
    return source if all(dims[a] is dim for a, dim in zip(node.op.axes, stated, strict=True)) else None  # type: ignore[attr-defined]


# -- indexing --------------------------------------------------------------------------------------------------------


def _slices(op: Subtensor) -> bool:
    return all(isinstance(slot, tuple) for slot in op.idx_list)


@rewrite("canonicalize", Subtensor)
def useless_slice(node: Apply, facts: Facts) -> Any:
    """Slices without a step that leave every dimension as it is."""
    op: Any = node.op
    if not _slices(op) or any(slot[2] for slot in op.idx_list):
        return None
    return node.inputs[0] if facts.same_shape(node.inputs[0], node.outputs[0]) else None


@rewrite("canonicalize", Subtensor)
def item_of_made_vector(node: Apply, facts: Facts) -> Any:
    """The element of a vector that is spelled out."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, MakeVector) or node.op.idx_list != ("i",):  # type: ignore[attr-defined]
        return None
    at, count = static_value(node.inputs[1]), len(inner.inputs)
    return inner.inputs[at] if at is not None and -count <= at < count else None


@rewrite("canonicalize", Subtensor)
def slice_of_alloc(node: Apply, facts: Facts) -> Any:
    """Slices of a filled tensor are filled tensors (an integer index stays: it may be out of range)."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, Alloc) or inner.inputs[0].type.ndim or not _slices(node.op):  # type: ignore[arg-type]
        return None
    return alloc(inner.inputs[0], *facts.shape(node.outputs[0]))


@rewrite("canonicalize", Subtensor, AdvancedSubtensor1, whole=True)
def index_of_elementwise(node: Apply, facts: Facts) -> Any:
    """f(x)[i] is f(x[i]) where nothing else needs f(x). Slices, which keep most of it, stay where they are."""
    inner = None if _slices(node.op) else node.inputs[0].owner  # type: ignore[arg-type]
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
        factors = [_factor(v) for v in (*node.inputs[:k], *node.inputs[k + 1:])]
        if inner is None or any(v is None or (not isinstance(v, Variable) and not np.isfinite(v)) for v in factors):
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
        rest = [*node.inputs[:k], *node.inputs[k + 1:]]
        base = rest[0] if len(rest) == 1 else node.op(*rest)
        if inner is None or {base.type.dtype, node.inputs[k].type.dtype} != {out.type.dtype}:
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


@rewrite("canonicalize", Join)
def join_of_one(node: Apply, facts: Facts) -> Any:
    tensors = [v for v in node.inputs if v.type.ndim]
    return tensors[0] if len(tensors) == 1 and len(node.outputs) == 1 else None


# -- reductions ------------------------------------------------------------------------------------------------------


@rewrite("canonicalize", Reduction)
def reduce_ones(node: Apply, facts: Facts) -> Any:
    """Axes of one element need no reduction."""
    source, op = node.inputs[0], node.op
    axes = op.axes(source.type.ndim)  # type: ignore[attr-defined]
    kept = tuple(axis for axis in axes if not facts.inference.is_one(facts.shape(source)[axis]))
    if len(kept) == len(axes):
        return None
    value = Reduction(op.name, kept, op.dtype, op.acc_dtype)(source) if kept else source  # type: ignore[attr-defined]
    left = [axis for axis in range(source.type.ndim) if axis not in kept]
    value = cast(value, node.outputs[0].type.dtype)
    return dimshuffle(value, [at for at, axis in enumerate(left) if axis not in axes])


@rewrite("canonicalize", Reduction)
def reduce_dimshuffle(node: Apply, facts: Facts) -> Any:
    """The reduction over all axes does not depend on their order."""
    source = node.inputs[0]
    inner = source.owner
    whole = len(node.op.axes(source.type.ndim)) == source.type.ndim  # type: ignore[attr-defined]
    if inner is None or not isinstance(inner.op, DimShuffle) or not whole or inner.op.dropped:
        return None
    op: Any = node.op
    return Reduction(op.name, None, op.dtype, op.acc_dtype)(inner.inputs[0])


@rewrite("canonicalize", Reduction, whole=True)
def reduce_reduction(node: Apply, facts: Facts) -> Any:
    """The sum of a sum is a sum over more axes."""
    source, op = node.inputs[0], node.op
    inner = source.owner
    if inner is None or not isinstance(inner.op, Reduction) or facts.clients(source) != 1:
        return None
    same = (inner.op.name, inner.op.dtype, inner.op.acc_dtype) == (op.name, op.dtype, op.acc_dtype)  # type: ignore[attr-defined]
    if not same:
        return None
    ndim = inner.inputs[0].type.ndim
    first = inner.op.axes(ndim)
    left = [axis for axis in range(ndim) if axis not in first]
    axes = (*first, *(left[axis] for axis in op.axes(source.type.ndim)))  # type: ignore[attr-defined]
    return Reduction(op.name, None if len(axes) == ndim else axes, op.dtype, op.acc_dtype)(inner.inputs[0])  # type: ignore[attr-defined]


@rewrite("canonicalize", Reduction)
def sum_of_neg(node: Apply, facts: Facts) -> Any:
    inner = node.inputs[0].owner
    if node.op.name != "sum" or inner is None or inner.op is not neg:  # type: ignore[attr-defined]
        return None
    return neg(node.op(inner.inputs[0])) if is_continuous(node.outputs[0].type.dtype) else None


@rewrite("canonicalize", Reduction)
def reduce_alloc(node: Apply, facts: Facts) -> Any:
    """The sum of equal elements is their number times the element; their largest is the element."""
    inner, op = node.inputs[0].owner, node.op
    if inner is None or not isinstance(inner.op, Alloc) or inner.inputs[0].type.ndim:
        return None
    value, known = inner.inputs[0], uniform_value(inner.inputs[0])
    sizes = [facts.shape(node.inputs[0])[axis] for axis in op.axes(node.inputs[0].type.ndim)]  # type: ignore[attr-defined]
    filled = all((static_value(dim) or 0) > 0 for dim in sizes)
    if op.name == "sum" and (filled or (known is not None and np.isfinite(known))):  # type: ignore[attr-defined]
        dtype = node.outputs[0].type.dtype
        return mul(cast(value, dtype), cast(d.product(sizes), dtype))
    return value if op.name in ("max", "min", "all", "any") and filled else None  # type: ignore[attr-defined]


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


