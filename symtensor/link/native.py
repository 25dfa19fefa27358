"""From an optimized graph to native code: one plain-C translation unit and what a caller must know of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from symtensor.graph.fgraph import FunctionGraph
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply
from symtensor.link.c import Emitter
from symtensor.link.failures import CODES
from symtensor.link.footprint import MemoryPlan
from symtensor.link.memory import plan_memory
from symtensor.link.program import CannotEmit, NodeInfo, Program
from symtensor.link.units import HEADERS

__all__ = ["CannotEmit", "NativeCode", "emit"]

_SMALL = 50_000  # characters of a text for which it matters how long headers take
_NAMES = re.compile(r"(?<![.>])\b(?:[A-Za-z_]\w*(?=\()|\w+_t\b|[A-Z]\w*_(?:MAX|MIN|C|VAL|EPSILON|NAN)\b|M_\w+)")
_COMPLEX = re.compile(r"\bc(real|imag|abs|arg|exp|log|sqrt|pow|sin|cos|tan|asin|acos|atan|onj)\w*\(")
_OWN = re.compile(r"(?:st_|stx_|ST_|__|k\d+(?:_t)?$|IN\d|OUT\d|FAIL$|reduction$|_Alignas$)")


@dataclass(frozen=True)
class NativeCode:
    """A program in C.

    Fields
    ------
    text : the program's own C text: kernels and ``st_main``.
    inputs, outputs : the types of ``st_main``'s inputs (explicit ones and shared variables) and outputs.
    constant_inputs : arrays passed as further inputs, after `inputs`.
    updates : {output: input}: which outputs are new values of which inputs.
    inplace : {output: input}: those of `updates` that are left in the memory of the input; their outputs stay empty.
    hosts : the nodes that run through `perform`, by the index a host call names.
    nodes : what error reports need, by the index in ``st_error.node``.
    memory : how much memory a call needs, given the shapes of the inputs.
    units : how many translation units the text is divided into (see `symtensor.link.units`).
    """

    text: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    constant_inputs: tuple[np.ndarray, ...] = ()
    updates: Mapping[int, int] = field(default_factory=dict)
    inplace: Mapping[int, int] = field(default_factory=dict)
    hosts: tuple[Apply, ...] = ()
    nodes: tuple[NodeInfo, ...] = ()
    memory: MemoryPlan | None = None
    units: int = 1

    @cached_property
    def source(self) -> str:
        """The whole translation unit: the parts of the runtime's headers it uses, and `text`."""
        return preamble(self.text) + self.text


def emit(fgraph: FunctionGraph, updates: Mapping[int, int] | None = None) -> NativeCode:
    """Native code for a graph.

    Parameters
    ----------
    fgraph : the optimized graph: composites are expanded; its guards are checked at run time.
    updates : {output index: input index}: outputs that are the new values of inputs (shared variables).

    Raises CannotEmit where a value is no tensor. The text is a function of the graph alone.
    """
    program = Program(fgraph, dict(updates or {}))
    plan = plan_memory(program)
    emitter = Emitter(program, plan)
    text, units = emitter.emit()
    return NativeCode(
        text=text,
        inputs=tuple(variable.type for variable in fgraph.inputs),
        outputs=tuple(variable.type for variable in fgraph.outputs),
        constant_inputs=tuple(emitter.storage.constant_inputs),
        updates=dict(updates or {}),
        inplace=plan.inplace,
        hosts=tuple(emitter.hosts),
        nodes=tuple(program.nodes),
        memory=MemoryPlan(program, plan),
        units=units,
    )


def preamble(text: str) -> str:
    """The headers that a program's text needs, as text: a translation unit includes system headers alone, and those
    only where it is large or names what `st_c.h` does not declare."""
    names = set(_NAMES.findall(text)) if len(text) < _SMALL else {"(large)"}
    if all(name in _known() or _OWN.match(name) for name in names):
        parts = [_header("st_c.h")]
    else:
        parts = ["#include <stddef.h>", "#include <stdint.h>", "#include <string.h>", "#include <math.h>"]
    if _COMPLEX.search(text):
        parts.append("#include <complex.h>\n#undef I")
    parts += [_header("symtensor.h"), _codes(), _header("st_prelude.h")]
    if re.search(r"\bst_\w*(exp|log|tanh|sigmoid|softplus|sin|cos|tan|pow)\w*\(", text):
        parts.append(_header("st_math.h"))
    if "stx_" in text:
        parts.append(_header("st_special.h"))
    return "\n".join(parts) + "\n"


@cache
def _known() -> frozenset[str]:
    """The names that a text may use without C's headers."""
    declared = re.findall(r"\w+", _header("st_c.h"))
    keywords = ("if", "for", "while", "switch", "return", "sizeof")
    return frozenset((*declared, *(f"{name}f" for name in declared), *keywords))


@cache
def _header(name: str) -> str:
    """A header of the runtime without comments, includes and blank lines."""
    text = re.sub(r"/\*.*?\*/", "", (HEADERS / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#include"))


def _codes() -> str:
    return "enum { " + ", ".join(f"{name} = {number}" for name, number in CODES.items()) + " };"


