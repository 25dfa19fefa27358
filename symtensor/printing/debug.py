"""`debugprint`: a graph as an indented tree, one line a node."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import IO, Any, Literal

from symtensor.graph.variable import Apply, Variable
from symtensor.ops.loop import Loop
from symtensor.printing.targets import graph_of, outputs_of

__all__ = ["debugprint"]


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: IO[str] | Literal["str"] | None = None,
    ids: Literal["CHAR", "int", "auto", ""] = "CHAR",
    stop_on_name: bool = False,
) -> str | IO[str] | None:
    """Print the graph of a variable, node or compiled function as a tree (Theano's name).

    Parameters
    ----------
    depth : levels to print; -1 for all.
    print_type : add each variable's type.
    file : where to print; ``"str"`` returns the text; default standard output.
    ids : how equal lines are told apart: letters, numbers, or not at all ("").
    stop_on_name : do not go below variables that have a name.

    What a step of a loop computes is printed behind all else.

    >>> from symtensor import tensor as T
    >>> x, y = T.dmatrices("x", "y")
    >>> debugprint(x + y)
    Elemwise{add} [id A]
     |x [id B]
     |y [id C]
    """
    graph = graph_of(obj)
    position = {node: i for i, node in enumerate(graph.order)} if graph is not None else {}
    lines = _Tree(depth, print_type, ids, stop_on_name, position)
    text = "".join(f"{line}\n" for root in outputs_of(obj) for line in lines.of(root))
    text += "".join(f"{line}\n" for line in lines.of_loops())
    if file == "str":
        return text
    target = sys.stdout if file is None else file
    target.write(text)
    return None if file is None else target


class _Tree:
    """Walks one or more roots; a node met before is printed once more without what is below it."""

    def __init__(self, depth: int, print_type: bool, ids: str, stop_on_name: bool, position: dict[Apply, int]) -> None:
        self.depth = depth
        self.print_type = print_type
        self.ids = ids
        self.stop_on_name = stop_on_name
        self.position = position
        self.numbers: dict[Variable, int] = {}
        self.expanded: set[Apply] = set()

    def of(self, root: Variable) -> Iterator[str]:
        stack: list[tuple[Variable, str, str, int]] = [(root, "", "", 0)]
        while stack:
            variable, head, below, level = stack.pop()
            node = variable.owner
            if node is None:
                yield head + self._leaf(variable)
                continue
            again = node in self.expanded and node.inputs
            yield head + self._inner(variable, node)
            if self.stop_on_name and variable.name is not None and level > 0:
                continue
            if again:
                yield f"{below} |···"
                continue
            self.expanded.add(node)
            if self.depth >= 0 and level + 1 >= self.depth:
                continue
            last = len(node.inputs) - 1
            for index in range(last, -1, -1):
                bar = "  " if index == last else " |"
                stack.append((node.inputs[index], f"{below} |", below + bar, level + 1))

    def of_loops(self) -> Iterator[str]:
        """The inner graphs of the loops met so far, and of those in them."""
        done: set[Apply] = set()
        while due := [node for node in self.expanded if isinstance(node.op, Loop) and node not in done]:
            for node in sorted(due, key=lambda node: self.numbers[node.outputs[0]]):
                done.add(node)
                yield ""
                yield f"Each step of {node.op}{self._id(node.outputs[0])}:"
                for output in node.op.outputs:  # type: ignore[attr-defined]
                    yield from (f" >{line}" for line in self.of(output))

    def _leaf(self, variable: Variable) -> str:
        return f"{variable}{self._type(variable)}{self._id(variable)}"

    def _inner(self, variable: Variable, node: Apply) -> str:
        which = f".{variable.index}" if len(node.outputs) > 1 else ""
        name = f" '{variable.name}'" if variable.name is not None else ""
        at = f" {self.position[node]}" if node in self.position else ""
        return f"{node.op}{which}{self._type(variable)}{self._id(variable)}{name}{at}"

    def _type(self, variable: Variable) -> str:
        return f" <{variable.type}>" if self.print_type else ""

    def _id(self, variable: Variable) -> str:
        if not self.ids:
            return ""
        number = self.numbers.setdefault(variable, len(self.numbers))
        return f" [id {number if self.ids == 'int' else _letters(number)}]"


def _letters(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(65 + digit) + text
    return text
