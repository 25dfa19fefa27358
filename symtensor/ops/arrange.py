"""The same elements in another order or more often: flips, rolls, rotations, broadcasts, and `pad`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, static_value
from symtensor.ops.create import alloc, arange
from symtensor.ops.elementwise import cast, minimum, mod, sub, switch
from symtensor.ops.identity import CheckAndRaise
from symtensor.ops.index import getitem
from symtensor.ops.index_set import set_subtensor
from symtensor.ops.join import join
from symtensor.ops.reduction import normalize_axis as normalize_axes
from symtensor.ops.reshape import flatten, moveaxis, reshape, swapaxes
from symtensor.ops.shape import broadcast_shape, normalize_axis, shape_dims, shape_i, shape_of

__all__ = ["broadcast_arrays", "broadcast_to", "flip", "fliplr", "flipud", "pad", "roll", "rollaxis", "rot90"]


def flip(m: Any, axis: Any = None) -> Variable:
    """``m`` with the order of its elements reversed along ``axis`` (None: all; an int; several). A view."""
    m = as_tensor_variable(m)
    axes = normalize_axes("flip", axis, m.type.ndim)
    return getitem(m, tuple(slice(None, None, -1 if k in axes else None) for k in range(m.type.ndim)))


def flipud(m: Any) -> Variable:
    """``m`` with its rows, the elements of dimension 0, in reverse order."""
    return flip(m, 0)


def fliplr(m: Any) -> Variable:
    """``m`` with its columns, the elements of dimension 1, in reverse order."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Variable:
    """``m`` turned ``k`` times by a right angle in the plane of two axes, from the first to the second.

    >>> rot90([[1, 2], [3, 4]]).eval().tolist()
    [[2, 4], [1, 3]]
    """
    m = as_tensor_variable(m)
    first, second = (normalize_axis(axis, m.type.ndim, "rot90") for axis in axes)
    if first == second:
        raise ValueError(f"rot90: axes {tuple(axes)} are one; two different ones span a plane")
    if k % 4 == 2:
        return flip(m, (first, second))
    if k % 4 == 0:
        return m
    return swapaxes(flip(m, second), first, second) if k % 4 == 1 else flip(swapaxes(m, first, second), second)


def rollaxis(a: Any, axis: int, start: int = 0) -> Variable:
    """``a`` with dimension ``axis`` moved to stand before dimension ``start``, as NumPy's."""
    a = as_tensor_variable(a)
    axis = normalize_axis(axis, a.type.ndim, "rollaxis")
    start = normalize_axis(start, a.type.ndim + 1, "rollaxis") if start >= 0 else start + a.type.ndim
    return moveaxis(a, axis, start - (start > axis))


def roll(x: Any, shift: Any, axis: Any = None) -> Variable:
    """``x`` with its elements moved by ``shift`` places along ``axis``, round the end (Theano's name).

    ``shift`` is an int or an integer scalar; a tuple of them goes with a tuple of axes. None: the flattened ``x``
    is rolled, and keeps its shape.

    >>> roll([1, 2, 3, 4], 1).eval()
    array([4, 1, 2, 3])
    """
    x = as_tensor_variable(x)
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), shape_of(x)) if x.type.ndim != 1 else roll(x, shift, 0)
    axes = axis if isinstance(axis, (tuple, list)) else [axis]
    shifts = shift if isinstance(shift, (tuple, list)) else [shift] * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: {len(shifts)} shift(s) for {len(axes)} axes; give one for each")
    for places, at in zip(shifts, axes, strict=True):
        at = normalize_axis(at, x.type.ndim, "roll")
        size = shape_i(x, at)
        split = mod(d.neg(as_index(places)), d.maximum(size, 1))
        before = (slice(None),) * at
        rolled = join(at, getitem(x, (*before, slice(split, None))), getitem(x, (*before, slice(None, split))))
        x = reshape(rolled, shape_of(x))  # states that the shape is the same
    return x


def broadcast_to(x: Any, shape: Any) -> Variable:
    """``x`` broadcast to ``shape``, as NumPy's. ValueError where it does not fit, at once or at run time.

    >>> broadcast_to([1, 2], (2, 2)).eval().tolist()
    [[1, 2], [1, 2]]
    """
    return alloc(x, *shape_dims(shape, "broadcast_to"))


def broadcast_arrays(*args: Any) -> list[Variable]:
    """The tensors, all broadcast to their common shape."""
    tensors = [as_tensor_variable(arg) for arg in args]
    shape = broadcast_shape(*(shape_of(x) for x in tensors))
    return [alloc(x, *shape) if shape else x for x in tensors]


# -- padding ---------------------------------------------------------------------------------------------------


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Variable:
    """``x`` with elements added before and after each dimension, as NumPy's.

    Parameters
    ----------
    pad_width : an int or integer scalar, a pair (before, after) for all dimensions, or a pair for each.
    mode : "constant"; "edge" (the last element again); "reflect" (a mirror in the last element), "symmetric" (a
        mirror behind it); "wrap" (round the end).
    constant_values : a scalar, for mode "constant"; or, as ``pad_width``, (before, after), or such a pair for each.

    >>> pad([1, 2, 3], (2, 1), "reflect").eval()
    array([3, 2, 1, 2, 3, 2])
    """
    x = as_tensor_variable(x)
    modes = ("constant", "edge", "reflect", "symmetric", "wrap")
    if mode not in modes:
        raise ValueError(f"pad: mode is one of {', '.join(modes)}, got {mode!r}")
    widths = _widths(pad_width, x.type.ndim)
    if mode == "constant":
        dims = [d.add(d.add(before, dim), after) for dim, (before, after) in zip(shape_of(x), widths, strict=True)]
        inner = tuple(slice(before, d.add(before, dim)) for dim, (before, _) in zip(shape_of(x), widths, strict=True))
        if isinstance(constant_values, (tuple, list)) or np.ndim(constant_values):
            return _padded_between(x, widths, _pairs("constant_values", constant_values, x.type.ndim))
        filled = alloc(cast(as_tensor_variable(constant_values), x.type.dtype), *dims)
        return set_subtensor(getitem(filled, inner), x) if dims else x
    for axis, (before, after) in enumerate(widths):
        if static_value(before) != 0 or static_value(after) != 0:
            places = _padded_places(mode, shape_i(x, axis), before, after)
            x = getitem(x, (*(slice(None),) * axis, places))
    return x


def _pairs(name: str, given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """One pair (before, after) for each dimension, of a value for all, a pair for all, or a pair for each."""
    items = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(items, (tuple, list)):
        items = (items, items)
    if items and not isinstance(items[0], (tuple, list)):
        items = [items]
    items = list(items) * ndim if len(items) == 1 else items
    pairs = [tuple(pair) * (2 if len(pair) == 1 else 1) for pair in items]
    if len(pairs) != ndim or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"pad: {name} {given!r} for {ndim} dimension(s); give one value, a pair (before, after), "
                         "or a pair for each dimension")
    return pairs  # type: ignore[return-value]


def _widths(pad_width: Any, ndim: int) -> list[tuple[Variable, Variable]]:
    found = [(as_index(before), as_index(after)) for before, after in _pairs("pad_width", pad_width, ndim)]
    if any((static_value(width) or 0) < 0 for pair in found for width in pair):
        raise ValueError(f"pad: pad_width {pad_width!r} has a negative width; slice to remove elements")
    check = CheckAndRaise(ValueError, "pad: a width is negative; slice to remove elements")
    return [(before if static_value(before) is not None else check(before, before >= 0),  # type: ignore[operator]
             after if static_value(after) is not None else check(after, after >= 0))  # type: ignore[operator]
            for before, after in found]


def _padded_between(x: Variable, widths: Sequence[tuple[Variable, Variable]], values: Sequence[tuple[Any, Any]]
                    ) -> Variable:
    """``x`` between constants of their own, one dimension after the other, as NumPy."""
    for axis, sides in enumerate(zip(widths, values, strict=True)):
        dims = shape_of(x)
        before, after = (alloc(cast(as_tensor_variable(value), x.type.dtype), *dims[:axis], width, *dims[axis + 1:])
                         for width, value in zip(*sides, strict=True))
        x = join(axis, before, x, after)
    return x


def _padded_places(mode: str, n: Variable, before: Variable, after: Variable) -> Variable:
    """For each element of the result the place of the element it repeats."""
    places = sub(arange(d.add(d.add(before, n), after)), before)
    if mode == "edge":
        return minimum(switch(places < 0, 0, places), d.sub(n, 1))
    if mode == "wrap":
        return mod(places, d.maximum(n, 1))
    turn = d.maximum(d.sub(d.mul(n, 2), 2 if mode == "reflect" else 0), 1)  # the mirrored row repeats after so many
    places = mod(places, turn)
    return minimum(places, sub(d.sub(turn, 0 if mode == "reflect" else 1), places))
