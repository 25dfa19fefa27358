"""The functions of sparse matrices against SciPy and NumPy: native code and the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from matrices import FORMATS, KINDS, ONE_FORMAT, draw, messy, same, samples, variable

import symtensor
from symtensor import sparse
from symtensor import tensor as T

pytestmark = pytest.mark.compiler

UNARY = {
    "toarray": (lambda x: x.toarray(), lambda a: a),
    "transpose": (lambda x: x.T, lambda a: a.T),
    "neg": (lambda x: -x, lambda a: -a),
    "tocsr": (lambda x: x.tocsr(), lambda a: a),
    "tocsc": (lambda x: x.tocsc(), lambda a: a),
    "sum": (lambda x: x.sum(), lambda a: a.sum(dtype=a.dtype)),
    "sum of columns": (lambda x: x.sum(axis=0), lambda a: a.sum(axis=0, dtype=a.dtype)),
    "sum of rows": (lambda x: sparse.sp_sum(x, axis=-1), lambda a: a.sum(axis=1, dtype=a.dtype)),
    "diag": (sparse.diag, np.diag),
    "x + x": (lambda x: x + x, lambda a: a + a),
    "x + its other format": (lambda x: x + x.tocsc() + x.tocsr(), lambda a: a + a + a),
    "x - x": (lambda x: x - x, lambda a: a - a if a.dtype != bool else a ^ a),
    "x * x": (lambda x: x * x, lambda a: a * a),
    "x * 3": (lambda x: x * np.int8(3), lambda a: a * np.int8(3)),
    "x + dense": (lambda x: x + x.toarray(), lambda a: a + a),
    "x * dense": (lambda x: x * (x.toarray() + np.int8(1)), lambda a: a * (a + np.int8(1))),
    "x * vector": (lambda x: x * T.arange(x.shape[1]), lambda a: a * np.arange(a.shape[1])),
    "row_scale": (lambda x: sparse.row_scale(x, T.arange(x.shape[0])), lambda a: a * np.arange(len(a))[:, None]),
    "col_scale": (lambda x: sparse.col_scale(x, T.arange(x.shape[1])), lambda a: a * np.arange(a.shape[1])),
    "zeros": (sparse.sp_zeros_like, np.zeros_like),
    "clean": (sparse.clean, lambda a: a),
    "sorted": (sparse.ensure_sorted_indices, lambda a: a),
    "shape": (lambda x: x.shape, np.shape),
    "cast": (lambda x: x.astype("complex64"), lambda a: a.astype("complex64")),
    "x.dot(x.T)": (lambda x: x.dot(x.T), lambda a: a @ a.T),
    "x.T.dot(x)": (lambda x: T.dot(x.T, x), lambda a: a.T @ a),
    "sparse.dot(x, x.T)": (lambda x: sparse.dot(x, x.T), lambda a: a @ a.T),
    "dot with dense": (lambda x: sparse.dot(x, x.toarray().T), lambda a: a @ a.T),
    "dense dot": (lambda x: sparse.dot(x.toarray().T, x), lambda a: a.T @ a),
    "hstack": (lambda x: sparse.hstack([x, x.tocsc(), x]), lambda a: np.hstack([a, a, a])),
    "vstack": (lambda x: sparse.vstack([x, x], format="csr"), lambda a: np.vstack([a, a])),
    "eq": (lambda x: sparse.eq(x, -x.T.T), lambda a: a == -a),
    "neq": (lambda x: sparse.neq(x, x.T.T * np.int8(2)), lambda a: a != a * np.int8(2)),
    "slice": (lambda x: x[1:3], lambda a: a[1:3]),
    "columns": (lambda x: x[:, 1:], lambda a: a[:, 1:]),
    "both": (lambda x: x[::-1, -2:], lambda a: a[::-1, -2:]),
}
REAL = {
    "lt": (lambda x: x < -x, lambda a: a < -a),
    "gt": (lambda x: x > -x, lambda a: a > -a),
    "le": (lambda x: x <= -x, lambda a: a <= -a),
    "ge dense": (lambda x: x >= -x.toarray(), lambda a: a >= -a),
}


def skipped(name, dtype):
    kind = np.dtype(dtype).kind
    return (kind == "c" and name in REAL) or (kind == "b" and name in (
        "neg", "x - x", "eq", "neq", "lt", "gt", "le", "ge dense")) or (kind == "u" and name in REAL)


@pytest.mark.parametrize(("format", "dtype"), KINDS)
def test_against_numpy(format: str, dtype: str) -> None:
    """Every function, on every kind of matrix: one compiled function for all of them."""
    table = {name: pair for name, pair in {**UNARY, **REAL}.items() if not skipped(name, dtype)}
    x = sparse.matrix(format, "x", dtype)
    outputs = [build(x) for build, _ in table.values()]
    native = symtensor.function([x], outputs)
    assert native.backend == "c"
    assert not native.maker.compiled.code.hosts  # nothing calls back into Python
    modes = [native] if dtype not in ("float64", "int32") else [
        native, symtensor.function([x], outputs, mode="INTERPRETER")]
    for kind, matrix in samples(format, dtype).items():
        before = matrix.copy()
        for f in modes:
            for (name, (_, reference)), out, found in zip(table.items(), outputs, f(matrix), strict=True):
                wanted = reference(matrix.toarray())
                try:
                    same(found, wanted, dtype)
                    assert found.dtype == out.type.dtype
                    assert not sp.issparse(found) or found.format == out.type.format
                except AssertionError as error:
                    raise AssertionError(f"{name} of {kind}, {f.backend}: {error}") from error
        assert (before != matrix).nnz == 0


@pytest.mark.parametrize("format", ONE_FORMAT)
def test_elementwise_functions(format: str) -> None:
    a = draw(format) * 0.4
    names = ["sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "expm1", "log1p", "deg2rad",
             "rad2deg", "ceil", "floor", "trunc", "rint", "conj"]
    x = variable(a)
    outputs = [*(getattr(sparse, name)(x) for name in names), sparse.sgn(x), sparse.sqrt(sparse.sqr(x))]
    p = a.toarray()
    wanted = [*(getattr(np, name)(p) for name in names), np.sign(p), abs(p)]
    for found, w in zip(symtensor.function([x], outputs)(a), wanted, strict=True):
        same(found, w)


@pytest.mark.parametrize("format", FORMATS)
def test_structured_functions_keep_positions(format: str) -> None:
    a = draw(format)
    x = variable(a)
    table = {
        sparse.structured_exp(x): np.exp, sparse.structured_sigmoid(x): lambda v: 1 / (1 + np.exp(-v)),
        sparse.structured_pow(x, 2): lambda v: v**2, sparse.structured_minimum(x, 0.5): lambda v: np.minimum(v, 0.5),
        sparse.structured_maximum(x, 0.5): lambda v: np.maximum(v, 0.5),
        sparse.structured_add(x, 1.5): lambda v: v + 1.5,
        sparse.structured_log(sparse.sqr(x)): lambda v: np.log(v**2), sparse.sp_ones_like(x): np.ones_like,
        x.ones_like(): np.ones_like,
    }
    for found, reference in zip(symtensor.function([x], list(table))(a), table.values(), strict=True):
        np.testing.assert_array_equal(found.indices, a.indices)
        np.testing.assert_allclose(found.data, reference(a.data), rtol=1e-14)
    v = T.dvector("v")
    found = symtensor.function([x, v], sparse.structured_add_s_v(x, v))(a, np.arange(4.0))
    same(found, (a.toarray() + np.arange(4.0)) * (a.toarray() != 0))


@pytest.mark.parametrize("format", FORMATS)
def test_sums_of_different_matrices(format: str) -> None:
    a, b = draw(format), draw(format, seed=7)
    x, y = variable(a), variable(b, "y")
    c = b.asformat("csc" if format == "csr" else "csr")
    z = variable(c, "z")
    f = symtensor.function([x, y, z], [x + y, x - z, x * y, x * z, sparse.neq(x, y), x < z, sparse.eq(x, y)])
    p, q = a.toarray(), b.toarray()
    for found, wanted in zip(f(a, b, c), [p + q, p - q, p * q, p * q, p != q, p < q, p == q], strict=True):
        same(found, wanted)
    assert f(a, b, c)[2].nnz == ((p != 0) & (q != 0)).sum()


@pytest.mark.parametrize(("format", "dtype"), KINDS)
def test_products(format: str, dtype: str) -> None:
    a, b = draw(format, dtype, (5, 4)), draw("csc", dtype, (4, 70), seed=3)
    dense = b.toarray()
    x, y, d, v = variable(a), variable(b, "y"), T.matrix("d", dtype), T.vector("v", dtype)
    outputs = [sparse.dot(x, d), sparse.dot(d.T, x.T), x.dot(y), sparse.true_dot(x, y), sparse.dot(x, v), T.dot(x, d),
               x @ d, d.T @ x.T, sparse.structured_dot(x, d), sparse.usmm(2, x, d, sparse.dot(x, d))]
    f = symtensor.function([x, y, d, v], outputs)
    p = a.toarray()
    wanted = [p @ dense, dense.T @ p.T, p @ dense, p @ dense, p @ dense[:, 0], p @ dense, p @ dense, dense.T @ p.T,
              p @ dense]
    layouts = [dense, np.asfortranarray(dense), dense[:, ::-1][:, ::-1], np.repeat(dense, 2, 1)[:, ::2]]
    for layout in layouts if dtype == "float64" else layouts[:1]:
        for found, w in zip(f(a, b, layout, dense[:, 0]), [*wanted, 2 * (p @ dense) + p @ dense], strict=True):
            same(found, w, dtype)


def test_mixed_dtypes_meet() -> None:
    a = draw("csr", "int32")
    x, d = variable(a), T.fmatrix("d")
    assert sparse.dot(x, d).type.dtype == "float64"
    assert (x + x.astype("float32")).type.dtype == "float64"
    same(symtensor.function([x, d], sparse.dot(x, d))(a, np.ones((4, 2), "float32")), a.toarray() @ np.ones((4, 2)))


@pytest.mark.parametrize("format", ONE_FORMAT)
def test_selection(format: str) -> None:
    a = draw(format, shape=(6, 5), density=0.6)
    x, i, j = variable(a), T.lscalar("i"), T.lscalar("j")
    p = a.toarray()
    keys = [(2, 3), (-1, 0), slice(None), slice(1, -1), slice(None, None, 2), slice(4, None, -1), [3, 0, 0], 2, -1,
            (slice(None), [1, 1]), (slice(0, 2), slice(3, 1)), (2, slice(1, 3)), ([0, 5], slice(None)),
            (slice(None), -1), slice(9, 12)]
    wanted = [p[k] for k in keys]
    wanted = [w if np.ndim(w) != 1 else w[None] if not isinstance(k, tuple) or isinstance(k[0], int) else w[:, None]
              for k, w in zip(keys, wanted, strict=True)]
    f = symtensor.function([x], [x[k] for k in keys])
    for found, w, key in zip(f(a), wanted, keys, strict=True):
        same(found, w)
        assert sp.issparse(found) == (key not in ((2, 3), (-1, 0)))
    same(symtensor.function([x], x[[0, 2, 0, -1], [1, 1, 1, 4]])(a), p[[0, 2, 0, -1], [1, 1, 1, 4]])
    f = symtensor.function([x, i, j], [x[i, j], x[i:j], x[:, i:j], x[i]])
    for where in ((1, 4), (-3, -1), (0, 0)):
        first, second = where
        got = f(a, *where)
        for found, w in zip(got, [p[first, second], p[first:second], p[:, first:second], p[first][None]], strict=True):
            same(found, w)
    with pytest.raises(IndexError, match="out of"):
        f(a, 6, 0)
    with pytest.raises(IndexError, match="at most two"):
        x[1, 2, 3]


@pytest.mark.parametrize("format", FORMATS)
def test_from_dense_and_back(format: str) -> None:
    d = T.dmatrix("d")
    make = getattr(sparse, f"{format}_from_dense")
    f = symtensor.function([d], [make(d), sparse.dense_from_sparse(make(d))])
    for array in (draw(format).toarray(), np.zeros((0, 3)), np.zeros((2, 2)), np.ones((1, 1))):
        found, back = f(array)
        assert found.format == format
        assert found.nnz == np.count_nonzero(array)
        same(found, array)
        same(back, array)
    v = T.dvector("v")
    same(symtensor.function([v], make(v))(np.array([0.0, 2.0])), [[0.0, 2.0]])


@pytest.mark.parametrize("format", FORMATS)
def test_constructors(format: str) -> None:
    a = draw(format)
    parts = [T.dvector("data"), T.ivector("indices"), T.ivector("indptr"), T.lvector("shape")]
    x = sparse.CSM(format)(*parts)
    assert x.type == sparse.SparseType(format, "float64")
    same(symtensor.function(parts, x)(a.data, a.indices, a.indptr, np.array(a.shape)), a)
    kmap = np.arange(a.nnz)[::-1]
    mapped = sparse.CSM(format, kmap)(*parts)
    found = symtensor.function(parts, mapped)(a.data, a.indices, a.indptr, np.array(a.shape))
    np.testing.assert_array_equal(found.data, a.data[::-1])
    same(sparse.square_diagonal(np.array([1.0, 2.0])).eval(), np.diag([1.0, 2.0]))
    x, values, rows = T.dmatrix("x"), T.dmatrix("values"), T.lvector("rows")
    made = symtensor.function([x, values, rows], sparse.construct_sparse_from_list(x, values, rows))
    wanted = np.zeros((4, 2))
    np.add.at(wanted, [1, 3, 1], np.arange(6.0).reshape(3, 2))
    same(made(np.zeros((4, 2)), np.arange(6.0).reshape(3, 2), np.array([1, 3, 1])), wanted)


@pytest.mark.parametrize("format", FORMATS)
def test_sampling_dot(format: str) -> None:
    p = draw(format)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    x, y, z = T.dmatrix("x"), T.dmatrix("y"), variable(p)
    same(symtensor.function([x, y, z], sparse.sampling_dot(x, y, z))(a, b, p), p.toarray() * (a @ b.T))


def test_clean_removes_what_is_zero() -> None:
    a = messy("csr")
    x = variable(a)
    found = symtensor.function([x], sparse.clean(x))(a)
    assert found.nnz == 4
    assert found.has_sorted_indices
    assert (found.data != 0).all()
    same(found, a)


def test_long_unsorted_rows_are_sorted() -> None:
    """Many runs in one row, repeated columns, rows with nothing and with one element."""
    rng = np.random.default_rng(0)
    counts = np.array([0, 1, 500, 0, 37, 2])
    indices = rng.integers(0, 90, counts.sum()).astype("int32")
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype("int32")
    a = sp.csr_matrix((rng.normal(size=counts.sum()), indices, indptr), shape=(6, 90))
    x = variable(a)
    for mode in ("FAST_RUN", "INTERPRETER"):
        found, turned = symtensor.function([x], [sparse.ensure_sorted_indices(x), x.tocsc()], mode=mode)(a)
        same(found, a)
        same(turned, a)
        assert found.nnz == turned.nnz == len(set(zip(*a.nonzero(), strict=True)))
        for row in np.split(found.indices, found.indptr[1:-1]):
            assert (np.diff(row) > 0).all()
