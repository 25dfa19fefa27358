"""Rules about where elements lie: dimshuffle, reshape, alloc, and what is there for types and checks alone."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Apply, Constant
from symtensor.ops import dim_math as d
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.identity import CheckAndRaise, ViewOp
from symtensor.ops.reshape import Reshape
from symtensor.ops.shape import SpecifyShape, Unbroadcast
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite


@rewrite("canonicalize", ViewOp)
def past_differentiation(node: Apply, facts: Facts) -> Any:
    """Identities that only steer the gradient are gone, so that other rules see through them."""
    return node.inputs[0]


@rewrite("canonicalize", Unbroadcast)
def past_typing(node: Apply, facts: Facts) -> Any:
    """What hides a dimension from the type matters while the graph is built."""
    return node.inputs[0]


@rewrite("canonicalize", CheckAndRaise, assumes={"asserted"})
def remove_assertions(node: Apply, facts: Facts) -> Any:
    """What is asserted holds."""
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
    inner, op = node.inputs[0].owner, node.op
    if inner is None or not isinstance(inner.op, Alloc) or op.dropped:  # type: ignore[attr-defined]
        return None
    value, missing = inner.inputs[0], node.inputs[0].type.ndim - inner.inputs[0].type.ndim
    if value.type.ndim:
        order = op.order  # type: ignore[attr-defined]
        value = dimshuffle(value, ["x" if axis == "x" or axis < missing else axis - missing for axis in order])
    return alloc(value, *facts.shape(node.outputs[0])) if node.outputs[0].type.ndim else value


@rewrite("canonicalize", DimShuffle, whole=True)
def dimshuffle_of_elementwise(node: Apply, facts: Facts) -> Any:
    """Where all operands are dimshuffled already, or constants, they are dimshuffled once."""
    inner, op = node.inputs[0].owner, node.op
    if inner is None or not isinstance(inner.op, Elemwise) or facts.clients(node.inputs[0]) != 1:
        return None
    plain = (Constant, DimShuffle)
    if not all(isinstance(v, plain) or isinstance(getattr(v.owner, "op", None), plain) for v in inner.inputs):
        return None
    if any(v.type.shape[axis] != 1 for v in inner.inputs for axis in op.dropped):  # type: ignore[attr-defined]
        return None
    return inner.op(*(dimshuffle(v, op.order) for v in inner.inputs))  # type: ignore[attr-defined]


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
def reshape_of_padded(node: Apply, facts: Facts) -> Any:
    """Dimensions of 1 do not matter to a reshape."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, DimShuffle) or inner.op.dropped:
        return None
    kept = [axis for axis in inner.op.order if axis != "x"]
    return node.op(inner.inputs[0], *facts.shape(node.outputs[0])) if kept == sorted(kept) else None


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
