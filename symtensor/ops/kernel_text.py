"""Pieces of C text that kernel bodies of several ops share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["gemm_room", "loop_c", "rows_c", "unravel_c", "walk_c"]


def unravel_c(names: Sequence[str], dims: Sequence[str], index: str = "i") -> str:
    """C statements that declare ``names`` as the coordinates of row-major position ``index`` in a box of
    ``dims``.

    >>> print(unravel_c(["j0", "j1"], ["IN0_DIM(0)", "IN0_DIM(1)"]))
    int64_t rest_ = i;
    const int64_t j1 = rest_ % IN0_DIM(1); rest_ /= IN0_DIM(1);
    const int64_t j0 = rest_;
    """
    if not names:
        return ""
    lines = [f"int64_t rest_ = {index};"]
    for name, dim in reversed(list(zip(names[1:], dims[1:], strict=True))):
        lines.append(f"const int64_t {name} = rest_ % {dim}; rest_ /= {dim};")
    return "\n".join([*lines, f"const int64_t {names[0]} = rest_;"])


def walk_c(names: Sequence[str], dims: Sequence[str], lines: Sequence[str]) -> str:
    """C statements of a ranged kernel: ``lines`` for each position ``begin`` to ``end - 1`` of a box of ``dims``, whose
    coordinates are ``names``. They are counted up, not divided out."""
    start = unravel_c([f"{name}_" for name in names], dims, "begin")
    own = [f"int64_t {name} = {name}_;" for name in names]
    carry = f"{names[0]}++;"
    for name, dim in zip(names[1:], dims[1:], strict=True):
        carry = f"if (++{name} == {dim}) {{ {name} = 0; {carry} }}"
    return "\n".join([start, *own, "for (int64_t i = begin; i < end; i++) {", *lines, carry, "}"])


def loop_c(names: Sequence[str], ends: Sequence[str], starts: Sequence[str] | None = None) -> str:
    """The heads of nested C loops, outermost first, for the statement that follows."""
    begins = starts if starts is not None else ["0"] * len(names)
    return "\n".join(f"for (int64_t {name} = {begin}; {name} < {end}; {name}++)"
                     for name, begin, end in zip(names, begins, ends, strict=True))


def rows_c(axis: int, ndim: int, operands: Sequence[str]) -> str:
    """C statements for a kernel with one row along ``axis`` per iteration: of each operand ``IN0`` the pointer ``in0``
    to the row's first element and ``in0_step``, and the coordinates ``j0, j1, ...`` of the row.

    >>> print(rows_c(0, 2, ["IN0"]))
    int64_t rest_ = i;
    const int64_t j1 = rest_;
    const IN0_T *in0 = IN0_PTR + j1 * IN0_STRIDE(1); const int64_t in0_step = IN0_STRIDE(0);
    """
    rest = [k for k in range(ndim) if k != axis]
    lines = [unravel_c([f"j{k}" for k in rest], [f"{operands[0]}_DIM({k})" for k in rest])]
    for name in operands:
        low, qualifier = name.lower(), "const " if name.startswith("IN") else ""
        offset = " + ".join(["0"][bool(rest):] + [f"j{k} * {name}_STRIDE({k})" for k in rest])
        lines.append(f"{qualifier}{name}_T *{low} = {name}_PTR + {offset}; "
                     f"const int64_t {low}_step = {name}_STRIDE({axis});")
    return "\n".join(line for line in lines if line)


def gemm_room(dtype: str, first: int, shapes: Sequence[Sequence[int]], strides: Sequence[Sequence[int]]) -> list[int]:
    """The `Kernel.room` of a product of this dtype: of the operands, inputs ``first`` and ``first + 1``, the short one
    of a narrow product is packed (link/runtime/narrow.c), else those are copied that a BLAS does not take as they lie.
    """
    taken = []
    item = np.dtype(dtype).itemsize
    packed = _packed(shapes[first], shapes[first + 1], strides[first], strides[first + 1])
    if packed and dtype in ("float32", "float64"):
        return [packed * item]
    for k in (first, first + 1):
        if len(shapes[k]) < 2 or 1 in (shapes[first][-2], shapes[first + 1][-1]):  # of vectors: as they are
            return []
        (rows, columns), (row, column) = shapes[k][-2:], strides[k][-2:]
        by_rows = (column == 1 or columns == 1) and (row >= columns or rows == 1)
        by_columns = (row == 1 or rows == 1) and (column >= rows or columns == 1)
        if not by_rows and not by_columns:
            taken.append(rows * columns * item)
    return taken


def _packed(a: Sequence[int], b: Sequence[int], steps_a: Sequence[int], steps_b: Sequence[int]) -> int:
    """Elements of the operand that a narrow product packs; 0 where it is none."""
    if len(a) < 2 or len(b) < 2:
        return 0
    m, depth, n = *a[-2:], b[-1]
    along = steps_b[-2:] if m < n else steps_a[-2:]
    shorter = min(m, n)
    if not 1 < shorter <= 32 or max(m, n) < 64 or depth < 16 or 1 not in along:
        return 0
    return (shorter + 3) // 4 * 4 * ((depth + 15) // 16 * 16)
