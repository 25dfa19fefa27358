"""Sums of products named by letters: `einsum`, as reductions, transpositions and matrix products."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from symtensor.graph.types import upcast
from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.blas import contract, matmul
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import cast, mul
from symtensor.ops.reduce import any as any_
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reshape import reshape
from symtensor.ops.shape import SpecifyShape, shape_of
from symtensor.ops.triangle import diagonal

__all__ = ["einsum"]

_GUESS = 32  # what an unknown dimension counts for in the order of products
Term = tuple[Variable, str]  # a tensor and the letters of its axes


def einsum(subscripts: Any, *operands: Any, optimize: Any = True) -> Variable:
    """Sums of products of elements over the axes that the output does not name, as ``numpy.einsum``.

    Parameters
    ----------
    subscripts : such as ``"ij,jk->ik"``: a letter for each axis of each operand, and those of the output; without
        ``->`` the output has the letters that occur once, in alphabetical order. A letter that repeats in one operand
        takes its diagonal; ``...`` stands for axes that broadcast. NumPy's other form,
        ``einsum(x, [0, 1], y, [1, 2], [0, 2])``, is understood too.
    optimize : is not needed: products are always made two by two, smallest results first.

    Operands become their common dtype, which is that of the result. Products are matrix products wherever something
    is summed. Dimensions of one letter must be equal; those known to be 1 broadcast. ValueError for other texts, and
    where dimensions do not fit.

    >>> from symtensor import tensor as T
    >>> einsum("bij,bjk,k->bi", T.tensor3(), T.tensor3(), T.vector()).type.ndim
    2
    """
    if not isinstance(subscripts, str):
        subscripts, tensors = _from_lists([subscripts, *operands])
    else:
        tensors = [as_tensor_variable(x) for x in operands]
    inputs, output = _parsed(subscripts, tensors)
    dtype = upcast(*(x.type.dtype for x in tensors))
    dims: dict[str, set[int | None]] = {}
    for x, letters in zip(tensors, inputs, strict=True):
        for letter, dim in zip(letters, x.type.shape, strict=True):
            dims.setdefault(letter, set()).add(dim)
    for letter, found in dims.items():
        known = sorted(dim for dim in found if dim not in (None, 1))  # type: ignore[type-var]
        if len(known) > 1:
            raise ValueError(f"einsum: the dimensions {letter!r} of {subscripts!r} are {known}")
    sizes = {letter: max(dim or _GUESS for dim in found - {1} or {1}) for letter, found in dims.items()}
    terms = [_prepared(x if x.type.dtype == dtype else cast(x, dtype), letters, sizes)
             for x, letters in zip(tensors, inputs, strict=True)]
    while len(terms) > 1:
        i, j = _cheapest(terms, output, sizes)
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        terms = [*rest, _product(terms[i], terms[j], output + "".join(letters for _, letters in rest))]
    x, letters = _summed(terms[0], output)
    return dimshuffle(x, [letters.index(letter) for letter in output])


def _from_lists(items: Sequence[Any]) -> tuple[str, list[Variable]]:
    """The text for operands that alternate with lists of ints."""
    def text(places: Sequence[Any]) -> str:
        return "".join("..." if place is Ellipsis else _letter(int(place)) for place in places)

    pairs = len(items) // 2
    inputs, output = ",".join(text(items[2 * k + 1]) for k in range(pairs)), len(items) % 2
    return inputs + (f"->{text(items[-1])}" if output else ""), [as_tensor_variable(x) for x in items[:2 * pairs:2]]


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else chr(ord("a") + place - 26)


def _parsed(subscripts: str, tensors: Sequence[Variable]) -> tuple[list[str], str]:
    """The letters of each operand and of the output; axes of an ellipsis get characters of their own."""
    text = subscripts.replace(" ", "")
    one = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
    if not re.fullmatch(rf"{one}(,{one})*(->{one})?", text):
        raise ValueError(f"einsum: {subscripts!r} is no text such as 'ij,jk->ik': letters, commas, '...', and one '->'")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ValueError(f"einsum: {subscripts!r} names {len(inputs)} operand(s), got {len(tensors)}")
    longest = 0
    for at, (letters, x) in enumerate(zip(inputs, tensors, strict=True)):
        extra = x.type.ndim - len(letters.replace("...", ""))
        if extra < 0 or (extra and "..." not in letters):
            raise ValueError(f"einsum: operand {at} of {subscripts!r} is {letters!r}, but has {x.type.ndim} axes")
        inputs[at] = letters.replace("...", "".join(str(k) for k in range(extra))[::-1])
        longest = max(longest, extra)
    if longest > 10:
        raise ValueError(f"einsum: an ellipsis stands for at most 10 axes, got {longest}")
    spread = "".join(str(k) for k in range(longest))[::-1]
    counts = Counter("".join(inputs))
    if arrow:
        output = output.replace("...", spread)
        if spread and "..." not in text.partition("->")[2]:
            raise ValueError(f"einsum: the output of {subscripts!r} lacks the '...' of its operands")
    else:
        output = spread + "".join(sorted(letter for letter, n in counts.items() if n == 1 and letter.isalpha()))
    if len(set(output)) != len(output) or not set(output) <= set(counts):
        raise ValueError(f"einsum: the output letters of {subscripts!r} must be different, and occur in an operand")
    return inputs, output


def _prepared(x: Variable, letters: str, sizes: dict[str, int]) -> Term:
    """Without repeated letters, and without dimensions of 1 that others stretch."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first, last = letters.index(letter), letters.rindex(letter)
            dims = shape_of(x)
            x = diagonal(SpecifyShape([last], "einsum")(x, dims[first]), 0, first, last)
            letters = "".join(c for k, c in enumerate(letters) if k not in (first, last)) + letter
    keep = [k for k, letter in enumerate(letters) if x.type.shape[k] != 1 or sizes[letter] == 1]
    return dimshuffle(x, keep), "".join(letters[k] for k in keep)


def _summed(term: Term, needed: str) -> Term:
    """The sum over the axes that nothing else needs, in the dtype of the operands."""
    x, letters = term
    axes = [k for k, letter in enumerate(letters) if letter not in needed]
    if not axes:
        return term
    total = any_(x, axis=axes) if x.type.dtype == "bool" else sum_(x, axis=axes, dtype=x.type.dtype)
    return total, "".join(letter for letter in letters if letter in needed)


def _cheapest(terms: Sequence[Term], output: str, sizes: dict[str, int]) -> tuple[int, int]:
    """The pair whose product takes the least memory more than its factors, and then the least work (NumPy's greedy
    order)."""
    def size(letters: set[str]) -> int:
        return math.prod(sizes[letter] for letter in letters)

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        first, second = (set(terms[k][1]) for k in pair)
        others = set(output).union(*(terms[k][1] for k in range(len(terms)) if k not in pair))
        return size((first | second) & others) - size(first) - size(second), size(first | second)

    return min(combinations(range(len(terms)), 2), key=cost)


def _product(first: Term, second: Term, needed: str) -> Term:
    """The product of two terms, summed over what nothing else needs."""
    (a, left), (b, right) = _summed(first, needed + second[1]), _summed(second, needed + first[1])
    both = [letter for letter in left if letter in right]
    batch, inner = ([letter for letter in both if (letter in needed) == kept] for kept in (True, False))
    free_a = [letter for letter in left if letter not in both]
    free_b = [letter for letter in right if letter not in both]
    letters = "".join([*batch, *free_a, *free_b])
    if not inner:
        return mul(dimshuffle(a, [left.index(c) if c in left else "x" for c in letters]),
                   dimshuffle(b, [right.index(c) if c in right else "x" for c in letters])), letters
    if not batch:
        return contract("einsum", a, b, [left.index(c) for c in inner], [right.index(c) for c in inner], 0), letters
    a = dimshuffle(a, [left.index(c) for c in [*batch, *free_a, *inner]])
    b = dimshuffle(b, [right.index(c) for c in [*batch, *inner, *free_b]])
    dims_a, dims_b, count = shape_of(a), shape_of(b), len(batch)
    middle = count + len(free_a), count + len(inner)
    if len(inner) > 1:  # each dimension is checked, then they become one
        b = SpecifyShape(range(count, middle[1]), "einsum")(b, *dims_a[middle[0]:])
    if len(free_a) != 1 or len(inner) != 1:
        a = reshape(a, (*dims_a[:count], d.product(dims_a[count:middle[0]]), d.product(dims_a[middle[0]:])))
    if len(free_b) != 1 or len(inner) != 1:
        b = reshape(b, (*dims_b[:count], d.product(dims_b[count:middle[1]]), d.product(dims_b[middle[1]:])))
    product = matmul(a, b)
    if len(free_a) != 1 or len(free_b) != 1:
        product = reshape(product, (*shape_of(product)[:count], *dims_a[count:middle[0]], *dims_b[middle[1]:]))
    return product, letters
