"""Matrix products: transposes into them, and sums with them as one call of gemm."""

from __future__ import annotations

from typing import Any

import numpy as np

from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops.convert import constant
from symtensor.ops.create import Alloc, alloc
from symtensor.ops.dimshuffle import DimShuffle, dimshuffle
from symtensor.ops.dot import Dot, Gemm
from symtensor.ops.elementwise import add, cast, mul, neg, sub
from symtensor.ops.elemwise import ELEMENTWISE
from symtensor.ops.reduction import Reduction
from symtensor.optimize.engine import Facts
from symtensor.optimize.pattern import rewrite

_BLAS = ("float32", "float64")


@rewrite("specialize", DimShuffle, whole=True)
def transpose_of_dot(node: Apply, facts: Facts) -> Any:
    """(A B).T is B.T A.T: views are transposed, not results."""
    inner = node.inputs[0].owner
    if node.op.order != (1, 0) or inner is None or not isinstance(inner.op, Dot):  # type: ignore[attr-defined]
        return None
    if facts.clients(node.inputs[0]) != 1:
        return None
    a, b = inner.inputs
    return Dot()(dimshuffle(b, 1, 0), dimshuffle(a, 1, 0)) if a.type.ndim == b.type.ndim == 2 else None


@rewrite("specialize", add, sub, whole=True)
def gemm(node: Apply, facts: Facts) -> Any:
    """beta * C + alpha * dot(A, B), where nothing else needs the product."""
    result = node.outputs[0]
    if len(node.inputs) != 2 or result.type.ndim != 2 or result.type.dtype not in _BLAS:
        return None
    terms = [_term(v, facts) for v in node.inputs]
    if node.op is sub:
        terms[1] = ([*terms[1][0], constant(-1, dtype=result.type.dtype)], terms[1][1])
    for at in (1, 0):
        (alpha, product), (beta, other) = terms[at], terms[1 - at]
        if _is_product(product, facts) and other.type.dtype == product.type.dtype == result.type.dtype \
                and facts.same_shape(product, other):
            dot: Any = product.owner
            return Gemm()(other, _scalar(alpha, result), *dot.inputs, _scalar(beta, result))
    return None


def _is_product(variable: Variable, facts: Facts) -> bool:
    node = variable.owner
    if node is None or not isinstance(node.op, Dot) or facts.clients(variable) != 1:
        return False
    return all(v.type.ndim == 2 and v.type.dtype == variable.type.dtype for v in node.inputs)


def _term(variable: Variable, facts: Facts) -> tuple[list[Variable], Variable]:
    """A summand as scalar factors and a matrix."""
    factors: list[Variable] = []
    while variable.owner is not None and variable.owner.op in (neg, mul) and facts.clients(variable) == 1:
        node = variable.owner
        if node.op is neg:
            factors.append(constant(-1, dtype=variable.type.dtype))
            variable = node.inputs[0]
            continue
        scalars = [_as_scalar(v) for v in node.inputs]
        rest = [v for v, scalar in zip(node.inputs, scalars, strict=True) if scalar is None]
        if len(rest) != 1 or rest[0].type.dtype != variable.type.dtype:
            break
        factors += [scalar for scalar in scalars if scalar is not None]
        variable = rest[0]
    return factors, variable


def _as_scalar(variable: Variable) -> Variable | None:
    """The 0-d variable that was broadcast to a matrix of one element, or None."""
    if isinstance(variable, Constant) and variable.data.size == 1:
        return constant(variable.data.reshape(()))
    node = variable.owner
    padded = node is not None and isinstance(node.op, DimShuffle) and not node.inputs[0].type.ndim
    return node.inputs[0] if padded and node is not None else None


def _scalar(factors: list[Variable], like: Variable) -> Variable:
    """The product of scalar factors, a constant where they are."""
    dtype = like.type.dtype
    product = np.ones((), dtype)
    unknown: list[Variable] = []
    for factor in factors:
        if isinstance(factor, Constant):
            product = np.asarray(product * factor.data, dtype)
        else:
            unknown.append(factor)
    if not unknown:
        return constant(product)
    typed = [v if v.type.dtype == dtype else ELEMENTWISE[f"cast{{{dtype}}}"](v) for v in unknown]
    value = typed[0] if len(typed) == 1 else mul(*typed)
    return value if product == 1 else neg(value) if product == -1 else mul(value, constant(product))


# -- products that are none ------------------------------------------------------------------------------------------


@rewrite("specialize", Dot)
def dot_of_alloc(node: Apply, facts: Facts) -> Any:
    """A product with a filled tensor is a sum, which is the same in each row or column."""
    for at, factor in enumerate(node.inputs):
        inner, other = factor.owner, node.inputs[1 - at]
        if inner is None or not isinstance(inner.op, Alloc) or any(dim != 1 for dim in inner.inputs[0].type.shape):
            continue
        axis = 0 if at == 0 else other.type.ndim - 1  # of the other, summed over
        if not facts.fits(node):
            continue
        value = cast(dimshuffle(inner.inputs[0], []), other.type.dtype)
        total = Reduction("sum", (axis,), other.type.dtype, None)(mul(other, value))
        if at == 1 and other.type.ndim == 2 and node.outputs[0].type.ndim == 2:
            total = dimshuffle(total, 0, "x")
        return alloc(total, *facts.shape(node.outputs[0])) if node.outputs[0].type.ndim else total
    return None


@rewrite("specialize", Dot)
def dot_of_one(node: Apply, facts: Facts) -> Any:
    """A product over a dimension of 1 is elementwise."""
    a, b = node.inputs
    if a.type.shape[-1] != 1 or b.type.shape[0] != 1:
        return None
    column = dimshuffle(a, *range(a.type.ndim - 1), *("x" for _ in b.type.shape[1:]))
    row = dimshuffle(b, *("x" for _ in a.type.shape[:-1]), *range(1, b.type.ndim))
    return mul(column, row)


@rewrite("specialize", Dot, whole=True)
def vector_first(node: Apply, facts: Facts) -> Any:
    """(A B) v is A (B v), and v (A B) is (v A) B: two products with a vector instead of one of matrices."""
    for at, factor in enumerate(node.inputs):
        inner, vector = factor.owner, node.inputs[1 - at]
        if vector.type.ndim != 1 or inner is None or not isinstance(inner.op, Dot) or facts.clients(factor) != 1:
            continue
        a, b = inner.inputs
        same = a.type.ndim == b.type.ndim == 2 and a.type.dtype == b.type.dtype == vector.type.dtype
        if same and facts.fits(node) and facts.fits(inner):
            return node.op(a, node.op(b, vector)) if at == 0 else node.op(node.op(vector, a), b)
    return None
