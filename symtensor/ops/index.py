"""``x[key]``: `getitem`, and the ops that read: `Subtensor`, a view by integers and slices, and `AdvancedSubtensor`,
a copy by integer arrays.

The meaning is NumPy's: the index arrays are broadcast together; a mask stands for the positions where it is True.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Kernel, View
from symtensor.graph.op import Shape as Dims
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.index_key import parse_key
from symtensor.ops.index_region import Indexing, slice_region
from symtensor.ops.index_text import REGION_SUPPORT, array_check_text, nest_text, walk_region
from symtensor.ops.kernel_text import unravel_c, walk_c
from symtensor.ops.shape import Shape, shape_i, shape_of

__all__ = ["AdvancedSubtensor", "AdvancedSubtensor1", "Reader", "Subtensor", "getitem"]


class Reader(Indexing):
    """An op whose output is the region. Inputs: the tensor, then the index values that ``idx_list`` names."""

    abstract = True

    def make_node(self, x: Any, *index: Any) -> Apply:
        x = as_tensor_variable(x)
        inputs = [x, *self.index_variables(x, index)]
        return Apply(self, inputs, [self.part_type(inputs).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, *values = inputs
        outputs[0][0] = np.asarray(x[self.numpy_key(node, x, values)])

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [self.region_dims(node.inputs, shapes)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.create import zeros_like

        x, *index = inputs
        (g,) = output_grads
        return [self.writer()(zeros_like(x, g.type.dtype), g, *index), *(None for _ in index)]

    def writer(self, set_instead_of_inc: bool = False) -> Any:
        """The op that increases or sets the region."""
        from symtensor.ops.index_set import WRITERS

        return WRITERS[type(self)].of(self.idx_list, set_instead_of_inc=set_instead_of_inc)


class Subtensor(Reader):
    """Integers and slices of the leading dimensions of a tensor, a view of it (Theano's op)."""

    view_map = {0: [0]}

    def view(self, node: Apply, shapes: Sequence[Dims], strides: Dims) -> View:
        offset: Variable = int64_constant(0)
        kept: list[Variable] = []
        for axis, (slot, parts) in enumerate(zip(self.idx_list, self.split(node.inputs[1:]), strict=True)):
            n = shapes[0][axis]
            if slot == "i":
                at = d.where(d.below(parts[0], 0), d.add(parts[0], n), parts[0])
            else:
                at, pace, _ = slice_region(n, *parts)
                kept.append(d.mul(strides[axis], pace))
            offset = d.add(offset, d.mul(at, strides[axis]))
        return View(offset, [*kept, *strides[len(self.idx_list):]])

    def kernel(self, node: Apply) -> Kernel | None:
        # A scalar has no memory to view.
        return None if node.inputs[0].type.ndim else Kernel("OUT0() = IN0();")


class AdvancedSubtensor(Reader):
    """Elements of a tensor gathered by integer arrays, mixed with slices (Theano's op). A copy."""

    def kernel(self, node: Apply) -> Kernel:
        """One iteration gathers the elements of one place: the last dimensions that come from slices are its
        inner loops."""
        walk = walk_region(self, node)
        outer = max(k for k, (kind, _) in enumerate(self.layout(node.inputs)) if kind == "b") + 1
        names, places = [name for name, _, _ in walk.loops], [f"x{axis}" for axis in range(node.inputs[0].type.ndim)]
        take = nest_text(walk, [f"OUT0({', '.join(names)}) = IN0({', '.join(places)});"], opened=outer)
        dims = [f"OUT0_DIM({k})" for k in range(outer)]
        # An empty result has one iteration, which only checks: indices out of range are errors there too.
        lines = [f"if ({' * '.join(dims)} == 0) {{", *array_check_text(self, node), "return;", "}",
                 *walk.before, walk_c(names[:outer], dims, take)]
        shape = shape_of(node.outputs[0])
        return Kernel("\n".join(lines), d.maximum(d.product(shape[:outer]), 1), REGION_SUPPORT, True, d.product(shape))


    def row_check(self, node: Apply) -> Kernel | None:
        """The check of the indices, where they name rows: then a loop that reads these can read them where they lie."""
        x, index = node.inputs[:2]
        if self.idx_list != ("a",) or x.type.ndim < 2:
            return None
        names = [f"q{k}" for k in range(index.type.ndim)]
        lines = [unravel_c(names, [f"IN1_DIM({k})" for k in range(len(names))]), *array_check_text(self, node, names)]
        return Kernel("\n".join(lines), d.product(shape_of(index)))


class AdvancedSubtensor1(AdvancedSubtensor):
    """Rows of a tensor gathered by a vector of integers (Theano's op): ``x[idx]``. Its gradient is dense."""

    __props__: ClassVar[tuple[str, ...] | None] = ()
    rows = True

    def __init__(self, sparse_grad: bool = False) -> None:
        super().__init__(("a",))

    def __str__(self) -> str:
        return "AdvancedSubtensor1"


def getitem(x: Any, key: Any) -> Variable:
    """``x[key]`` with NumPy's meaning: integers, slices with any step, None, Ellipsis, integer arrays and
    bool masks of any rank, each constant or symbolic.

    IndexError for too many indices, or for one that is out of range (when the graph is built where it is
    known, else at run time); TypeError for an index of another kind, such as a float.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> getitem(x, (slice(None, None, -1), 0)).eval({x: np.arange(6.0).reshape(2, 3)})
    array([3., 0.])
    """
    parsed = parse_key(as_tensor_variable(x), key)
    x = parsed.x
    slots = [entry.slot for entry in parsed.entries]
    values = [value for entry in parsed.entries for value in entry.values]
    if parsed.advanced:
        plain = slots == ["a"] and values[0].type.ndim == 1
        taken = AdvancedSubtensor1()(x, *values) if plain else AdvancedSubtensor(slots)(x, *values)
    elif slots == ["i"] and isinstance(values[0], Constant) and x.owner is not None and x.owner.op == Shape():
        return shape_i(x.owner.inputs[0], int(values[0].data))
    else:
        taken = Subtensor(slots)(x, *values)
    return dimshuffle(taken, parsed.order)
