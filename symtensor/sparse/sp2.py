"""Random sparse matrices, and `sampling_dot`: Theano's ``sparse.sandbox.sp2``.

Every variable has a state of its own, which functions that use it advance; `seed` says where those made next begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symtensor.graph.variable import Variable
from symtensor.ops import random_functions as dense
from symtensor.ops.random import key_of, random_state_type
from symtensor.ops.sparse import SparseType, as_sparse_variable, csm_properties
from symtensor.ops.sparse_math import csc_from_dense, csr_from_dense, dense_from_sparse, with_data
from symtensor.ops.sparse_select import sampling_dot
from symtensor.ops.tensor_variable import TensorSharedVariable

__all__ = ["Binomial", "Multinomial", "Poisson", "csc_dbinomial", "csc_fbinomial", "csr_dbinomial", "csr_fbinomial",
           "multinomial", "poisson", "sampling_dot", "seed"]

_next = [key_of(None)]


def seed(value: int | None = None) -> None:
    """Seed the variables made from now on; None: by nobody's choice."""
    _next[0] = key_of(value)


def _draw(function: Callable[..., tuple[Variable, Variable]], **parameters: Any) -> Variable:
    state = TensorSharedVariable(random_state_type, np.array([_next[0], 0], np.uint64))
    _next[0] = (_next[0] + 1) % 2**64
    state.default_update, sample = function(state, **parameters)
    return sample


class Poisson:
    """``Poisson()(x)``: a matrix with the positions of ``x`` and Poisson numbers, of which ``x`` holds the means.

    >>> Poisson()(SparseType("csr", "float32")("x")).type
    Sparse[float32, csr]
    """

    def __call__(self, x: Any) -> Variable:
        x = as_sparse_variable(x)
        return with_data(x, _draw(dense.poisson, lam=csm_properties(x)[0], dtype=x.type.dtype))


class Binomial:
    """``Binomial(format, dtype)(n, p, shape)``: how many of n trials succeed with probability p, a matrix of them."""

    def __init__(self, format: str, dtype: Any) -> None:
        self.type = SparseType(format, dtype)

    def __call__(self, n: Any, p: Any, shape: Any) -> Variable:
        make = csr_from_dense if self.type.format == "csr" else csc_from_dense
        return make(_draw(dense.binomial, size=shape, n=n, p=p, ndim=2, dtype=self.type.dtype))


class Multinomial:
    """``Multinomial()(n, p)``: for each row of the sparse ``p``, which holds probabilities, how often each of its
    columns came in ``n`` (a scalar, or a number for each row) draws."""

    def __call__(self, n: Any, p: Any) -> Variable:
        p = as_sparse_variable(p)
        drawn = _draw(dense.multinomial, n=n, pvals=dense_from_sparse(p), dtype=p.type.dtype)
        return csr_from_dense(drawn) if p.type.format == "csr" else csc_from_dense(drawn)


poisson, multinomial = Poisson(), Multinomial()
csr_fbinomial, csc_fbinomial, csr_dbinomial, csc_dbinomial = (
    Binomial(format, dtype) for dtype in ("float32", "float64") for format in ("csr", "csc"))
