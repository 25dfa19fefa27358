"""Helpers about values and shapes, as in ``theano.tensor.utils``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.run import run_nodes, value_of
from symtensor.graph.variable import Variable
from symtensor.graph.walk import toposort
from symtensor.ops.infer import ShapeInference
from symtensor.ops.shape import Shape, Shape_i

__all__ = ["hash_from_ndarray", "shape_of_variables"]


def hash_from_ndarray(data: Any) -> str:
    """A hexadecimal hash of an array's elements, shape and dtype, whatever its memory layout.

    >>> import numpy as np
    >>> hash_from_ndarray(np.ones((2, 3))) == hash_from_ndarray(np.ones((3, 2)))
    False
    """
    array = np.asarray(data)
    return sha256(f"{array.shape}{array.dtype.str}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


class _Shapes(dict[Variable, tuple[int, ...]]):
    """Shapes by the variables of a graph, which are asked for by those of the user's graph too."""

    def __init__(self, graph: FunctionGraph) -> None:
        super().__init__()
        self._graph = graph

    def __missing__(self, variable: Variable) -> tuple[int, ...]:
        (equal,) = self._graph.interner.intern([variable])
        if equal not in self:
            raise KeyError(variable)
        return self[equal]


def shape_of_variables(fgraph: FunctionGraph,
                       input_shapes: Mapping[Variable, Sequence[int]]) -> dict[Variable, tuple[int, ...]]:
    """The shape of every variable of a graph as ints, given those of its inputs; nothing is computed but shapes.

    ValueError where an input's shape is missing, or a shape depends on values.

    >>> from symtensor import FunctionGraph, tensor as T
    >>> x = T.dmatrix("x")
    >>> y = x[512:]
    >>> shape_of_variables(FunctionGraph.build([x], [y]), {x: (1024, 3)})[y]
    (512, 3)
    """
    for variable in fgraph.inputs:
        if variable not in input_shapes:
            raise ValueError(f"shape_of_variables: the shape of the input {variable} is missing")
    inference = ShapeInference.of(fgraph)
    found = [*fgraph.inputs, *(output for node in fgraph.order for output in node.outputs)]
    dims = {variable: inference.shape_of(variable) for variable in found}
    known: dict[Variable, Any] = {v: np.broadcast_to(np.zeros((), v.type.dtype), tuple(input_shapes[v]))
                                  for v in fgraph.inputs}
    needed = toposort([dim for shape in dims.values() for dim in shape], known)
    if any(dim in known for shape in dims.values() for dim in shape):
        raise ValueError("shape_of_variables: a shape is the value of an input")
    for node in needed:
        if not isinstance(node.op, (Shape, Shape_i)) and any(v in known for v in node.inputs):
            raise ValueError(f"shape_of_variables: a shape depends on the values of the inputs of {node}")
    run_nodes(needed, known)
    result = _Shapes(fgraph)
    result.update((v, tuple(int(value_of(dim, known)) for dim in shape)) for v, shape in dims.items())
    return result
