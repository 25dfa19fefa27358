"""What softmax, its logarithm and the cross-entropy are spelled with: sums and largest elements along one axis, which
stays as a dimension of 1, and targets, one column for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant
from symtensor.ops.create import arange
from symtensor.ops.dim_math import equal
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, cast, eq, sub, switch
from symtensor.ops.elementwise_math import exp, log1p
from symtensor.ops.reduction import Reduction, put_back
from symtensor.ops.shape import shape_of

__all__ = ["CHECK", "CheckedTargets", "exponentials", "hot_targets", "log_of_total", "row_sum", "shifted"]

CHECK = """const int64_t target = (int64_t){target}(i);
if (target < 0 || target >= {n}) {{ FAIL(ST_INDEX, target, 1, {n}); }}
"""
"""C text: FAIL where a target is no column."""


def shifted(x: Variable, axis: int) -> Variable:
    """``x``, in at least float precision, less its largest elements along the axis."""
    work = cast(x, "float32") if x.type.dtype == "float16" else x
    result: Variable = sub(work, put_back(Reduction("peak", (axis,))(work), x.type.ndim, (axis,)))
    return result


def row_sum(x: Variable, axis: int, dtype: str, accumulator: str = "float64") -> Variable:
    """The sum along the axis."""
    return put_back(Reduction("sum", (axis,), dtype, accumulator)(x), x.type.ndim, (axis,))


def exponentials(d: Variable, axis: int) -> tuple[Variable, Variable]:
    """(others, ties) of what `shifted` gives: the sum of the exponentials of all but the largest elements, and the
    number of these, as float64; kept apart, for what the others add may be far below one unit in the last place."""
    zero = as_tensor_variable(np.zeros((), d.type.dtype))
    largest = eq(d, zero)
    ties = cast(row_sum(largest, axis, "int32", "int32"), "float64")
    return row_sum(switch(largest, zero, exp(d)), axis, "float64"), ties


def log_of_total(others: Variable, ties: Variable) -> Variable:
    """The logarithm of the sum of the exponentials, as float64."""
    result: Variable = log1p(add(others, sub(ties, as_tensor_variable(np.ones((), "float64")))))
    return result


class CheckedTargets(Op):
    """Targets as int32: the check, for ``op``, that there is one for each of ``rows`` rows and that each is one of
    ``classes`` columns. ValueError and IndexError at run time otherwise."""

    __props__ = ("op",)
    without = {"gradient": "targets are integers"}

    def __init__(self, op: Any) -> None:
        self.op = op

    def make_node(self, target: Any, rows: Any, classes: Any) -> Apply:
        target = as_tensor_variable(target)
        return Apply(self, [target, as_index(rows), as_index(classes)],
                     [TensorType("int32", target.type.shape, target.type.device).make_variable()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        target, rows, classes = inputs
        if target.shape[0] != rows:
            raise self.op.wrong_rows(int(rows), target.shape[0])
        wrong = np.flatnonzero((target < 0) | (target >= classes))
        if wrong.size:
            raise self.op.wrong_target(target[wrong[0]], int(classes))
        outputs[0][0] = target.astype("int32")

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[0]]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        rows, have = node.inputs[1], shapes[0][0]
        return [(equal(rows, have), "ST_SHAPE", (int64_constant(0), rows, have))]

    def failure(self, node: Apply, code: Any, values: Sequence[int]) -> Exception:
        """The words of a failure in native code."""
        words: Exception = self.op.failure(node, code, values)
        return words

    def kernel(self, node: Apply) -> Kernel:
        body = CHECK.format(target="IN0", n="IN2()") + "OUT0_PTR[i] = (int32_t)target;"
        return Kernel(body, shape_of(node.inputs[0])[0])


def hot_targets(op: Any, rows: Variable, target: Variable) -> Variable:
    """The bool matrix that is true at each row's target; targets are checked."""
    count, classes = shape_of(rows)
    known = CheckedTargets(op)(target, count, classes)
    return eq(dimshuffle(arange(classes, dtype="int32"), "x", 0), dimshuffle(known, 0, "x"))
