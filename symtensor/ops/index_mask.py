"""Masks as indices: the positions where an array is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import as_index, as_tensor_variable, constant

__all__ = ["Nonzero", "nonzero"]


class Nonzero(Op):
    """The positions of the elements of input 0 that are not zero, in C order: an int64 vector for each dimension, of
    which a scalar has one. Input 1 is their number: it makes the length of the vectors known before they are."""

    __props__ = ()

    def make_node(self, a: Any, count: Any = None) -> Apply:
        from symtensor.ops.elementwise import cast, neq
        from symtensor.ops.reduce import sum as total

        a = as_tensor_variable(a)
        if count is None:
            there = a if a.type.dtype == "bool" else neq(a, 0)
            count = total(there, dtype="int64") if a.type.ndim else cast(there, "int64")
        known = int(np.count_nonzero(a.data)) if isinstance(a, Constant) else None
        kind = TensorType("int64", (known,))
        return Apply(self, [a, as_index(count)], [kind.make_variable() for _ in range(max(a.type.ndim, 1))])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        for storage, places in zip(outputs, np.nonzero(np.atleast_1d(inputs[0])), strict=True):
            storage[0] = places.astype("int64", copy=False)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [(node.inputs[1],) for _ in node.outputs]

    def kernel(self, node: Apply) -> Kernel:
        """Every position is written, and the next one over it unless its element is not zero: no branches."""
        rank = node.inputs[0].type.ndim
        names = [f"q{k}" for k in range(rank)]
        lines = ["int64_t k = 0; const int64_t count = OUT0_DIM(0);"]
        lines += [f"for (int64_t {name} = 0; {name} < IN0_DIM({k}) && k < count; {name}++) {{"
                  for k, name in enumerate(names)]
        lines += [f"OUT{k}(k) = {name};" for k, name in enumerate(names or ["0"])]
        body = [*lines, f"k += IN0({', '.join(names)}) != 0;", "}" * rank]
        return Kernel("\n".join(body if rank else ["if (OUT0_DIM(0)) OUT0(0) = 0;"]))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs) for _ in node.inputs]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [None for _ in inputs]


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """The positions of the elements of ``a`` that are not zero, in C order, as a tuple with an int64 vector for each
    dimension, or as the rows of a matrix (Theano's ``T.nonzero``). Their number depends on the values. TypeError for a
    scalar.

    >>> from symtensor import tensor as T
    >>> m = T.ivector("m")
    >>> nonzero(m)[0].eval({m: [0, 3, 0, 1]})
    array([1, 3])
    """
    a = as_tensor_variable(a)
    if a.type.ndim == 0:
        raise TypeError(f"nonzero: {a} is a scalar and has no positions; use a[None], or a != 0")
    if isinstance(a, Constant):
        places: tuple[Variable, ...] = tuple(constant(place.astype("int64")) for place in np.nonzero(a.data))
    else:
        places = tuple(Nonzero()(a, return_list=True))
    if not return_matrix:
        return places
    from symtensor.ops.join import stack

    return stack(list(places))
