"""What may stand between the brackets of ``x[...]``: keys as users write them, taken apart.

`parse_key` turns a key into one entry for each dimension it consumes: an integer, a slice or an integer
array; and says where the dimensions of the result come from. Meaning and errors are NumPy's. """

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.types import is_integer
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_index, as_tensor_variable, constant, int64_constant, static_value
from symtensor.ops.shape import SpecifyShape, shape_of

__all__ = ["FULL", "Entry", "Key", "layout_of", "parse_key"]

Slot = str | tuple[bool, bool, bool]
"""Of an op: ``"i"`` an integer, ``"a"`` an integer array, or which of start, stop and step a slice has."""

FULL: Slot = (False, False, False)
"""The slot of ``:``."""


class Entry:
    """The index of one dimension: its slot, and the variables that the slot needs, in order."""

    __slots__ = ("slot", "values")

    def __init__(self, slot: Slot, *values: Variable) -> None:
        self.slot = slot
        self.values = values


class Key:
    """A key taken apart. ``entries`` has one for each leading dimension of the tensor (those behind are taken
    whole), ``order`` says for each dimension of the result whether it is new ('x') or which one of the
    indexing op's output it is. With an array among them, integers are arrays too."""

    __slots__ = ("advanced", "entries", "order")

    def __init__(self, entries: list[Entry], order: list[int | str], advanced: bool) -> None:
        self.entries = entries
        self.order = order
        self.advanced = advanced


def layout_of(slots: Sequence[Slot], ndim: int, places: int) -> list[tuple[str, int]]:
    """Where each dimension of an indexing op's output comes from: ``("s", axis)`` a dimension of the tensor,
    whole or sliced, ``("b", k)`` dimension k of the index arrays broadcast together (``places`` many).

    Those of the arrays stand where the first array does when all arrays are neighbours, else in front.
    """
    arrays = [axis for axis, slot in enumerate(slots) if slot == "a"]
    front = bool(arrays) and arrays[-1] - arrays[0] >= len(arrays)
    broadcast = [("b", k) for k in range(places)]
    layout = list(broadcast) if front else []
    for axis in range(ndim):
        slot = slots[axis] if axis < len(slots) else FULL
        if isinstance(slot, tuple):
            layout.append(("s", axis))
        elif slot == "a" and axis == arrays[0] and not front:
            layout.extend(broadcast)
    return layout


def parse_key(x: Variable, key: Any) -> Key:
    """Take apart the key of ``x[key]``.

    IndexError for too many indices, two ellipses, or a constant index that is out of range; TypeError for an
    index that is no integer. """
    items = [_converted(item) for item in (key if isinstance(key, tuple) else (key,))]
    items = _spread_ellipsis(items, x, key)
    advanced = any(isinstance(item, Variable) and item.type.ndim for item in items)
    entries: list[Entry] = []
    marks: list[str] = []  # what each item is: "x" new, "..." nothing, "s" slice, "i" integer, "a" array
    for item in items:
        if item is None or item is Ellipsis:
            marks.append("x" if item is None else "...")
        elif isinstance(item, slice):
            entries.append(_slice_entry(item))
            marks.append("s")
        elif item.type.dtype == "bool":
            found = _mask_places(item, x, len(entries))
            entries += [Entry("a", place) for place in found]
            marks += ["a"] * len(found)
        else:
            _check_range(item, x, len(entries))
            entries.append(Entry("a", item) if advanced else Entry("i", as_index(item)))
            marks.append("a" if advanced else "i")
    while entries and entries[-1].slot == FULL:
        entries.pop()
    return Key(entries, _order(marks, entries, x.type.ndim), advanced)


def _converted(item: Any) -> Any:
    """None, Ellipsis, a slice, or an integer or bool variable."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return int64_constant(int(item))
    if isinstance(item, (list, tuple)) and not len(item):
        return constant(np.zeros(0, "int64"))
    try:
        index = as_tensor_variable(item)
    except (TypeError, ValueError) as error:
        raise TypeError(f"an index is an integer, a slice, None, Ellipsis, or an array of integers or bools, "
                        f"got {item!r}: {error}") from None
    dtype = index.type.dtype
    if dtype == "bool" and index.type.ndim == 0:
        raise TypeError(f"{item!r} is no index: a mask has at least one dimension; x[None] adds a dimension, "
                        "switch(condition, a, b) chooses")
    if not is_integer(dtype):
        raise TypeError(f"an index must be of integer or bool dtype, got {item!r} of dtype {dtype}; "
                        "use // for positions, or .astype('int64')")
    return index


def _consumed(item: Any) -> int:
    """How many dimensions of the tensor an item indexes."""
    if item is None or item is Ellipsis:
        return 0
    return item.type.ndim if isinstance(item, Variable) and item.type.dtype == "bool" else 1


def _spread_ellipsis(items: list[Any], x: Variable, key: Any) -> list[Any]:
    """The items with the slices that the ellipsis stands for. It stays, as even an empty one separates
    arrays."""
    used = sum(map(_consumed, items))
    if used > x.type.ndim:
        raise IndexError(f"too many indices: {x} has {x.type.ndim} dimension(s), [{_shown(key)}] "
                         f"indexes {used}")
    holes = [at for at, item in enumerate(items) if item is Ellipsis]
    if len(holes) > 1:
        raise IndexError(f"only one ellipsis ('...') may stand in a key, got [{_shown(key)}]")
    at = holes[0] if holes else len(items)
    return [*items[:at + 1], *[slice(None)] * (x.type.ndim - used), *items[at + 1:]]


def _shown(key: Any) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join("..." if item is Ellipsis else str(item) for item in items)


def _slice_entry(item: slice) -> Entry:
    parts: list[Variable | None] = []
    for name, part in (("start", item.start), ("stop", item.stop), ("step", item.step)):
        if part is None:
            parts.append(None)
            continue
        try:
            parts.append(as_index(part))
        except TypeError as error:
            raise TypeError(f"the {name} of a slice is an integer scalar or None: {error}") from None
    start, stop, step = parts
    pace = static_value(step)
    if pace == 0:
        raise ValueError("the step of a slice cannot be zero")
    if pace == 1:
        step = None
    if (step is None or (pace is not None and pace > 0)) and static_value(start) == 0:
        start = None
    slot = (start is not None, stop is not None, step is not None)
    return Entry(slot, *(part for part in (start, stop, step) if part is not None))


def _check_range(index: Variable, x: Variable, axis: int) -> None:
    size = x.type.shape[axis]
    if size is None or not isinstance(index, Constant):
        return
    for value in np.asarray(index.data).ravel():
        if not -size <= int(value) < size:
            raise IndexError(f"index {int(value)} is out of range for axis {axis} of size {size}")


def _mask_places(mask: Variable, x: Variable, axis: int) -> list[Variable]:
    """The positions where a mask over the dimensions from ``axis`` on is True, one vector for each
    dimension."""
    from symtensor.ops.index_advanced import nonzero

    sizes = shape_of(x)[axis:axis + mask.type.ndim]
    known = [static_value(size) for size in sizes]
    unsure = [k for k, size in enumerate(known) if size is None or size != mask.type.shape[k]]
    if unsure:
        mask = SpecifyShape(unsure, "boolean index")(mask, *(sizes[k] for k in unsure))
    return list(nonzero(mask))


def _order(marks: list[str], entries: Sequence[Entry], ndim: int) -> list[int | str]:
    """`Key.order`: the result's dimensions, new ones included, as dimensions of the op's output."""
    slots = [entry.slot for entry in entries]
    places = max((entry.values[0].type.ndim for entry in entries if entry.slot == "a"), default=0)
    made = {source: at for at, source in enumerate(layout_of(slots, ndim, places))}
    arrays = [at for at, mark in enumerate(marks) if mark == "a"]
    front = bool(arrays) and arrays[-1] - arrays[0] >= len(arrays)  # new dimensions separate arrays too
    broadcast: list[int | str] = [made["b", k] for k in range(places)]
    order: list[int | str] = list(broadcast) if front else []
    axis = 0
    for at, mark in enumerate(marks):
        if mark == "x":
            order.append("x")
        if mark in ("x", "..."):
            continue
        if mark == "s":
            order.append(made["s", axis])
        elif arrays and at == arrays[0] and not front:
            order += broadcast
        axis += 1
    return order


