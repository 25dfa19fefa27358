"""From a recipe to something that runs: optimized, then native code or the interpreter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from symtensor.compile.build import Recipe
from symtensor.compile.mode import Mode
from symtensor.compile.split import dense_recipe
from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.record import Record
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply
from symtensor.link.errors import run_time_error
from symtensor.link.interpreter import Interpreter, perform_checked

if TYPE_CHECKING:
    from symtensor.compile.background import Later
    from symtensor.link.native import NativeCode

__all__ = ["Backend", "Compiled", "Event", "compile_general", "compile_recipe"]


class Backend(str):
    """What runs a function: ``'c'`` or ``'py'``; ``reason`` says why."""

    __slots__ = ("reason",)

    reason: str

    def __new__(cls, name: str, reason: str) -> Backend:
        made = super().__new__(cls, name)
        made.reason = reason
        return made

    def __repr__(self) -> str:
        return f"{str(self)!r} ({self.reason})"

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.reason


class Event(Record):
    """One phase of a compilation: what, how long, and what there is to say about it."""

    phase: str
    seconds: float
    note: str = ""

    def __str__(self) -> str:
        return f"{self.phase:<10} {self.seconds * 1e3:9.2f} ms  {self.note}".rstrip()


@dataclass
class Compiled:
    """A compiled recipe: the optimized graph, what the optimizer did, and an interpreter or a native
    program."""

    graph: FunctionGraph
    log: Any
    backend: Backend
    interpreter: Interpreter | None
    program: Any = None
    code: NativeCode | None = None
    events: list[Event] = field(default_factory=list)
    dense: Recipe | None = None  # on the parts of compounds, where there are any: this is what was compiled
    later: Later | None = None  # what is being compiled in the background; until it is there this is what runs

    @property
    def present(self) -> Compiled:
        """This, or what the background has made of it."""
        found = self.later.result if self.later is not None else None
        return self if found is None else replace(found, dense=self.dense)


@contextmanager
def _timed(events: list[Event], phase: str) -> Iterator[list[str]]:
    notes: list[str] = []
    began = perf_counter()
    yield notes
    events.append(Event(phase, perf_counter() - began, ", ".join(notes)))


def compile_recipe(recipe: Recipe, mode: Mode) -> Compiled:
    """The recipe compiled as `mode` says; with linker 'auto' the interpreter is the fallback."""
    dense = dense_recipe(recipe)
    if dense is not None:
        return replace(compile_recipe(dense, mode), dense=dense)
    events: list[Event] = []
    with _timed(events, "import") as notes:
        graph = recipe.graph()
        notes.append(f"{len(graph.order)} nodes")
    if mode.linker == "py":
        return _interpreted(recipe, graph, mode, events, "the mode asks for it")
    obstacle = _why_not_native(graph)
    if obstacle is not None and mode.linker == "c":
        raise TypeError(f"linker='c': {obstacle}")
    if obstacle is None:
        obstacle = _missing_compiler(must=mode.linker == "c")
    if obstacle is None and mode.linker == "background":
        quick = "fast_compile" if mode.optimizer == "fast_run" else mode.optimizer
        return _deferred(recipe, graph, mode, _interpreted(recipe, graph, mode, events, "", quick), True)
    if obstacle is None:
        optimized, log = _optimize(graph, mode, True, events)
        try:
            return _native(recipe, optimized, log, events)
        except Exception as error:
            if mode.linker == "c":
                raise
            obstacle = f"compiling failed: {_first_line(error)}"
            warnings.warn(f"function {recipe.name or ''}: {obstacle}; it runs on the interpreter. linker='c' raises "
                          "the error", RuntimeWarning, stacklevel=4)
    return _interpreted(recipe, graph, mode, events, obstacle)


def compile_general(recipe: Recipe, mode: Mode, made: Compiled) -> Compiled:
    """The native program that takes nothing for granted about which dimensions are equal: the variant of ``made``."""
    if made.interpreter is not None:
        return _deferred(recipe, recipe.graph(), mode, replace(made, program=None, code=None, events=[]), False)
    events: list[Event] = []
    optimized, log = _optimize(recipe.graph(), mode, False, events)
    return _native(recipe, optimized, log, events)


def _deferred(recipe: Recipe, graph: FunctionGraph, mode: Mode, first: Compiled, assume: bool) -> Compiled:
    """What runs at first, with native code in the making; this keeps the interpreter, for its variant."""
    from symtensor.compile.background import Later

    events: list[Event] = []

    def build() -> Compiled:
        optimized, log = _optimize(graph, mode, assume, events)
        made = _native(recipe, optimized, log, events)
        return replace(made, interpreter=first.interpreter, events=[*first.events, *events])

    def failed(error: BaseException) -> Compiled:
        return replace(first, backend=Backend("py", f"compiling failed: {_first_line(error)}"),
                       events=[*first.events, *events])

    waiting = Backend("py", "native code is being compiled in the background")
    return replace(first, backend=waiting, later=Later(build, failed))


def _optimize(
    graph: FunctionGraph, mode: Mode, assume: bool, events: list[Event], level: str = ""
) -> tuple[FunctionGraph, Any]:
    from symtensor.optimize.pipeline import optimize

    with _timed(events, "optimize") as notes:
        optimized, log = optimize(
            graph, level=level or mode.optimizer, including=mode.included, excluding=mode.excluded, assume=assume
        )
        notes.append(f"{len(optimized.order)} nodes")
    return optimized, log


def _interpreted(recipe: Recipe, graph: FunctionGraph, mode: Mode, events: list[Event], why: str,
                 level: str = "") -> Compiled:
    optimized, log = _optimize(graph, mode, False, events, level)
    borrow = [out.borrow for out in recipe.outputs] + [False] * len(recipe.updates)
    return Compiled(optimized, log, Backend("py", why), Interpreter(optimized, borrow), events=events)


def _native(recipe: Recipe, optimized: FunctionGraph, log: Any, events: list[Event]) -> Compiled:
    from symtensor.link.execute import load
    from symtensor.link.native import emit

    with _timed(events, "emit") as notes:
        code = emit(optimized, updates=recipe.update_inputs(optimized))
        notes.append(f"{len(code.source)} bytes of C")
    with _timed(events, "compile") as notes:
        program = load(code, partial(_host_call, code.hosts), notes)
        notes.append(str(getattr(program, "path", "")))
    return Compiled(optimized, log, Backend("c", "native code"), None, program, code, events=events)


def _host_call(nodes: Sequence[Apply], index: int, arrays: Sequence[Any]) -> list[Any]:
    """What a program asks of the host: the `perform` of an op that has no C text."""
    try:
        return perform_checked(nodes[index], arrays)
    except Exception as error:
        raise run_time_error(error, nodes[index], arrays) from error


def _why_not_native(graph: FunctionGraph) -> str | None:
    """What in the graph has no place in a C program, or None."""
    variables = [*graph.inputs, *graph.outputs, *(v for node in graph.order for v in (*node.inputs, *node.outputs))]
    for variable in variables:
        if not isinstance(variable.type, TensorType):
            return f"{variable} of type {variable.type} is no tensor"
        if variable.type.device != "cpu":
            return f"{variable} lives on {variable.type.device}"
    return None


def _missing_compiler(must: bool) -> str | None:
    """Why there is no C compiler, or None; an error where there must be one."""
    from symtensor.link.toolchain import NoCompiler, find_compiler

    try:
        find_compiler()
    except NoCompiler as error:
        if must:
            raise
        return _first_line(error)
    return None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
