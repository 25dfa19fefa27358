"""C text that walks the part of a tensor that an index names: slices, index arrays, and nested loops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import static_value
from symtensor.ops.index_key import FULL
from symtensor.ops.kernel_text import loop_c

if TYPE_CHECKING:
    from symtensor.ops.index_region import Indexing

__all__ = ["REGION_SUPPORT", "Walk", "array_check_text", "nest_text", "own_text", "walk_region"]

REGION_SUPPORT = """
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
/* how many of the n elements first, first + step, ... come before the bound */
static inline int64_t st_slice_before(int64_t first, int64_t step, int64_t n, int64_t bound) {
    const int64_t span = step < 0 ? first - bound : bound - first - 1, pace = step < 0 ? -step : step;
    return span < 0 ? 0 : pace != 0 && span / pace < n ? span / pace + 1 : n;
}
/* the box that iterations begin to end - 1 own: a share of one dimension, the first long one that is sliced, else the
   longest */
static inline void st_own_box(int rank, const int64_t *dim, const char *sliced, int64_t begin, int64_t end,
                              int64_t *low, int64_t *high) {
    int part = 0;
    for (int k = 0; k < rank; k++) {
        low[k] = 0; high[k] = dim[k];
        if (dim[k] > dim[part]) part = k;
    }
    const int64_t most = dim[part];
    for (int k = rank - 1; k >= 0; k--) if (sliced[k] && dim[k] >= 64) part = k;
    if (most == 0) return;
    low[part] = dim[part] == most ? begin : begin * dim[part] / most;
    high[part] = dim[part] == most ? end : end * dim[part] / most;
}
"""
"""C text: slices as Python normalizes them, and the share of a tensor that a thread writes."""


class Walk(NamedTuple):
    """How C walks a region: declarations before the loops, the loops as (variable, begin, end), statements inside that
    declare the coordinates ``x0, x1, ...`` of the element of input 0, and whether the innermost loop goes along a
    dimension of it, to each place once."""

    before: list[str]
    loops: list[tuple[str, str, str]]
    inside: list[str]
    along: bool


def walk_region(op: Indexing, node: Apply, own: bool = False) -> Walk:
    """The walk over the region of an indexing op's node. The statements FAIL where an element of an index array is
    out of range; with ``own`` that was checked, and the walk keeps to the box of `own_text`."""
    before: list[str] = []
    inside: list[str] = []
    bounds: dict[tuple[str, int], tuple[str, str]] = {}
    layout = op.layout(node.inputs)
    names = {source: f"r{k}" for k, source in enumerate(layout)}
    arrays = [at for _, at in op.arrays(range(op.first_index, len(node.inputs)))]
    at = op.first_index
    for axis in range(node.inputs[0].type.ndim):
        slot = op.idx_list[axis] if axis < len(op.idx_list) else FULL
        x, outside = f"x{axis}", f"x{axis} < l{axis} || x{axis} >= h{axis}"
        if slot == "a":
            places = _array_places(node.inputs, arrays, at, names)
            text = _array_text(node.inputs[at], at, axis, places, own)
            inside.append(f"{text}\nif ({outside}) SKIP;" if own else text)
        elif slot == "i":
            before += [f"const int64_t i{axis} = IN{at}(), {x} = i{axis} < 0 ? i{axis} + IN0_DIM({axis}) : i{axis};"]
            before += [f"if ({outside}) return;"] if own else []
        else:
            before += _slice_text(axis, [given is True for given in slot], node.inputs, at)
            bounds["s", axis] = "0", f"n{axis}"
            if own:
                reach = f"st_slice_before(s{axis}, p{axis}, n{axis}, p{axis} < 0 ?"
                before.append(f"const int64_t f{axis} = {reach} h{axis} : l{axis}), "
                              f"e{axis} = {reach} l{axis} : h{axis});")
                bounds["s", axis] = f"f{axis}", f"e{axis}"
            inside.append(f"const int64_t {x} = s{axis} + {names['s', axis]} * p{axis};")
        at += sum(slot) if isinstance(slot, tuple) else 1
    for kind, k in layout:
        if kind == "b":
            before.append(_broadcast_text(arrays, node.inputs, k))
            bounds["b", k] = "0", f"b{k}"
    loops = [(name, *bounds[source]) for source, name in names.items()]
    return Walk(before, loops, inside, bool(layout) and layout[-1][0] == "s")


def own_text(op: Indexing, node: Apply) -> list[str]:
    """C statements: the box ``l0 <= x0 < h0, ...`` of input 0 that this thread writes. It is copied where the output
    has memory of its own. Whoever owns an element makes all changes to it, in order, so that results depend on no
    number of threads."""
    ndim = node.inputs[0].type.ndim
    if not ndim:
        return ["if ((void *)OUT0_PTR != (void *)IN0_PTR) OUT0() = IN0();"]
    sliced = [axis >= len(op.idx_list) or isinstance(op.idx_list[axis], tuple) for axis in range(ndim)]
    names = [f"c{axis}" for axis in range(ndim)]
    bounds = [[f"{letter}{axis}" for axis in range(ndim)] for letter in "hl"]
    *outer, inner = loop_c(names, *bounds).split("\n")
    return [
        f"const int64_t dims[] = {{{', '.join(f'IN0_DIM({axis})' for axis in range(ndim))}}};",
        f"const char sliced[] = {{{', '.join(str(int(flag)) for flag in sliced)}}};",
        f"int64_t low[{ndim}], high[{ndim}];",
        f"st_own_box({ndim}, dims, sliced, begin, end, low, high);",
        *(f"const int64_t l{axis} = low[{axis}], h{axis} = high[{axis}];" for axis in range(ndim)),
        "if ((void *)OUT0_PTR != (void *)IN0_PTR) {",
        *outer, "#pragma omp simd", f"{inner} OUT0({', '.join(names)}) = IN0({', '.join(names)});", "}"]


def array_check_text(op: Indexing, node: Apply, place: Sequence[str] | None = None) -> list[str]:
    """C statements that FAIL where an element of an index array is out of range, before anything is written; of the
    elements at ``place`` alone, where it is given."""
    lines = []
    for axis, at in op.arrays(range(op.first_index, len(node.inputs))):
        names = [f"q{k}" for k in range(node.inputs[at].type.ndim)]
        text = _array_text(node.inputs[at], at, axis, ", ".join(names), False)
        loops = loop_c(names, [f"IN{at}_DIM({k})" for k in range(len(names))]) if place is None else ""
        lines += [loops, "{", text, "}"]
    return lines


def nest_text(walk: Walk, statements: Sequence[str], condition: str = "", opened: int = 0) -> list[str]:
    """Nested loops, the first ``opened`` of which are open already, around a statement; each statement inside stands as
    far out as its loop variables let it. Given two statements, the innermost loop is written for each of them: for the
    first one where ``condition`` holds."""
    lines: list[str] = []
    pending, count = list(walk.inside), len(walk.loops)
    heads = [f"for (int64_t {name} = {begin}; {name} < {end}; {name}++) {{" for name, begin, end in walk.loops]
    for k in range(opened, count):
        later = {name for name, _, _ in walk.loops[k:]}
        ready = [line for line in pending if later.isdisjoint(re.findall(r"\w+", line))]
        lines += [line.replace("SKIP", "continue" if k else "return") for line in ready]
        pending = [line for line in pending if line not in ready]
        if k < count - 1:
            lines.append(heads[k])
    skip = "continue" if count else "return"
    simd = ["#pragma omp simd"] if walk.along and count > opened else []
    innermost = [[*simd, *heads[max(opened, count - 1):], *(line.replace("SKIP", skip) for line in pending), statement,
                  "}" * (count > opened)] for statement in statements]
    if len(innermost) == 2:
        lines += [f"if ({condition}) {{", *innermost[0], "} else {", *innermost[1], "}"]
    else:
        lines += innermost[0]
    return [*lines, "}" * (count - 1 - opened)]


def _slice_text(axis: int, flags: Sequence[bool], inputs: Sequence[Variable], at: int) -> list[str]:
    """Start ``s``, step ``p`` and length ``n`` of a slice whose parts are the inputs from ``at`` on."""
    start, stop, step = (f"(int64_t)IN{at + sum(flags[:k])}()" if flags[k] else None for k in range(3))
    if start is stop is step is None:
        return [f"const int64_t s{axis} = 0, p{axis} = 1, n{axis} = IN0_DIM({axis});"]
    n, s, p = f"IN0_DIM({axis})", f"s{axis}", f"p{axis}"
    pace = static_value(inputs[at + sum(flags[:2])]) if step else 1
    return [
        f"const int64_t {p} = {step if pace is None else pace};",
        f"const int64_t {s} = st_slice_start({n}, {int(start is not None)}, {start or 0}, {p});",
        f"const int64_t n{axis} = st_slice_length({n}, {s}, {int(stop is not None)}, {stop or 0}, {p});",
    ]


def _array_text(array: Variable, at: int, axis: int, places: str, checked: bool) -> str:
    """The coordinate that an index array gives, counted from the front."""
    x, n, least = f"x{axis}", f"IN0_DIM({axis})", "0" if array.type.dtype.startswith("u") else f"-IN0_DIM({axis})"
    lines = [f"int64_t {x} = (int64_t)IN{at}({places});"]
    if not checked:
        lines.append(f"if ({x} < {least} || {x} >= {n}) FAIL(ST_INDEX, {x}, {axis}, {n});")
    return "\n".join([*lines, f"if ({x} < 0) {x} += {n};"])


def _array_places(inputs: Sequence[Variable], arrays: Sequence[int], at: int, names: dict[tuple[str, int], str]) -> str:
    """Where to read index array ``at``: a dimension of 1 is read at 0, if others may be longer."""
    others = [inputs[other].type.shape for other in arrays if other != at]
    places = []
    for k, dim in enumerate(inputs[at].type.shape):
        name = names["b", k]
        whole = (dim is not None and dim != 1) or (dim is None and all(shape[k] == 1 for shape in others))
        places.append("0" if dim == 1 else name if whole else f"(IN{at}_DIM({k}) == 1 ? 0 : {name})")
    return ", ".join(places)


def _broadcast_text(arrays: Sequence[int], inputs: Sequence[Variable], k: int) -> str:
    """``b{k}``: dimension k of the index arrays broadcast together (their dimensions were checked)."""
    text = f"IN{arrays[-1]}_DIM({k})"
    for at in reversed(arrays[:-1]):
        if inputs[at].type.shape[k] != 1:
            text = f"(IN{at}_DIM({k}) != 1 ? IN{at}_DIM({k}) : {text})"
    return f"const int64_t b{k} = {text};"
