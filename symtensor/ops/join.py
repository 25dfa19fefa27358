"""Joining and splitting tensors along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant, static_value
from symtensor.ops.kernel_text import loop_c, unravel_c
from symtensor.ops.shape import MakeVector, SpecifyShape, normalize_axis, shape_dims, shape_i

__all__ = ["Join", "concatenate", "horizontal_stack", "join", "split", "stack", "stacklists",
           "vertical_stack"]


class Join(Op):
    """Tensors of equal rank and dtype one after another along ``axis``; the other dimensions must be equal
    (Theano's op, the axis a property)."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, *tensors: Any) -> Apply:
        from symtensor.ops.elementwise import cast

        parts = [as_tensor_variable(value) for value in tensors]
        if not parts:
            raise ValueError("join: at least one tensor is needed")
        ranks = {part.type.ndim for part in parts}
        if len(ranks) > 1 or not 0 <= self.axis < min(ranks):
            types = ", ".join(str(part.type) for part in parts)
            raise TypeError(f"join: tensors of one rank are needed, above the axis {self.axis}, got {types}; "
                            "expand_dims and stack add dimensions")
        dtype = upcast(*(part.type.dtype for part in parts))
        parts = [cast(part, dtype) for part in parts]
        static: list[int | None] = []
        for axis, meeting in enumerate(zip(*(part.type.shape for part in parts), strict=True)):
            known = [dim for dim in meeting if dim is not None]
            if axis == self.axis:
                static.append(sum(known) if len(known) == len(meeting) else None)
            elif len(set(known)) > 1:
                shapes = ", ".join(str(part.type.shape) for part in parts)
                raise ValueError(f"join: dimension {axis} must be equal in all tensors, only axis "
                                 f"{self.axis} may differ; the shapes are {shapes}")
            else:
                static.append(known[0] if known else None)
        return Apply(self, parts, [TensorType(dtype, static).make_variable()])

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception:
        """The words for shapes that do not fit."""
        axis, first, other, index = values[:4]
        return ValueError(f"join: dimension {axis} of input {index} is {other}, but {first} in input 0; only "
                          f"along the joined axis {self.axis} may they differ")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        count = len(node.inputs)
        return [
            (d.equal(shapes[0][axis], shapes[index][axis]), "ST_SHAPE",
             (int64_constant(axis), shapes[0][axis], shapes[index][axis], int64_constant(index)))
            for index in range(1, count) for axis in range(len(shapes[0])) if axis != self.axis
        ]

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        for index, value in enumerate(inputs):
            for axis, (first, other) in enumerate(zip(inputs[0].shape, value.shape, strict=True)):
                if first != other and axis != self.axis:
                    raise self.failure(node, "ST_SHAPE", (axis, first, other, index))
        outputs[0][0] = np.concatenate(inputs, axis=self.axis)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        dims = list(shapes[0])
        for axis in range(len(dims)):
            if axis == self.axis:
                dims[axis] = d.total(shape[axis] for shape in shapes)
            else:
                dims[axis] = next((s[axis] for s in shapes if static_value(s[axis]) is not None), dims[axis])
        return [tuple(dims)]

    def kernel(self, node: Apply) -> Kernel:
        """One iteration copies, for one position before the axis, either all inputs (last axis) or one
        slab."""
        ndim = node.outputs[0].type.ndim
        axis = self.axis
        names = [f"o{k}" for k in range(ndim)]
        out_dims = [f"OUT0_DIM({k})" for k in range(ndim)]
        lines: list[str] = []
        if axis == ndim - 1:
            lines += [unravel_c(names[:axis], out_dims[:axis]), "int64_t at = 0;"]
            for index in range(len(node.inputs)):
                here, there = ", ".join([*names[:axis], "j"]), ", ".join([*names[:axis], "at + j"])
                lines += [loop_c(["j"], [f"IN{index}_DIM({axis})"]), f"OUT0({there}) = IN{index}({here});",
                          f"at += IN{index}_DIM({axis});"]
            return Kernel("\n".join(lines), d.product(shape_i(node.outputs[0], k) for k in range(axis)))
        lines += [unravel_c(names[:axis + 1], out_dims[:axis + 1]), f"int64_t at = o{axis};", "do {"]
        inner = loop_c(names[axis + 1:], out_dims[axis + 1:])
        here = ", ".join([*names[:axis], "at", *names[axis + 1:]])
        for index in range(len(node.inputs)):
            lines += [f"if (at < IN{index}_DIM({axis})) {{",
                      f"{inner} OUT0({', '.join(names)}) = IN{index}({here});",
                      "break; }", f"at -= IN{index}_DIM({axis});"]
        lines.append("} while (0);")
        return Kernel("\n".join(lines), d.product(shape_i(node.outputs[0], k) for k in range(axis + 1)))

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return _pieces(output_grads[0], [shape_i(x, self.axis) for x in inputs], self.axis)


def _pieces(x: Variable, sizes: Sequence[Variable], axis: int) -> list[Variable]:
    """Consecutive slices of these sizes, as views."""
    from symtensor.ops.index import getitem

    pieces = []
    at: Variable = int64_constant(0)
    for size in sizes:
        end = d.add(at, size)
        pieces.append(getitem(x, (slice(None),) * axis + (slice(at, end),)))
        at = end
    return pieces


def join(axis: Any, *tensors: Any) -> Variable:
    """Tensors joined along ``axis`` (Theano's argument order); one alone is returned as it is."""
    parts = [as_tensor_variable(value) for value in tensors]
    if not parts:
        raise ValueError("join: at least one tensor is needed")
    axis = normalize_axis(axis, max(part.type.ndim for part in parts), "join")
    if len(parts) == 1:
        return parts[0]
    result: Variable = Join(axis)(*parts)
    return result


def concatenate(tensor_list: Sequence[Any], axis: Any = 0) -> Variable:
    """Tensors of equal rank joined along ``axis``, with NumPy's type promotion.

    TypeError for different ranks; ValueError where other dimensions differ, when known or at run time.

    >>> from symtensor import tensor as T
    >>> concatenate([T.matrix(), T.row()]).type.ndim
    2
    """
    if isinstance(tensor_list, Variable) or not isinstance(tensor_list, (list, tuple)):
        raise TypeError(f"concatenate: a list or tuple of tensors is expected, got {tensor_list!r}")
    return join(axis, *tensor_list)


def stack(*tensors: Any, **kwargs: Any) -> Variable:
    """Tensors of one shape along a new dimension ``axis`` (0 by default): ``stack([a, b], axis=0)``, and
    Theano's old ``stack(a, b)``."""
    axis = kwargs.pop("axis", None)
    if "tensors" in kwargs and not tensors:
        tensors = (list(kwargs.pop("tensors")),)
    if kwargs:
        raise TypeError(f"stack: unknown argument(s) {', '.join(kwargs)}")
    if tensors and isinstance(tensors[0], (list, tuple)) and len(tensors) <= 2:
        if len(tensors) == 2:
            if axis is not None:
                raise TypeError("stack: the axis is given twice")
            axis = tensors[1]
        tensors = tuple(tensors[0])
    if not tensors:
        raise ValueError("stack: at least one tensor is needed")
    parts = [as_tensor_variable(value) for value in tensors]
    if len({part.type.ndim for part in parts}) > 1:
        types = ", ".join(str(part.type) for part in parts)
        raise TypeError(f"stack: tensors of one rank are needed, got {types}")
    ndim = parts[0].type.ndim
    axis = normalize_axis(0 if axis is None else axis, ndim + 1, "stack")
    if ndim == 0:
        made: Variable = MakeVector(upcast(*(part.type.dtype for part in parts)))(*parts)
        return made
    from symtensor.ops.reshape import expand_dims

    return join(axis, *(expand_dims(part, axis) for part in parts))


def stacklists(arg: Any) -> Variable:
    """Nested lists of tensors of one shape as one tensor with a dimension for each level (Theano's name)."""
    if isinstance(arg, (list, tuple)):
        return stack([stacklists(item) for item in arg])
    return as_tensor_variable(arg)


def horizontal_stack(*args: Any, axis: int = 1) -> Variable:
    """Matrices side by side (Theano's name)."""
    parts = [as_tensor_variable(value) for value in args]
    if len(parts) < 2 or any(part.type.ndim != 2 for part in parts):
        types = ", ".join(str(part.type) for part in parts)
        raise TypeError(f"{'horizontal' if axis else 'vertical'}_stack: two or more matrices are expected, got {types}")
    return join(axis, *parts)


def vertical_stack(*args: Any) -> Variable:
    """Matrices one below the other (Theano's name)."""
    return horizontal_stack(*args, axis=0)


def split(x: Any, splits_size: Any, n_splits: int | None = None, axis: int = 0) -> list[Variable]:
    """``x`` cut along ``axis`` into consecutive pieces of the sizes ``splits_size``, as views (Theano's
    ``T.split``).

    ``splits_size`` is a sequence of ints and integer scalars or an integer vector, of length ``n_splits``.
    ValueError where the sizes are negative or do not add up to the dimension: when the graph is built or at
    run time. """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim, "split")
    n = static_value(n_splits) if n_splits is not None else None
    sizes = [as_index(size) for size in shape_dims(splits_size, "split", n)]
    natural = d.all_of(*(d.at_most(0, size) for size in sizes))
    whole = d.where(natural, d.total(sizes), -1)
    what = "split: the sizes must be natural numbers that add up"
    checked: Variable = SpecifyShape((axis,), what)(x, whole)
    return _pieces(checked, sizes, axis)
