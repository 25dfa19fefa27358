"""How much memory a call needs, as a function of the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Room
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.link.kernels import GRAIN
from symtensor.link.layout import Product
from symtensor.link.memory import Bytes, Plan
from symtensor.link.program import Program
from symtensor.ops.shape import Shape_i

__all__ = ["Footprint", "MemoryPlan"]


class Footprint(int):
    """The most bytes that a call has in use at once; printed, what they are for.

    workspace : the arena of temporaries; slots : its parts, each with the number of arrays that share it.
    results : the bytes of each result that is not left in the memory of a shared variable.
    hosts : results of ops that run through NumPy; room : what kernels take while they run, at most.
    """

    workspace: int
    slots: tuple[tuple[int, int], ...]
    results: tuple[int, ...]
    hosts: int
    room: int

    def __str__(self) -> str:
        rows = [(int(self), "bytes at most"), (self.workspace, f"workspace of {len(self.slots)} slots"),
                *((size, f"  shared by {count} arrays") for size, count in self.slots),
                (sum(self.results), f"in {len(self.results)} results"), *((size, "  each") for size in self.results),
                (self.hosts, "results of NumPy"), (self.room, "taken by a kernel while it runs")]
        return "\n".join(f"{size:>16,}  {text}" for size, text in rows if size)


class MemoryPlan:
    """The memory of one call, as the planner decided."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self._program = program
        self.slots = plan.slots
        self.outputs = [self._bytes(output) for k, output in enumerate(program.graph.outputs) if k not in plan.inplace]
        self.dynamic = len(plan.dynamic)
        nodes = [(step.node, step) for step in plan.steps if step.node is not None]
        self.hosts = [self._bytes(v) for node, step in nodes if step.kind == "host" for v in node.outputs]
        self.kernels = [(node, step.kernel, step.kernel.room) for node, step in nodes
                        if step.kernel is not None and step.kernel.room is not None]

    def _bytes(self, variable: Variable) -> Bytes:
        return np.dtype(variable.type.dtype).itemsize, self._program.symbols.size(self._program.dims(variable))

    def is_guarded(self, shapes: Sequence[Sequence[int]], values: dict[int, Any] | None = None) -> bool:
        """Whether the program refuses these shapes: dimensions that it takes for equal are not."""
        known: dict[Variable, Any] = {}

        def number(scalar: Variable) -> int:
            return self._product(self._program.symbols.of(scalar), shapes, values or {}, known)

        return any(number(guard.left) != number(guard.right) for guard in self._program.graph.guards)

    def peak(self, shapes: Sequence[Sequence[int]], values: dict[int, Any] | None = None,
             threads: int = 1) -> Footprint:
        """Bytes for inputs of these shapes (those of shared variables too), with so many threads.

        ``values`` gives the 0-d inputs that sizes depend on, by input index. ValueError where a size depends on data.
        """
        if self.dynamic:
            raise ValueError("the size of a temporary depends on data; its memory cannot be told from shapes")
        known: dict[Variable, Any] = {}

        def number(product: Product) -> int:
            return self._product(product, shapes, values or {}, known)

        slots = tuple((max(_padded(item * number(size)) for item, size in sizes), len(sizes)) for sizes in self.slots)
        workspace = block(sum(size for size, _ in slots)) if slots else 0
        results = tuple(block(item * number(size)) for item, size in self.outputs)
        hosts = sum(item * number(size) for item, size in self.hosts)
        room = max((self._room(*each, number, threads) for each in self.kernels), default=0)
        made = Footprint(workspace + sum(results) + hosts + room)
        made.workspace, made.slots, made.results, made.hosts, made.room = workspace, slots, results, hosts, room
        return made

    def _room(self, node: Apply, kernel: Kernel, room: Room, number: Callable[[Product], int], threads: int) -> int:
        """What a kernel takes: as often as its iterations run at once (see `emit_kernel`)."""
        program = self._program
        arrays = [(program.array(v), program.dims(v)) for v in (*node.inputs, *node.outputs)]
        try:
            shapes = [[number(program.symbols.of(dim)) for dim in dims] for _, dims in arrays]
            strides = [[number(stride) for stride in array.strides] if array is not None else [] for array, _ in arrays]
            size = 1 if kernel.size is None else number(program.symbols.of(program.infer.simplify(kernel.size)))
        except ValueError:  # it differs from step to step of a loop
            return 0
        width = sum(map(prod, shapes)) // max(size, 1)
        pieces = -(-size // max(GRAIN // max(width, 1), 1))
        return min(pieces, threads) * sum(map(block, room(shapes, strides)))

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


def block(size: int) -> int:
    """What the allocator of ``runtime/memory.c`` gives for so many bytes: classes of 64, beyond 1024 eight of each
    power of two."""
    if size <= 1024:
        return max(_padded(size), 64)
    step = 1 << (size - 1).bit_length() - 4
    return -(-size // step) * step
