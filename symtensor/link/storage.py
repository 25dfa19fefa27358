"""Where the arrays of a program lie, as C text of the driver: arena, outputs, constants, pointers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from symtensor.graph.variable import Constant, Variable
from symtensor.link.expressions import Scalars
from symtensor.link.functions import Driver, Names
from symtensor.link.layout import ZERO, Text
from symtensor.link.memory import Bytes, Plan
from symtensor.link.program import Array, Program
from symtensor.link.scalars import literal
from symtensor.ops.elemwise import C_TYPES

__all__ = ["INLINE_BYTES", "Storage"]

INLINE_BYTES = 4096  # constants up to this size are in the text; larger ones are inputs


class Storage:
    """Writes the memory section of the driver, and pointers where they are first needed."""

    def __init__(self, program: Program, plan: Plan, driver: Driver, scalars: Scalars) -> None:
        self.program = program
        self.plan = plan
        self.driver = driver
        self.scalars = scalars
        self.constant_inputs: list[np.ndarray] = []
        self.static: list[str] = []
        self._pointers: dict[Array, str] = Names(driver)
        self._offsets: list[str] = []

    def place(self, array: Array, pointer: str) -> None:
        """State where an array lies."""
        self._pointers[array] = pointer

    def reserve(self) -> None:
        """The arena, and the memory of outputs whose size is known before the steps."""
        self._arena()
        for k, array in self.plan.outputs.items():
            if self.dims_are_early(array.dims):
                self.take_output(k, array.dtype, array.dims)
        for step in self.plan.steps:
            if step.kind in ("store", "copy") and step.output not in self.plan.inplace and step.source is not None:
                dims = self.program.dims(step.source)
                if self.dims_are_early(dims):
                    self.take_output(step.output, step.source.type.dtype, dims)

    def dims_are_early(self, dims: Sequence[Variable]) -> bool:
        """Whether a shape is known before the steps: every dimension, also where another one is 0."""
        return all(map(self.program.is_early, dims))

    def _bytes(self, size: Bytes) -> str:
        item, elements = size
        text = str(item * elements.coefficient)
        for factor in elements.factors:
            factor_text = factor.c if isinstance(factor, Text) else self.scalars.text(factor)
            text = f"st_times({text}, {factor_text})"
        return text

    def _arena(self) -> None:
        if not self.plan.slots:
            return
        at = "(int64_t)0"
        offsets = []
        for sizes in self.plan.slots:
            offsets.append(at)
            texts = list(dict.fromkeys(self._bytes(size) for size in sizes))
            largest = texts[0]
            for text in texts[1:]:
                largest = f"st_most({largest}, {text})"
            at = self.driver.local("int64_t", f"st_slot({at}, {largest})", "m")
        self.driver.add([f"char *const arena = {at} >= ST_TOO_MUCH ? NULL : call->arena(call, (size_t){at});",
                         f"if (arena == NULL && {at} > 0) {{ status = ST_MEMORY; goto done; }}"])
        self._offsets = ["0" if offset.startswith("(") else offset for offset in offsets]

    def take_output(self, k: int, dtype: str, dims: Sequence[Variable]) -> None:
        symbols = self.program.symbols
        size = (np.dtype(dtype).itemsize, symbols.size(dims))
        lines = [f"out[{k}].shape[{axis}] = {self.driver.product(symbols.of(dim))};" for axis, dim in enumerate(dims)]
        self.driver.add([*lines, f"out[{k}].data = st_take(rt, {self._bytes(size)});",
                         f"if (out[{k}].data == NULL) {{ status = ST_MEMORY; goto done; }}"])

    def take_late(self, array: Array) -> None:
        """Memory of buffers whose size is known only now."""
        if array.kind != "buffer" or array.place is None:
            return
        kind, number = array.place
        elements = self.program.symbols.size(array.dims)
        if kind == "dynamic" and self.plan.dynamic[number] is array:
            size = (np.dtype(array.dtype).itemsize, elements)
            self.driver.add([f"held[{number}] = st_take(rt, {self._bytes(size)});",
                             f"if (held[{number}] == NULL) {{ status = ST_MEMORY; goto done; }}"])
        elif kind == "output" and not self.dims_are_early(self.plan.outputs[number].dims):
            self.take_output(number, array.dtype, self.plan.outputs[number].dims)

    def pointer(self, array: Array) -> str:
        """The C name of an array's first element in the driver."""
        chain = [array]
        while chain[-1] not in self._pointers and chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        for each in reversed(chain):  # what a view is based on first: a chain of views may be long
            if each not in self._pointers:
                self._pointers[each] = self._pointer_text(each)
        return self._pointers[array]

    def _pointer_text(self, array: Array) -> str:
        ctype = C_TYPES[array.dtype]
        if array.kind == "view" and array.parent is not None:
            base = self.pointer(array.parent)
            if array.offset == ZERO:
                return base
            return self.driver.local(f"{ctype} *", f"{base} + {self.driver.product(array.offset)}", "p")
        if array.kind == "scalar" and array.local is not None:
            name = self.scalars.text(array.local)
            if not name.isidentifier():
                name = self.driver.local(ctype, name, "s")
            return f"(({ctype} *)&{name})"
        if array.kind == "constant":
            return self._constant(array)
        if array.kind == "input":
            return self._at_start(ctype, f"in[{array.number}].data")
        place = array.place
        if place is None:
            raise KeyError(f"no memory was planned for {array.variable}")
        kind, number = place
        if kind == "slot":
            offset = self._offsets[number]
            return self.driver.local(f"{ctype} *", f"({ctype} *)(arena{'' if offset == '0' else f' + {offset}'})", "p")
        where = {"output": f"out[{number}].data", "input": f"in[{number}].data", "dynamic": f"held[{number}]"}[kind]
        return self.driver.local(f"{ctype} *", f"({ctype} *){where}", "p")

    def _at_start(self, ctype: str, text: str) -> str:
        with self.driver.inside("memory"):
            return self.driver.local(f"{ctype} *", f"({ctype} *){text}", "p")

    def _constant(self, array: Array) -> str:
        data = np.ascontiguousarray(cast(Constant, array.variable).data)
        ctype = C_TYPES[array.dtype]
        if data.nbytes > INLINE_BYTES:
            self.constant_inputs.append(data)
            return self._at_start(ctype, f"in[{len(self.program.graph.inputs) + len(self.constant_inputs) - 1}].data")
        values = [literal(value, array.dtype) for value in data.ravel()] or ["0"]
        rows = [", ".join(values[at:at + 8]) for at in range(0, len(values), 8)]
        name = f"c{len(self.static)}"
        # volatile: GCC 12 takes a block {2, 2, 0, 0} of what memcpy copies for a broadcast of 2, where it sees values
        self.static.append(f"static const volatile {ctype} {name}[{len(values)}] = {{\n    " + ",\n    ".join(rows)
                           + "\n};")
        return f"(({ctype} *){name})"
