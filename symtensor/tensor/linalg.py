"""Linear algebra with NumPy's and SciPy's names: ``T.linalg``. Matrices may be stacks of them.

>>> from symtensor import tensor as T
>>> T.linalg.solve(T.dtensor3(), T.dtensor3()).type
TensorType(float64, 3D)
"""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Variable
from symtensor.ops.blas import inner, matmul, outer, tensordot
from symtensor.ops.linalg import det, inv, logdet, slogdet
from symtensor.ops.linalg_factor import eig, eigh, lu, lu_factor, qr, svd
from symtensor.ops.linalg_more import (
    expm,
    kron,
    lstsq,
    matrix_dot,
    matrix_power,
    norm,
    pinv,
    tensorinv,
    tensorsolve,
)
from symtensor.ops.linalg_solve import cho_solve, cholesky, solve, solve_triangular
from symtensor.ops.triangle import diagonal as _diagonal
from symtensor.ops.triangle import trace as _trace

__all__ = ["cho_solve", "cholesky", "det", "diagonal", "eig", "eigh", "eigvalsh", "expm", "inner", "inv",
           "kron", "logdet", "lstsq", "lu", "lu_factor", "matmul", "matrix_dot", "matrix_power", "norm",
           "outer", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "tensordot", "tensorinv",
           "tensorsolve", "trace"]


def eigvalsh(a: Any, UPLO: str = "L") -> Variable:
    """The eigenvalues of Hermitian matrices, as ``numpy.linalg.eigvalsh``; of two see ``slinalg.eigvalsh``."""
    values: Variable = eigh(a, UPLO)[0]
    return values


def diagonal(x: Any, offset: Any = 0) -> Variable:
    """The diagonals of the matrices of a stack, as ``numpy.linalg.diagonal``."""
    return _diagonal(x, offset, -2, -1)


def trace(x: Any, offset: Any = 0) -> Variable:
    """The sums of the diagonals of the matrices of a stack, as ``numpy.linalg.trace``."""
    return _trace(x, offset, -2, -1)
