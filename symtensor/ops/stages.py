"""The loops over one row that a `ScalarProgram` with row axes needs: what each computes, reads and stores."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from symtensor.ops.elemwise import Elemwise
from symtensor.ops.fused import ScalarProgram
from symtensor.ops.reduction import Reduction

__all__ = ["Stage", "Stages", "stages_of"]

_CALL = re.compile(r"\b(?!sqrt|fabs|floor|ceil|trunc|rint|copysign)[a-z_]\w*(\{f\})?\(")
_SLOW = re.compile(r"/|\bsqrt")


@dataclass
class Stage:
    """One loop over the row.

    values : all values per position that it reads or computes; loaded : those read from an output's row instead of
    being computed, {value: output}; stores : (output, value); reductions : the steps whose sources it reduces.
    """

    values: set[int] = field(default_factory=set)
    loaded: dict[int, int] = field(default_factory=dict)
    stores: list[tuple[int, int]] = field(default_factory=list)
    reductions: list[int] = field(default_factory=list)


class Stages:
    """The loops of a program, as few as its reductions allow.

    ``ready[v]`` is the loop in which a value per position can first be computed, or the number of loops after which a
    value per row is there. Values that later loops need too are computed again, unless that takes calls or divisions:
    then they wait in the row of an output that is written later (or are that output). ``repeated`` counts the calls for
    which there was no such row.
    """

    def __init__(self, program: ScalarProgram) -> None:
        self.program = program
        self.first = len(program.inputs)
        self.ready = self._ready()
        self.stages = [Stage() for _ in range(self._count())]
        self.written: dict[int, int] = {}  # output: the first loop that writes its row
        self.repeated = 0
        for k, (value, _) in enumerate(program.outputs):
            if value not in program.per_row:
                self.stages[self.ready[value]].stores.append((k, value))
                self.written[k] = self.ready[value]
        for at, step in enumerate(program.steps):
            if isinstance(step.op, Reduction):
                self.stages[self.ready[self.first + at] - 1].reductions.append(self.first + at)
        for number, stage in enumerate(self.stages):
            stage.values = self._closure(stage, number)
            self._keep(number)
        self.read = {k: max((n for n, stage in enumerate(self.stages) if k in stage.values), default=0)
                     for k in range(self.first)}  # input: the last loop that reads it

    def may_overwrite(self, output: int, operand: int) -> bool:
        """Whether an output of every position may be computed in the memory of an input."""
        return output in self.written and self.read[operand] <= self.written[output]

    def _ready(self) -> list[int]:
        ready = [0] * self.first
        for step in self.program.steps:
            latest = max((ready[arg] for arg in step.args if isinstance(arg, int)), default=0)
            ready.append(latest + isinstance(step.op, Reduction))
        return ready

    def _count(self) -> int:
        """How many loops there are."""
        per_row = self.program.per_row
        return max([0, *(self.ready[v] if v in per_row else self.ready[v] + 1
                         for v in (*range(self.first, len(self.ready)), *(v for v, _ in self.program.outputs)))])

    def _closure(self, stage: Stage, number: int) -> set[int]:
        """What the loop needs, but for values per row."""
        needed: set[int] = set()
        pending = [value for _, value in stage.stores]
        pending += [v for k in stage.reductions for v in self._args(k)]
        while pending:
            value = pending.pop()
            if value in needed or value in self.program.per_row:
                continue
            needed.add(value)
            if value not in stage.loaded:
                pending += self._args(value)
        return needed

    def _args(self, value: int) -> Iterable[int]:
        if value < self.first:
            return ()
        return [arg for arg in self.program.steps[value - self.first].args if isinstance(arg, int)]

    def _keep(self, number: int) -> None:
        """Let values of this loop that are dear to compute wait for later loops."""
        stage = self.stages[number]
        later = {n: self._crossing(n, number) for n in range(number + 1, len(self.stages))}
        for value in sorted(stage.values - set(stage.loaded), reverse=True):
            users = [n for n, crossing in later.items() if value in crossing]
            calls, slow = self._cost(value, stage) if users else (0, 0)
            if not calls and not slow:
                continue
            output = self._row_for(value, number, users)
            if output is None:
                self.repeated += calls * len(users)
                continue
            if (output, value) not in stage.stores:
                stage.stores.append((output, value))
                self.written[output] = min(self.written[output], number)
            for n in users:
                self.stages[n].loaded[value] = output
                self._forget(n)
                later[n] = self._crossing(n, number)

    def _forget(self, number: int) -> None:
        """Drop what a loop need not load any more."""
        stage = self.stages[number]
        needed = self._closure(stage, number)
        stage.loaded = {value: output for value, output in stage.loaded.items() if value in needed}

    def _crossing(self, later: int, number: int) -> set[int]:
        """The values of loop ``number`` that a later loop needs for what could not be computed in this one."""
        stage = self.stages[later]
        ends = {v for _, v in stage.stores} | {v for k in stage.reductions for v in self._args(k)}
        needed = self._closure(stage, later)
        read = {arg for v in needed - set(stage.loaded) if self.ready[v] > number for arg in self._args(v)}
        return (ends | read) & needed - set(stage.loaded)

    def _row_for(self, value: int, number: int, users: list[int]) -> int | None:
        """An output whose row holds the value from loop ``number`` on: its own, or one that is free until then."""
        outputs = self.program.outputs
        for k, stored in ((k, v) for stage in self.stages[:number + 1] for k, v in stage.stores):
            if stored == value and outputs[k][0] == value:
                return k
        for k in self.written:
            if self.ready[outputs[k][0]] >= max(users) and self.ready[outputs[k][0]] > number and (
                    self.program.dtype(outputs[k][0]) == self.program.dtype(value)) and self._is_free(k, value, number):
                return k
        return None

    def _is_free(self, output: int, value: int, number: int) -> bool:
        """Whether no loop after ``number`` loads another value from an output's row, once it can load this one."""
        if any(k == output for k, _ in self.stages[number].stores):
            return False
        for n in range(number + 1, len(self.stages)):
            stage = self.stages[n]
            with_it = Stage(loaded={**stage.loaded, value: output}, stores=stage.stores, reductions=stage.reductions)
            needed = self._closure(with_it, n)
            if any(v in needed and k == output for v, k in stage.loaded.items() if v != value):
                return False
        return True

    def _cost(self, value: int, stage: Stage) -> tuple[int, int]:
        """How many functions are called, and divisions made, to compute a value from what the loop loads."""
        seen: set[int] = set()
        pending, calls, slow = [value], 0, 0
        while pending:
            each = pending.pop()
            if each in seen or each in self.program.per_row or (each in stage.loaded and each != value):
                continue
            seen.add(each)
            if each >= self.first:
                op = self.program.steps[each - self.first].op
                texts = op.c.values() if isinstance(op, Elemwise) and op.c else ()
                calls += any(_CALL.search(text) for text in texts)
                slow += any(_SLOW.search(text) for text in texts)
            pending += self._args(each)
        return calls, slow


@lru_cache(maxsize=1024)
def stages_of(program: ScalarProgram) -> Stages:
    """The loops over a row of ``program``."""
    return Stages(program)
