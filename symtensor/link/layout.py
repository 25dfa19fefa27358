"""Symbolic layouts: strides as products of dimensions, so that two axes are seen to be one at compile time.

A `Product` is an integer times named factors (dimension variables, or run-time values known only by their C text).
Equal products are equal objects, which is what `collapse` compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.graph.record import Record
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.elemwise import Elemwise

__all__ = ["ONE", "ZERO", "Nest", "Product", "Symbols", "Text", "collapse"]


class Text(Record):
    """A run-time integer that only has a C text (a local variable of the driver)."""

    c: str


class Product(Record):
    """``coefficient`` times the product of ``factors``, which are in the order their `Symbols` met them."""

    coefficient: int
    factors: tuple[Variable | Text, ...] = ()

    @property
    def static(self) -> int | None:
        """The value where it is known at compile time."""
        return self.coefficient if not self.factors or not self.coefficient else None


ZERO = Product(0)
ONE = Product(1)


class Symbols:
    """Numbers the factors of one program, and makes products of them."""

    def __init__(self) -> None:
        self._number: dict[Variable | Text, int] = {}
        self.bound: dict[Variable, Product] = {}  # variables that stand for a product: strides given to `Op.view`

    def atom(self, factor: Variable | Text) -> Product:
        """The product of one factor."""
        self._number.setdefault(factor, len(self._number))
        return Product(1, (factor,))

    def multiply(self, *products: Product) -> Product:
        """The product of products."""
        coefficient = 1
        factors: list[Variable | Text] = []
        for product in products:
            coefficient *= product.coefficient
            factors.extend(product.factors)
        if not coefficient:
            return ZERO
        factors.sort(key=self._number.__getitem__)
        return Product(coefficient, tuple(factors))

    def of(self, scalar: Variable) -> Product:
        """An integer scalar as a product: constants, bound variables and multiplications are seen through."""
        found = self.bound.get(scalar)
        if found is not None:
            return found
        if isinstance(scalar, Constant):
            return Product(int(scalar.data))
        node = scalar.owner
        if node is not None and isinstance(node.op, Elemwise) and node.op.name == "mul":
            return self.multiply(*map(self.of, node.inputs))
        return self.atom(scalar)

    def size(self, dims: Sequence[Variable]) -> Product:
        """The number of elements."""
        return self.multiply(ONE, *map(self.of, dims))

    def strides(self, dims: Sequence[Variable]) -> tuple[Product, ...]:
        """The strides of a C-contiguous array, in elements."""
        return self.steps([self.of(dim) for dim in dims])

    def steps(self, sizes: Sequence[Product]) -> tuple[Product, ...]:
        """The strides of a C-contiguous array of these sizes."""
        result: list[Product] = []
        step = ONE
        for size in reversed(sizes):
            result.append(step)
            step = self.multiply(step, size)
        return tuple(reversed(result))

    def contiguous(self, dims: Sequence[Variable], strides: Sequence[Product]) -> bool:
        """Whether the strides are surely those of a C-contiguous array; axes of size 1 do not matter."""
        return all(
            have == want or self.of(dim) == ONE
            for dim, have, want in zip(dims, strides, self.strides(dims), strict=True)
        )


class Nest(Record):
    """The axes of a loop nest after merging: sizes, strides of each operand along them, and which are reduced."""

    dims: tuple[Product, ...]
    strides: tuple[tuple[Product, ...], ...]
    reduced: tuple[bool, ...]


def collapse(symbols: Symbols, dims: Sequence[Product], strides: Sequence[Sequence[Product]],
             reduced: Sequence[bool]) -> Nest:
    """Drop axes of size 1 and merge neighbours that every operand walks as one; at least one axis remains.

    Neighbours merge where both are reduced or both are kept, and for every operand the outer stride is the inner
    stride times the inner size (0 and 0 included).
    """
    axes = [axis for axis, dim in enumerate(dims) if dim != ONE]
    if not axes:
        return Nest((ONE,), tuple((ZERO,) for _ in strides), (any(reduced),))
    groups: list[list[Any]] = []
    for axis in axes:
        steps = [row[axis] for row in strides]
        if groups and groups[-1][2] == reduced[axis] and all(
            outer == symbols.multiply(inner, dims[axis]) for outer, inner in zip(groups[-1][1], steps, strict=True)
        ):
            groups[-1][0] = symbols.multiply(groups[-1][0], dims[axis])
            groups[-1][1] = steps
        else:
            groups.append([dims[axis], steps, reduced[axis]])
    columns = zip(*(group[1] for group in groups), strict=True) if strides else ()
    return Nest(tuple(g[0] for g in groups), tuple(map(tuple, columns)), tuple(g[2] for g in groups))
