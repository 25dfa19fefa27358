"""Loop nests with operands that lie across the others, by tiles: sums of a matrix and a transposed one.

Along the innermost axis such an operand is read with long steps, one number from each cache line. So a tile of it is
copied first, in the direction in which it lies, and the loops read the copy, which sits in the nearest cache. The rows
of the copy are one longer than the tile is wide: rows of a power of two would all fall on the same few places of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symtensor.link.layout import ONE, ZERO, Nest, Product, Text
from symtensor.ops.elemwise import C_TYPES

if TYPE_CHECKING:
    from symtensor.link.nests import NestPass

__all__ = ["across", "write_tiles"]

WIDE = 64  # of a tile, along the innermost axis of the loops
TALL = 64  # the axis along which the operands lie
NEAR = 16  # elements: a step that is no longer does without tiles
MOST = 4  # operands, for the sake of the stack: the others are read as they lie


def across(nest: Nest, strides: dict[int, tuple[Product, ...]]) -> tuple[int, list[int]] | None:
    """An outer axis along which operands lie that the innermost axis walks with long steps, and those operands."""
    for axis in range(len(nest.dims) - 1):
        found = [k for k, steps in strides.items() if steps[axis] == ONE and _far(steps[-1])][:MOST]
        if found and not 0 <= (nest.dims[axis].static or NEAR) < NEAR:
            return axis, found
    return None


def _far(step: Product) -> bool:
    if any(isinstance(factor, Text) for factor in step.factors):
        return False  # it may be 0
    return step != ZERO and (step.static is None or abs(step.static) > NEAR)


def write_tiles(one: NestPass, axis: int, lying: list[int]) -> None:
    """The function of a nest without reductions, tiles of its ``axis`` and the innermost one."""
    f, dims, driver = one.function, one.nest.dims, one.driver
    others = [k for k in range(len(dims) - 1) if k != axis]
    names = [f"i{k}" for k in range(len(dims) - 1)]
    tall, wide = f.size(dims[axis]), f.size(dims[-1])
    blocks = f.field("const int64_t", "blocks", f"st_blocks({driver.product(dims[axis])}, {TALL})")
    f.add(["for (int64_t q = begin; q < end; q++) {",
           f"const int64_t row = q / {blocks}, low = q % {blocks} * {TALL}, high = st_least(low + {TALL}, {tall});"])
    f.add(one._unravel([names[k] for k in others], [dims[k] for k in others], "row"))
    f.add([f"for (int64_t from = 0; from < {wide}; from += {WIDE}) {{",
           f"const int64_t size = st_least({wide} - from, {WIDE});"])
    for k in lying:
        steps = one.strides[k]
        terms = [one._term(names[other], steps[other]) for other in others if steps[other] != ZERO]
        source = " + ".join([one._pointer_name(k), *terms, one._term("(from + j)", steps[-1])])
        ctype = C_TYPES[one.operands[k].dtype]
        f.add([f"{ctype} t{k}[{WIDE * (TALL + 1)}];", "for (int64_t j = 0; j < size; j++) {",
               f"const {ctype} *b{k} = {source};", "#pragma omp simd",
               f"for (int64_t i = low; i < high; i++) t{k}[j * {TALL + 1} + i - low] = b{k}[i];", "}"])
    f.add([f"for (int64_t {names[axis]} = low; {names[axis]} < high; {names[axis]}++) {{"])
    arrays, one.arrays = one.arrays, [k for k in one.arrays if k not in lying]
    bases, outs = one._bases(names, "from")
    one.arrays = arrays
    for k in lying:
        bases[k] = f"(t{k} + {names[axis]} - low)"
        one.strides[k] = (*one.strides[k][:-1], Product(TALL + 1))
    one._innermost("for (int64_t j = 0; j < size; j++) {", "j", bases, outs)
    f.add(["}"] * 3)
    rows = driver.product(driver.symbols.multiply(ONE, *(dims[k] for k in others)))
    f.call(f"{rows} * st_blocks({driver.product(dims[axis])}, {TALL})",
           f"st_rows({one._grain()}, {driver.product(dims[-1])} * {TALL})")
