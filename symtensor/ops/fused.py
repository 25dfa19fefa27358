"""Fused loops: many elementwise nodes, and reductions of their results, as one node and one loop nest; or as several
loops over each row, the later ones with what the earlier ones reduced the row to (softmax, normalization).

Made by the fusion pass only. The scalar program is data, so that C, CUDA and the interpreter read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from symtensor.graph.op import Op, Shape
from symtensor.graph.record import Record
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.elemwise import Elemwise, broadcast_static
from symtensor.ops.reduce import Reduction

__all__ = ["Fused", "Literal", "ScalarProgram", "Step"]


class Literal(Record):
    """A constant inside a scalar program: dtype and bytes, so that nan equals itself and -0.0 differs from 0.0."""

    dtype: str
    data: bytes

    @property
    def value(self) -> Any:
        """The value as a NumPy scalar."""
        return np.frombuffer(self.data, dtype=self.dtype)[0]


class Step(Record):
    """One function of values: an int names an input (first) or the result of an earlier step (after). An elementwise
    one, or a `Reduction` over the program's row axes, whose result has one value per row."""

    op: Elemwise | Reduction
    args: tuple[int | Literal, ...]
    dtype: str


class ScalarProgram(Record):
    """Straight-line scalar code. Value ``k`` is input k for ``k < len(inputs)``, else step ``k - len(inputs)``.

    ``outputs`` holds (value, reduction): the value is stored at every position, or reduced by the `Reduction` op. With
    ``axes`` the positions that differ along these alone form a row: values that depend on reductions of the row and on
    the inputs ``rows``, which do not vary along it, have one value per row, and are stored so.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[tuple[int, Reduction | None], ...]
    axes: tuple[int, ...] = ()
    rows: frozenset[int] = frozenset()

    def dtype(self, value: int | Literal) -> str:
        """The dtype of a value."""
        if isinstance(value, Literal):
            return value.dtype
        return self.inputs[value] if value < len(self.inputs) else self.steps[value - len(self.inputs)].dtype

    @cached_property
    def by_rows(self) -> bool:
        """Whether there are rows, if only of one position (a reduction over no axes)."""
        return bool(self.axes) or any(isinstance(step.op, Reduction) for step in self.steps)

    @cached_property
    def per_row(self) -> frozenset[int]:
        """The values of which there is one per row."""
        found = set(self.rows)
        for number, step in enumerate(self.steps if self.by_rows else (), len(self.inputs)):
            if isinstance(step.op, Reduction) or all(isinstance(arg, Literal) or arg in found for arg in step.args):
                found.add(number)
        return frozenset(found)

    def gone(self, output: int, ndim: int) -> tuple[int, ...]:
        """The axes that an output lacks."""
        value, reduction = self.outputs[output]
        if reduction is not None:
            return reduction.axes(ndim)
        return self.axes if value in self.per_row else ()

    @property
    def reductions(self) -> list[Reduction]:
        """All reductions, of steps and of outputs."""
        inside = [step.op for step in self.steps if isinstance(step.op, Reduction)]
        return inside + [reduction for _, reduction in self.outputs if reduction is not None]

    @property
    def support(self) -> list[str]:
        """The C texts at file level that the steps need."""
        return [step.op.support for step in self.steps if isinstance(step.op, Elemwise)]


class Fused(Op):
    """One loop nest over the broadcast shape of its inputs, all of one rank, running a `ScalarProgram`.

    A stored output has the full shape; a reduced one lacks the axes of its reduction, one per row those of the row.
    """

    __props__ = ("program", "ndim")
    broadcasts = True
    without = {"gradient": "it is made after differentiation"}

    def __init__(self, program: ScalarProgram, ndim: int) -> None:
        self.program = program
        self.ndim = ndim

    def make_node(self, *inputs: Any) -> Apply:
        variables = [as_tensor_variable(value) for value in inputs]
        shape = broadcast_static(self, [variable.type for variable in variables])
        outputs: list[Variable] = []
        for k, (value, reduction) in enumerate(self.program.outputs):
            gone = self.program.gone(k, self.ndim)
            dtype = self.program.dtype(value)
            dtype = dtype if reduction is None else reduction.dtypes(dtype)[0]
            kept = [dim for axis, dim in enumerate(shape) if axis not in gone]
            outputs.append(TensorType(dtype, kept).make_variable())
        return Apply(self, variables, outputs)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        program = self.program
        loop_shape = np.broadcast_shapes(*(np.shape(value) for value in inputs))
        row_shape = tuple(1 if axis in program.axes else dim for axis, dim in enumerate(loop_shape))
        values: list[Any] = list(inputs)
        with np.errstate(all="ignore"):
            for step in program.steps:
                if isinstance(step.op, Reduction):
                    full = np.broadcast_to(values[step.args[0]], loop_shape)  # type: ignore[index]
                    values.append(np.expand_dims(step.op.reduce(full), program.axes))
                    continue
                args = [arg.value if isinstance(arg, Literal) else values[arg] for arg in step.args]
                dtypes = [program.dtype(arg) for arg in step.args]
                operands = step.op.operand_dtypes(dtypes)
                arrays = [np.asarray(a).astype(d, copy=False) for a, d in zip(args, operands, strict=True)]
                values.append(np.asarray(step.op.numpy(*arrays)).astype(step.dtype, copy=False))
        for storage, (value, reduction) in zip(outputs, program.outputs, strict=True):
            if value in program.per_row:
                storage[0] = np.array(np.broadcast_to(values[value], row_shape)).squeeze(program.axes)
                continue
            full = np.broadcast_to(values[value], loop_shape)
            storage[0] = np.array(full) if reduction is None else reduction.reduce(full)

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        from symtensor.ops.shape import broadcast_shape

        full = broadcast_shape(*shapes)
        return [tuple(d for axis, d in enumerate(full) if axis not in self.program.gone(k, self.ndim))
                for k in range(len(self.program.outputs))]

    def __str__(self) -> str:
        names = [step.op.name for step in self.program.steps]
        names += [reduction.name for _, reduction in self.program.outputs if reduction is not None]
        return f"Fused{{{', '.join(names)}}}"
