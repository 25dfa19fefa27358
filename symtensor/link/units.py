"""The file of a program, laid out for the C compiler.

The driver of a large program comes in parts of bounded length (compilers take quadratic time over long functions),
which share their locals in a frame; elementary functions that it uses many times are called, not copied; and its
functions are dealt out to units that are compiled side by side. The units are one text: with ``ST_TU`` defined as a
number it is that unit, without it the whole program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from symtensor.link.functions import indented

__all__ = ["HEADERS", "assemble"]

HEADERS = Path(__file__).parent / "runtime"

PART = 400  # statements of a driver that stay one function
LONG = 4000  # statements in one loop from which a part is not optimized
COPIES = 24  # copies of an elementary function: calls take about a tenth longer
UNIT = 100.0  # milliseconds of compiling that are worth a unit; each costs some 25 besides
UNITS = 64

_DECLARED = re.compile(r"(?:const )?(?!return |goto )([A-Za-z_]\w*(?: \*)?)(?:const )? ?\b([A-Za-z_]\w*)(?: = (.*))?;",
                       re.DOTALL)
_NAME = re.compile(r"(?<![.>])\b[A-Za-z_]\w*")  # of a variable, not of a member
_CALL = re.compile(r"\b(st_\w+)\(")


def assemble(before: Sequence[str], functions: Sequence[tuple[str, str]], fields: Sequence[tuple[str, str]],
             body: Sequence[str], after: Sequence[str]) -> tuple[str, int]:
    """The text of a program, and the number of its units.

    Parameters
    ----------
    before : what the functions need.
    functions : the names and texts of the kernels.
    fields : (declaration, name) of the variables that ``after`` reads.
    body : the statements of the driver.
    after : those behind the label ``done``.
    """
    parts, main = _driver(fields, body, after)
    texts, wrappers = _with_calls([*(text for _, text in functions), *(text for _, text in parts), main])
    names = [name for name, _ in (*functions, *parts)]
    kernels = len(functions)
    costs = [_cost(text) for text in texts]
    units = min(UNITS, round(sum(costs) / UNIT))
    if units < 2 or not names:
        return _joined([*before, *wrappers, *texts]), 1
    heads, bodies = zip(*(_declared(name, text) for name, text in zip(names, texts, strict=False)), strict=True)
    placed: list[str] = []
    at, spent, share = 0, 0.0, sum(costs) / units
    for text, cost in zip((*bodies, texts[-1]), costs, strict=True):
        placed.append(f"#if ST_IN({at})\n{text}\n#endif")
        spent += cost
        at = min(units - 1, int(spent / share))
    return _joined([*before, *wrappers, *heads[:kernels], *heads[kernels:], *placed]), at + 1


def _joined(pieces: Iterable[str]) -> str:
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _declared(name: str, text: str) -> tuple[str, str]:
    """A function as what other units must know of it, and itself."""
    lines = text.split("\n")
    start = next(k for k, line in enumerate(lines) if f" {name}(" in line)
    return "\n".join([*lines[:start], f"{lines[start]};"]), "\n".join(lines[start:])


def _cost(text: str) -> float:
    """About how many milliseconds a compiler needs."""
    copies = sum(name in _elementary() for name in _CALL.findall(text))
    return 5 + 0.15 * text.count("\n") + 8 * copies


# -- elementary functions --------------------------------------------------------------------------------------------


@cache
def _elementary() -> dict[str, tuple[str, int]]:
    """The inline functions of numbers in st_math.h: their type, and how many they take."""
    header = (HEADERS / "st_math.h").read_text(encoding="utf-8")
    pattern = re.compile(r"^ST_INLINE (float|double) (st_\w+)\(\1 x(, \1 y)?\)", re.MULTILINE)
    return {name: (ctype, 2 if second else 1) for ctype, name, second in pattern.findall(header)}


def _with_calls(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The texts with calls instead of copies of the functions of which there would be many; and those functions."""
    count = Counter(name for text in texts for name in _CALL.findall(text) if name in _elementary())
    many = {name for name, times in count.items() if times > COPIES}
    if not many:
        return list(texts), []
    wrappers = []
    for name in sorted(many):
        ctype, arity = _elementary()[name]
        takes, gives = (f"{ctype} x, {ctype} y", "x, y") if arity == 2 else (f"{ctype} x", "x")
        wrappers.append(f"ST_CALLED {ctype} {name}_call({takes}) {{ return {name}({gives}); }}")
    pattern = re.compile(rf"\b({'|'.join(sorted(many))})\(")
    return [pattern.sub(r"\1_call(", text) for text in texts], wrappers


# -- the driver ------------------------------------------------------------------------------------------------------

_HEAD = ("const st_runtime *const rt = call->rt;", "const st_input *const in = call->inputs;",
         "st_output *const out = call->outputs;", "int status = ST_OK;")


def _driver(fields: Sequence[tuple[str, str]], body: Sequence[str],
            after: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
    """The parts of the driver (name, text), none where it is short, and ``st_main``."""
    cut = _cut(body)
    if len(cut) == 1:
        return [], _function("int st_main(st_call *call)",
                             [*_HEAD, *(text for text, _ in fields), *body, "done:", *after])
    declared, shared = _shared(cut)
    frame = [f"{declared[name]} {name};".replace("* ", "*") for name in shared]
    frame += [text.partition(" = ")[0].rstrip(";") + ";" for text, _ in fields]
    moved = {*shared, *(name for _, name in fields)}
    parts = []
    for k, lines in enumerate(cut):
        lines = [line for each in lines if (line := _in_frame(each, moved, declared))]
        mark = "ST_LONG " if len(lines) > LONG else ""
        text = _function(f"{mark}ST_PART st_part{k}(st_call *call, st_frame *const f)",
                         [*_HEAD, *lines, "done:", "return status;"])
        parts.append((f"st_part{k}", text))
    parts[0] = (parts[0][0], "\n".join(["typedef struct {", *indented(frame), "} st_frame;", parts[0][1]]))
    steps = [f"if ((status = st_part{k}(call, f)) != ST_OK) goto done;" for k in range(len(cut))]
    starts = [f"memset(f->{name}, 0, sizeof f->{name});" if "{" in text else f"f->{name} = {text.partition(' = ')[2]}"
              for text, name in fields if " = " in text]
    after = [_in_frame(line, moved, declared) for line in after]
    return parts, _function("int st_main(st_call *call)", [
        *_HEAD[:1], *_HEAD[2:], "st_frame frame, *const f = &frame;", "(void)rt;", *starts, *steps, "done:", *after])


def _function(head: str, lines: Sequence[str]) -> str:
    return "\n".join([head, "{", *indented(lines), "}"])


def _cut(lines: Sequence[str]) -> list[list[str]]:
    """Runs of whole statements, of `PART` lines where statements are that short."""
    runs: list[list[str]] = [[]]
    depth = 0
    for line in lines:
        if not depth and len(runs[-1]) >= PART:
            runs.append([])
        runs[-1].append(line)
        depth += line.count("{") - line.count("}")
    return runs


def _shared(parts: Sequence[Sequence[str]]) -> tuple[dict[str, str], list[str]]:
    """The types of the variables of the driver, and those variables that more than one part needs."""
    types: dict[str, str] = {}
    home: dict[str, int] = {}
    for k, lines in enumerate(parts):
        depth = 0
        for line in lines:
            found = None if depth else _DECLARED.fullmatch(line)
            if found is not None:
                types[found[2]], home[found[2]] = found[1], k
            depth += line.count("{") - line.count("}")
    shared = {name: None for k, lines in enumerate(parts) for line in lines for name in _NAME.findall(line)
              if home.get(name, k) != k}
    return types, list(shared)


def _in_frame(line: str, moved: set[str], types: dict[str, str]) -> str:
    """The statement with variables of the frame; empty for a mere declaration."""
    found = _DECLARED.fullmatch(line)
    if found is not None and found[2] in moved and found[2] in types:
        if found[3] is None:
            return ""
        line = f"{found[2]} = {found[3]};"
    return _NAME.sub(lambda match: f"f->{match[0]}" if match[0] in moved else match[0], line)
