"""The part of a tensor that an index names: its shape, where it lies, and what must hold.

`Indexing` is the base of the ops that read, set or increase such a region. A slice is normalized as Python
does, spelled with integer scalars, so that it becomes inline C. """

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symtensor.graph.op import Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_integer
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant, static_value
from symtensor.ops.dimshuffle import pad_left
from symtensor.ops.index_key import FULL, Slot, layout_of, marks_of
from symtensor.ops.shape import broadcast_shape

__all__ = ["Indexing", "slice_region"]

Check = tuple[Variable, str, Dims]


def slice_region(n: Variable, start: Variable | None, stop: Variable | None,
                 step: Variable | None) -> tuple[Variable, Variable, Variable]:
    """Start, step and length of a slice of a dimension ``n``, as Python's ``slice.indices`` gives them, the
    start never negative. A symbolic step may have either sign.

    >>> [static_value(v) for v in slice_region(int64_constant(5), None, None, int64_constant(-2))]
    [4, -2, 3]
    """
    pace = step if step is not None else int64_constant(1)
    if static_value(pace) is None:  # no dimension is as long, and sums with it do not overflow
        pace = d.maximum(d.minimum(pace, 2**60), -2**60)
    back = d.below(pace, 0)
    low, high = d.where(back, -1, 0), d.where(back, d.sub(n, 1), n)
    first = d.where(back, high, low) if start is None else _clamped(start, n, low, high)
    last = d.where(back, low, high) if stop is None else _clamped(stop, n, low, high)
    span = d.maximum(d.where(back, d.sub(first, last), d.sub(last, first)), 0)
    size = d.maximum(d.where(back, d.neg(pace), pace), 1)
    length = d.int_div(d.add(span, d.sub(size, 1)), size)
    return d.where(back, d.maximum(first, 0), first), pace, length


def _clamped(at: Variable, n: Variable, low: Variable, high: Variable) -> Variable:
    from_end = d.maximum(d.add(at, n), low)
    return d.where(d.below(at, 0), from_end, d.minimum(at, high))


def _static_length(n: int | None, parts: Sequence[Variable | None]) -> int | None:
    """The length of a slice where everything it depends on is known."""
    values = [None if part is None else static_value(part) for part in parts]
    if n is None or values.count(None) > list(parts).count(None):
        return None
    return len(range(*slice(*values).indices(n)))


class Indexing(Op):
    """An op about the region ``idx_list`` of its input 0. ``idx_list`` has a slot for each leading dimension:
    ``"i"`` an integer, ``"a"`` an integer array, ``(start, stop, step)`` which parts a slice has; the values
    are the last inputs, as int64 scalars, and arrays of equal rank."""

    __props__: ClassVar[tuple[str, ...] | None] = ("idx_list",)
    first_index = 1
    """The position of the first index among the inputs."""
    rows = False
    """Whether the op is about rows at a vector of indices alone; then its constructor takes no ``idx_list``."""

    def __init__(self, idx_list: Sequence[Slot]) -> None:
        slots = [tuple(map(bool, slot)) if isinstance(slot, (tuple, list)) else slot for slot in idx_list]
        for slot in slots:
            if slot not in ("i", "a") and not (isinstance(slot, tuple) and len(slot) == 3):
                raise ValueError(f"{type(self).__name__}: {slot!r} is no slot; they are 'i', 'a' and triples "
                                 "of bools")
        while slots and slots[-1] == FULL:
            slots.pop()
        self.idx_list: tuple[Slot, ...] = tuple(slots)  # type: ignore[arg-type]

    @classmethod
    def of(cls, idx_list: Sequence[Slot], **options: Any) -> Any:
        """The op of this class for a region."""
        return cls(**options) if cls.rows else cls(idx_list, **options)

    # -- the region ------------------------------------------------------------------------------------------

    def split(self, values: Sequence[Any]) -> list[list[Any]]:
        """Index values by slot: [index], [array], or [start, stop, step] with None for what is left out."""
        rest = iter(values)
        try:
            flags = [slot if isinstance(slot, tuple) else (True,) for slot in self.idx_list]
            parts = [[next(rest) if given else None for given in slot] for slot in flags]
        except StopIteration:
            parts = []
        if len(parts) != len(self.idx_list) or next(rest, None) is not None:
            raise TypeError(f"{self}: {len(values)} index value(s) do not fit")
        return parts

    def index_variables(self, x: Variable, values: Sequence[Any]) -> list[Variable]:
        """Index inputs converted: int64 scalars, and arrays padded to equal rank. TypeError where they do not
        fit."""
        if len(self.idx_list) > x.type.ndim:
            raise TypeError(f"{self}: {x} of type {x.type} has too few dimensions")
        arrays: list[int] = []
        result: list[Variable] = []
        for slot, parts in zip(self.idx_list, self.split(values), strict=True):
            if slot != "a":
                result += [as_index(part) for part in parts if part is not None]
                continue
            array = as_tensor_variable(parts[0])
            if not is_integer(array.type.dtype) or array.type.dtype == "bool":
                raise TypeError(f"{self}: an index array is of integers, got {array} of type {array.type}")
            arrays.append(len(result))
            result.append(array)
        rank = max((result[at].type.ndim for at in arrays), default=0)
        if arrays and rank == 0:
            raise TypeError(f"{self}: at least one index array has a dimension; x[i] takes integer scalars")
        for at in arrays:
            result[at] = pad_left(result[at], rank)
        return result

    def arrays(self, values: Sequence[Any]) -> list[tuple[int, Any]]:
        """(axis, value) of the index arrays, given what stands for each index value."""
        return [(axis, parts[0]) for axis, parts in enumerate(self.split(values)) if self.idx_list[axis] == "a"]

    def layout(self, inputs: Sequence[Variable]) -> list[tuple[str, int]]:
        """Where the region's dimensions come from (see `layout_of`)."""
        arrays = self.arrays(inputs[self.first_index:])
        marks = marks_of(self.idx_list, inputs[0].type.ndim)
        return layout_of(marks, max((v.type.ndim for _, v in arrays), default=0))

    def static_region(self, inputs: Sequence[Variable]) -> tuple[int | None, ...]:
        """The static shape of the region."""
        shape = inputs[0].type.shape
        parts = self.split(inputs[self.first_index:])
        meeting = [array.type.shape for _, array in self.arrays(inputs[self.first_index:])]
        dims: list[int | None] = []
        for kind, k in self.layout(inputs):
            if kind == "b":
                own = [dims[k] for dims in meeting]
                known = set(own) - {None, 1}
                if len(known) > 1:
                    raise IndexError(f"{self}: index arrays of shapes {', '.join(map(str, meeting))} do not broadcast")
                dims.append(known.pop() if known else None if None in own else 1)
            else:
                dims.append(shape[k] if k >= len(self.idx_list) else _static_length(shape[k], parts[k]))
        return tuple(dims)

    def part_type(self, inputs: Sequence[Variable]) -> TensorType:
        """The type of the region."""
        kind = inputs[0].type
        return TensorType(kind.dtype, self.static_region(inputs), kind.device)

    def region_dims(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> Dims:
        """The dimensions of the region, given the shapes of the inputs."""
        parts = self.split(inputs[self.first_index:])
        _, broadcast = self._broadcast(inputs, shapes)
        dims: list[Variable] = []
        for kind, k in self.layout(inputs):
            n = broadcast[k] if kind == "b" else shapes[0][k]
            dims.append(n if kind == "b" or k >= len(self.idx_list) else slice_region(n, *parts[k])[2])
        return tuple(dims)

    def _broadcast(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> tuple[list[tuple[int, Dims]], Dims]:
        """(axis, shape) of the index arrays, and their broadcast shape."""
        arrays = self.arrays(list(shapes[self.first_index:len(inputs)]))
        return arrays, broadcast_shape(*(shape for _, shape in arrays))

    # -- what must hold --------------------------------------------------------------------------------------

    def region_checks(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> list[Check]:
        """Integers in range, steps not zero, index arrays that broadcast. Elements of index arrays are
        checked by the kernel."""
        checks: list[Check] = []
        all_parts = self.split(inputs[self.first_index:])
        for axis, (slot, parts) in enumerate(zip(self.idx_list, all_parts, strict=True)):
            if slot == "i":
                index, n = parts[0], shapes[0][axis]
                good = d.all_of(d.at_most(d.neg(n), index), d.below(index, n))
                checks.append((good, "ST_INDEX", (index, int64_constant(axis), n)))
            elif isinstance(slot, tuple) and parts[2] is not None and static_value(parts[2]) is None:
                nonzero = d.any_of(d.below(parts[2], 0), d.below(0, parts[2]))
                checks.append((nonzero, "ST_VALUE", (int64_constant(axis),)))
        arrays, broadcast = self._broadcast(inputs, shapes)
        for axis, shape in arrays:
            for k, dim in enumerate(shape):
                good = d.any_of(d.equal(dim, 1), d.equal(dim, broadcast[k]))
                told = int64_constant(axis), dim, broadcast[k], int64_constant(k)
                checks.append((good, "ST_SHAPE", told))
        return checks

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[Check]:
        """What must hold at run time."""
        return self.region_checks(node.inputs, shapes)

    def failure(self, node: Apply | None, code: str, values: Sequence[int]) -> Exception | None:
        """The words for an index that does not fit."""
        if code == "ST_INDEX":
            index, axis, n = values[:3]
            fits = f"indices are {-n} to {n - 1}" if n else "it is empty"
            return IndexError(f"index {index} is out of range for axis {axis} of size {n}; {fits}")
        if code == "ST_VALUE":
            return ValueError(f"the step of the slice of axis {values[0]} cannot be zero")
        if code == "ST_SHAPE":
            axis, dim, other, k = values[:4]
            return IndexError(f"index arrays do not broadcast: dimension {k} of that of axis {axis} is {dim},"
                              f" of another {other}")
        return None

    def numpy_key(self, node: Apply, x: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        """The key that NumPy takes, checked, so that errors read as those of native code."""
        key: list[Any] = []
        for axis, (slot, parts) in enumerate(zip(self.idx_list, self.split(values), strict=True)):
            if isinstance(slot, tuple):
                bounds = [None if part is None else int(part) for part in parts]
                if bounds[2] == 0:
                    raise self._error(node, "ST_VALUE", (axis,))
                key.append(slice(*bounds))
                continue
            index, n = np.asarray(parts[0]).astype("int64", copy=False), x.shape[axis]
            wrong = index[(index < (0 if parts[0].dtype.kind == "u" else -n)) | (index >= n)]
            if wrong.size:
                raise self._error(node, "ST_INDEX", (int(wrong.flat[0]), axis, n))
            key.append(int(index) if slot == "i" else index)
        for axis, index in (arrays := [(axis, key[axis]) for axis, slot in enumerate(self.idx_list) if slot == "a"]):
            for k, dim in enumerate(index.shape):
                others = [array.shape[k] for _, array in arrays if array.shape[k] not in (1, dim)]
                if dim != 1 and others:
                    raise self._error(node, "ST_SHAPE", (axis, dim, others[0], k))
        return tuple(key)

    def _error(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        return self.failure(node, code, values) or ValueError(f"{self}: {code} {tuple(values)}")

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k < self.first_index] for k in range(len(node.inputs))]

    def __str__(self) -> str:
        words = {"i": "int64", "a": "array"}
        shown = [words[slot] if isinstance(slot, str) else _shown_slice(slot) for slot in self.idx_list]
        return f"{type(self).__name__}{{{', '.join(shown)}}}"


def _shown_slice(slot: tuple[bool, bool, bool]) -> str:
    start, stop, step = ("int64" if given else "" for given in slot)
    return f"{start}:{stop}" + (f":{step}" if step else "")
