"""The memory plan: which results share memory, what is computed in place, and the order that allows it.

Decided here and only here. A buffer lies in a slot of the arena (slots are shared by buffers that are not alive at the
same time; their sizes are run-time expressions), in the memory of an output, in the memory of an input that is updated
in place, or, where its size is known only while the program runs, in memory of its own.

Updates in place are safe by order: every step that may fail comes before the first of them (which may fail itself if
it is a kernel: an op with `may_overwrite` fails before it writes), and all other reads of the old value come before
the step that overwrites it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.link.bodies import flatten
from symtensor.link.layout import ZERO, Product
from symtensor.link.nodes import scalar_program
from symtensor.link.program import Array, Program, Step
from symtensor.ops.shape import Shape_i
from symtensor.ops.stages import stages_of

__all__ = ["Plan", "plan_memory"]

Bytes = tuple[int, Product]  # item size, number of elements


@dataclass
class Plan:
    """Where everything lies.

    slots : for each slot of the arena the sizes of its occupants (it is as large as the largest).
    inplace : {output: input} for updates left in the memory of the input.
    outputs : {output: array} for outputs computed in the output's own memory; others are copied there.
    overwritten : {(step, output index of the node): input index}: computed in the memory of an operand.
    dynamic : the buffers allocated while the program runs; releases: {position: those that are dead after that step}.
    """

    steps: list[Step] = field(default_factory=list)
    slots: list[list[Bytes]] = field(default_factory=list)
    inplace: dict[int, int] = field(default_factory=dict)
    outputs: dict[int, Array] = field(default_factory=dict)
    overwritten: dict[tuple[Step, int], int] = field(default_factory=dict)
    dynamic: list[Array] = field(default_factory=list)
    releases: dict[int, list[int]] = field(default_factory=dict)


def plan_memory(program: Program) -> Plan:
    """Decide order and memory."""
    plan = Plan(list(program.steps))
    order = _Order(program, plan)
    for output, source in program.updates.items():
        order.update_in_place(output, source)
    plan.steps = flatten(order.final())
    _place_outputs(program, plan)
    _place_before_outputs(program, plan)
    _Liveness(program, plan).run()
    return plan


def exact(program: Program, array: Array, dims: Sequence[Variable]) -> bool:
    """Whether an array covers its root's memory element for element, in the order of a contiguous array of ``dims``."""
    symbols = program.symbols
    if not array.contiguous or array.dims != tuple(dims) or symbols.size(array.root.dims) != symbols.size(dims):
        return False
    while array.parent is not None:
        if array.offset != ZERO or not array.parent.contiguous:
            return False
        array = array.parent
    return True


class _Order:
    """Chooses the updates that are computed in place, and orders the steps."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program = program
        self.plan = plan
        self.maker: dict[Array, Step] = {}
        self.scalar_maker: dict[Variable, Step] = {}
        for step in plan.steps:
            for array in step.writes:
                self.maker[array] = step
            for output in step.node.outputs if step.node is not None else ():
                self.scalar_maker[output] = step
        self.needs: dict[Step, set[Step]] = {step: self._needs(step) for step in plan.steps} if program.updates else {}
        self.users: dict[Step, list[Step]] = {step: [] for step in plan.steps}
        for step, needs in self.needs.items():
            for need in needs:
                self.users[need].append(step)
        self.readers: dict[Array, list[Step]] = {}
        self.copies: dict[int, Step] = {}  # by output
        for step in plan.steps:
            for root in dict.fromkeys(root for read in step.reads for root in (read.root, *read.root.aliases)):
                self.readers.setdefault(root, []).append(step)
            if step.output >= 0:
                self.copies[step.output] = step
        self.late: set[Step] = set()
        self.first: Step | None = None  # the one late step that may fail
        self.dropped: set[Step] = set()

    def _needs(self, step: Step) -> set[Step]:
        found = {maker for array in step.reads if (maker := self.maker.get(array)) is not None}
        variables = list(self.program.needs(step.node)) if step.node is not None else []
        if step.source is not None:
            variables.append(step.source)
        for variable in variables:
            found.update(self._makers(variable))
        found.discard(step)
        return found

    def _makers(self, variable: Variable) -> Iterable[Step]:
        while variable not in self.scalar_maker:
            node = variable.owner
            if node is None or not isinstance(node.op, Shape_i):
                return ()
            resolved = self.program.resolve(variable)
            variable = resolved if resolved is not variable else node.inputs[0]
        return (self.scalar_maker[variable],)

    def update_in_place(self, output: int, source: int) -> None:
        """Compute update ``output`` in the memory of input ``source`` where that is safe."""
        program = self.program
        value = program.graph.outputs[output]
        if not value.type.ndim:
            if value.type.dtype == program.graph.inputs[source].type.dtype:
                self._store_last(output, source)
            return
        array, target = program.array(value), program.array(program.graph.inputs[source])
        step = self.maker.get(array) if array is not None else None
        if array is None or target is None or step is None or array.kind != "buffer" or array.place is not None:
            return
        if array.dtype != target.dtype or array.dims != target.dims or step.kind not in ("loop", "kernel"):
            return
        over = self._operand(step, array, target)
        if over is None:
            return
        own = self.copies[output]
        readers = [use for use in self.readers.get(target, ()) if use not in (step, own)]
        below = self._below(step)
        if any(reader in below for reader in readers) or not self._may_be_late(step, below, readers):
            return
        for reader in readers:  # before the step that overwrites what they read
            self.needs[step].add(reader)
            self.users[reader].append(step)
        self.late |= below
        array.place = ("input", source)
        self.plan.inplace[output] = source
        if over >= 0:
            self.plan.overwritten[step, self._output_index(step, array)] = over
        self.dropped.add(own)

    def _may_be_late(self, step: Step, below: set[Step], readers: Sequence[Step]) -> bool:
        """Whether nothing fails after the first write. One kernel that checks before it writes may be the first."""
        fallible = [each for each in below if each.fallible]
        if not fallible:
            return True
        if fallible != [step] or step.kind != "kernel" or self.first is not None or step in self.late:
            return False
        if any(reader in self.late for reader in readers):
            return False
        self.first = step
        return True

    def _store_last(self, output: int, source: int) -> None:
        """A 0-d update is stored into the input's memory at the very end."""
        self.plan.inplace[output] = source
        self.late.add(self.copies[output])

    def _output_index(self, step: Step, array: Array) -> int:
        return step.node.outputs.index(array.variable) if step.node is not None else 0

    def _operand(self, step: Step, array: Array, target: Array) -> int | None:
        """The index of the operand that is overwritten, -1 where the node does not read the memory, None: not safe."""
        touching = [read for read in step.reads if read.root is target]
        return overwritable(self.program, step, self._output_index(step, array), array, target) if touching else -1

    def _below(self, step: Step) -> set[Step]:
        found, stack = {step}, [step]
        while stack:
            for user in self.users[stack.pop()]:
                if user not in found:
                    found.add(user)
                    stack.append(user)
        return found

    def _stage(self, step: Step) -> int:
        return 1 if step is self.first else 2 * (step in self.late)

    def final(self) -> list[Step]:
        """All steps, each after what it needs, those that write inputs and what follows from them last."""
        steps = [step for step in self.plan.steps if step not in self.dropped]
        if not self.late:
            return steps
        position = {step: k for k, step in enumerate(steps)}
        waiting = {step: sum(need in position for need in self.needs[step]) for step in steps}
        ready = [(self._stage(step), k) for step, k in position.items() if not waiting[step]]
        heapq.heapify(ready)
        result: list[Step] = []
        while ready:
            step = steps[heapq.heappop(ready)[1]]
            result.append(step)
            for user in dict.fromkeys(self.users[step]):
                if user in waiting and step in self.needs[user]:
                    waiting[user] -= 1
                    if not waiting[user]:
                        heapq.heappush(ready, (self._stage(user), position[user]))
        return result


def overwritable(program: Program, step: Step, output: int, array: Array, root: Array) -> int | None:
    """The index of the node's input whose memory (that of ``root``) output ``output`` may be computed in, or None."""
    if step.node is None:
        return None
    inputs = [program.array(variable) for variable in step.node.inputs]
    touching = [k for k, read in enumerate(inputs) if read is not None and read.root is root]
    if not touching or array.dtype != root.dtype:
        return None
    if any(not exact(program, read, array.dims) for k in touching if (read := inputs[k]) is not None):
        return None
    if step.kind == "loop":
        made = scalar_program(step.node)
        if made.axes:
            free = all(stages_of(made).may_overwrite(output, k) for k in touching)
        else:
            free = made.outputs[output][1] is None
        return touching[0] if free else None
    allowed = step.node.op.may_overwrite.get(output, ())
    return touching[0] if len(touching) == 1 and touching[0] in allowed else None


def _place_outputs(program: Program, plan: Plan) -> None:
    """Compute outputs in their own memory where nothing else stands for the same buffer."""
    kept: list[Step] = []
    for step in plan.steps:
        if step.kind == "copy":
            (array,) = step.reads
            root = array.root
            known = array is root or all(map(program.is_early, array.dims))  # when the memory is taken
            if known and root.kind == "buffer" and root.place is None and exact(program, array, array.dims):
                root.place = ("output", step.output)
                plan.outputs[step.output] = array
                continue
        kept.append(step)
    plan.steps = kept


def _place_before_outputs(program: Program, plan: Plan) -> None:
    """Compute what is changed in place into an output (a zeroed gradient that parts are added to) in its memory."""
    last = _last_uses(plan)
    for at in range(len(plan.steps) - 1, -1, -1):
        step = plan.steps[at]
        for array in step.writes if step.kind in ("loop", "kernel") and step.node is not None else ():
            if array.place is None or array.place[0] != "output" or step.node is None:
                continue
            if not all(map(program.is_early, plan.outputs[array.place[1]].dims)):  # taken at the step itself
                continue
            output = step.node.outputs.index(array.variable)
            for root in dict.fromkeys(read.root for read in step.reads):
                if root.kind != "buffer" or root.place is not None or last[root] != at:
                    continue
                operand = overwritable(program, step, output, array, root)
                if operand is not None:
                    root.place, plan.overwritten[step, output] = array.place, operand
                    break


def _last_uses(plan: Plan) -> dict[Array, int]:
    """The last step that touches the memory of each root."""
    return {root: at for at, step in enumerate(plan.steps) for array in (*step.writes, *step.reads)
            for root in (array.root, *array.root.aliases)}


class _Liveness:
    """Gives every remaining buffer its memory."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program = program
        self.plan = plan
        self.last = _last_uses(plan)
        self.free: list[int] = []

    def run(self) -> None:
        """Walk the steps once."""
        for at, step in enumerate(self.plan.steps):
            taken: set[Array] = set()
            for array in step.writes:
                if array.kind == "buffer" and array.place is None:
                    array.place = self._in_place(at, step, array, taken) or self._slot(array)
            for root in dict.fromkeys(array.root for array in (*step.writes, *step.reads)):
                if self.last[root] == at and root not in taken and root.place is not None:
                    kind, number = root.place
                    if kind == "slot":
                        self.free.append(number)
                    elif kind == "dynamic":
                        self.plan.releases.setdefault(at, []).append(number)

    def _in_place(self, at: int, step: Step, array: Array, taken: set[Array]) -> tuple[str, int] | None:
        if step.kind not in ("loop", "kernel") or step.node is None:
            return None
        output = step.node.outputs.index(array.variable)
        for read in step.reads:
            root = read.root
            if root in taken or root.kind != "buffer" or root.place is None or self.last[root] != at:
                continue
            if root.place[0] not in ("slot", "dynamic") or root in step.writes:
                continue
            operand = overwritable(self.program, step, output, array, root)
            if operand is not None:
                taken.add(root)
                self.plan.overwritten[step, output] = operand
                return root.place
        return None

    def _slot(self, array: Array) -> tuple[str, int]:
        plan = self.plan
        elements = self.program.symbols.size(array.dims)
        if not self.program.product_is_early(elements):
            plan.dynamic.append(array)
            return "dynamic", len(plan.dynamic) - 1
        size = (np.dtype(array.dtype).itemsize, elements)
        for number in reversed(self.free):
            if size in plan.slots[number]:
                self.free.remove(number)
                return "slot", number
        if self.free:
            number = self.free.pop()
            plan.slots[number].append(size)
            return "slot", number
        plan.slots.append([size])
        return "slot", len(plan.slots) - 1

