"""The C function of one pass over a loop nest.

A pass has one of these forms:

- flat: one merged axis, contiguous or strided, split over the threads;
- rows: outer axes as one split index, a vectorized inner loop;
- tiles, where operands lie across the others: see `symtensor.link.tiles`;
- reductions over all axes, by chunks of a size that depends on the shape alone; the driver joins the chunks in order,
  so that results do not depend on the number of threads;
- reductions over some axes: see `symtensor.link.rows`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from symtensor.graph.types import is_complex, is_float
from symtensor.link.functions import Driver, Function
from symtensor.link.layout import ONE, ZERO, Nest, Product, Text, collapse
from symtensor.link.scalars import convert, program_text
from symtensor.link.tiles import across, write_tiles
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.fused import ScalarProgram
from symtensor.ops.reduction import Reduction

__all__ = ["Gather", "LoopOperand", "LoopTarget", "NestPass"]

GRAIN = 16384  # elements of a cheap body that are worth a thread
CHUNKS = 256  # partial results of a reduction over all axes, at most
BLOCK = 4096  # elements summed in a row before the sum is added to the total


@dataclass
class Gather:
    """Which rows of a table an operand reads: those named by the integers at ``pointer``, walked by ``strides``; the
    table has ``rows`` rows, ``step`` apart. They were checked."""

    dtype: str
    strides: tuple[Product, ...]
    pointer: str
    rows: Product
    step: Product


@dataclass
class LoopOperand:
    """An input of a nest: ``pointer`` (C text of the driver) walked by ``strides``, or one ``value`` (C text)."""

    dtype: str
    strides: tuple[Product, ...] = ()
    pointer: str = ""
    value: str = ""
    overwritten_by: int | None = None  # the output that is computed in this operand's memory
    gather: Gather | None = None


@dataclass
class LoopTarget:
    """An output of a nest: C-contiguous memory at ``pointer``; for a reduction to one number ``lvalue`` instead."""

    dtype: str
    pointer: str = ""
    lvalue: str = ""


class NestPass:
    """Writes one pass of a nest: ``outputs`` of ``program``, with the values in ``needed``."""

    def __init__(self, driver: Driver, program: ScalarProgram, dims: Sequence[Product],
                 operands: Sequence[LoopOperand], targets: Sequence[LoopTarget], outputs: Sequence[int],
                 needed: Collection[int]) -> None:
        self.driver = driver
        self.program = program
        self.targets = targets
        self.stores = [(k, program.outputs[k][0]) for k in outputs
                       if program.outputs[k][1] is None and program.outputs[k][0] not in program.per_row]
        self.reductions = [(k, program.outputs[k][0], reduction)  # the first names the accumulator
                           for k in outputs if (reduction := program.outputs[k][1]) is not None]
        self.loaded: dict[int, int] = {}  # values that are read from outputs
        self.function = Function(driver)
        self.written = {k for k, _ in self.stores}
        self.needed = needed
        self.operands = {k: operand for k, operand in enumerate(operands) if k in needed}
        self.arrays = [k for k, operand in self.operands.items() if not operand.value]
        rows = [self.operands[k].strides for k in self.arrays]
        gathers = {k: gather for k in self.arrays if (gather := self.operands[k].gather) is not None}
        rows += [gather.strides for gather in gathers.values()]
        rows += [driver.symbols.steps(dims)] * bool(self.stores)
        gone = self._gone(len(dims))
        reduced = [axis in gone for axis in range(len(dims))] or [bool(self.reductions)]
        self.nest = self._with_axis(collapse(driver.symbols, dims, rows, reduced))
        self.strides = dict(zip(self.arrays, self.nest.strides))
        self.places = dict(zip(gathers, self.nest.strides[len(self.arrays):]))
        self.values: dict[int, str] = {}
        self.fixed: set[int] = set()  # the values whose texts hold for all iterations
        self.calls = 0  # of functions, in one iteration

    def _gone(self, ndim: int) -> tuple[int, ...]:
        """The axes that are reduced."""
        return self.reductions[0][2].axes(ndim) if self.reductions else self.program.axes

    def _with_axis(self, nest: Nest) -> Nest:
        """A reduction needs a reduced axis, if only one of size 1."""
        if not (self.reductions or self.program.by_rows) or any(nest.reduced):
            return nest
        return Nest((*nest.dims, ONE), tuple((*row, ZERO) for row in nest.strides), (*nest.reduced, True))

    # -- forms --------------------------------------------------------------------------------------------------------

    def emit(self) -> None:
        """Append the function and its call."""
        self._parameters()
        nest = self.nest
        if not self.reductions:
            if len(nest.dims) == 1:
                self._flat()
            elif tiled := across(nest, {k: steps for k, steps in self.strides.items()
                                         if self.operands[k].gather is None}):
                write_tiles(self, *tiled)
            else:
                self._rows()
        else:
            self._all()

    def _parameters(self) -> None:
        f = self.function
        for k, operand in self.operands.items():
            ctype = C_TYPES[operand.dtype]
            if operand.value:
                self.values[k] = f.field(f"const {ctype}", f"x{k}", operand.value)
                self.fixed.add(k)
            elif not self._shares(k):
                f.pointer(f"const {ctype}", f"p{k}", operand.pointer)
            if operand.gather is not None:
                f.pointer(f"const {C_TYPES[operand.gather.dtype]}", f"at{k}", operand.gather.pointer)
        for k in dict.fromkeys(k for k, _ in self.stores):
            f.pointer(C_TYPES[self.targets[k].dtype], f"o{k}", self.targets[k].pointer)

    def _shares(self, k: int) -> bool:
        """Whether a store of this pass goes to the memory of operand ``k``."""
        return self.operands[k].overwritten_by in self.written

    def _pointer_name(self, k: int) -> str:
        return f"o{self.operands[k].overwritten_by}" if self._shares(k) else f"p{k}"

    def _flat(self) -> None:
        f = self.function
        self._innermost("for (int64_t i = begin; i < end; i++) {", "i", *self._bases([]))
        f.call(self.driver.product(self.nest.dims[0]), str(self._grain()))

    def _rows(self) -> None:
        f = self.function
        names = [f"i{axis}" for axis in range(len(self.nest.dims) - 1)]
        f.add(["for (int64_t q = begin; q < end; q++) {", *self._unravel(names, self.nest.dims[:-1])])
        inner = f.size(self.nest.dims[-1])
        bases, outs = self._bases(names)
        self._innermost(f"for (int64_t j = 0; j < {inner}; j++) {{", "j", bases, outs)
        f.add(["}"])
        rows = self.driver.product(self.driver.symbols.multiply(*self.nest.dims[:-1]))
        f.call(rows, f"st_rows({self._grain()}, {self.driver.product(self.nest.dims[-1])})")

    def _all(self) -> None:
        """Chunks of rows (of elements, where there is one axis) give partial results; the driver joins them."""
        f, nest, driver = self.function, self.nest, self.driver
        rows = driver.symbols.multiply(*nest.dims[:-1]) if len(nest.dims) > 1 else nest.dims[0]
        count = driver.local("int64_t", driver.product(rows))
        least = str(BLOCK) if len(nest.dims) == 1 else f"st_rows({BLOCK}, {driver.product(nest.dims[-1])})"
        chunk = driver.local("int64_t", f"st_chunk({count}, {least}, {CHUNKS})")
        chunks = driver.local("int64_t", f"st_blocks({count}, {chunk})")
        n, size = f.field("const int64_t", "count", count), f.field("const int64_t", "chunk", chunk)
        parts: dict[int, str] = {}
        for number, (k, value, reduction) in enumerate(self.reductions):
            ctype = C_TYPES[self._accumulator(value, reduction)]
            parts[k] = f"(({ctype} *){driver.scratch('parts', number)})"
            f.field(f"{ctype} *const", f"part{k}", parts[k])
        f.add(["for (int64_t q = begin; q < end; q++) {",
               f"const int64_t low = q * {size}, high = st_least(low + {size}, {n});"])
        f.add(self._accumulators("a"))
        if len(nest.dims) == 1:
            self._reduce_inner(*self._bases([]), "low", "high")
        else:
            names = [f"i{axis}" for axis in range(len(nest.dims) - 1)]
            f.add(["for (int64_t row = low; row < high; row++) {", *self._unravel(names, nest.dims[:-1], "row")])
            self._reduce_inner(*self._bases(names), "0", f.size(nest.dims[-1]))
            f.add(["}"])
        f.add([*(f"part{k}[q] = a{k};" for k, _, _ in self.reductions), "}"])
        f.call(chunks, "1")
        for k, value, reduction in self.reductions:
            self._join_parts(k, self._accumulator(value, reduction), reduction, parts[k], chunks)

    def _join_parts(self, k: int, accumulator: str, reduction: Reduction, part: str, chunks: str) -> None:
        target = self.targets[k]
        total = self.driver.local(C_TYPES[accumulator], reduction.record.c_init(accumulator), const=False)
        joined = reduction.record.c_combine(accumulator, total, f"{part}[q]")
        self.driver.add([f"for (int64_t q = 0; q < {chunks}; q++) {total} = {joined};"])
        lvalue = target.lvalue or f"*{target.pointer}"
        self.driver.add([f"{lvalue} = {convert(total, accumulator, target.dtype)};"])

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _reduce_inner(self, bases: dict[int, str], outs: dict[int, str], low: str, high: str) -> None:
        """The innermost loop of a reduction from ``low`` to ``high``; sums in the value's precision go by blocks."""
        f = self.function
        blocked = any(self._blocked(value, reduction) for _, value, reduction in self.reductions)
        letter = "t" if blocked else "a"
        if blocked:
            f.add([f"for (int64_t from = {low}; from < {high}; from += {BLOCK}) {{",
                   f"const int64_t to = st_least(from + {BLOCK}, {high});", *self._accumulators("t")])
            low, high = "from", "to"
        self._innermost(f"for (int64_t j = {low}; j < {high}; j++) {{", "j", bases, outs, letter)
        if blocked:
            for k, value, reduction in self.reductions:
                joined = reduction.record.c_combine(self._accumulator(value, reduction), f"a{k}", f"t{k}")
                f.add([f"a{k} = {joined};"])
            f.add(["}"])

    def _blocked(self, value: int, reduction: Reduction) -> bool:
        dtype, accumulator = self.program.dtype(value), self._accumulator(value, reduction)
        last = self.nest.dims[-1].static
        small = last is not None and last <= BLOCK
        return reduction.name in ("sum", "prod") and dtype == accumulator and not small and (
            is_float(dtype) or is_complex(dtype))

    def _accumulator(self, value: int, reduction: Reduction) -> str:
        return reduction.dtypes(self.program.dtype(value))[1]

    def _accumulators(self, letter: str) -> list[str]:
        lines = []
        for k, value, reduction in self.reductions:
            accumulator = self._accumulator(value, reduction)
            lines.append(f"{C_TYPES[accumulator]} {letter}{k} = {reduction.record.c_init(accumulator)};")
        return lines

    def _joins(self, letter: str, place: str = "") -> list[str]:
        """Statements that join the values of an iteration to the accumulators."""
        lines = []
        for k, value, reduction in self.reductions:
            accumulator, total = self._accumulator(value, reduction), f"{letter}{k}{place}"
            new = convert(self.values[value], self.program.dtype(value), accumulator)
            lines.append(f"{total} = {reduction.record.c_combine(accumulator, total, new)};")
        return lines

    def _simd(self, letter: str = "a") -> list[str]:
        clauses = []
        for k, value, reduction in self.reductions:
            accumulator = self._accumulator(value, reduction)
            if is_complex(accumulator) or accumulator == "float16":
                return []
            operator = reduction.record.openmp or self.driver.declare_reduction(reduction.record, accumulator)
            clauses.append(f" reduction({operator}:{letter}{k})")
        return ["#pragma omp simd" + "".join(clauses)]

    def _read_once(self, k: int, pointer: str) -> None:
        self.function.add([f"const {C_TYPES[self.operands[k].dtype]} x{k} = *{pointer};"])
        self.fixed.add(k)
        self.values[k] = f"x{k}"

    def _bases(self, names: Sequence[str], low: str = "") -> tuple[dict[int, str], dict[int, str]]:
        """Pointers at the start of the inner loop; operands the inner axis does not move are read there."""
        f = self.function
        bases: dict[int, str] = {}
        for k in self.arrays:
            steps = self.strides[k]
            terms = self._row(k, names)
            terms += [self._term(name, step) for name, step in zip(names, steps, strict=False) if step != ZERO]
            if low and steps[-1] != ZERO:
                terms.append(self._term(low, steps[-1]))
            pointer = " + ".join([self._pointer_name(k), *terms])
            ctype = C_TYPES[self.operands[k].dtype]
            if steps[-1] == ZERO:
                self._read_once(k, f"({pointer})" if terms else pointer)
            elif terms:
                restrict = "" if self._shares(k) else "const "
                f.add([f"{restrict}{ctype} *b{k} = {pointer};"])
                bases[k] = f"b{k}"
            else:
                bases[k] = pointer
        return bases, self._store_bases(names, low)

    def _row(self, k: int, names: Sequence[str]) -> list[str]:
        """Where the row starts that a gathered operand reads."""
        gather = self.operands[k].gather
        if gather is None:
            return []
        terms = [self._term(name, step) for name, step in zip(names, self.places[k], strict=False) if step != ZERO]
        rows, named = self.function.size(gather.rows), f"at{k}[{' + '.join(terms) or '0'}]"
        self.function.add([f"const int64_t named{k} = (int64_t){named};"])
        row = f"named{k}" if gather.dtype.startswith("u") else f"(named{k} < 0 ? named{k} + {rows} : named{k})"
        return [self._term(row, gather.step)]

    def _store_bases(self, names: Sequence[str], low: str) -> dict[int, str]:
        f = self.function
        outs: dict[int, str] = {}
        if not self.stores and not self.loaded:
            return outs
        steps = self.nest.strides[-1]
        terms = [self._term(name, step) for name, step in zip(names, steps, strict=False)]
        offset = " + ".join([*terms, *([self._term(low, steps[-1])] if low else [])])
        for k in sorted({*(k for k, _ in self.stores), *self.loaded.values()}):
            outs[k] = f"o{k}"
            if offset:
                f.add([f"{C_TYPES[self.targets[k].dtype]} *w{k} = o{k} + {offset};"])
                outs[k] = f"w{k}"
        return outs

    def _term(self, name: str, step: Product) -> str:
        text = self.function.size(step)
        return name if text == "1" else f"{name} * {text}"

    def _open(self, axes: Sequence[int], names: Sequence[str]) -> int:
        for axis in axes:
            size = self.function.size(self.nest.dims[axis])
            self.function.add([f"for (int64_t {names[axis]} = 0; {names[axis]} < {size}; {names[axis]}++) {{"])
        return len(axes)

    def _unravel(self, names: Sequence[str], dims: Sequence[Product], index: str = "q") -> list[str]:
        if len(names) == 1:
            return [f"const int64_t {names[0]} = {index};"]
        lines, rest = [], index
        for name, dim in reversed(list(zip(names, dims, strict=True))[1:]):
            size = self.function.size(dim)
            lines.append(f"const int64_t {name} = {rest} % {size}, r{name} = {rest} / {size};")
            rest = f"r{name}"
        return [*lines, *([f"const int64_t {names[0]} = {rest};"] if names else [])]

    def _size(self, reduced: bool) -> Product:
        dims = [dim for dim, flag in zip(self.nest.dims, self.nest.reduced, strict=True) if flag == reduced]
        return self.driver.symbols.multiply(ONE, *dims)

    def _innermost(self, head: str, at: str, bases: dict[int, str], outs: dict[int, str], letter: str = "a") -> None:
        """The vectorized loop; where strides are known at run time only, there is a second one for steps of 1."""
        unknown = [self.function.size(step) for k in self.arrays if k not in self.fixed
                   for step in [self.strides[k][-1]] if _at_run_time(step)]
        tests = " && ".join(f"{step} == 1" for step in dict.fromkeys(unknown))
        for unit in (True, False) if unknown else (False,):
            body = self._body(at, bases, outs, unit)
            loop = [*self._simd(letter), head, *body, *self._joins(letter), "}"]
            opening = [f"if ({tests}) {{"] if unit else ["} else {"] if unknown else []
            self.function.add([*opening, *loop, *(["}"] if unknown and not unit else [])])

    def _body(self, at: str, bases: dict[int, str], outs: dict[int, str], unit: bool = False) -> list[str]:
        """One iteration: loads (``unit``: of neighbours), steps, stores."""
        lines: list[str] = []
        for number in [number for number in self.values if number not in self.fixed]:
            del self.values[number]
        for k in self.arrays:
            if k in self.fixed:
                continue
            stride = self.strides[k][-1]
            step = self.function.size(stride)
            index = at if step == "1" or (unit and _at_run_time(stride)) else f"{at} * {step}"
            lines.append(f"const {C_TYPES[self.operands[k].dtype]} v{k} = {bases[k]}[{index}];")
            self.values[k] = f"v{k}"
        for number, k in self.loaded.items():
            lines.append(f"const {C_TYPES[self.program.dtype(number)]} v{number} = {outs[k]}[{at}];")
            self.values[number] = f"v{number}"
        lines += program_text(self.program, self.values, self.needed)
        lines += [f"{outs[k]}[{at}] = {self.values[number]};" for k, number in self.stores]
        self.calls = sum(len(re.findall(r"[a-z_]\w*\(", line)) for line in lines)
        for text in self.program.support:
            self.driver.support(text)
        return lines

    def _grain(self) -> int:
        return max(1024, GRAIN // (1 + 2 * self.calls))


def _at_run_time(stride: Product) -> bool:
    """Whether a stride is 0 where a dimension turns out to be 1."""
    return any(isinstance(factor, Text) for factor in stride.factors)
