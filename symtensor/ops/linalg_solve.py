"""Systems of linear equations, and Cholesky factors: batched, in the native program.

Gradients: Giles (2008), see `symtensor.ops.linalg`; of the Cholesky factor, Murray, "Differentiation of the Cholesky
decomposition" (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel
from symtensor.graph.op import Shape as Dims
from symtensor.graph.types import TensorType, is_complex, upcast
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.blas import broadcast_stacks
from symtensor.ops.convert import as_tensor_variable, int64_constant
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, cast, mul, neg, sub
from symtensor.ops.linalg import LU_C, SOLVE_C, MatrixOp, adjoint, as_matrix, products
from symtensor.ops.reshape import flatten, moveaxis, reshape, swapaxes
from symtensor.ops.shape import shape_i, shape_of
from symtensor.ops.triangle import eye, tril, triu

__all__ = ["Cholesky", "Solve", "cho_solve", "cholesky", "fold_lower", "solve", "solve_lower_triangular",
           "solve_triangular", "solve_upper_triangular"]


def half_diagonal(x: Variable) -> Variable:
    """The matrices with half of their diagonals."""
    rest = sub(1, mul(0.5, eye(shape_i(x, x.type.ndim - 1), dtype="float32")))
    return mul(x, cast(rest, x.type.dtype))


def fold_lower(g: Variable) -> Variable:
    """The cotangent of matrices whose lower triangle alone is read, given that of the whole Hermitian matrices."""
    return half_diagonal(tril(add(g, adjoint(g))))


def _lower_factor(x: Any) -> Any:
    """NumPy's factor; LinAlgError also where nan is in a matrix, as LAPACK sees it."""
    factor = np.linalg.cholesky(x)
    if np.isnan(np.diagonal(factor, axis1=-2, axis2=-1)).any():
        raise np.linalg.LinAlgError("a matrix has nan")
    return factor


class Cholesky(MatrixOp):
    """The Cholesky factors of positive definite matrices (Theano's op); see `cholesky`."""

    __props__ = ("lower", "on_error")
    trouble = "is not positive definite: add a multiple of the identity, or ask for on_error='nan'"

    def __init__(self, lower: bool = True, on_error: str = "raise") -> None:
        if on_error not in ("raise", "nan"):
            raise ValueError(f"cholesky: on_error is 'raise' or 'nan', got {on_error!r}")
        self.lower = bool(lower)
        self.on_error = on_error

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """The factors; an upper one is the adjoint of the lower one of the upper triangle."""
        if self.lower:
            return super().__call__(*inputs, **kwargs)
        (x,) = inputs
        return adjoint(Cholesky(True, self.on_error)(adjoint(as_matrix("cholesky", x)), **kwargs))

    def value(self, x: Any) -> Any:
        try:
            return _lower_factor(x)
        except np.linalg.LinAlgError:
            if self.on_error == "raise":
                raise
            if x.ndim == 2:
                return np.full_like(x, np.nan)
            return np.stack([self.value(one) for one in x])

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        turned = adjoint(outputs[0])
        inside = half_diagonal(tril(products(turned, output_grads[0])))
        left = solve_triangular(turned, inside)
        return [fold_lower(adjoint(solve_triangular(turned, adjoint(left))))]

    def kernel(self, node: Apply) -> Kernel:
        nan = "for (int64_t p = 0; p < n * n; p++) l[p] = NAN;"
        wrong = "FAIL(ST_VALUE, i, n);" if self.on_error == "raise" else nan
        return self.stack_kernel(node, """OUT0_T *const l = OUT0_PTR + i * n * n;
for (int64_t p = 0; p < n; p++)
    for (int64_t q = 0; q < n; q++) l[p * n + q] = q > p ? 0 : in0[p * in0_row + q * in0_col];
const int64_t bad = RT->factor(ST_CHOLESKY, {kind}, n, l, n, NULL);
for (int64_t p = 0; p < n; p++)
    for (int64_t q = p + 1; q < n; q++) l[p * n + q] = 0;
if (bad) { """ + wrong + " }")


def cholesky(x: Any, lower: bool = True, on_error: str = "raise") -> Variable:
    """The Cholesky factors of the Hermitian positive definite matrices of a stack: ``L`` with ``L L^H = x``, or
    ``U`` with ``U^H U = x`` where not ``lower`` (Theano's ``slinalg.cholesky``).

    Only that triangle of ``x`` is read, and has a gradient; the other one of the result is 0. Where a matrix is not
    positive definite LinAlgError is raised, or its factor is all nan with ``on_error='nan'``.

    >>> import numpy as np
    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])).eval()
    array([[2., 0.],
           [1., 2.]])
    """
    result: Variable = Cholesky(lower, on_error)(x)
    return result


_STRUCTURES = {
    "gen": "general", "sym": "general", "symmetric": "general", "her": "general", "hermitian": "general",
    "general": "general", "banded": "general", "toeplitz": "general", "pos": "positive_definite",
    "positive definite": "positive_definite", "positive_definite": "positive_definite", "triangular": "triangular",
    "diagonal": "triangular", "lower_triangular": "triangular", "upper_triangular": "triangular",
    "lower triangular": "triangular", "upper triangular": "triangular",
}


class Solve(MatrixOp):
    """Solutions of linear systems (Theano's op); see `solve`.

    ``A_structure``: "general", "positive_definite" (only the ``lower`` or upper triangle is read), or "triangular"
    ("lower_triangular" and "upper_triangular" say which); the other structures of Theano and SciPy are taken for
    general. Triangular systems may have a ``unit_diagonal``, which is not read. A call broadcasts, and takes vectors;
    a node has two stacks of matrices.
    """

    __props__ = ("A_structure", "lower", "unit_diagonal")

    def __init__(self, A_structure: str = "general", lower: bool = False, overwrite_A: bool = False,
                 overwrite_b: bool = False, unit_diagonal: bool = False) -> None:
        if A_structure not in _STRUCTURES:
            raise ValueError(f"solve: the structure is one of {', '.join(sorted(_STRUCTURES))}, got {A_structure!r}")
        self.A_structure = _STRUCTURES[A_structure]
        if A_structure.endswith(("er_triangular", "er triangular")):
            lower = A_structure.startswith("lower")
        self.lower = bool(lower) and self.A_structure != "general"
        self.unit_diagonal = bool(unit_diagonal) and self.A_structure == "triangular"

    @property
    def trouble(self) -> str:  # type: ignore[override]
        """What is wrong with a matrix."""
        if self.A_structure == "positive_definite":
            return "is not positive definite: use assume_a='gen'"
        return "is singular: use lstsq, or add a multiple of the identity"

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        """The solutions, for stacks that broadcast, or a vector on the right."""
        a, b = self.matrices(inputs[0]), as_tensor_variable(inputs[1])
        vector = b.type.ndim == 1
        b = as_matrix("solve", dimshuffle(b, 0, "x") if vector else b)
        dtype = upcast(a.type.dtype, b.type.dtype)
        a, b = (x if x.type.dtype == dtype else cast(x, dtype) for x in (a, b))
        if self.A_structure == "positive_definite" and not self.lower:
            return Solve(self.A_structure, True)(adjoint(a), inputs[1], **kwargs)
        if a.type.ndim == 2 < b.type.ndim:  # one matrix is factored once
            beside = moveaxis(b, -2, 0)
            x = self(a, flatten(beside, 2), **kwargs)
            return moveaxis(reshape(x, shape_of(beside)), 0, -2)
        x = super().__call__(*broadcast_stacks(a, b), **kwargs)
        return dimshuffle(x, list(range(x.type.ndim - 1))) if vector else x

    def make_node(self, *inputs: Any) -> Apply:
        a, b = self.matrices(inputs[0]), as_matrix("solve", inputs[1])
        if a.type.ndim != b.type.ndim or a.type.dtype != b.type.dtype:
            raise TypeError(f"solve: two stacks of matrices of one dtype are expected, got {a.type} and {b.type}")
        shape = [one if one is not None else other for one, other in zip(b.type.shape, a.type.shape[:-1], strict=False)]
        for axis, (dim, other) in enumerate(zip(b.type.shape, a.type.shape[:-1], strict=False)):
            if None not in (dim, other) and dim != other:
                raise self._mismatch(axis, other, dim)
        kind = TensorType(b.type.dtype, [*shape, b.type.shape[-1]], b.type.device)
        return Apply(self, [a, b], [kind.make_variable()])

    def _mismatch(self, axis: int, first: Any, second: Any) -> Exception:
        return ValueError(f"solve: dimension {axis} of the matrices is {first}, that of the right-hand sides {second}")

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        pairs = list(zip(shapes[0][:-1], shapes[1], strict=False))
        return [*super().checks(node, shapes),
                *((d.equal(a, b), "ST_SIZE", (int64_constant(axis), a, b)) for axis, (a, b) in enumerate(pairs))]

    def failure(self, node: Apply, code: str, values: Sequence[int]) -> Exception:
        """The words of a failure."""
        return self._mismatch(*values[:3]) if code == "ST_SIZE" else super().failure(node, code, values)

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        a, b = inputs
        for axis, (first, second) in enumerate(zip(a.shape[:-1], b.shape, strict=False)):
            if first != second:
                raise self._mismatch(axis, first, second)
        super().perform(node, inputs, outputs)

    def value(self, a: Any, b: Any) -> Any:  # type: ignore[override]
        if self.A_structure == "positive_definite":
            factor = _lower_factor(a)
            turned = np.conj(np.swapaxes(factor, -1, -2))
            return np.linalg.solve(turned, np.linalg.solve(factor, b))
        if self.A_structure == "triangular":
            a = np.tril(a) if self.lower else np.triu(a)
        if self.unit_diagonal:
            a[..., range(a.shape[-1]), range(a.shape[-1])] = 1
        return np.linalg.solve(a, b)

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [shapes[1]]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        a, x = inputs[0], outputs[0]
        if self.A_structure == "positive_definite":
            g = self(a, output_grads[0])
            return [fold_lower(neg(products(g, adjoint(x)))), g]
        g = Solve(self.A_structure, not self.lower, unit_diagonal=self.unit_diagonal)(adjoint(a), output_grads[0])
        g_a = neg(products(g, adjoint(x)))
        if self.A_structure == "triangular":
            g_a = tril(g_a, -int(self.unit_diagonal)) if self.lower else triu(g_a, int(self.unit_diagonal))
        return [g_a, g]

    def kernel(self, node: Apply) -> Kernel:
        body = f"""const int64_t k = IN1_DIM({node.inputs[1].type.ndim - 1});
OUT0_T *const x = OUT0_PTR + i * n * k;
for (int64_t p = 0; p < n; p++)
    for (int64_t q = 0; q < k; q++) x[p * k + q] = in1[p * in1_row + q * in1_col];
"""
        if self.A_structure == "general":
            body += LU_C + SOLVE_C
        elif self.A_structure == "triangular":
            what = f"{0 if self.lower else 'ST_UPPER'} | {'ST_UNIT' if self.unit_diagonal else 0}"
            if not self.unit_diagonal:
                body += "for (int64_t p = 0; p < n; p++) if (in0[p * (in0_row + in0_col)] == 0) FAIL(ST_VALUE, i, n);\n"
            body += f"RT->triangle({what}, {{kind}}, n, k, in0, in0_row, in0_col, x, k, 1);"
        else:
            conjugated = is_complex(node.inputs[0].type.dtype)
            turn = "for (int64_t p = 0; p < n * n; p++) l[p] = conj(l[p]);" if conjugated else ""
            body += _POSITIVE_C.replace("CONJUGATE", turn)
        return self.stack_kernel(node, body)


_POSITIVE_C = """IN0_T *const l = (IN0_T *)RT->alloc((size_t)(n * n + 1) * sizeof(IN0_T));
if (l == NULL) FAIL(ST_VALUE, -1);
for (int64_t p = 0; p < n; p++)
    for (int64_t q = 0; q < n; q++) l[p * n + q] = q > p ? 0 : in0[p * in0_row + q * in0_col];
if (RT->factor(ST_CHOLESKY, {kind}, n, l, n, NULL)) { RT->release(l); FAIL(ST_VALUE, i, n); }
RT->triangle(0, {kind}, n, k, l, n, 1, x, k, 1);
CONJUGATE
RT->triangle(ST_UPPER, {kind}, n, k, l, 1, n, x, k, 1);
RT->release(l);"""


def solve(a: Any, b: Any, assume_a: str = "gen", lower: bool = False) -> Variable:
    """The solutions ``x`` of ``dot(a, x) == b`` for the square matrices of a stack (Theano's ``slinalg.solve``).

    Parameters
    ----------
    a : (..., n, n).
    b : (..., n, k), or a vector of n elements; the dimensions in front broadcast.
    assume_a : "gen", "pos" (positive definite: half the work; one triangle is read), or a name of `Solve`.
    lower : which triangle is read, where only one is.

    LinAlgError where a matrix is singular, not positive definite, or not square; ValueError where shapes do not fit.

    >>> import numpy as np
    >>> solve(np.array([[2.0, 0.0], [1.0, 4.0]]), np.array([2.0, 5.0])).eval()
    array([1., 1.])
    """
    result: Variable = Solve(assume_a, lower)(a, b)
    return result


def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False,
                     unit_diagonal: bool = False) -> Variable:
    """The solutions of systems with triangular matrices, as ``scipy.linalg.solve_triangular``; stacks as in `solve`.

    ``trans`` is 0 or "N" for ``a x = b``, 1 or "T" for ``a^T x = b``, 2 or "C" for ``a^H x = b``; ``lower`` says which
    triangle of ``a`` is read. LinAlgError where there is a 0 on the diagonal, unless ``unit_diagonal``, which takes the
    diagonal for ones.

    >>> solve_triangular([[1.0, 2.0], [0.0, 1.0]], [1.0, 1.0]).eval()
    array([-1.,  1.])
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"solve_triangular: trans is 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    a = as_matrix("solve_triangular", a)
    if trans in (1, "T", 2, "C"):
        a, lower = (swapaxes(a, -2, -1) if trans in (1, "T") else adjoint(a)), not lower
    result: Variable = Solve("triangular", lower, unit_diagonal=unit_diagonal)(a, b)
    return result


def solve_lower_triangular(a: Any, b: Any) -> Variable:
    """`solve_triangular` with the lower triangle (Theano's name)."""
    return solve_triangular(a, b, lower=True)


def solve_upper_triangular(a: Any, b: Any) -> Variable:
    """`solve_triangular` with the upper triangle (Theano's name)."""
    return solve_triangular(a, b)


def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Variable:
    """The solutions of systems given the Cholesky factors ``(c, lower)`` of their matrices, as SciPy's; ``b`` as in
    `solve`."""
    c, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)
