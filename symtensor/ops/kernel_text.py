"""Pieces of C text that kernel bodies of several ops share."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["loop_c", "unravel_c"]


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


def loop_c(names: Sequence[str], ends: Sequence[str], starts: Sequence[str] | None = None) -> str:
    """The heads of nested C loops, outermost first, for the statement that follows."""
    begins = starts if starts is not None else ["0"] * len(names)
    return "\n".join(f"for (int64_t {name} = {begin}; {name} < {end}; {name}++)"
                     for name, begin, end in zip(names, begins, ends, strict=True))
