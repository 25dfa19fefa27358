"""How much memory a call needs, as a function of the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.variable import Constant, Variable
from symtensor.link.layout import Product
from symtensor.link.memory import Bytes, Plan
from symtensor.link.program import Program
from symtensor.ops.shape import Shape_i

__all__ = ["MemoryPlan"]


class MemoryPlan:
    """The memory of one call.

    ``slots`` of the arena, ``outputs`` and sizes known only at run time (not counted) come from the planner.
    """

    def __init__(self, program: Program, plan: Plan) -> None:
        self._program = program
        self.slots = plan.slots
        self.outputs: list[Bytes] = []
        for k, output in enumerate(program.graph.outputs):
            if k not in plan.inplace:
                dims = program.dims(output)
                self.outputs.append((np.dtype(output.type.dtype).itemsize, program.symbols.size(dims)))
        self.dynamic = len(plan.dynamic)

    def peak(self, shapes: Sequence[Sequence[int]], values: dict[int, Any] | None = None) -> int:
        """Bytes of arena and outputs for inputs of these shapes (those of shared variables too).

        ``values`` gives the 0-d inputs that sizes depend on, by input index. ValueError where a size depends on data.
        """
        known: dict[Variable, Any] = {}

        def count(size: Bytes) -> int:
            return size[0] * self._product(size[1], shapes, values or {}, known)

        return sum(max(_padded(count(size)) for size in sizes) for sizes in self.slots) + sum(map(count, self.outputs))

    def _product(self, product: Product, shapes: Sequence[Sequence[int]], values: dict[int, Any],
                 known: dict[Variable, Any]) -> int:
        total = product.coefficient
        for factor in product.factors:
            if not isinstance(factor, Variable) or not self._program.is_early(factor):
                raise ValueError("the size of a result depends on data; its memory cannot be told from shapes")
            total *= self._scalar(factor, shapes, values, known)
        return total

    def _scalar(self, scalar: Variable, shapes: Sequence[Sequence[int]], values: dict[int, Any],
                known: dict[Variable, Any]) -> int:
        stack = [scalar]
        while stack:
            variable = stack[-1]
            if variable in known:
                stack.pop()
                continue
            node = variable.owner
            if isinstance(variable, Constant):
                known[variable] = variable.data
            elif node is None:
                number = self._program.input_number[variable]
                if number not in values:
                    raise ValueError(f"a size depends on the value of input {number}: give values={{{number}: ...}}")
                known[variable] = values[number]
            elif isinstance(node.op, Shape_i):
                target = self._program.resolve(variable)
                if target is not variable:
                    if target in known:
                        known[variable] = known[target]
                    else:
                        stack.append(target)
                    continue
                known[variable] = shapes[self._program.input_number[node.inputs[0]]][node.op.i]
            else:
                pending = [v for v in node.inputs if v not in known]
                if pending:
                    stack.extend(pending)
                    continue
                results: list[list[Any]] = [[None] for _ in node.outputs]
                node.op.perform(node, [np.asarray(known[v], v.type.dtype) for v in node.inputs], results)
                for output, (result,) in zip(node.outputs, results, strict=True):
                    known[output] = result
        return int(known[scalar])


def _padded(size: int) -> int:
    return (size + 63) // 64 * 64
