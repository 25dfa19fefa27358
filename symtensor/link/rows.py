"""The C function of loops over rows: reductions over some axes, and what is computed with them while the row is in
cache.

The kept axes are one split index. Where the innermost axis is reduced, an iteration is a row: its reductions are
locals, and each stage of the program is a loop along it. Where the innermost axis is kept, an iteration is a block of
neighbouring columns: what a row has one of is a small array. Either way an element of the result is computed by one
thread in an order that depends on the shapes alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from symtensor.link.functions import Driver
from symtensor.link.layout import ONE, Product
from symtensor.link.nests import LoopOperand, LoopTarget, NestPass
from symtensor.link.scalars import convert, program_text
from symtensor.ops.elemwise import C_TYPES
from symtensor.ops.fused import ScalarProgram
from symtensor.ops.reduction import Reduction
from symtensor.ops.stages import Stage, stages_of

__all__ = ["RowsPass"]

COLUMNS = 256  # accumulators of a block of columns
KEPT_COLUMNS = 64  # the same where the block is read again


class RowsPass(NestPass):
    """Writes the loops of a program with row axes."""

    def __init__(self, driver: Driver, program: ScalarProgram, dims: Sequence[Product],
                 operands: Sequence[LoopOperand], targets: Sequence[LoopTarget]) -> None:
        self.stages = stages_of(program).stages
        self.ready = stages_of(program).ready
        used = {arg for step in program.steps for arg in step.args if isinstance(arg, int)}
        used |= {value for value, _ in program.outputs}
        super().__init__(driver, program, dims, operands, targets, range(len(program.outputs)), used)
        self.names = [f"i{axis}" for axis in range(len(self.nest.dims))]
        self.kept = [axis for axis, reduced in enumerate(self.nest.reduced) if not reduced]
        self.within = [axis for axis, reduced in enumerate(self.nest.reduced) if reduced]
        self.row_arrays = [k for k in self.arrays if k in program.rows]
        self.work = len(self.stages) - 1  # of one iteration, in function calls

    def emit(self) -> None:
        """Append the function and its call."""
        self._parameters()
        for k, (value, _) in enumerate(self.program.outputs):
            if value in self.program.per_row:
                self.function.pointer(C_TYPES[self.targets[k].dtype], f"o{k}", self.targets[k].pointer)
        if self.nest.reduced[-1]:
            self._by_row()
        else:
            self._by_columns()

    def _begin(self, stage: Stage) -> None:
        """What the inherited methods write from now on belongs to this stage."""
        self.needed, self.stores, self.loaded = stage.values, stage.stores, stage.loaded
        self.arrays = [k for k in self.operands if not self.operands[k].value and k in stage.values]
        self.reductions = []
        for number in stage.reductions:
            step = self.program.steps[number - len(self.program.inputs)]
            (value,) = step.args
            if isinstance(step.op, Reduction) and isinstance(value, int):
                self.reductions.append((number, value, step.op))

    def _due(self, loops: int) -> list[int]:
        """The elementwise values per row that can be computed after so many loops, and were not."""
        first, steps = len(self.program.inputs), self.program.steps
        return [number for number in sorted(self.program.per_row)
                if number >= first and number not in self.values and self.ready[number] <= loops
                and not isinstance(steps[number - first].op, Reduction)]

    def _name(self, number: int, text: str) -> None:
        self.values[number] = text
        self.fixed.add(number)

    def _row_outputs(self) -> list[tuple[int, int]]:
        return [(k, value) for k, (value, _) in enumerate(self.program.outputs) if value in self.program.per_row]

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _by_row(self) -> None:
        f, nest = self.function, self.nest
        f.add(["for (int64_t q = begin; q < end; q++) {"])
        f.add(self._unravel([self.names[axis] for axis in self.kept], [nest.dims[axis] for axis in self.kept]))
        self.arrays, stores, self.stores = self.row_arrays, self.stores, []
        self._bases(self.names[:-1])
        whole = len(self.within) == 1
        if whole:
            self.stores = stores
            self.arrays = [k for k, operand in self.operands.items() if not operand.value and k not in self.row_arrays]
            bases, outs = self._bases(self.names[:-1])
        for number, stage in enumerate(self.stages):
            self._row_steps(number)
            self._begin(stage)
            f.add(self._accumulators("a"))
            depth = self._open(self.within[:-1], self.names)
            if not whole:
                bases, outs = self._bases(self.names[:-1])
            self._reduce_inner(bases, outs, "0", f.size(nest.dims[-1]))
            f.add(["}"] * depth)
            self.work += self.calls
            for k, value, reduction in self.reductions:
                accumulator, dtype = self._accumulator(value, reduction), self.program.dtype(k)
                if accumulator != dtype:
                    f.add([f"const {C_TYPES[dtype]} v{k} = {convert(f'a{k}', accumulator, dtype)};"])
                self._name(k, f"a{k}" if accumulator == dtype else f"v{k}")
        self._row_steps(len(self.stages))
        f.add([f"o{k}[q] = {self.values[value]};" for k, value in self._row_outputs()])
        f.add(["}"])
        work = self.driver.product(self._size(True))
        f.call(self.driver.product(self._size(False)), f"st_rows({self._grain()}, {work})")

    def _row_steps(self, loops: int) -> None:
        due = self._due(loops)
        self.function.add(program_text(self.program, self.values, due))
        self.fixed.update(due)

    # -- columns ------------------------------------------------------------------------------------------------------

    def _by_columns(self) -> None:
        f, nest, driver = self.function, self.nest, self.driver
        width, most = f.size(nest.dims[-1]), COLUMNS if len(self.stages) == 1 else KEPT_COLUMNS
        columns = driver.local("int64_t", f"st_columns({driver.product(nest.dims[-1])}, {most}, rt->threads)")
        blocks = f"st_blocks({driver.product(nest.dims[-1])}, {columns})"
        f.field("const int64_t", "columns", columns)
        f.field("const int64_t", "blocks", blocks)
        f.add(["for (int64_t q = begin; q < end; q++) {",
               "const int64_t low = q % blocks * columns, row = q / blocks;",
               f"const int64_t wide = st_least({width} - low, columns);"])
        outer = self.kept[:-1]
        f.add(self._unravel([self.names[axis] for axis in outer], [nest.dims[axis] for axis in outer], "row"))
        self.arrays = self.row_arrays
        self.stores = []
        row_bases, _ = self._bases(self.names[:-1], "low")
        for number, stage in enumerate(self.stages):
            self._column_steps(number, row_bases, most)
            self._begin(stage)
            self._column_loop(row_bases, most)
            for k, value, reduction in self.reductions:
                accumulator, dtype = self._accumulator(value, reduction), self.program.dtype(k)
                text = convert(f"a{k}[j]", accumulator, dtype)
                if accumulator != dtype and number < len(self.stages) - 1:  # converted once, not by each reader
                    f.add([f"{C_TYPES[dtype]} r{k}[{most}];", f"for (int64_t j = 0; j < wide; j++) r{k}[j] = {text};"])
                    text = f"r{k}[j]"
                self._name(k, text)
        self._column_steps(len(self.stages), row_bases, most)
        f.add([f"for (int64_t j = 0; j < wide; j++) o{k}[row * {width} + low + j] = {self.values[value]};"
               for k, value in self._row_outputs()])
        f.add(["}"])
        rows = driver.product(driver.symbols.multiply(ONE, *(nest.dims[axis] for axis in outer)))
        work = driver.product(self._size(True))
        f.call(f"{rows} * {blocks}" if rows != "1" else blocks, f"st_rows({self._grain()}, {work} * {columns})")

    def _column_loop(self, row_bases: dict[int, str], most: int) -> None:
        """One stage: the loops over the reduced axes around the loop over the block."""
        f = self.function
        for k, value, reduction in self.reductions:
            accumulator = self._accumulator(value, reduction)
            f.add([f"{C_TYPES[accumulator]} a{k}[{most}];",
                   f"for (int64_t j = 0; j < wide; j++) a{k}[j] = {reduction.record.c_init(accumulator)};"])
        depth = self._open(self.within, self.names)
        bases, outs = self._bases(self.names[:-1], "low")
        self.arrays += [k for k in self.row_arrays if k not in self.fixed]
        f.add(["#pragma omp simd", "for (int64_t j = 0; j < wide; j++) {"])
        f.add(self._body("j", {**row_bases, **bases}, outs))
        f.add([*self._joins("a", "[j]"), "}", *["}"] * depth])
        self.work += self.calls

    def _column_steps(self, loops: int, row_bases: dict[int, str], most: int) -> None:
        """The steps that each column has one of, into small arrays."""
        due = self._due(loops)
        if not due:
            return
        f, first = self.function, len(self.program.inputs)
        args = {arg for number in due for arg in self.program.steps[number - first].args if isinstance(arg, int)}
        self.arrays, self.stores, self.loaded, self.needed = [k for k in self.row_arrays if k in args], [], {}, set(due)
        f.add([f"{C_TYPES[self.program.dtype(number)]} r{number}[{most}];" for number in due])
        f.add(["#pragma omp simd", "for (int64_t j = 0; j < wide; j++) {", *self._body("j", row_bases, {}),
               *(f"r{number}[j] = {self.values[number]};" for number in due), "}"])
        for number in due:
            self._name(number, f"r{number}[j]")

    def _grain(self) -> int:
        self.calls = self.work
        return super()._grain()
