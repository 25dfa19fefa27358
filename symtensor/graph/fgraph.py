"""The compiler's graph: immutable and interned.

`FunctionGraph` holds inputs, outputs and guards. Its nodes live in an `Interner`: two equal applications are one
node, so common subexpressions vanish when the user's graph is imported. A rewrite never changes a graph; it makes
another that shares the interner and all nodes it did not touch. The user's own graph is only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from symtensor.graph.errors import MissingInputError
from symtensor.graph.trace import Origin, describe_origin
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort

__all__ = ["FunctionGraph", "Guard", "Interner"]


class Interner:
    """The table of equal nodes: (op, inputs, output types) to the one `Apply`, and values to the one `Constant`.

    Leaves that are not constants (inputs, shared variables) stand for themselves.
    """

    def __init__(self) -> None:
        self._nodes: dict[Any, Apply] = {}
        self._members: set[Apply] = set()
        self._constants: dict[Any, Constant] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, node: Apply) -> bool:
        return node in self._members

    def constant(self, leaf: Constant) -> Constant:
        """The one constant of this type and value. Names are dropped: they carry no meaning."""
        return self._constants.setdefault((leaf.type, leaf.signature()), leaf)

    def node(self, node: Apply, inputs: Sequence[Variable]) -> Apply:
        """The one node that applies ``node.op`` to the interned ``inputs``."""
        key = _key(node, inputs)
        found = self._nodes.get(key)
        if found is None:
            same = all(new is old for new, old in zip(inputs, node.inputs, strict=True))
            found = node if same and node in self._members else node.clone_with(inputs)
            self._nodes[key] = found
            self._members.add(found)
            if not same:  # output types may have become more specific: the node answers to that key too
                found = self._nodes.setdefault(_key(found, inputs), found)
        return found

    def intern(self, outputs: Sequence[Variable], known: Mapping[Variable, Variable] | None = None) -> list[Variable]:
        """The interned equals of ``outputs``; ``known`` replaces variables on the way."""
        made: dict[Variable, Variable] = dict(known) if known else {}
        stop = _Members(self._members, made)
        for node in toposort(outputs, stop):  # type: ignore[arg-type]
            inputs = [self._leaf(variable, made) for variable in node.inputs]
            equal = self.node(node, inputs)
            for old, new in zip(node.outputs, equal.outputs, strict=True):
                made[old] = new
        return [self._leaf(output, made) for output in outputs]

    def _leaf(self, variable: Variable, made: Mapping[Variable, Variable]) -> Variable:
        found = made.get(variable)
        if found is not None:
            return found
        return self.constant(variable) if isinstance(variable, Constant) else variable


def _key(node: Apply, inputs: Sequence[Variable]) -> tuple[Any, ...]:
    """What makes two applications equal: a + b is b + a, to the last bit."""
    places = [id(variable) for variable in inputs]
    if node.op.commutative and len(places) == 2:
        places.sort()
    return (node.op, *places, *(output.type for output in node.outputs))


class _Members:
    """The variables a walk of `Interner.intern` need not pass: those known or made by interned nodes."""

    def __init__(self, members: set[Apply], made: Mapping[Variable, Variable]) -> None:
        self._members = members
        self._made = made

    def __contains__(self, variable: Variable) -> bool:
        return variable in self._made or variable.owner in self._members


@dataclass(frozen=True)
class Guard:
    """Two dimensions, as integer scalars, that the graph takes for equal: the operands of ``op`` (made at ``origin``)
    meet there along ``axis``. At run time they may differ in two ways: one of them is 1 (run-time broadcasting: the
    function falls back to its general variant), or neither is (the shapes do not fit: an error). An ``optional`` guard
    is no error: wherever the dimensions differ the general variant runs."""

    left: Variable
    right: Variable
    axis: int
    op: str
    shapes: tuple[tuple[Variable, ...], ...]
    origin: Origin
    optional: bool = False


@dataclass(frozen=True)
class FunctionGraph:
    """An immutable graph from ``inputs`` to ``outputs`` whose nodes are interned.

    ``inputs`` holds explicit inputs and shared variables; every leaf that is not a constant is among them.

    >>> from symtensor import tensor as T
    >>> x = T.dvector("x")
    >>> graph = FunctionGraph.build([x], [T.exp(x) + T.exp(x)])
    >>> [str(node.op) for node in graph.order]
    ['Elemwise{exp}', 'Elemwise{add}']
    """

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    interner: Interner
    guards: tuple[Guard, ...] = ()

    @classmethod
    def build(cls, inputs: Sequence[Variable], outputs: Sequence[Variable],
              replace: Mapping[Variable, Variable] | None = None) -> FunctionGraph:
        """The interned copy of a user's graph; MissingInputError where a leaf is not among the inputs."""
        interner = Interner()
        graph = cls(tuple(inputs), tuple(interner.intern(outputs, replace)), interner)
        graph._check_leaves()
        return graph

    def _check_leaves(self) -> None:
        given = set(self.inputs)
        for node in self.order:
            for variable in node.inputs:
                if variable.owner is None and variable not in given and not isinstance(variable, Constant):
                    self._missing(variable, node)
        for output in self.outputs:
            if output.owner is None and output not in given and not isinstance(output, Constant):
                self._missing(output, None)

    @staticmethod
    def _missing(variable: Variable, node: Apply | None) -> None:
        place = describe_origin(variable.origin)
        user = f", which {node.op} needs" if node else ""
        if node and node.origin:
            user += f" ({describe_origin(node.origin)})"
        raise MissingInputError(
            f"{variable} of type {variable.type}{user} is not an input of the function"
            f"{f'; it was made at {place}' if place else ''}. Add it to the inputs, give its value with givens=, "
            "or make it a shared variable"
        )

    @cached_property
    def roots(self) -> tuple[Variable, ...]:
        """Outputs, then the dimensions that guards compare."""
        return (*self.outputs, *(dim for guard in self.guards for dim in (guard.left, guard.right)))

    @cached_property
    def order(self) -> tuple[Apply, ...]:
        """All nodes, each after the makers of its inputs; deterministic."""
        return tuple(toposort(self.roots, self.inputs))

    def toposort(self) -> list[Apply]:
        """`order` as a list (Theano's name)."""
        return list(self.order)

    @cached_property
    def clients(self) -> dict[Variable, list[tuple[Apply | None, int]]]:
        """For each variable the (node, input index) that use it; (None, k) stands for root k."""
        users: dict[Variable, list[tuple[Apply | None, int]]] = {v: [] for v in self.inputs}
        for node in self.order:
            for index, variable in enumerate(node.inputs):
                users.setdefault(variable, []).append((node, index))
            for output in node.outputs:
                users.setdefault(output, [])
        for index, root in enumerate(self.roots):
            users.setdefault(root, []).append((None, index))
        return users

    def __iter__(self) -> Iterator[Apply]:
        return iter(self.order)

    def with_replaced(self, replaced: Mapping[Variable, Variable]) -> FunctionGraph:
        """The graph in which the keys (variables of this graph) are computed as the values; values are not searched."""
        if not replaced:
            return self
        made: dict[Variable, Variable] = {}
        targets = self.interner.intern(list(replaced.values()))
        made.update(zip(replaced, targets, strict=True))
        for node in self.order:
            inputs = [made.get(variable, variable) for variable in node.inputs]
            if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
                continue
            for old, new in zip(node.outputs, self.interner.node(node, inputs).outputs, strict=True):
                made.setdefault(old, new)
        return self.with_roots([made.get(root, root) for root in self.roots])

    def with_roots(self, roots: Sequence[Variable]) -> FunctionGraph:
        """The graph with other interned roots, in the order of `roots`."""
        count = len(self.outputs)
        dims = iter(roots[count:])
        guards = tuple(replace(guard, left=next(dims), right=next(dims)) for guard in self.guards)
        return FunctionGraph(self.inputs, tuple(roots[:count]), self.interner, guards)

    def with_guards(self, guards: Iterable[Guard]) -> FunctionGraph:
        """The graph with more guards; the dimensions they name are interned."""
        added = [
            replace(g, left=left, right=right)
            for g in guards
            for left, right in [self.interner.intern([g.left, g.right])]
        ]
        return FunctionGraph(self.inputs, self.outputs, self.interner, (*self.guards, *added)) if added else self
