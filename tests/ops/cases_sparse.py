"""Cases of sparse matrices, made from dense ones: products, sums, selection, stacks. See tests/sparse for the rest."""

from __future__ import annotations

import numpy as np
from cases import case

from symtensor import sparse
from symtensor import tensor as T


def matrix(n, d):
    return [d(n, n + 1)]


def two(n, d):
    return [d(n, n + 1), d(n, n + 1)]


def product(n, d):
    return [d(n, 3), d(3, n + 1)]


csr, csc = sparse.csr_from_dense, sparse.csc_from_dense


def sparse_case(name, *rest, **fields):
    """A case in float64: tests/sparse has the other dtypes."""
    case(f"sparse/{name}", *rest, dtypes="d", **fields)


for kind, make in (("csr", csr), ("csc", csc)):
    sparse_case(f"{kind} dot", lambda x, y, make=make: sparse.dot(make(x), y), np.matmul, product)
    sparse_case(f"{kind} sampling_dot",
                lambda x, y, make=make: sparse.sampling_dot(x, y.T, make(T.dot(x, y))).toarray(),
                lambda x, y: (x @ y) ** 2, lambda n, d: [d.positive(n, 3), d.positive(3, n + 1)])
sparse_case("dense dot", lambda x, y: sparse.dot(x, csr(y)), np.matmul, product)
sparse_case("true_dot", lambda x, y: sparse.true_dot(csr(x), csc(y)).toarray(), np.matmul, product)
sparse_case("dot vector", lambda x, y: sparse.dot(csr(x), y[:, 0]), lambda x, y: x @ y[:, 0], product)
sparse_case("add", lambda x, y: (csc(x) + csr(y)).toarray(), np.add, two)
sparse_case("mul", lambda x, y: (csc(x) * csr(y)).toarray(), np.multiply, two)
sparse_case("mul dense", lambda x, y: (csc(x) * y).toarray(), np.multiply, two)
sparse_case("sums", lambda x: [csc(x).sum(0), csc(x).sum(1), sparse.diag(csc(x))],
            lambda x: [x.sum(0), x.sum(1), np.diag(x)], matrix)
sparse_case("getitem", lambda x: [csc(x)[1:].toarray(), csc(x)[:, ::-1].toarray(), csc(x)[0, 1]],
            lambda x: [x[1:], x[:, ::-1], x[0, 1]], matrix, sizes=(1, 2, 4))
sparse_case("vstack", lambda x, y: sparse.vstack([csc(x), csc(y)]).toarray(), lambda x, y: np.vstack([x, y]), two)
