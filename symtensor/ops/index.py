"""``x[key]``: `getitem`, and basic indexing by integers and slices, a view (`Subtensor`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, View
from symtensor.graph.op import Shape as Dims
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.index_key import parse_key
from symtensor.ops.index_region import Indexing, slice_region
from symtensor.ops.shape import Shape, shape_i

__all__ = ["Subtensor", "getitem"]


class Subtensor(Indexing):
    """Integers and slices of the leading dimensions of a tensor, a view of it (Theano's op).

    Inputs: the tensor, then the integers and the parts of slices that ``idx_list`` names, as int64 scalars.
    """

    view_map = {0: [0]}

    def make_node(self, x: Any, *index: Any) -> Apply:
        x = as_tensor_variable(x)
        inputs = [x, *self.index_variables(x, index)]
        return Apply(self, inputs, [self.part_type(inputs).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, *values = inputs
        outputs[0][0] = np.asarray(x[self.numpy_key(node, x, values)])

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [self.region_dims(node.inputs, shapes)]

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

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.create import zeros_like
        from symtensor.ops.index_set import IncSubtensor

        x, *index = inputs
        (g,) = output_grads
        return [IncSubtensor(self.idx_list)(zeros_like(x, g.type.dtype), g, *index), *(None for _ in index)]


def getitem(x: Any, key: Any) -> Variable:
    """``x[key]`` with NumPy's meaning: integers, slices with any step, None, Ellipsis, integer arrays and
    bool masks, each constant or symbolic.

    IndexError for too many indices, or for one that is out of range (when the graph is built where it is
    known, else at run time); TypeError for an index of another kind, such as a float.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dmatrix("x")
    >>> getitem(x, (slice(None, None, -1), 0)).eval({x: np.arange(6.0).reshape(2, 3)})
    array([3., 0.])
    """
    x = as_tensor_variable(x)
    parsed = parse_key(x, key)
    slots = [entry.slot for entry in parsed.entries]
    values = [value for entry in parsed.entries for value in entry.values]
    if parsed.advanced:
        from symtensor.ops.index_advanced import AdvancedSubtensor, AdvancedSubtensor1

        plain = slots == ["a"] and values[0].type.ndim == 1
        taken = AdvancedSubtensor1()(x, *values) if plain else AdvancedSubtensor(slots)(x, *values)
    elif slots == ["i"] and isinstance(values[0], Constant) and x.owner is not None and x.owner.op == Shape():
        return shape_i(x.owner.inputs[0], int(values[0].data))
    else:
        taken = Subtensor(slots)(x, *values)
    return dimshuffle(taken, parsed.order)
