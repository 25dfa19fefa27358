"""The C text of branches: an ``if`` around the steps that only one side needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symtensor.graph.variable import Variable
from symtensor.link.program import Step
from symtensor.ops.branch import Path, sides_of
from symtensor.ops.elemwise import C_TYPES

if TYPE_CHECKING:
    from symtensor.link.c import Emitter

__all__ = ["Branches", "choose"]


class Branches:
    """The branches that are open while steps are written."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.open: list[tuple[Variable, bool]] = []
        self.made: list[set[Any]] = []  # what the steps of each open branch compute
        self.loops: list[int] = []  # how many branches were open where each open loop began

    def enter(self, step: Step) -> None:
        """Close the branches that end before the step, and open those it is in."""
        if step.kind == "again":
            self._close_to(self.loops.pop())
            return
        base = self.loops[-1] if self.loops else 0
        path: Path = step.path
        same = 0
        while base + same < len(self.open) and same < len(path) and self.open[base + same] == path[same]:
            same += 1
        self._close_to(base + same)
        driver = self.emitter.driver
        for condition, side in path[same:]:
            driver.add([f"if ({'' if side else '!'}{self.emitter.scalar(condition)}) {{"])
            driver.push()
            driver.branches += 1
            self.open.append((condition, side))
            self.made.append(set())
        outputs = step.node.outputs if step.node is not None else ()
        dims = [dim for output in outputs for dim in self.emitter.program.dims(output)]
        for made in self.made[base:]:
            made.update(outputs, step.writes, (dim for dim in dims if dim.owner is not None and any(
                variable in outputs for variable in dim.owner.inputs)))
        if step.kind == "repeat":
            self.loops.append(len(self.open))

    def close(self) -> None:
        """Close all."""
        self._close_to(0)

    def _close_to(self, count: int) -> None:
        driver = self.emitter.driver
        while len(self.open) > count:
            self.open.pop()
            made = self.made.pop()
            driver.pop(keep=made.__contains__)
            driver.branches -= 1
            driver.add(["}"])


def choose(emitter: Emitter, step: Step) -> None:
    """Take the values of one side: names of scalars, pointers of arrays; nothing is copied."""
    node = step.node
    if node is None:
        return
    driver, program = emitter.driver, emitter.program
    condition = emitter.scalar(node.inputs[0])
    lines: list[tuple[str, ...]] = []
    for output, *pair in zip(node.outputs, *sides_of(node), strict=True):
        ctype = C_TYPES[output.type.dtype]
        arrays = [program.copies.get((node, side, value)) or program.array(value) for side, value in enumerate(pair)]
        if not output.type.ndim:
            driver.names[output] = driver.declare(ctype, "s")
            lines.append((driver.names[output], *(emitter.scalar(value) for value in pair)))
            continue
        for axis, dim in enumerate(program.dims(output)):
            if dim.owner is not None and dim.owner.inputs and dim.owner.inputs[0] is output:
                driver.names[dim] = driver.declare("int64_t", "n")
                lines.append((driver.names[dim], *(emitter.scalar(array.dims[axis]) for array in arrays if array)))
        array = program.array(output)
        if array is not None:
            name = driver.declare(f"{ctype} *", "p")
            emitter.storage.place(array, name)
            lines.append((name, *(emitter.storage.pointer(each) for each in arrays if each is not None)))
    driver.add([f"if ({condition}) {{", *(f"{name} = {yes};" for name, yes, _ in lines), "} else {",
                *(f"{name} = {no};" for name, _, no in lines), "}"])
