"""Linear algebra with the names of ``theano.tensor.nlinalg``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from symtensor.graph.variable import Variable
from symtensor.ops.linalg import Det, MatrixInverse, SLogDet, det, inv, logdet, slogdet
from symtensor.ops.linalg_factor import QR, SVD, Eig, Eigh, eig, eigh, qr, svd
from symtensor.ops.linalg_more import (
    MatrixPinv,
    lstsq,
    matrix_dot,
    matrix_power,
    norm,
    pinv,
    tensorinv,
    tensorsolve,
)
from symtensor.ops.triangle import diag, diagonal, trace

__all__ = ["AllocDiag", "Det", "Eig", "Eigh", "ExtractDiag", "MatrixInverse", "MatrixPinv", "QRFull",
           "QRIncomplete", "SLogDet", "SVD", "TensorInv", "TensorSolve", "alloc_diag", "det", "diag", "eig",
           "eigh", "extract_diag", "inv", "logdet", "lstsq", "matrix_dot", "matrix_inverse", "matrix_power",
           "norm", "pinv", "qr", "slogdet", "svd", "tensorinv", "tensorsolve", "trace"]

matrix_inverse, alloc_diag, extract_diag = inv, diag, diagonal
QRFull = QRIncomplete = QR


def AllocDiag() -> Callable[..., Variable]:
    """`diag`: the matrix with a vector on its diagonal."""
    return diag


def ExtractDiag(view: bool = False) -> Callable[..., Variable]:
    """`diagonal`: the diagonal of a matrix."""
    return diagonal


def TensorInv(ind: int = 2) -> Callable[..., Variable]:
    """`tensorinv` with ``ind`` chosen beforehand."""
    return partial(tensorinv, ind=ind)


def TensorSolve(axes: Sequence[int] | None = None) -> Callable[..., Variable]:
    """`tensorsolve` with axes chosen beforehand."""
    return partial(tensorsolve, axes=axes)
