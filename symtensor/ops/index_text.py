"""C text that walks the part of a tensor that an index names: slices, index arrays, and nested loops."""

from __future__ import annotations

import re
from collections.abc import Sequence

from symtensor.graph.variable import Variable

__all__ = ["SLICE_SUPPORT", "array_text", "broadcast_text", "nest_text", "slice_text"]

SLICE_SUPPORT = """
static inline int64_t st_slice_end(int64_t at, int64_t n, int64_t low, int64_t high) {
    if (at < 0) { at += n; return at < low ? low : at; }
    return at > high ? high : at;
}
static inline int64_t st_slice_start(int64_t n, int given, int64_t start, int64_t step) {
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    return given ? st_slice_end(start, n, low, high) : step < 0 ? high : low;
}
static inline int64_t st_slice_length(int64_t n, int64_t first, int given, int64_t stop, int64_t step) {
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    const int64_t last = given ? st_slice_end(stop, n, low, high) : step < 0 ? low : high;
    const int64_t span = step < 0 ? first - last : last - first, pace = step < 0 ? -step : step;
    return span <= 0 || pace == 0 ? 0 : (span - 1) / pace + 1;
}
"""
"""C text: start and length of a slice as Python normalizes them."""


def slice_text(axis: int, start: str | None, stop: str | None, step: str | None) -> list[str]:
    """Start ``s``, step ``p`` and length ``n`` of a slice, given C texts of its parts."""
    if start is stop is step is None:
        return [f"const int64_t s{axis} = 0, p{axis} = 1, n{axis} = IN0_DIM({axis});"]
    n, s, p = f"IN0_DIM({axis})", f"s{axis}", f"p{axis}"
    return [
        f"const int64_t {p} = {step or 1};",
        f"const int64_t {s} = st_slice_start({n}, {int(start is not None)}, {start or 0}, {p});",
        f"const int64_t n{axis} = st_slice_length({n}, {s}, {int(stop is not None)}, {stop or 0}, {p});",
    ]


def array_text(at: int, axis: int, places: str, checked: bool) -> str:
    """The coordinate that an index array gives, counted from the front."""
    x, n = f"x{axis}", f"IN0_DIM({axis})"
    lines = [f"int64_t {x} = (int64_t)IN{at}({places});"]
    if not checked:
        lines.append(f"if ({x} < -{n} || {x} >= {n}) FAIL(ST_INDEX, {x}, {axis}, {n});")
    return "\n".join([*lines, f"if ({x} < 0) {x} += {n};"])


def nest_text(names: Sequence[str], ends: Sequence[str], inside: Sequence[str], last: str,
              opened: int = 0) -> list[str]:
    """Nested loops, the first ``opened`` of which are open already, around the statement ``last``; each
    statement of ``inside`` stands as far out as its loop variables let it."""
    lines: list[str] = []
    pending = list(inside)
    for k in range(opened, len(names) + 1):
        later = set(names[k:])
        lines += [line for line in pending if not _uses(line, later)]
        pending = [line for line in pending if _uses(line, later)]
        if k < len(names):
            lines.append(f"for (int64_t {names[k]} = 0; {names[k]} < {ends[k]}; {names[k]}++) {{")
    return [*lines, last, "}" * (len(names) - opened)]


def _uses(line: str, names: set[str]) -> bool:
    """Whether the C statement mentions any of these variables."""
    return not names.isdisjoint(re.findall(r"\w+", line))


def broadcast_text(positions: Sequence[int], inputs: Sequence[Variable], k: int) -> str:
    """``b{k}``: dimension k of the index arrays broadcast together (their dimensions were checked)."""
    text = f"IN{positions[-1]}_DIM({k})"
    for at in reversed(positions[:-1]):
        if inputs[at].type.shape[k] != 1:
            text = f"(IN{at}_DIM({k}) != 1 ? IN{at}_DIM({k}) : {text})"
    return f"const int64_t b{k} = {text};"
