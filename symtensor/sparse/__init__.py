"""Sparse matrices: what users type as ``sparse`` (Theano's ``theano.sparse``).

>>> import numpy as np
>>> import symtensor
>>> from symtensor import sparse, tensor as T
>>> x, w = sparse.csr_matrix("x", "float64"), T.dvector("w")
>>> f = symtensor.function([x, w], sparse.dot(x, w))
>>> import scipy.sparse
>>> f(scipy.sparse.csr_matrix([[1.0, 0.0], [0.0, 2.0]]), np.array([1.0, 10.0]))
array([ 1., 20.])
"""

from __future__ import annotations

from symtensor.sparse.basic import *  # noqa: F403
from symtensor.sparse.basic import __all__ as __all__
from symtensor.sparse.basic import _is_dense, _is_dense_variable, _is_sparse, _is_sparse_variable  # noqa: F401

enable_sparse = True
