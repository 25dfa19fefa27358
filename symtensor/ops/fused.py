"""Fused loops: many elementwise nodes, and reductions of their results, as one node and one loop nest.

Made by the fusion pass only. The scalar program is data, so that C, CUDA and the interpreter read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """One elementwise function on values: an int names an input (first) or the result of an earlier step (after)."""

    op: Elemwise
    args: tuple[int | Literal, ...]
    dtype: str


class ScalarProgram(Record):
    """Straight-line scalar code. Value ``k`` is input k for ``k < len(inputs)``, else step ``k - len(inputs)``.

    ``outputs`` holds (value, reduction): the value is stored at every position, or reduced by the `Reduction` op.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[tuple[int, Reduction | None], ...]

    def dtype(self, value: int | Literal) -> str:
        """The dtype of a value."""
        if isinstance(value, Literal):
            return value.dtype
        return self.inputs[value] if value < len(self.inputs) else self.steps[value - len(self.inputs)].dtype


class Fused(Op):
    """One loop nest over the broadcast shape of its inputs, all of one rank, running a `ScalarProgram`.

    A stored output has the full shape; a reduced one lacks the axes of its reduction.
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
        for value, reduction in self.program.outputs:
            full = TensorType(self.program.dtype(value), shape).make_variable()
            outputs.append(full if reduction is None else reduction.make_node(full).outputs[0].type.make_variable())
        return Apply(self, variables, outputs)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        loop_shape = np.broadcast_shapes(*(np.shape(value) for value in inputs))
        values: list[Any] = list(inputs)
        with np.errstate(all="ignore"):
            for step in self.program.steps:
                args = [arg.value if isinstance(arg, Literal) else values[arg] for arg in step.args]
                dtypes = [self.program.dtype(arg) for arg in step.args]
                operands = step.op.operand_dtypes(dtypes)
                arrays = [np.asarray(a).astype(d, copy=False) for a, d in zip(args, operands, strict=True)]
                values.append(np.asarray(step.op.numpy(*arrays)).astype(step.dtype, copy=False))
        for storage, (value, reduction) in zip(outputs, self.program.outputs, strict=True):
            full = np.broadcast_to(values[value], loop_shape)
            storage[0] = np.array(full) if reduction is None else reduction.reduce(full)

    def infer_shape(self, node: Apply, shapes: Sequence[Shape]) -> list[Shape]:  # type: ignore[override]
        from symtensor.ops.shape import broadcast_shape

        full = broadcast_shape(*shapes)
        return [
            full if reduction is None
            else tuple(d for axis, d in enumerate(full) if axis not in reduction.axes(self.ndim))
            for _, reduction in self.program.outputs
        ]

    def __str__(self) -> str:
        names = [step.op.name for step in self.program.steps]
        names += [reduction.name for _, reduction in self.program.outputs if reduction is not None]
        return f"Fused{{{', '.join(names)}}}"
