"""What kind of code a node becomes: inline statements, loops, or a kernel of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from symtensor.graph.variable import Apply
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.fused import Fused, ScalarProgram
from symtensor.ops.fused import Step as ScalarStep
from symtensor.ops.reduction import Reduction

__all__ = ["is_elementwise", "is_scalar_code", "scalar_program"]


def scalar_program(node: Apply) -> ScalarProgram:
    """The scalar program of an elementwise, fused or reduction node."""
    if isinstance(node.op, Fused):
        return node.op.program
    return _one_step(node.op, tuple(v.type.dtype for v in node.inputs), node.outputs[0].type.dtype)


@lru_cache(maxsize=4096)
def _one_step(op: Any, inputs: tuple[str, ...], output: str) -> ScalarProgram:
    if isinstance(op, Reduction):
        return ScalarProgram(inputs, (), ((0, op),))
    return ScalarProgram(inputs, (ScalarStep(op, tuple(range(len(inputs))), output),), ((len(inputs), None),))


def is_elementwise(node: Apply) -> bool:
    """Whether a node is an elementwise function with a C text."""
    return isinstance(node.op, Elemwise) and node.op.has_c([variable.type.dtype for variable in node.inputs])


def is_scalar_code(node: Apply) -> bool:
    """Whether a node is an inline statement: elementwise on 0-d values."""
    op = node.op
    if isinstance(op, Fused):
        return op.ndim == 0 and all(reduction is None for _, reduction in op.program.outputs)
    return is_elementwise(node) and node.outputs[0].type.ndim == 0

