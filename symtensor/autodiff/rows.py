"""Mapping an index to rows: `Rows` evaluates a graph for index 0, 1, ..., n - 1 and stacks the results.

`jacobian` is spelled with it: one pullback for each element, of a number known at run time. What does not
depend on the index stays outside the inner graph and is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.autodiff.null import DisconnectedType, is_disconnected, is_null
from symtensor.autodiff.reverse import carries_gradient, pullback
from symtensor.graph.op import Op, Shape
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import clone_replace, toposort
from symtensor.ops.convert import as_index, as_tensor_variable

__all__ = ["Rows", "map_rows"]


class Rows(Op):
    """``outputs`` (an inner graph over the scalar ``index`` and ``inputs``) for each index below a number.

    The node's inputs are the number of rows, then values for ``inputs``. Row k of output j has the shape of
    ``inputs[likes[j]]``; so has the result but for its first dimension, the number of rows, which may be 0.
    """

    without = {"native": "it runs an inner graph, op by op"}

    def __init__(self, index: Variable, inputs: Sequence[Variable], outputs: Sequence[Variable],
                 likes: Sequence[int]) -> None:
        self.index = index
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.likes = tuple(likes)
        self._order = tuple(toposort(self.outputs, (index, *self.inputs)))

    def make_node(self, n: Any, *captured: Any) -> Apply:
        count = as_index(n)
        values = [as_tensor_variable(value) for value in captured]
        if len(values) != len(self.inputs):
            raise TypeError(f"{self} takes the number of rows and {len(self.inputs)} value(s), "
                            f"got {len(values)}")
        for value, inner in zip(values, self.inputs, strict=True):
            if (value.type.dtype, value.type.ndim) != (inner.type.dtype, inner.type.ndim):
                raise TypeError(f"{self}: expected {inner.type} for {inner}, "
                                f"got {value} of type {value.type}")
        length = int(count.data) if isinstance(count, Constant) else None
        return Apply(self, [count, *values], [
            TensorType(output.type.dtype, (length, *values[like].type.shape)).make_variable()
            for output, like in zip(self.outputs, self.likes, strict=True)
        ])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        count, values = int(inputs[0]), inputs[1:]
        results = [
            np.empty((count, *np.shape(values[like])), dtype=output.type.dtype)
            for output, like in zip(self.outputs, self.likes, strict=True)
        ]
        known: dict[Variable, Any] = dict(zip(self.inputs, values, strict=True))
        for row in range(count):
            known[self.index] = np.asarray(row, dtype="int64")
            run_nodes(self._order, known)
            for result, output in zip(results, self.outputs, strict=True):
                result[row] = value_of(output, known)
        for storage, result in zip(outputs, results, strict=True):
            storage[0] = result

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        return [(node.inputs[0], *shapes[1 + like]) for like in self.likes]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[at > 0] * len(self.outputs) for at in range(len(node.inputs))]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        # Row k of output j answers for row k of its cotangent; an input serves all rows: sum its terms.
        from symtensor.ops.index import getitem
        from symtensor.ops.reduce import sum as reduce_sum

        count, captured = inputs[0], list(inputs[1:])
        used = [at for at, g in enumerate(output_grads) if not is_disconnected(g)]
        rows = [getitem(output_grads[at], self.index) for at in used]
        sources = [at for at, inner in enumerate(self.inputs) if carries_gradient(inner)]
        pulled = pullback([self.outputs[at] for at in used], rows, [self.inputs[at] for at in sources],
                          stop=self.inputs)
        live = [(at, term) for at, term in zip(sources, pulled, strict=True)
                if term is not None and not is_disconnected(term) and not is_null(term)]
        result: list[Any] = [DisconnectedType().make_variable(), *[None] * len(captured)]
        for at, term in zip(sources, pulled, strict=True):
            result[1 + at] = term if is_disconnected(term) or is_null(term) else None
        outer: dict[Variable, Variable] = dict(zip(self.inputs, captured, strict=True))
        outer.update((g, g) for g in output_grads)
        terms = clone_replace([term for _, term in live], outer)
        stacked = map_rows(count, self.index, terms, [captured[at] for at, _ in live])
        for (at, _), stack in zip(live, stacked, strict=True):
            result[1 + at] = reduce_sum(stack, axis=0)
        return result

    def __reduce__(self) -> Any:
        return Rows, (self.index, self.inputs, self.outputs, self.likes)

    def __str__(self) -> str:
        return f"Rows{{{len(self.outputs)} output(s)}}"


def map_rows(n: Any, index: Variable, rows: Sequence[Variable], likes: Sequence[Variable]) -> list[Variable]:
    """``rows``, expressions of the scalar ``index``, for each index below ``n``, along a new first axis.

    Row k of ``rows[j]`` has the shape of the variable ``likes[j]``.
    """
    if not rows:
        return []
    moving: set[Variable] = {index}
    inside: list[Apply] = []
    for node in toposort(rows, likes):
        if any(variable in moving for variable in node.inputs):
            inside.append(node)
            moving.update(node.outputs)
    captured: dict[Variable, Variable] = {like: like.type.make_variable() for like in likes}
    for variable in (*(v for node in inside for v in node.inputs), *rows):
        if variable not in moving and variable not in captured and not isinstance(variable, Constant):
            captured[variable] = variable.type.make_variable()
    inner_index = index.type.make_variable()
    inner = clone_replace(rows, {**captured, index: inner_index})
    places = list(captured)
    op = Rows(inner_index, list(captured.values()), inner, [places.index(like) for like in likes])
    stacked: list[Variable] = op(n, *places, return_list=True)
    return stacked


def run_nodes(order: Sequence[Apply], known: dict[Variable, Any]) -> None:
    """The values of all outputs of the nodes, into ``known``, by each op's `perform`."""
    for node in order:
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, [value_of(variable, known) for variable in node.inputs], storage)
        for output, cell in zip(node.outputs, storage, strict=True):
            known[output] = cell[0]


def value_of(variable: Variable, known: dict[Variable, Any]) -> Any:
    """The value of a variable: computed, or that of a constant or shared variable."""
    if variable in known:
        return known[variable]
    if isinstance(variable, Constant):
        return variable.data
    get_value = getattr(variable, "get_value", None)
    if get_value is None:
        raise ValueError(f"there is no value for {variable} of type {variable.type}")
    return get_value(borrow=True)
