"""Linear algebra with the names of ``theano.tensor.slinalg``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from symtensor.graph.variable import Variable
from symtensor.ops.linalg_factor import eigvalsh, lu, lu_factor
from symtensor.ops.linalg_more import Expm, expm, kron
from symtensor.ops.linalg_solve import (
    Cholesky,
    Solve,
    cho_solve,
    cholesky,
    solve,
    solve_lower_triangular,
    solve_triangular,
    solve_upper_triangular,
)

__all__ = ["Cholesky", "Eigvalsh", "Expm", "Solve", "cho_solve", "cholesky", "eigvalsh", "expm", "kron", "lu",
           "lu_factor", "solve", "solve_lower_triangular", "solve_triangular", "solve_upper_triangular"]


def Eigvalsh(lower: bool = True) -> Callable[..., Variable]:
    """`eigvalsh` with a triangle chosen beforehand."""
    return partial(eigvalsh, lower=lower)
