"""What every op has and lacks: ``python -m symtensor.ops --missing`` (or ``--all``).

The ops are the concrete subclasses of `Op` that symtensor's modules define, and the records of elementwise functions
and reductions. What an op lacks on purpose it says itself, with the reason, in ``Op.without``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.types import DTYPES
from symtensor.ops.branch import IfElse
from symtensor.ops.elemwise import ELEMENTWISE, Elemwise
from symtensor.ops.fused import Fused
from symtensor.ops.loop import Loop
from symtensor.ops.reduction import REDUCTIONS, Reduction

__all__ = ["ASPECTS", "Entry", "entries", "table", "missing"]

ASPECTS = ("perform", "infer_shape", "gradient", "R_op", "native", "doc")
"""What is looked for. ``gradient``: L_op or grad; ``R_op``: its own or derived from the gradient; ``native``: a
kernel, a view, a spelling with other ops (expand), loops around the C text of records, that text, or control flow."""


@dataclass(frozen=True)
class Entry:
    """One op: its name, its page, how it has each aspect ('' where it lacks it), and why it lacks some."""

    name: str
    page: str
    has: dict[str, str]
    without: dict[str, str] = field(default_factory=dict)

    @property
    def lacks(self) -> dict[str, str]:
        """The reason for each aspect that is lacking; '' where none is given. A missing gradient says why there is no
        R_op, which is derived from it."""
        return {aspect: self.without.get(aspect, "") for aspect in ASPECTS
                if not self.has[aspect] and (aspect != "R_op" or self.has["gradient"])}


def entries() -> list[Entry]:
    """Every op of the library, by page and name; imports all of its modules.

    >>> next(entry.has["R_op"] for entry in entries() if entry.name == "Dot")
    'own'
    """
    import symtensor

    for module in pkgutil.walk_packages(symtensor.__path__, "symtensor."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)
    found = [_of_class(kind) for kind in dict.fromkeys(_concrete(Op))]
    found += [_of_elementwise(op) for op in ELEMENTWISE.values()]
    whole = dict.fromkeys(ASPECTS, "yes") | {"gradient": "record", "R_op": "derived", "native": "C text"}
    found += [Entry(name, "reduction record", whole) for name in REDUCTIONS]
    return sorted(found, key=lambda entry: (entry.page, entry.name))


def _concrete(kind: type[Op]) -> Iterator[type[Op]]:
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("symtensor.") and sub.perform is not Op.perform and not vars(sub).get("abstract"):
            yield sub
        yield from _concrete(sub)


def _of_class(kind: type[Op]) -> Entry:
    own = [name for name in ("L_op", "grad") if getattr(kind, name) is not getattr(Op, name)]
    native = [name for name in ("kernel", "view", "expand") if getattr(kind, name, None) is not getattr(Op, name, None)]
    if issubclass(kind, (Elemwise, Fused, Reduction)):
        native = ["loops"]
    if issubclass(kind, (Loop, IfElse)):
        native = ["control flow"]
    has = {
        "perform": "yes", "infer_shape": "yes" if kind.infer_shape is not None else "",
        "gradient": own[0] if own else "", "R_op": "own" if kind.R_op is not None else "derived" if own else "",
        "native": " ".join(native), "doc": "yes" if kind.__dict__.get("__doc__") else "",
    }
    page = kind.__module__.removeprefix("symtensor.").replace(".", "/")
    return Entry(kind.__name__, page, has, dict(kind.without))


def _of_elementwise(op: Elemwise) -> Entry:
    gradient = "record" if op.gradient is not None else ""
    has = {
        "perform": "yes", "infer_shape": "yes", "gradient": gradient, "R_op": "derived" if gradient else "",
        "native": "expand" if op.body is not None else "" if _without_c(op) else "C text",
        "doc": "yes" if op.__doc__ else "",
    }
    return Entry(op.name, "elementwise record", has, dict(op.without))


def _without_c(op: Elemwise) -> list[str]:
    """The dtypes that the function takes and has no C text for."""
    found = []
    for dtype in DTYPES:
        dtypes = [dtype] * (op.nin or 2)
        try:
            if np.dtype(dtype).kind in op.accepts and op.dtype_rule(*dtypes) and not op.has_c(dtypes):
                found.append(dtype)
        except TypeError:  # the dtype rule refuses it
            continue
    return found


def table(rows: list[Entry]) -> str:
    """The entries as text, one line for each."""
    lines: list[tuple[str, ...]] = [("op", "page", *ASPECTS)]
    lines += [(entry.name, entry.page, *(entry.has[aspect] or "-" for aspect in ASPECTS)) for entry in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)


def missing(rows: list[Entry]) -> str:
    """What the entries lack: first what no reason is given for, then by reason."""
    open_ends: list[str] = []
    reasons: dict[str, list[str]] = {}
    for entry in rows:
        for aspect, reason in entry.lacks.items():
            if reason:
                reasons.setdefault(f"{aspect}: {reason}", []).append(entry.name)
            else:
                open_ends.append(f"{entry.name} ({entry.page}): no {aspect}")
    known = [f"no {reason}\n    {', '.join(names)}" for reason, names in sorted(reasons.items())]
    return "\n".join([f"{len(rows)} ops; {len(open_ends)} unexplained lack(s)", *open_ends, *known])


def main(arguments: list[str]) -> int:
    """Print what is asked for; 1 where an op lacks something for no reason it gives."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m symtensor.ops", description="What every op has and lacks.")
    parser.add_argument("--missing", action="store_true", help="what ops lack, and why (the default)")
    parser.add_argument("--all", action="store_true", help="the table of all ops")
    options, rows = parser.parse_args(arguments), entries()
    if options.all:
        print(table(rows))
    if options.missing or not options.all:
        print(missing(rows))
    return int(any(not reason for entry in rows for reason in entry.lacks.values()))


