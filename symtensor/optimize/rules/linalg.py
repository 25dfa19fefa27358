"""Linear algebra: systems instead of inverses, logarithms of determinants, triangles that are known to be such."""

from __future__ import annotations

from typing import Any

from symtensor.graph.types import is_float
from symtensor.graph.variable import Apply, Variable
from symtensor.ops.create import ones_like
from symtensor.ops.dimshuffle import DimShuffle
from symtensor.ops.dot import BatchedDot, Dot
from symtensor.ops.elementwise import abs_
from symtensor.ops.elementwise_complex import real
from symtensor.ops.elementwise_math import log
from symtensor.ops.linalg import Det, MatrixInverse, SLogDet, diagonal_of, logdet, slogdet
from symtensor.ops.linalg_solve import Cholesky, Solve, solve
from symtensor.ops.reduce import prod
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reshape import swapaxes
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite


def _made_by(variable: Variable, kind: type) -> Variable | None:
    """The first input of the node that made the variable, where its op is of this kind."""
    node = variable.owner
    return node.inputs[0] if node is not None and isinstance(node.op, kind) else None


@rewrite("specialize", MatrixInverse)
def inverse_of_inverse(node: Apply, facts: Facts) -> Any:
    """inv(inv(x)) is x."""
    return _made_by(node.inputs[0], MatrixInverse)


@rewrite("specialize", Dot, BatchedDot)
def product_with_inverse(node: Apply, facts: Facts) -> Any:
    """inv(A) B is solve(A, B), and B inv(A) is solve(A.T, B.T).T, where nothing else needs the inverse."""
    for at, factor in enumerate(node.inputs):
        a, other = _made_by(factor, MatrixInverse), node.inputs[1 - at]
        if a is None or facts.clients(factor) != 1 or other is factor:
            continue
        if at == 0:
            return solve(a, other)
        if other.type.ndim == 1:
            return solve(swapaxes(a, -2, -1), other)
        return swapaxes(solve(swapaxes(a, -2, -1), swapaxes(other, -2, -1)), -2, -1)
    return None


@rewrite("stabilize", log)
def log_of_det(node: Apply, facts: Facts) -> Any:
    """log(det(x)), and log(abs(det(x))), without overflow or underflow."""
    inner = node.inputs[0]
    if not is_float(inner.type.dtype):
        return None
    x = _made_by(inner, Det)
    if x is not None:
        return logdet(x)
    bare = inner.owner.inputs[0] if inner.owner is not None and inner.owner.op is abs_ else None
    x = _made_by(bare, Det) if bare is not None else None
    return slogdet(x)[1] if x is not None else None


@rewrite("specialize", Det, SLogDet)
def det_of_cholesky(node: Apply, facts: Facts) -> Any:
    """The determinant of a Cholesky factor is the product of its diagonal, which is positive."""
    factor = node.inputs[0]
    if _made_by(factor, Cholesky) is None:
        return None
    values = diagonal_of(factor)
    if isinstance(node.op, Det):
        return prod(values, axis=-1)
    total = sum_(real(log(values)), axis=-1)
    return [ones_like(total, node.outputs[0].type.dtype), total]


@rewrite("specialize", Solve)
def solve_with_cholesky(node: Apply, facts: Facts) -> Any:
    """A system with a Cholesky factor, or its transpose, is triangular."""
    a, b = node.inputs
    if node.op.A_structure != "general":  # type: ignore[attr-defined]
        return None
    if _made_by(a, Cholesky) is not None:
        return Solve("triangular", lower=True)(a, b)
    turned = _made_by(a, DimShuffle)
    if turned is None or _made_by(turned, Cholesky) is None:
        return None
    rank = a.type.ndim
    transposes = a.owner.op.order == (*range(rank - 2), rank - 1, rank - 2)  # type: ignore[union-attr]
    return Solve("triangular", lower=False)(a, b) if transposes else None
