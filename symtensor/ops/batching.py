"""Batching: an op on each row of its inputs, as one op on all rows at once.

`batch` is what lets computations leave a loop: a matrix-vector product in each step becomes one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symtensor.graph.op import Op
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.crossentropy import CrossentropyCategorical1Hot
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.dot import BatchedDot, Dot
from symtensor.ops.elemwise import Elemwise
from symtensor.ops.index import AdvancedSubtensor, AdvancedSubtensor1, Subtensor, getitem
from symtensor.ops.reduction import Reduction
from symtensor.ops.softmax import LogSoftmax, LogSumExp, Softmax, SoftmaxGrad

__all__ = ["BATCHING", "batch"]

Given = Sequence[tuple[Variable, bool]]
Rule = Callable[[Any, Apply, Given], "Variable | None"]


def batch(node: Apply, given: Given) -> Variable | None:
    """The node's only output for every row at once, along a new first axis; None where there is no rule.

    ``given`` holds for each input a variable and whether it has a row for each (along its first axis) or is the same
    for all rows. At least one has.
    """
    if len(node.outputs) != 1 or not isinstance(node.outputs[0].type, TensorType):
        return None
    for kind, rule in BATCHING.items():
        if isinstance(node.op, kind):
            return rule(node.op, node, given)
    return None


def _elementwise(op: Any, node: Apply, given: Given) -> Variable:
    rank = node.outputs[0].type.ndim
    found: Variable = op(*(_at_rank(v, rank) if rows else v for v, rows in given))
    return found


def _at_rank(v: Variable, rank: int) -> Variable:
    """Rows of lower rank, padded behind the first axis."""
    missing = rank + 1 - v.type.ndim
    return v.dimshuffle(0, *["x"] * missing, *range(1, v.type.ndim)) if missing else v  # type: ignore[attr-defined]


def _dimshuffle(op: DimShuffle, node: Apply, given: Given) -> Variable:
    found: Variable = DimShuffle(op.ndim + 1, (0, *("x" if axis == "x" else int(axis) + 1 for axis in op.order)))(
        given[0][0])
    return found


def _reduction(op: Reduction, node: Apply, given: Given) -> Variable:
    axes = op.axes(node.inputs[0].type.ndim)
    found: Variable = Reduction(op.name, [axis + 1 for axis in axes], op.dtype, op.acc_dtype)(given[0][0])
    return found


def _last_axis(op: Any, node: Apply, given: Given) -> Variable | None:
    rank = node.inputs[0].type.ndim
    if not all(rows for _, rows in given):
        return None
    if isinstance(op, LogSumExp):
        axes = range(rank) if op.axis is None else [axis % rank for axis in op.axis]
        found: Variable = LogSumExp([axis + 1 for axis in axes])(given[0][0])
        return found
    found = type(op)(op.axis % rank + 1)(*(v for v, _ in given))
    return found


def _dot(op: Dot, node: Apply, given: Given) -> Variable | None:
    (a, a_rows), (b, b_rows) = given
    left, right = (v.type.ndim for v in node.inputs)
    if not left or not right:
        return None
    if a_rows and b_rows:
        if (left, right) == (2, 2):
            found: Variable = BatchedDot()(a, b)
            return found
        if (left, right) == (1, 1):
            return (a * b).sum(axis=1)  # type: ignore[operator]
        return None
    if a_rows:
        return _rows_by_matrix(a, b, left, right)
    if left == 2 and right == 1:
        return _rows_by_matrix(b, a.dimshuffle(1, 0), 1, 2)  # type: ignore[attr-defined]
    return None


def _rows_by_matrix(a: Variable, b: Variable, left: int, right: int) -> Variable | None:
    """``dot(row, b)`` for the rows of ``a``, which are vectors or matrices."""
    from symtensor.ops.blas import dot
    from symtensor.ops.reshape import reshape
    from symtensor.ops.shape import shape_of

    if right not in (1, 2) or left not in (1, 2):
        return None
    if left == 1:
        return dot(a, b)
    n, m, k = shape_of(a)
    product = dot(reshape(a, (n * m, k)), b)  # type: ignore[operator]
    return reshape(product, (n, m, *shape_of(product)[1:]))


def _gather(op: Any, node: Apply, given: Given) -> Variable | None:
    """Rows of one table at indices that differ."""
    (table, moving), *index = given
    if moving or len(index) != 1 or not index[0][1]:
        return None
    if isinstance(op, AdvancedSubtensor1) or tuple(op.idx_list) in (("i",), ("a",)):
        return getitem(table, index[0][0])
    return None


def _view(op: Subtensor, node: Apply, given: Given) -> Variable | None:
    (x, moving), *index = given
    if not moving:
        return _gather(op, node, given)
    if any(rows for _, rows in index):
        return None
    found: Variable = Subtensor(((False, False, False), *op.idx_list))(x, *(v for v, _ in index))
    return found


def _one_hot(op: Any, node: Apply, given: Given) -> Variable | None:
    from symtensor.ops.reshape import reshape
    from symtensor.ops.shape import shape_of

    (coding, a), (target, b) = given
    if not (a and b):
        return None
    n, m, k = shape_of(coding)
    flat = op(reshape(coding, (n * m, k)), reshape(target, (n * m,)))  # type: ignore[operator]
    return reshape(flat, (n, m))


BATCHING: dict[type[Op], Rule] = {
    Elemwise: _elementwise, DimShuffle: _dimshuffle, Reduction: _reduction, Softmax: _last_axis,
    LogSoftmax: _last_axis, SoftmaxGrad: _last_axis, LogSumExp: _last_axis, Dot: _dot, Subtensor: _view,
    AdvancedSubtensor1: _gather, AdvancedSubtensor: _gather, CrossentropyCategorical1Hot: _one_hot,
}
"""The rule of each op class."""
