"""Factors of matrices: LU, QR, eigenvalues, singular values; batched.

Gradients: LU, de Hoog, Anderssen and Lukas, "The derivative of a matrix ... LU factorization" (2011); QR, Walter and
Lehmann, "Algorithmic differentiation of linear algebra functions" (2010); symmetric eigenvalues, Giles (2008), and
Seeger et al., "Auto-differentiating linear algebra" (2017); eigenvalues, Boeddeker et al., "On the computation of
complex-valued gradients" (2017); singular values, Townsend, "Differentiating the singular value decomposition" (2016).
Vectors that are determined only up to a sign or phase, or up to a rotation where values repeat, have a gradient only in
expressions that do not depend on that choice; equal values are taken to stay equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel
from symtensor.graph.types import is_complex
from symtensor.graph.variable import Apply, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.create import arange, zeros_like
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, cast, eq, mul, neg, sub, switch, true_div
from symtensor.ops.elementwise_complex import conj, imag, real
from symtensor.ops.index import getitem
from symtensor.ops.join import join
from symtensor.ops.linalg import (
    LU_C,
    NO_CONVERGENCE,
    MatrixOp,
    adjoint,
    as_matrix,
    column,
    diagonal_of,
    given,
    products,
    row,
    with_diagonal,
)
from symtensor.ops.linalg_solve import cholesky, fold_lower, half_diagonal, solve, solve_triangular
from symtensor.ops.shape import shape_i, shape_of
from symtensor.ops.triangle import eye, tril, triu

__all__ = ["QR", "SVD", "Eig", "Eigh", "LUFactor", "eig", "eigh", "eigvalsh", "lu", "lu_factor", "qr", "svd"]


def _inverse_gaps(w: Variable) -> Variable:
    """``1 / (w_j - w_i)`` for each i, j; 0 where they are equal."""
    gaps = sub(row(w), column(w))
    return true_div(1, switch(eq(gaps, 0), np.array(np.inf, "float32"), gaps))


# -- LU --------------------------------------------------------------------------------------------------------------


class LUFactor(MatrixOp):
    """Packed LU factors, the exchanges of rows, and the permutation they amount to; see `lu` and `lu_factor`."""

    name = "lu"

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("", (m, n)), ("int32", (n,)), ("int64", (n,))]

    def value(self, x: Any) -> Any:
        n = x.shape[-1]
        lu, pivots = x.copy(), np.zeros(x.shape[:-1], "int32")
        order = np.broadcast_to(np.arange(n), x.shape[:-1]).copy()
        for at in np.ndindex(x.shape[:-2]):
            a = lu[at]
            for j in range(n):
                top = j + int(np.argmax(abs(a[j:, j].real) + abs(a[j:, j].imag)))
                pivots[(*at, j)] = top
                a[[j, top]], order[at][[j, top]] = a[[top, j]], order[at][[top, j]]
                if a[j, j] != 0:
                    a[j + 1:, j] /= a[j, j]
                    a[j + 1:, j + 1:] -= np.outer(a[j + 1:, j], a[j, j + 1:])
        return lu, pivots, order

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        packed, _, order = outputs
        g = output_grads[0]
        left, right = adjoint(_unit_lower(packed)), adjoint(triu(packed))
        inside = add(tril(products(left, tril(g, -1)), -1), triu(products(triu(g), right)))
        turned = adjoint(solve_triangular(packed, adjoint(solve_triangular(left, inside, unit_diagonal=True))))
        return [products(_permutation(order, packed.type.dtype), turned)]

    def kernel(self, node: Apply) -> Kernel:
        return self.stack_kernel(node, LU_C.replace("lu[p * n + q] =", "lu[q * n + p] =") + """(void)bad;
int64_t *const order = OUT2_PTR + i * n;
for (int64_t p = 0; p < n; p++) {
    for (int64_t q = 0; q < n; q++) OUT0_PTR[(i * n + p) * n + q] = lu[q * n + p];
    OUT1_PTR[i * n + p] = (int32_t)pivots[p];
    order[p] = p;
}
for (int64_t p = 0; p < n; p++) {
    const int64_t saved = order[p];
    order[p] = order[pivots[p]];
    order[pivots[p]] = saved;
}
RT->release(memory);""")


def _unit_lower(packed: Variable) -> Variable:
    return add(tril(packed, -1), eye(shape_i(packed, packed.type.ndim - 1), dtype=packed.type.dtype))


def _permutation(order: Variable, dtype: str) -> Variable:
    places = dimshuffle(arange(shape_i(order, order.type.ndim - 1)), [*"x" * (order.type.ndim - 1), 0, "x"])
    return cast(eq(places, row(order)), dtype)


def lu(a: Any, permute_l: bool = False) -> list[Variable]:
    """``[p, l, u]`` with ``a == p l u`` for the square matrices of a stack, as ``scipy.linalg.lu``: a permutation, a
    lower triangle with ones on its diagonal, an upper triangle. With ``permute_l``, ``[p l, u]``.

    >>> import numpy as np
    >>> p, l, u = lu(np.array([[1.0, 2.0], [2.0, 8.0]]))
    >>> u.eval()
    array([[ 2.,  8.],
           [ 0., -2.]])
    """
    packed, _, order = LUFactor()(a)
    p, lower, upper = _permutation(order, packed.type.dtype), _unit_lower(packed), triu(packed)
    return [products(p, lower), upper] if permute_l else [p, lower, upper]


def lu_factor(a: Any) -> list[Variable]:
    """``[lu, piv]`` as ``scipy.linalg.lu_factor``: both factors in one matrix, and for each row the one it was
    exchanged with (int32). A singular matrix has a 0 on the diagonal."""
    packed, pivots, _ = LUFactor()(a)
    return [packed, pivots]


# -- QR --------------------------------------------------------------------------------------------------------------


class QR(MatrixOp):
    """QR factors (Theano's ``QRFull`` and ``QRIncomplete``); see `qr`."""

    without = {"native": "a host call: LAPACK through NumPy"}

    __props__ = ("mode",)
    square = False

    def __init__(self, mode: str = "reduced") -> None:
        names = {"full": "reduced", "f": "reduced", "economic": "raw", "e": "raw"}  # NumPy's old ones
        self.mode = names.get(mode, mode)
        if self.mode not in ("reduced", "complete", "r", "raw"):
            raise ValueError(f"qr: mode is 'reduced', 'complete', 'r' or 'raw', got {mode!r}")

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        kinds = {"reduced": [(m, k), (k, n)], "complete": [(m, m), (m, n)], "r": [(k, n)], "raw": [(n, m), (k,)]}
        return [("", dims) for dims in kinds[self.mode]]

    def value(self, x: Any) -> Any:
        found = np.linalg.qr(x, self.mode)  # type: ignore[call-overload]
        return found if self.mode == "r" else tuple(found)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        if self.mode == "raw":
            return super().L_op(inputs, outputs, output_grads)
        (x,), (g_q, g_r) = inputs, output_grads if self.mode != "r" else (None, output_grads[0])
        q, r = outputs if self.mode != "r" else QR()(x)
        k = d.minimum(*shape_of(x)[-2:])
        first = getitem(q, (..., slice(k)))
        corner = getitem(r, (..., slice(k), slice(k)))
        tail = (..., slice(k, None))
        direct: list[Variable] = []
        if given(g_q):
            direct.append(getitem(g_q, (..., slice(k))))
            if self.mode == "complete":
                direct.append(neg(products(getitem(q, tail), adjoint(getitem(g_q, tail)), first)))
        right, middle = zeros_like(getitem(x, tail)), None
        if given(g_r):
            g_tail = getitem(g_r, (..., slice(k), slice(k, None)))
            right = products(first, g_tail)
            direct.append(products(getitem(x, tail), adjoint(g_tail)))
            middle = products(getitem(g_r, (..., slice(k), slice(k))), adjoint(corner))
        total = add(*direct) if len(direct) > 1 else direct[0]
        inner = products(adjoint(first), total)
        half = half_diagonal(triu(neg(inner) if middle is None else sub(middle, inner)))
        whole = add(total, products(first, add(half, adjoint(half))))
        left = adjoint(solve_triangular(corner, adjoint(whole)))
        return [join(x.type.ndim - 1, left, right)]


def qr(a: Any, mode: str = "reduced") -> Any:
    """The QR factors of the matrices of a stack, as ``numpy.linalg.qr`` (Theano's ``nlinalg.qr``).

    ``mode``: "reduced" (``[q, r]`` of shapes (m, k) and (k, n), k the smaller dimension), "complete" (of (m, m) and
    (m, n)), "r" (``r`` alone), "raw" (``[h, tau]`` of LAPACK, without gradient). The gradient is that of matrices whose
    first k columns are independent.
    """
    return QR(mode)(a)


# -- eigenvalues -----------------------------------------------------------------------------------------------------


class Eig(MatrixOp):
    """Eigenvalues and right eigenvectors (Theano's op); see `eig`."""

    without = {"native": "a host call: LAPACK through NumPy"}
    trouble = NO_CONVERGENCE

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("complex", (n,)), ("complex", (m, n))]

    def value(self, x: Any) -> Any:
        return tuple(np.linalg.eig(x))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (w, v), (g_w, g_v) = outputs, output_grads
        turned, inside = adjoint(v), []
        if given(g_w):
            inside.append(with_diagonal(g_w))
        if given(g_v):
            both = products(turned, g_v)
            scaled = mul(products(turned, v), row(cast(real(diagonal_of(both)), v.type.dtype)))  # columns stay unit
            inside.append(mul(sub(both, scaled), conj(_inverse_gaps(w))))
        return [solve(turned, products(add(*inside) if len(inside) > 1 else inside[0], turned))]


def eig(a: Any) -> list[Variable]:
    """``[w, v]``: eigenvalues and right eigenvectors (columns of unit length) of the square matrices of a stack, as
    ``numpy.linalg.eig`` (Theano's ``nlinalg.eig``). Both are always complex: the dtype cannot depend on the values.
    LinAlgError where the iteration does not converge, as of nan."""
    result: list[Variable] = Eig()(a)
    return result


class Eigh(MatrixOp):
    """Eigenvalues and eigenvectors of Hermitian matrices (Theano's op); see `eigh`."""

    without = {"native": "a host call: LAPACK through NumPy"}
    trouble = NO_CONVERGENCE

    __props__ = ("UPLO",)

    def __init__(self, UPLO: str = "L") -> None:
        if UPLO not in ("L", "U"):
            raise ValueError(f"eigh: UPLO is 'L' or 'U', the triangle that is read, got {UPLO!r}")
        self.UPLO = UPLO

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        return [("real", (n,)), ("", (m, n))]

    def value(self, x: Any) -> Any:
        return tuple(np.linalg.eigh(x, self.UPLO))  # type: ignore[call-overload]

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (w, v), (g_w, g_v) = outputs, output_grads
        turned, left = adjoint(v), []
        if given(g_w):
            left.append(mul(v, row(cast(g_w, v.type.dtype))))
        if given(g_v):
            left.append(products(v, mul(products(turned, g_v), cast(_inverse_gaps(w), v.type.dtype))))
        g = fold_lower(products(add(*left) if len(left) > 1 else left[0], turned))
        return [g if self.UPLO == "L" else adjoint(g)]


def eigh(a: Any, UPLO: str = "L") -> list[Variable]:
    """``[w, v]``: eigenvalues in ascending order and eigenvectors (columns) of the Hermitian matrices of a stack, as
    ``numpy.linalg.eigh`` (Theano's ``nlinalg.eigh``). Only the lower or upper triangle (``UPLO``) is read.

    >>> import numpy as np
    >>> eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))[0].eval()
    array([1., 3.])
    """
    result: list[Variable] = Eigh(UPLO)(a)
    return result


def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Variable:
    """The eigenvalues of Hermitian matrices, or those ``w`` with ``a v = w b v`` where ``b``, positive definite, is
    given (Theano's ``slinalg.eigvalsh``). Only the lower triangles are read, the upper ones if not ``lower``."""
    a = as_matrix("eigvalsh", a)
    if b is None:
        return eigh(a, "L" if lower else "U")[0]
    b = as_matrix("eigvalsh", b)
    a, b = (a, b) if lower else (adjoint(a), adjoint(b))
    factor = cholesky(b)
    whole = add(tril(a), adjoint(tril(a, -1)))
    return eigh(solve_triangular(factor, adjoint(solve_triangular(factor, whole, lower=True)), lower=True))[0]


# -- singular values -------------------------------------------------------------------------------------------------


class SVD(MatrixOp):
    """Singular values and vectors (Theano's op); see `svd`."""

    without = {"native": "a host call: LAPACK through NumPy"}
    trouble = NO_CONVERGENCE

    __props__ = ("full_matrices", "compute_uv")
    square = False

    def __init__(self, full_matrices: Any = True, compute_uv: Any = True) -> None:
        self.full_matrices = bool(full_matrices) and bool(compute_uv)
        self.compute_uv = bool(compute_uv)

    def results(self, m: Any, n: Any, k: Any) -> list[tuple[str, tuple[Any, ...]]]:
        rows, columns = (m, n) if self.full_matrices else (k, k)
        return [("", (m, rows)), ("real", (k,)), ("", (columns, n))] if self.compute_uv else [("real", (k,))]

    def value(self, x: Any) -> Any:
        found = np.linalg.svd(x, self.full_matrices, self.compute_uv)  # type: ignore[call-overload]
        return tuple(found) if self.compute_uv else found

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> Sequence[Any]:
        (x,) = inputs
        u, s, vh = outputs if self.compute_uv else SVD(False)(x)
        g_u, g_s, g_vh = output_grads if self.compute_uv else (None, output_grads[0], None)
        dtype, k = x.type.dtype, d.minimum(*shape_of(x)[-2:])
        sides = [u, adjoint(vh)]
        first = [getitem(side, (..., slice(k))) for side in sides]
        terms = []
        if given(g_s):
            terms.append(products(mul(first[0], row(cast(g_s, dtype))), adjoint(first[1])))
        gaps = cast(_inverse_gaps(mul(s, s)), dtype)
        inverse = row(cast(true_div(1, switch(eq(s, 0), np.array(np.inf, "float32"), s)), dtype))
        for at, g in enumerate((g_u, adjoint(g_vh) if g_vh is not None and given(g_vh) else None)):
            if not given(g):
                continue
            own, other, g_first = first[at], first[1 - at], getitem(g, (..., slice(k)))
            both = products(adjoint(own), g_first)
            turn = mul(both, gaps)
            inside = mul(add(turn, adjoint(turn)), row(cast(s, dtype)))
            if at == 0 and is_complex(dtype):  # the phase that u and v share is left to u
                phase = mul(cast(imag(diagonal_of(both)), dtype), np.complex64(1j))
                inside = add(inside, mul(with_diagonal(phase), inverse))
            outside = sub(g_first, products(own, both))
            if self.full_matrices:
                late = (..., slice(k, None))
                outside = sub(outside, products(getitem(sides[at], late), adjoint(getitem(g, late)), own))
            term = products(add(products(own, inside), mul(outside, inverse)), adjoint(other))
            terms.append(term if at == 0 else adjoint(term))
        return [add(*terms) if len(terms) > 1 else terms[0]]


def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    """``[u, s, vh]`` with ``a == u diag(s) vh``, the values descending, for the matrices of a stack, as
    ``numpy.linalg.svd`` (Theano's ``nlinalg.svd``); the values alone where not ``compute_uv``.

    With ``full_matrices``, ``u`` and ``vh`` are square; otherwise they have as many columns and rows as values.
    LinAlgError where the iteration does not converge, as of nan.

    >>> svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False).eval()
    array([4., 3.])
    """
    return SVD(full_matrices, compute_uv)(a)
