"""What may stand between the brackets of ``x[...]``: keys as users write them, taken apart.

`parse_key` turns a key into one entry for each dimension it indexes: an integer, a slice or an integer
array; and says where the dimensions of the result come from. Meaning and errors are NumPy's. """

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symtensor.graph.record import Record
from symtensor.graph.types import is_integer
from symtensor.graph.variable import Constant, Variable
from symtensor.ops.convert import as_index, as_tensor_variable, constant, int64_constant, static_value
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.index_mask import Nonzero, nonzero
from symtensor.ops.shape import SpecifyShape, shape_of

__all__ = ["FULL", "Entry", "Key", "Slot", "layout_of", "marks_of", "parse_key", "scalar_mask_axes"]

Slot = str | tuple[bool, bool, bool]
"""Of an op: ``"i"`` an integer, ``"a"`` an integer array, or which of start, stop and step a slice has."""

FULL: Slot = (False, False, False)
"""The slot of ``:``."""


class Entry(NamedTuple):
    """The index of one dimension: its slot, and the variables that the slot needs, in order."""

    slot: Slot
    values: tuple[Variable, ...]


class Key(Record):
    """A key taken apart. ``entries`` has one for each leading dimension of the tensor ``x`` (those behind are taken
    whole), ``order`` says for each dimension of the result whether it is new ('x') or which one of the
    indexing op's output it is. With an array among them, integers are arrays too."""

    x: Variable
    entries: list[Entry]
    order: list[int | str]
    advanced: bool


def marks_of(slots: Sequence[Slot], ndim: int) -> list[str]:
    """What indexes each dimension of a tensor: "s" a slice, "i" an integer, "a" an array."""
    return [slot if isinstance(slot, str) else "s" for slot in slots] + ["s"] * (ndim - len(slots))


def layout_of(marks: Sequence[str], places: int) -> list[tuple[str, int]]:
    """Where each dimension of what is indexed comes from: ``("s", axis)`` a dimension of the tensor, whole or sliced,
    ``("b", k)`` dimension k of the index arrays broadcast together (``places`` many), ``("x", at)`` a new one. Marks
    are those of `marks_of`, with "x" for None and "..." for the ellipsis between them.

    The dimensions of the arrays stand where the first array does when all arrays are neighbours, else in front.
    """
    arrays = [at for at, mark in enumerate(marks) if mark == "a"]
    front = bool(arrays) and arrays[-1] - arrays[0] >= len(arrays)  # new dimensions separate arrays too
    broadcast = [("b", k) for k in range(places)]
    layout = list(broadcast) if front else []
    axis = 0
    for at, mark in enumerate(marks):
        if mark == "x":
            layout.append(("x", at))
        elif mark == "s":
            layout.append(("s", axis))
        elif at in arrays[:1] and not front:
            layout += broadcast
        axis += mark not in ("x", "...")
    return layout


def parse_key(x: Variable, key: Any) -> Key:
    """Take apart the key of ``x[key]``.

    IndexError for too many indices, two ellipses, or a constant index that is out of range; TypeError for an
    index that is no integer. """
    items = [_converted(item) for item in (key if isinstance(key, tuple) else (key,))]
    items = _spread_ellipsis(items, x, key)
    x, items = _with_scalar_masks(x, items)
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
            entries += [Entry("a", (place,)) for place in found]
            marks += ["a"] * len(found)
        else:
            _check_range(item, x, len(entries))
            entries.append(Entry("a", (item,)) if advanced else Entry("i", (as_index(item),)))
            marks.append("a" if advanced else "i")
    while entries and entries[-1].slot == FULL:
        entries.pop()
    return Key(x, entries, _order(marks, entries, x.type.ndim), advanced)


def _converted(item: Any) -> Any:
    """None, Ellipsis, a slice, or an integer or bool variable."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        if abs(int(item)) >> 63:
            raise IndexError(f"index {item} is out of range for every axis")
        return int64_constant(int(item))
    try:
        index = constant(np.zeros(np.shape(item), "int64")) if _is_empty(item) else as_tensor_variable(item)
    except (TypeError, ValueError) as error:
        raise TypeError(f"an index is an integer, a slice, None, Ellipsis, or an array of integers or bools, "
                        f"got {item!r}: {error}") from None
    if not is_integer(index.type.dtype):
        raise TypeError(f"an index must be of integer or bool dtype, got {item!r} of dtype {index.type.dtype}; "
                        "use // for positions, or .astype('int64')")
    return index


def _is_empty(item: Any) -> bool:
    """Whether the item is a list without any element, such as [[], []]: indices, as in NumPy."""
    return isinstance(item, (list, tuple)) and all(map(_is_empty, item))


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


def _with_scalar_masks(x: Variable, items: list[Any]) -> tuple[Variable, list[Any]]:
    """0-d masks, which index no dimension, as arrays of one place or none in a new dimension of ``x``."""
    order: list[int | str] = []
    axis = 0
    for at, item in enumerate(items):
        if isinstance(item, Variable) and item.type.dtype == "bool" and not item.type.ndim:
            order.append("x")
            items[at] = Nonzero()(item)
        order += range(axis, axis := axis + _consumed(item))
    return dimshuffle(x, order), items


def scalar_mask_axes(arrays: Sequence[tuple[int, Variable]]) -> list[int]:
    """The dimensions that `parse_key` added for 0-d masks, given (axis, index array)."""
    found = []
    for axis, array in arrays:
        node = array.owner
        if node is not None and isinstance(node.op, DimShuffle):  # padded
            node = node.inputs[0].owner
        if node is not None and isinstance(node.op, Nonzero) and not node.inputs[0].type.ndim:
            found.append(axis)
    return found


def _shown(key: Any) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join("..." if item is Ellipsis else str(item) for item in items)


def _slice_entry(item: slice) -> Entry:
    parts: list[Variable | None] = []
    for name, part in (("start", item.start), ("stop", item.stop), ("step", item.step)):
        if part is None:
            parts.append(None)
            continue
        if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            part = max(min(int(part), 2**60), -2**60)  # no tensor is as long: what sys.maxsize says, without overflow
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
    return Entry(slot, tuple(part for part in (start, stop, step) if part is not None))


def _check_range(index: Variable, x: Variable, axis: int) -> None:
    size = x.type.shape[axis]
    if size is None or not isinstance(index, Constant):
        return
    for value in np.asarray(index.data).ravel():
        if not -size <= int(value) < size:
            remedy = f"; indices are {-size} to {size - 1}" if size else ""
            raise IndexError(f"index {int(value)} is out of range for axis {axis} of size {size}{remedy}")


def _mask_places(mask: Variable, x: Variable, axis: int) -> list[Variable]:
    """The positions where a mask over the dimensions from ``axis`` on is True, one vector for each
    dimension."""
    sizes = shape_of(x)[axis:axis + mask.type.ndim]
    known = [static_value(size) for size in sizes]
    unsure = [k for k, size in enumerate(known) if size is None or size != mask.type.shape[k]]
    if unsure:
        mask = SpecifyShape(unsure, "boolean index")(mask, *(sizes[k] for k in unsure))
    return list(nonzero(mask))


def _order(marks: list[str], entries: Sequence[Entry], ndim: int) -> list[int | str]:
    """`Key.order`: the result's dimensions, new ones included, as dimensions of the op's output."""
    places = max((entry.values[0].type.ndim for entry in entries if entry.slot == "a"), default=0)
    made = {source: at for at, source in enumerate(layout_of(marks_of([e.slot for e in entries], ndim), places))}
    return [made.get(source, "x") for source in layout_of(marks, places)]
