"""Running a graph with NumPy: each node's `perform`, in order. It is the oracle for native code, and what
runs where there is no compiler."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.link.errors import checked_output, run_time_error
from symtensor.ops.branch import Path, schedule

__all__ = ["Interpreter", "NodeTimer", "fresh_results", "perform_checked"]


class NodeTimer(Protocol):
    """Who keeps the times of nodes."""

    def add_node(self, node: Apply, seconds: float) -> None:
        """One run of ``node`` took this long."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One node: where its inputs are and its outputs go, and which values nobody needs afterwards."""

    node: Apply
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    dead: tuple[int, ...]
    path: tuple[tuple[int, bool], ...] = ()  # the values of conditions under which the node runs


class Interpreter:
    """A graph as a callable on values: ``Interpreter(graph)(inputs)`` is the list of its outputs.

    Inputs are values of the types of ``graph.inputs``, in order, and are never changed. An output is an array
    of its own unless ``borrow`` says for it that it may share memory with an input. Calls share no state:
    threads may run one interpreter at once. An error is of the class that `perform` raised and names node,
    inputs and the user's line.

    >>> import numpy as np
    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> Interpreter(FunctionGraph.build([x], [T.exp(x)]))([np.zeros(2)])
    [array([1., 1.])]
    """

    def __init__(self, graph: FunctionGraph, borrow: Sequence[bool] = ()) -> None:
        self.graph = graph
        self.borrow = tuple(borrow) or (False,) * len(graph.outputs)
        roots = [*graph.outputs, *(dim for guard in graph.guards for dim in (guard.left, guard.right))]
        order, found = schedule(roots, graph.inputs)
        slots: dict[Variable, int] = {}
        for (
            variable
        ) in graph.inputs:  # an input given twice is the later one's value: both are the same variable
            slots.setdefault(variable, len(slots))
        self._input_slots = tuple(slots[variable] for variable in graph.inputs)
        self._constants: list[tuple[int, Any]] = []
        for variable in (*(v for node in order for v in node.inputs), *roots):
            if isinstance(variable, Constant) and variable not in slots:
                slots[variable] = len(slots)
                self._constants.append((slots[variable], variable.data))
        for node in order:
            for output in node.outputs:
                slots[output] = len(slots)
        self._size = len(slots)
        self._roots = tuple(slots[root] for root in roots)
        self._steps = self._schedule(order, slots, found)

    def _schedule(self, order: Sequence[Apply], slots: dict[Variable, int], found: dict[Apply, Path]) -> list[_Step]:
        kept = set(self._roots) | {slot for slot, _ in self._constants}
        last = {slots[v]: at for at, node in enumerate(order)
                for v in (*node.outputs, *node.inputs, *(v for v, _ in found.get(node, ())))}
        dead: dict[int, list[int]] = {}
        for slot, at in last.items():
            if slot not in kept:
                dead.setdefault(at, []).append(slot)
        return [
            _Step(node, tuple(slots[v] for v in node.inputs), tuple(slots[v] for v in node.outputs),
                  tuple(dead.get(at, ())), tuple((slots[v], side) for v, side in found.get(node, ())))
            for at, node in enumerate(order)
        ]

    def __call__(self, inputs: Sequence[Any], timer: NodeTimer | None = None) -> list[Any]:
        values: list[Any] = [None] * self._size
        for slot, value in zip(self._input_slots, inputs, strict=True):
            values[slot] = value
        for slot, value in self._constants:
            values[slot] = value
        for step in self._steps:
            if step.path and not all(bool(values[slot]) is side for slot, side in step.path):
                continue
            arguments = [values[slot] for slot in step.inputs]
            began = perf_counter() if timer is not None else 0.0
            try:
                results = perform_checked(step.node, arguments)
            except Exception as error:
                raise run_time_error(error, step.node, arguments) from error
            if timer is not None:
                timer.add_node(step.node, perf_counter() - began)
            for slot, result in zip(step.outputs, results, strict=True):
                values[slot] = result
            for slot in step.dead:
                values[slot] = None
        found = [values[slot] for slot in self._roots]
        self._check_guards(found[len(self.graph.outputs):])
        foreign = [*inputs, *(value for _, value in self._constants)]
        return fresh_results(found[: len(self.graph.outputs)], foreign, self.borrow)

    def _check_guards(self, dims: Sequence[Any]) -> None:
        for guard, left, right in zip(self.graph.guards, dims[::2], dims[1::2], strict=True):
            if left != right:
                raise ValueError(
                    f"{guard.op}: dimension {guard.axis} is {int(left)} and {int(right)}, which this graph "
                    "takes for equal; interpret the graph optimized with assume=False"
                )


def perform_checked(node: Apply, arguments: Sequence[Any]) -> list[Any]:
    """The outputs of one node, of the types that it declares. Ops from outside the package see read-only
    arrays: they cannot change what others still need."""
    arguments = [_read_only(value) for value in arguments] if _is_foreign(node) else list(arguments)
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    node.op.perform(node, arguments, storage)
    return [checked_output(node, index, cell[0]) for index, cell in enumerate(storage)]


def _is_foreign(node: Apply) -> bool:
    return not type(node.op).__module__.startswith("symtensor.")


def _read_only(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or not value.flags.writeable:
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def fresh_results(results: Sequence[Any], foreign: Sequence[Any], borrow: Sequence[bool]) -> list[Any]:
    """``results`` as C-contiguous arrays that own their memory and share none with each other or with
    ``foreign``, copied where needed; those marked in ``borrow`` stay as they are."""
    taken = {id(value) for value in foreign}
    fresh: list[Any] = []
    for value, may_alias in zip(results, borrow, strict=True):
        if isinstance(value, np.ndarray) and not may_alias:
            flags = value.flags
            own = value.base is None and flags.owndata and flags.c_contiguous and flags.writeable
            if not own or id(value) in taken or type(value) is not np.ndarray:
                value = np.array(value, order="C", copy=True, subok=False)
            taken.add(id(value))
        elif not may_alias and not isinstance(value, np.ndarray):  # lists, sparse matrices
            value = deepcopy(value)
        fresh.append(value)
    return fresh
