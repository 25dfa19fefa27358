"""Walks over graphs. All are iterative: a graph may be deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from symtensor.graph.variable import Apply, Variable

__all__ = ["ancestors", "clone_replace", "depends_on", "graph_inputs", "toposort", "variables_of"]


def toposort(outputs: Iterable[Variable], stop: Iterable[Variable] | Container[Variable] = (),
             needs: Callable[[Apply], Iterable[Variable]] = lambda node: node.inputs) -> list[Apply]:
    """The nodes that ``outputs`` need, each after the makers of its inputs; walks do not pass variables in ``stop``.

    Deterministic: depth first, inputs from left to right. ``needs`` says what must come before a node, where that is
    more than its inputs.
    """
    barrier: Container[Variable] = stop if isinstance(stop, Mapping) or not isinstance(stop, Iterable) else set(stop)
    done: set[Apply] = set()
    order: list[Apply] = []
    for output in outputs:
        if output.owner is None or output in barrier or output.owner in done:
            continue
        stack: list[tuple[Apply, Iterator[Variable]]] = [(output.owner, iter(needs(output.owner)))]
        done.add(output.owner)
        while stack:
            node, rest = stack[-1]
            for variable in rest:
                owner = variable.owner
                if owner is not None and owner not in done and variable not in barrier:
                    done.add(owner)
                    stack.append((owner, iter(needs(owner))))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def ancestors(outputs: Iterable[Variable], stop: Iterable[Variable] = ()) -> list[Variable]:
    """All variables that ``outputs`` need, themselves included, inputs before users."""
    outputs = list(outputs)
    barrier = set(stop)
    seen: dict[Variable, None] = {}
    for node in toposort(outputs, barrier):
        for variable in (*node.inputs, *node.outputs):
            seen.setdefault(variable)
    for output in outputs:
        seen.setdefault(output)
    return list(seen)


def variables_of(order: Sequence[Apply]) -> Iterator[Variable]:
    """Every output of the nodes, in order."""
    for node in order:
        yield from node.outputs


def graph_inputs(outputs: Iterable[Variable], stop: Iterable[Variable] = ()) -> list[Variable]:
    """The variables without owner (inputs, constants, shared variables) that ``outputs`` need; barriers count too."""
    barrier = set(stop)
    return [v for v in ancestors(outputs, barrier) if v.owner is None or v in barrier]


def depends_on(outputs: Iterable[Variable], sources: Iterable[Variable]) -> bool:
    """Whether any of ``outputs`` needs any of ``sources``."""
    wanted = set(sources)
    return any(variable in wanted for variable in ancestors(outputs))


def clone_replace(outputs: Sequence[Variable], replace: Mapping[Variable, Variable]) -> list[Variable]:
    """Copies of ``outputs`` with variables replaced; what does not depend on them is shared with the original.

    Replacements are not searched for further replacements. Types may become more specific; nodes infer anew then.
    """
    made: dict[Variable, Variable] = dict(replace)
    for node in toposort(outputs, replace):
        inputs = [made.get(variable, variable) for variable in node.inputs]
        if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
            continue
        clone = node.clone_with(inputs)
        for old, new in zip(node.outputs, clone.outputs, strict=True):
            made.setdefault(old, new)
    return [made.get(output, output) for output in outputs]


# -- pickling: a flat list of nodes instead of nested objects, so that depth does not matter ------------------------


def flatten_graph(root: Variable | Apply) -> tuple[Any, ...]:
    """What `unflatten_variable` and `unflatten_node` need to build the graph of ``root`` again."""
    targets = root.outputs if isinstance(root, Apply) else (root,)
    leaves = [v for v in ancestors(targets) if v.owner is None]
    number: dict[Variable, int] = {leaf: i for i, leaf in enumerate(leaves)}
    rows: list[tuple[Any, ...]] = []
    for node in toposort(targets):
        rows.append((node.op, tuple(number[v] for v in node.inputs), tuple((v.type, v.name) for v in node.outputs)))
        for output in node.outputs:
            number[output] = len(number)
    return leaves, rows, number[targets[0]]


def unflatten_variable(leaves: Sequence[Variable], rows: Sequence[tuple[Any, ...]], at: int) -> Variable:
    """The variable that `flatten_graph` described."""
    table = list(leaves)
    for op, inputs, outputs in rows:
        node = Apply(op, [table[i] for i in inputs], [type_.make_variable(name) for type_, name in outputs])
        table.extend(node.outputs)
    return table[at]


def unflatten_node(leaves: Sequence[Variable], rows: Sequence[tuple[Any, ...]], at: int) -> Apply:
    """The node that `flatten_graph` described."""
    owner = unflatten_variable(leaves, rows, at).owner
    if owner is None:
        raise ValueError("the pickled graph has no node")
    return owner


def make_leaf(type_: Any, name: str | None, data: Any = None) -> Variable:
    """An input variable, or a constant where there is data."""
    leaf: Variable = type_.make_variable(name) if data is None else type_.make_constant(data, name)
    return leaf
