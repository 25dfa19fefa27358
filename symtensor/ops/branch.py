"""Branches: `ifelse` computes only the side that its condition takes.

There are no inner graphs: a node that only one side of a branch needs has a *path* (`paths`), the conditions under
which it runs, and whoever runs the graph skips it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.op import Op, Shape
from symtensor.graph.op import _as_variable as as_variable
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.graph.walk import graph_inputs, toposort
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elementwise import cast, neq
from symtensor.ops.identity import Identity

__all__ = ["IfElse", "Path", "Within", "ifelse", "paths", "reached", "schedule", "sides_of", "where_taken"]

Path = tuple[tuple[Variable, bool], ...]
"""Conditions, outermost first, with the value each must have."""


class IfElse(Op):
    """The first ``count`` values where the condition holds, else the last ``count`` (Theano's op). Only one side runs.

    The condition is a bool scalar. A dimension that differs between the sides is known only at run time.
    """

    __props__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count
        self.view_map = {k: [1 + k, 1 + count + k] for k in range(count)}

    def sides(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The values of both sides."""
        return list(values[1:1 + self.count]), list(values[1 + self.count:])

    def make_node(self, condition: Any, *values: Any) -> Apply:
        variables = [as_variable(value) for value in (condition, *values)]
        outputs: list[Variable] = []
        for k, (a, b) in enumerate(zip(*self.sides(variables), strict=True)):
            if a.type == b.type:
                outputs.append(a.type.make_variable())
                continue
            tensors = isinstance(a.type, TensorType) and isinstance(b.type, TensorType)
            if not tensors or a.type.dtype != b.type.dtype or a.type.ndim != b.type.ndim:
                raise TypeError(f"ifelse: output {k} is {a.type} in one branch and {b.type} in the other; cast or "
                                "reshape one of them")
            shape = [m if m == n else None for m, n in zip(a.type.shape, b.type.shape, strict=True)]
            outputs.append(TensorType(a.type.dtype, shape).make_variable())
        return Apply(self, variables, outputs)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        taken = self.sides(inputs)[0 if inputs[0] else 1]
        for storage, value in zip(outputs, taken, strict=True):
            storage[0] = value

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Any]:  # type: ignore[override]
        return [a if a is not None and all(m is n for m, n in zip(a, b, strict=True)) else None
                for a, b in zip(*self.sides(shapes), strict=True)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        rows = [[at in bases for bases in self.view_map.values()] for at in range(len(node.inputs))]
        return rows

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        from symtensor.ops.create import zeros_like

        condition, *values = inputs
        result: list[Any] = [None] * len(inputs)
        for at, (value, g) in enumerate(zip(values, [*output_grads, *output_grads], strict=True), 1):
            if isinstance(g.type, TensorType):
                zero = zeros_like(value, g.type.dtype)
                result[at] = IfElse(1)(condition, *((g, zero) if at <= self.count else (zero, g)))
        return result

    def R_op(self, inputs: Sequence[Variable], tangents: Sequence[Any]) -> Sequence[Any]:  # type: ignore[override]
        from symtensor.ops.create import zeros_like

        result: list[Any] = []
        for k in range(self.count):
            places = (1 + k, 1 + self.count + k)
            moving = [tangents[at] for at in places]
            if all(t is None for t in moving):
                result.append(None)
            else:
                result.append(IfElse(1)(inputs[0], *(zeros_like(inputs[at]) if t is None else t
                                                     for at, t in zip(places, moving, strict=True))))
        return result


class Within(Identity):
    """The input, in the branch of a step: it is a different variable in each step, as the condition is."""

    __props__ = ()

    def make_node(self, x: Any, condition: Any) -> Apply:  # type: ignore[override]
        return Apply(self, [x, condition], [x.type.make_variable()])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [False]]


def ifelse(condition: Any, then_branch: Any, else_branch: Any, name: str | None = None) -> Any:
    """``then_branch`` where the condition is true, else ``else_branch``; only that one is computed (Theano's name).

    Parameters
    ----------
    condition : a scalar; a number other than 0 is true.
    then_branch, else_branch : a variable each, or lists of the same length; dtypes and ranks are equal pair by pair.
    name : of the result, where it is one variable.

    TypeError where the branches differ. `switch` chooses element by element, and computes both.

    >>> import numpy as np
    >>> from symtensor import ifelse, tensor as T
    >>> x = T.dvector("x")
    >>> ifelse(x.sum() > 0, x * 2, x[:1]).eval({x: np.array([1.0, 2.0])})
    array([2., 4.])
    """
    sides = [list(side) if isinstance(side, (list, tuple)) else [side] for side in (then_branch, else_branch)]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"ifelse: {len(sides[0])} value(s) in one branch, {len(sides[1])} in the other")
    test = as_tensor_variable(condition)
    if test.type.ndim:
        raise TypeError(f"ifelse: the condition must be a scalar, got {test} of type {test.type}; "
                        "switch(condition, a, b) chooses element by element")
    if test.type.dtype != "bool":
        test = cast(neq(test, 0), "bool")
    outputs = _either(test, *([as_variable(value) for value in side] for side in sides))
    if isinstance(then_branch, (list, tuple)) or isinstance(else_branch, (list, tuple)):
        return outputs
    if name is not None:
        outputs[0].name = name
    return outputs[0]


def _either(test: Variable, then: list[Variable], other: list[Variable]) -> list[Variable]:
    """One node; of compounds (sparse matrices) of one type it takes the parts."""
    apart = [a.type == b.type and hasattr(a.type, "components") for a, b in zip(then, other, strict=True)]
    sides = [[part for v, cut in zip(side, apart, strict=True) for part in (v.type.decompose(v) if cut else [v])]
             for side in (then, other)]
    found = iter(IfElse(len(sides[0]))(test, *sides[0], *sides[1], return_list=True))
    return [v.type.compose([next(found) for _ in v.type.components]) if cut else next(found)
            for v, cut in zip(then, apart, strict=True)]


def sides_of(node: Apply) -> tuple[list[Variable], list[Variable]]:
    """The values of both sides of an `IfElse` node."""
    count = len(node.outputs)
    return list(node.inputs[1:1 + count]), list(node.inputs[1 + count:])


def paths(order: Sequence[Apply], roots: Iterable[Variable],
          needs: Callable[[Apply], Iterable[Variable]]) -> dict[Apply, Path]:
    """The conditions under which each node is needed; nodes that always are have none and are left out.

    ``order`` has each node after what it ``needs``.
    """
    if not any(isinstance(node.op, IfElse) for node in order):
        return {}
    found: dict[Apply, Path] = {}
    members = set(order)

    def use(variable: Variable, path: Path) -> None:
        if variable.owner in members:
            before = found.get(variable.owner)
            found[variable.owner] = path if before is None else _common(before, path)

    for root in roots:
        use(root, ())
    for node in reversed(order):
        path = found.setdefault(node, ())
        if isinstance(node.op, IfElse):
            condition, then, other = node.inputs[0], *map(set, sides_of(node))
            use(condition, path)
            for side, mine, theirs in ((True, then, other), (False, other, then)):
                for variable in mine:
                    use(variable, path if variable in theirs else (*path, (condition, side)))
            rest: Iterable[Variable] = (v for v in needs(node) if v not in then and v not in other)
        else:
            rest = needs(node)
        for variable in rest:
            use(variable, path)
    return {node: path for node, path in found.items() if path}


def _common(a: Path, b: Path) -> Path:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x[0] is not y[0] or x[1] is not y[1]:
            break
        count += 1
    return a[:count]


def reached(path: Path, value: Callable[[Variable], Any]) -> bool:
    """Whether a path's conditions hold, given the values of variables."""
    return all(bool(value(condition)) is side for condition, side in path)


def where_taken(value: Variable, path: Path) -> Variable:
    """The value where the path's conditions hold, else zeros: others can have it without making its branch run."""
    from symtensor.ops.create import alloc
    from symtensor.ops.infer import ShapeInference

    if not path:
        return value
    graph = FunctionGraph.build(graph_inputs([value]), [value])
    dims = ShapeInference.of(graph).shape_of(graph.outputs[0])  # found without the value, where that can be
    zero = alloc(np.zeros((), value.type.dtype), *dims)
    for condition, side in reversed(path):
        value = IfElse(1)(condition, *((value, zero) if side else (zero, value)))
    return value


def schedule(roots: Sequence[Variable], stop: Iterable[Variable]) -> tuple[list[Apply], dict[Apply, Path]]:
    """The nodes that the roots need, conditions before what they decide, and their `paths`."""
    stop = set(stop)
    order = toposort(roots, stop)
    found = paths(order, roots, lambda node: node.inputs)
    if found:
        order = toposort(roots, stop, lambda node: (*(v for v, _ in found.get(node, ())), *node.inputs))
    return order, found
