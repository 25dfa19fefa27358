"""The part of a tensor that an index names: its shape, where it lies, what must hold, and C text that walks
it.

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
from symtensor.ops.index_key import FULL, Slot, layout_of
from symtensor.ops.index_text import array_text, broadcast_text, slice_text
from symtensor.ops.kernel_text import loop_c
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

    def __init__(self, idx_list: Sequence[Slot]) -> None:
        slots = [tuple(map(bool, slot)) if isinstance(slot, (tuple, list)) else slot for slot in idx_list]
        for slot in slots:
            if slot not in ("i", "a") and not (isinstance(slot, tuple) and len(slot) == 3):
                raise ValueError(f"{type(self).__name__}: {slot!r} is no slot; they are 'i', 'a' and triples "
                                 "of bools")
        while slots and slots[-1] == FULL:
            slots.pop()
        self.idx_list: tuple[Slot, ...] = tuple(slots)  # type: ignore[arg-type]

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

    def layout(self, node_inputs: Sequence[Variable]) -> list[tuple[str, int]]:
        """Where the region's dimensions come from (see `layout_of`)."""
        return layout_of(self.idx_list, node_inputs[0].type.ndim, self._places(node_inputs))

    def _places(self, node_inputs: Sequence[Variable]) -> int:
        return max((array.type.ndim for _, array in self._arrays(node_inputs)), default=0)

    def _arrays(self, node_inputs: Sequence[Variable]) -> list[tuple[int, Variable]]:
        """(axis, array) of the index arrays."""
        parts = self.split(node_inputs[self.first_index:])
        return [(axis, parts[axis][0]) for axis, slot in enumerate(self.idx_list) if slot == "a"]

    def static_region(self, inputs: Sequence[Variable]) -> tuple[int | None, ...]:
        """The static shape of the region."""
        x = inputs[0]
        parts = self.split(inputs[self.first_index:])
        dims: list[int | None] = []
        for kind, k in self.layout(inputs):
            if kind == "b":
                meeting = [array.type.shape[k] for _, array in self._arrays(inputs)]
                known = {dim for dim in meeting if dim not in (None, 1)}
                if len(known) > 1:
                    shapes = ", ".join(str(array.type.shape) for _, array in self._arrays(inputs))
                    raise IndexError(f"{self}: index arrays of shapes {shapes} do not broadcast")
                dims.append(known.pop() if known else None if None in meeting else 1)
            elif k >= len(self.idx_list):
                dims.append(x.type.shape[k])
            else:
                dims.append(_static_length(x.type.shape[k], parts[k]))
        return tuple(dims)

    def part_type(self, inputs: Sequence[Variable]) -> TensorType:
        """The type of the region."""
        kind = inputs[0].type
        return TensorType(kind.dtype, self.static_region(inputs), kind.device)

    def region_dims(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> Dims:
        """The dimensions of the region, given the shapes of the inputs."""
        parts = self.split(inputs[self.first_index:])
        broadcast = self._broadcast(inputs, shapes)
        dims: list[Variable] = []
        for kind, k in self.layout(inputs):
            if kind == "b":
                dims.append(broadcast[k])
            elif k >= len(self.idx_list):
                dims.append(shapes[0][k])
            else:
                dims.append(slice_region(shapes[0][k], *parts[k])[2])
        return tuple(dims)

    def _broadcast(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> Dims:
        return broadcast_shape(*(shape for _, shape in self._array_shapes(inputs, shapes)))

    def _array_shapes(self, inputs: Sequence[Variable], shapes: Sequence[Dims]) -> list[tuple[int, Dims]]:
        parts = self.split(list(shapes[self.first_index:len(inputs)]))
        return [(axis, parts[axis][0]) for axis, slot in enumerate(self.idx_list) if slot == "a"]

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
        broadcast = self._broadcast(inputs, shapes)
        for axis, shape in self._array_shapes(inputs, shapes):
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
        arrays: list[tuple[int, Any]] = []
        for axis, (slot, parts) in enumerate(zip(self.idx_list, self.split(values), strict=True)):
            if isinstance(slot, tuple):
                bounds = [None if part is None else int(part) for part in parts]
                if bounds[2] == 0:
                    raise self._error(node, "ST_VALUE", (axis,))
                key.append(slice(*bounds))
                continue
            index, n = np.asarray(parts[0]), x.shape[axis]
            if index.size and (int(index.min()) < -n or int(index.max()) >= n):
                wrong = index[(index < -n) | (index >= n)].flat[0]
                raise self._error(node, "ST_INDEX", (int(wrong), axis, n))
            key.append(int(index) if slot == "i" else index.astype("int64", copy=False))
            if slot == "a":
                arrays.append((axis, index))
        for axis, index in arrays:
            for k, dim in enumerate(index.shape):
                others = [array.shape[k] for _, array in arrays if array.shape[k] not in (1, dim)]
                if dim != 1 and others:
                    raise self._error(node, "ST_SHAPE", (axis, dim, others[0], k))
        return tuple(key)

    def _error(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        return self.failure(node, code, values) or ValueError(f"{self}: {code} {tuple(values)}")

    # -- C text ----------------------------------------------------------------------------------------------

    def region_text(self, node: Apply,
                    checked: bool = False) -> tuple[list[str], list[str], list[str], list[str]]:
        """How C walks the region: (declarations before the loops, names of the loop variables, their ends,
        statements inside that declare the coordinates ``x0, x1, ...`` of the element of input 0).

        The statements FAIL where an element of an index array is out of range, unless that is ``checked``
        already. """
        before: list[str] = []
        ends: dict[tuple[str, int], str] = {}
        coordinates: dict[int, str] = {}
        at = self.first_index
        layout = self.layout(node.inputs)
        names = {source: f"r{k}" for k, source in enumerate(layout)}
        inside: list[str] = []
        for axis in range(node.inputs[0].type.ndim):
            slot = self.idx_list[axis] if axis < len(self.idx_list) else FULL
            if slot == "a":
                array = node.inputs[at]
                places = self._array_places(node.inputs, at, [names["b", k] for k in range(array.type.ndim)])
                inside.append(array_text(at, axis, places, checked))
                at += 1
            elif slot == "i":
                before += [f"const int64_t i{axis} = IN{at}();",
                           f"const int64_t x{axis} = i{axis} < 0 ? i{axis} + IN0_DIM({axis}) : i{axis};"]
                at += 1
            else:
                flags = [given is True for given in slot]
                given = [f"(int64_t)IN{at + sum(flags[:k])}()" if flags[k] else None for k in range(3)]
                at += sum(flags)
                before += slice_text(axis, *given)
                ends["s", axis] = f"n{axis}"
                coordinates[axis] = f"s{axis} + {names['s', axis]} * p{axis}"
        for k in range(self._places(node.inputs)):
            ends["b", k] = f"b{k}"
            before.append(broadcast_text(self._array_positions(), node.inputs, k))
        inside += [f"const int64_t x{axis} = {text};" for axis, text in coordinates.items()]
        return before, list(names.values()), [ends[source] for source in layout], inside

    def _array_places(self, inputs: Sequence[Variable], at: int, names: Sequence[str]) -> str:
        """Where to read index array ``at``: a dimension of 1 is read at 0, if others may be longer."""
        others = [inputs[other].type.shape for other in self._array_positions() if other != at]
        places = []
        for k, (dim, name) in enumerate(zip(inputs[at].type.shape, names, strict=True)):
            whole = (dim is not None and dim != 1) or (dim is None and all(shape[k] == 1 for shape in others))
            places.append("0" if dim == 1 else name if whole else f"(IN{at}_DIM({k}) == 1 ? 0 : {name})")
        return ", ".join(places)

    def _array_positions(self) -> list[int]:
        """The positions of the index arrays among the inputs."""
        positions, at = [], self.first_index
        for slot in self.idx_list:
            if slot == "a":
                positions.append(at)
            at += sum(slot) if isinstance(slot, tuple) else 1
        return positions

    def array_check_text(self, node: Apply) -> list[str]:
        """C statements that FAIL where an element of an index array is out of range, before anything is
        written."""
        lines = []
        axes = [axis for axis, slot in enumerate(self.idx_list) if slot == "a"]
        for axis, at in zip(axes, self._array_positions(), strict=True):
            rank = node.inputs[at].type.ndim
            names = [f"q{k}" for k in range(rank)]
            lines += [loop_c(names, [f"IN{at}_DIM({k})" for k in range(rank)]), "{",
                      f"const int64_t q = (int64_t)IN{at}({', '.join(names)}), n = IN0_DIM({axis});",
                      f"if (q < -n || q >= n) FAIL(ST_INDEX, q, {axis}, n);", "}"]
        return lines

    def __str__(self) -> str:
        words = {"i": "int64", "a": "array"}
        shown = [words[slot] if isinstance(slot, str) else _shown_slice(slot) for slot in self.idx_list]
        return f"{type(self).__name__}{{{', '.join(shown)}}}"


def _shown_slice(slot: tuple[bool, bool, bool]) -> str:
    start, stop, step = ("int64" if given else "" for given in slot)
    return f"{start}:{stop}" + (f":{step}" if step else "")
