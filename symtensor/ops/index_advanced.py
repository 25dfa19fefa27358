"""Indexing by arrays: gather (`AdvancedSubtensor`), scatter (`AdvancedIncSubtensor`), `take`, and `nonzero`.

The meaning is NumPy's: the index arrays are broadcast together; a mask stands for the positions where it is
True. """

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.index import getitem
from symtensor.ops.index_key import Slot
from symtensor.ops.index_region import Indexing
from symtensor.ops.index_set import IncSubtensor
from symtensor.ops.index_text import SLICE_SUPPORT, nest_text
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reshape import flatten
from symtensor.ops.shape import normalize_axis, shape_i

__all__ = ["AdvancedIncSubtensor", "AdvancedIncSubtensor1", "AdvancedSubtensor", "AdvancedSubtensor1",
           "Nonzero", "flatnonzero", "nonzero", "nonzero_values", "take"]


class AdvancedSubtensor(Indexing):
    """Elements of a tensor gathered by integer arrays, mixed with slices (Theano's op). A copy.

    Inputs: the tensor, then the arrays and the parts of slices that ``idx_list`` names.
    """

    def make_node(self, x: Any, *index: Any) -> Apply:
        x = as_tensor_variable(x)
        inputs = [x, *self.index_variables(x, index)]
        return Apply(self, inputs, [self.part_type(inputs).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, *values = inputs
        outputs[0][0] = np.asarray(x[self.numpy_key(node, x, values)])

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [self.region_dims(node.inputs, shapes)]

    def kernel(self, node: Apply) -> Kernel:
        """One iteration gathers the elements of one place: the last dimensions that come from slices are its
        inner loops."""
        before, names, ends, inside = self.region_text(node)
        layout = self.layout(node.inputs)
        outer = max(k for k, (kind, _) in enumerate(layout) if kind == "b") + 1
        value = f"IN0({', '.join(f'x{axis}' for axis in range(node.inputs[0].type.ndim))})"
        lines = [*before, unravel_c(names[:outer], [f"OUT0_DIM({k})" for k in range(outer)]),
                 *nest_text(names, ends, inside, f"OUT0({', '.join(names)}) = {value};", opened=outer)]
        size = d.product(shape_i(node.outputs[0], k) for k in range(outer))
        nothing = " * ".join(f"OUT0_DIM({k})" for k in range(outer))
        # An empty result has one iteration, which only checks: indices out of range are errors there too.
        lines = [f"if ({nothing} == 0) {{", *self.array_check_text(node), "} else {", *lines, "}"]
        return Kernel("\n".join(lines), d.maximum(size, 1), SLICE_SUPPORT)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.create import zeros_like

        x, *index = inputs
        (g,) = output_grads
        return [self.writer()(zeros_like(x, g.type.dtype), g, *index), *(None for _ in index)]

    def writer(self, set_instead_of_inc: bool = False) -> AdvancedIncSubtensor:
        """The op that increases or sets the region."""
        return AdvancedIncSubtensor(self.idx_list, set_instead_of_inc)


class AdvancedSubtensor1(AdvancedSubtensor):
    """Rows of a tensor gathered by a vector of integers (Theano's op): ``x[idx]``."""

    __props__: ClassVar[tuple[str, ...] | None] = ()

    def __init__(self, idx_list: Sequence[Slot] = ("a",)) -> None:
        super().__init__(("a",))

    def writer(self, set_instead_of_inc: bool = False) -> AdvancedIncSubtensor:
        return AdvancedIncSubtensor1(set_instead_of_inc=set_instead_of_inc)

    def __str__(self) -> str:
        return "AdvancedSubtensor1"


class AdvancedIncSubtensor(IncSubtensor):
    """A copy of input 0 whose elements at integer arrays are set to, or increased by, input 1 (Theano's op).

    Positions named repeatedly are increased repeatedly, in order; of several values set, the last one stays.
    """

    reader = AdvancedSubtensor


class AdvancedIncSubtensor1(AdvancedIncSubtensor):
    """A copy of input 0 whose rows at a vector of integers are set to, or increased by, input 1 (Theano's
    op)."""

    __props__: ClassVar[tuple[str, ...] | None] = ("set_instead_of_inc",)
    reader = AdvancedSubtensor1

    def __init__(self, idx_list: Sequence[Slot] = ("a",), set_instead_of_inc: bool = False) -> None:
        super().__init__(("a",), set_instead_of_inc)

    def __str__(self) -> str:
        return f"AdvancedIncSubtensor1{{{'set' if self.set_instead_of_inc else 'inc'}}}"


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Variable:
    """Elements of ``a`` along ``axis`` at ``indices``, an integer scalar or array; of the flattened ``a``
    without axis.

    ``mode`` says what an index out of range does: "raise" an IndexError, "wrap" around, or "clip" to the
    nearest (negative ones to 0), as NumPy's. """
    a, indices = as_tensor_variable(a), as_tensor_variable(indices)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"take: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    if axis is None:
        a, axis = flatten(a), 0
    axis = normalize_axis(axis, a.type.ndim, "take")
    if mode != "raise":
        from symtensor.ops import elementwise as e

        places, size = e.cast(indices, "int64"), shape_i(a, axis)
        indices = e.mod(places, size) if mode == "wrap" else e.clip(places, 0, d.sub(size, 1))
    return getitem(a, (slice(None),) * axis + (indices,))


# -- masks ---------------------------------------------------------------------------------------------------


class Nonzero(Op):
    """The positions of the elements that are not zero, in C order: an int64 vector for each dimension. Their
    length depends on the data."""

    __props__ = ()

    def make_node(self, a: Any) -> Apply:
        a = as_tensor_variable(a)
        if a.type.ndim == 0:
            raise TypeError(f"nonzero: {a} is a scalar and has no positions; use a[None], or a != 0")
        return Apply(self, [a], [TensorType("int64", (None,)).make_variable() for _ in range(a.type.ndim)])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        for storage, places in zip(outputs, np.nonzero(inputs[0]), strict=True):
            storage[0] = places.astype("int64", copy=False)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None]


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The positions of the elements of ``a`` that are not zero, as a tuple with an int64 vector for each
    dimension, or as the rows of a matrix (Theano's ``T.nonzero``)."""
    places = tuple(Nonzero()(a, return_list=True))
    if not return_matrix:
        return places
    from symtensor.ops.join import stack

    return stack(list(places))


def nonzero_values(a: Any) -> Variable:
    """The elements of ``a`` that are not zero, in C order."""
    a = as_tensor_variable(a)
    return getitem(a, nonzero(a))


def flatnonzero(a: Any) -> Variable:
    """The positions, in the flattened ``a``, of the elements that are not zero."""
    a = as_tensor_variable(a)
    result: Variable = nonzero(flatten(a) if a.type.ndim else a)[0]
    return result
