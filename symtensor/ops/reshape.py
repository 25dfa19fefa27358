"""Other shapes for the same elements: `Reshape`, and the views that only add, drop or permute dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Op, View
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, static_value
from symtensor.ops.dimshuffle import dimshuffle, pad_left
from symtensor.ops.shape import normalize_axis, shape_dims, shape_of

__all__ = ["Reshape", "atleast_1d", "atleast_2d", "atleast_3d", "atleast_Nd", "expand_dims", "flatten",
           "moveaxis", "ravel", "reshape", "shape_padaxis", "shape_padleft", "shape_padright", "squeeze",
           "swapaxes"]


class Reshape(Op):
    """The elements of a tensor, in C order, in another shape (Theano's op).

    Inputs: the tensor, and ``ndim`` int64 scalars, one of which may be -1: then it follows from the others.
    ``Reshape(ndim)(x, shape)`` also takes the shape as a sequence or an integer vector.
    """

    __props__ = ("ndim",)
    view_map = {0: [0]}
    reshape_view = True
    """The output aliases the input where that is contiguous; a copy is made where it is not."""

    def __init__(self, ndim: int) -> None:
        self.ndim = int(ndim)

    def make_node(self, x: Any, *shape: Any) -> Apply:
        x = as_tensor_variable(x)
        wanted = shape[0] if len(shape) == 1 and _is_sequence(shape[0]) else shape
        dims = shape_dims(wanted, "reshape", self.ndim)
        known = [static_value(dim) for dim in dims]
        if any(dim is not None and dim < -1 for dim in known) or known.count(-1) > 1:
            shown = ", ".join("?" if dim is None else str(dim) for dim in known)
            raise ValueError(f"reshape: ({shown}) is no shape; at most one dimension is -1, the one to infer")
        static = [None if dim == -1 else dim for dim in known]
        if None not in known and None not in x.type.shape:
            static = list(self._target(x.type.shape, known))
        return Apply(self, [x, *dims], [TensorType(x.type.dtype, static, x.type.device).make_variable()])

    def _output_dims(self, given: Dims, wanted: Dims) -> Dims:
        """The dimensions with -1 resolved; what does not fit is reported by `checks`."""
        result = []
        for at, dim in enumerate(wanted):
            if d.is_natural(dim):
                result.append(dim)
                continue
            others = d.product([*wanted[:at], *wanted[at + 1:]])
            inferred = d.int_div(d.product(given), d.maximum(others, 1))
            result.append(d.where(d.equal(dim, -1), inferred, dim))
        return tuple(result)

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for a shape that does not fit: values are the number of elements and the shape asked
        for."""
        size, *wanted = values
        wanted = wanted[:self.ndim]
        if sum(dim == -1 for dim in wanted) > 1 or min(wanted, default=0) < -1:
            return ValueError(f"reshape: {tuple(wanted)} is no shape; the dimensions are natural numbers, "
                              "and at most one is -1, which stands for the one to infer")
        return ValueError(f"reshape: {size} element(s) do not fit in the shape {tuple(wanted)}")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        wanted = node.inputs[1:]
        size = d.product(shapes[0])
        dims = self._output_dims(shapes[0], wanted)
        fits = [d.equal(d.product(dims), size)]
        signed = [dim for dim in wanted if not d.is_natural(dim)]
        fits += [d.at_most(-1, dim) for dim in signed]
        if signed:  # at most one -1, and what it stands for follows: the product of the others is not zero
            asked = d.total(d.where(d.equal(dim, -1), 1, 0) for dim in signed)
            rest = d.product(d.where(d.equal(dim, -1), 1, dim) if dim in signed else dim for dim in wanted)
            fits += [d.at_most(asked, 1), d.any_of(d.equal(asked, 0), d.below(0, rest))]
        return [(d.all_of(*fits), "ST_VALUE", (size, *wanted[:7]))]

    def _target(self, given: Sequence[Any], wanted: Sequence[Any]) -> list[int]:
        shape = [int(dim) for dim in wanted]
        size = int(np.prod([int(dim) for dim in given], dtype="int64"))
        at = shape.index(-1) if -1 in shape else None
        rest = 1
        for dim in shape:
            rest *= 1 if dim == -1 else dim
        bad = shape.count(-1) > 1 or min(shape, default=0) < -1
        if bad or (rest != size if at is None else rest == 0 or size % rest):
            raise self.failure(None, "ST_VALUE", (size, *shape))
        if at is not None:
            shape[at] = size // rest
        return shape

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, *wanted = inputs
        outputs[0][0] = np.reshape(x, self._target(np.shape(x), wanted))

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [self._output_dims(shapes[0], node.inputs[1:])]

    def view(self, node: Apply, shapes: Sequence[Dims], strides: Dims) -> View | None:
        return None

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        x, *dims = inputs
        return [Reshape(x.type.ndim)(output_grads[0], *shape_of(x)), *(None for _ in dims)]

    def __str__(self) -> str:
        return f"Reshape{{{self.ndim}}}"


def _is_sequence(shape: Any) -> bool:
    if isinstance(shape, Variable):
        return bool(shape.type.ndim)
    return isinstance(shape, (list, tuple)) or (isinstance(shape, np.ndarray) and shape.ndim > 0)


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Variable:
    """``x`` in the shape ``newshape``: an int, a sequence of ints and integer scalars, or an integer vector;
    one entry may be -1. A vector of unknown length needs ``ndim`` (Theano's ``T.reshape``).

    ValueError where the elements do not fit: at once where shapes are known, else at run time.

    >>> from symtensor import tensor as T
    >>> reshape(T.vector(), (-1, 2)).type.shape
    (None, 2)
    """
    x = as_tensor_variable(x)
    if ndim is not None and (isinstance(ndim, bool) or not isinstance(ndim, (int, np.integer))):
        raise TypeError(f"reshape: ndim is an int, got {ndim!r}")
    dims = shape_dims(newshape, "reshape", ndim)
    if not dims and not x.type.ndim:
        return x
    result: Variable = Reshape(len(dims))(x, *dims)
    return result


def flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> Variable:
    """``x`` with its last dimensions merged so that ``ndim``, 1 by default, remain (Theano's ``T.flatten``;
    ``outdim`` is its old name)."""
    x = as_tensor_variable(x)
    if ndim is not None and outdim is not None:
        raise ValueError("flatten: ndim and outdim are two names of one thing; give one of them")
    keep = ndim if ndim is not None else outdim if outdim is not None else 1
    if not 1 <= keep <= max(1, x.type.ndim):
        raise ValueError(f"flatten: {x} of type {x.type} cannot be flattened to {keep} dimension(s)")
    if keep == x.type.ndim:
        return x
    dims = shape_of(x)
    result: Variable = Reshape(keep)(x, *dims[:keep - 1], d.product(dims[keep - 1:]))
    return result


def ravel(x: Any) -> Variable:
    """``x`` as a vector, in C order."""
    return flatten(x)


# -- adding, dropping and permuting dimensions ---------------------------------------------------------------


def expand_dims(x: Any, axis: int | Sequence[int]) -> Variable:
    """``x`` with new dimensions of size 1 at positions ``axis`` of the result, as NumPy's."""
    x = as_tensor_variable(x)
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    ndim = x.type.ndim + len(axes)
    new = {normalize_axis(a, ndim, "expand_dims") for a in axes}
    if len(new) != len(axes):
        raise ValueError(f"expand_dims: repeated axis in {tuple(axes)}")
    old = iter(range(x.type.ndim))
    return dimshuffle(x, ["x" if at in new else next(old) for at in range(ndim)])


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Variable:
    """``x`` without the dimensions ``axis``, which must be 1 (checked at run time where not known); without
    ``axis``, without those known to be 1."""
    x = as_tensor_variable(x)
    if axis is None:
        drop = {k for k, dim in enumerate(x.type.shape) if dim == 1}
    else:
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        drop = {normalize_axis(a, x.type.ndim, "squeeze") for a in axes}
    return dimshuffle(x, [k for k in range(x.type.ndim) if k not in drop])


def shape_padleft(t: Any, n_ones: int = 1) -> Variable:
    """``t`` with ``n_ones`` dimensions of size 1 in front (Theano's name)."""
    t = as_tensor_variable(t)
    return pad_left(t, t.type.ndim + n_ones)


def shape_padright(t: Any, n_ones: int = 1) -> Variable:
    """``t`` with ``n_ones`` dimensions of size 1 behind (Theano's name)."""
    t = as_tensor_variable(t)
    return dimshuffle(t, [*range(t.type.ndim), *["x"] * n_ones])


def shape_padaxis(t: Any, axis: int) -> Variable:
    """``t`` with a dimension of size 1 at position ``axis`` (Theano's name)."""
    return expand_dims(t, axis)


def swapaxes(y: Any, axis1: int, axis2: int) -> Variable:
    """``y`` with two dimensions exchanged (Theano's name)."""
    x = as_tensor_variable(y)
    order = list(range(x.type.ndim))
    i, j = (normalize_axis(axis, x.type.ndim, "swapaxes") for axis in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return dimshuffle(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Variable:
    """``x`` with dimensions moved from positions ``source`` to ``destination``, as NumPy's."""
    x = as_tensor_variable(x)
    lists = [list(v) if isinstance(v, (list, tuple)) else [v] for v in (source, destination)]
    src, dst = ([normalize_axis(axis, x.type.ndim, "moveaxis") for axis in axes] for axes in lists)
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ValueError(f"moveaxis: source {source} and destination {destination} must be equally many "
                         "distinct axes")
    order = [axis for axis in range(x.type.ndim) if axis not in src]
    for at, axis in sorted(zip(dst, src, strict=True)):
        order.insert(at, axis)
    return dimshuffle(x, order)


def atleast_Nd(x: Any, n: int, left: bool = True) -> Variable:
    """``x`` with dimensions of size 1 added in front (or behind) until there are ``n``."""
    x = as_tensor_variable(x)
    missing = max(n - x.type.ndim, 0)
    return shape_padleft(x, missing) if left else shape_padright(x, missing)


def atleast_1d(x: Any) -> Variable:
    """``x`` with at least one dimension."""
    return atleast_Nd(x, 1)


def atleast_2d(x: Any) -> Variable:
    """``x`` with at least two dimensions, added in front."""
    return atleast_Nd(x, 2)


def atleast_3d(x: Any) -> Variable:
    """``x`` with at least three dimensions, added in front (Theano's side)."""
    return atleast_Nd(x, 3)
