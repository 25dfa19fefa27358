"""Gradients of sparse expressions: against differences on the stored elements and on the dense operands."""

from __future__ import annotations

import numpy as np
import pytest
from matrices import FORMATS, ONE_FORMAT, dense, draw, messy, same, variable

import symtensor
from symtensor import sparse
from symtensor import tensor as T

pytestmark = pytest.mark.compiler
RNG = np.random.default_rng(5)
DENSE, VECTOR, SQUARE = RNG.normal(size=(4, 3)), RNG.uniform(0.5, 2, 4), RNG.normal(size=(5, 4))

CASES = {
    "toarray": (sparse.dense_from_sparse,),
    "data": (sparse.csm_data,),
    "dot": (lambda x, d: sparse.dot(x, d), DENSE),
    "dense dot": (lambda x, d: sparse.dot(d.T, x.T), DENSE),
    "dot vector": (sparse.dot, VECTOR),
    "true_dot of sparse": (lambda x: sparse.true_dot(x, x.T),),
    "dot of dot": (lambda x, d: sparse.dot(x.T, sparse.dot(x, d) ** 2), DENSE),
    "usmm": (lambda x, d, z: sparse.usmm(0.5, x, d, z), DENSE, RNG.normal(size=(5, 3))),
    "sampling_dot": (lambda x, a, b: sparse.sampling_dot(a, b, x), RNG.normal(size=(5, 2)), RNG.normal(size=(4, 2))),
    "sums": (lambda x: sparse.sp_sum(x, 0) * sparse.sp_sum(x) + x.T.sum(axis=1, sparse_grad=True),),
    "diag": (lambda x: sparse.diag(sparse.true_dot(x, x.T)),),
    "sparse sum": (lambda x: x + x.tocsc() * 2 - x.tocsr(),),
    "sparse product": (lambda x: x * x.tocsc() * x.tocsr(),),
    "with dense": (lambda x, d: x + d + sparse.dense_from_sparse(x * d), SQUARE),
    "scaled": (lambda x, v: sparse.col_scale(x, v) * v.sum() * v, VECTOR),
    "row_scale": (lambda x, d: sparse.row_scale(x, d[:, 0]), SQUARE),
    "structured": (lambda x: sparse.structured_sigmoid(sparse.sqr(x)) + sparse.structured_pow(x, 3),),
    "structured_add_s_v": (sparse.structured_add_s_v, VECTOR),
    "stack": (lambda x: sparse.hstack([x, sparse.sin(x)]) + sparse.vstack([x.T, x.T]).T * 2,),
    "selection": (lambda x: x[1:4].sum() * x[0, 1] * x[[2, 2], [1, 0]] + x[::-1, [0, 0]].sum(),),
    "clean": (lambda x: sparse.clean(x) * 2 + sparse.ensure_sorted_indices(x),),
    "from dense": (lambda x: sparse.csc_from_dense(x.toarray() ** 2),),
    "square_diagonal": (lambda x, v: sparse.dot(x, sparse.square_diagonal(v * v)), VECTOR),
    "construct": (lambda x, d: sparse.construct_sparse_from_list(x.toarray(), d, [1, 1, 0, 2, 3]) + x, SQUARE),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_against_differences(name: str, format: str) -> None:
    fun, *points = CASES[name]
    sparse.verify_grad_sparse(fun, [draw(format), *points], n_tests=1, abs_tol=1e-7, rel_tol=1e-7)


@pytest.mark.parametrize("format", ONE_FORMAT)
def test_native_gradients_are_the_interpreters(format: str) -> None:
    """All cases in one function, first and second order; unsorted and repeated indices too."""
    x = sparse.matrix(format, "x", "float64")
    outputs = []
    for fun, *points in CASES.values():
        found = fun(x, *map(T.constant, points))
        found = sparse.csm_data(found) if sparse._is_sparse(found) else found
        first = symtensor.grad((found**2).sum(), x, disconnected_inputs="ignore")
        outputs += [first, symtensor.grad((sparse.csm_data(first) ** 2).sum(), x, disconnected_inputs="ignore")]
    native = symtensor.function([x], outputs)
    interpreted = symtensor.function([x], outputs, mode="INTERPRETER")
    assert native.backend == "c"
    assert interpreted.backend == "py"
    shaped = messy(format)
    shaped = shaped.T.asformat(format) if shaped.shape != (5, 4) else shaped
    for matrix in (draw(format), draw(format, density=0.0), shaped):
        for found, wanted in zip(native(matrix), interpreted(matrix), strict=True):
            assert found.format == format
            assert found.nnz == matrix.nnz
            np.testing.assert_array_equal(found.indices, matrix.indices)
            np.testing.assert_allclose(found.data, wanted.data, rtol=1e-9, atol=1e-9)


def test_gradients_of_intermediate_variables() -> None:
    a = draw("csr")
    x = variable(a)
    y = x * 3
    cost = (sparse.dot(y, DENSE) ** 2).sum()
    gx, gy = symtensor.grad(cost, [x, y])
    f = symtensor.function([x], [gx, gy])
    found = f(a)
    same(found[0], dense(found[1]) * 3)
    same(found[1], 2 * (dense(a) * 3 @ DENSE @ DENSE.T) * (dense(a) != 0))
    with pytest.raises(symtensor.DisconnectedInputError):
        symtensor.grad(x.shape.sum() * 1.0, x)
    assert symtensor.function([x], symtensor.grad(x.shape.sum() * 1.0, x, disconnected_inputs="ignore"))(a).nnz == 0
    fixed = symtensor.grad(cost, x, consider_constant=[y], disconnected_inputs="ignore")
    assert symtensor.function([x], fixed, on_unused_input="ignore")(a).nnz == 0


@pytest.mark.parametrize("format", FORMATS)
def test_elements_at_one_position_have_one_gradient(format: str) -> None:
    """Also on the way through several sparse variables, forward and back; no positions are sorted for it."""
    a = messy(format)
    x = variable(a)
    weights = np.arange(1.0, 1 + np.prod(a.shape)).reshape(a.shape)
    out = sparse.dense_from_sparse(((x * 2) * 3).T * 5) * weights.T
    gradient = symtensor.grad(out.sum(), x)
    f = symtensor.function([x], gradient)
    places = [np.repeat(np.arange(len(a.indptr) - 1), np.diff(a.indptr)), a.indices]
    row, column = places if format == "csr" else reversed(places)
    np.testing.assert_allclose(f(a).data, 30 * weights[row, column])
    assert not any("Coalesce" in str(node.op) for node in f.maker.fgraph.order)
    data, tangent = T.dvector("data"), T.dvector("tangent")
    y = sparse.CSM(format)(data, a.indices, a.indptr, np.array(a.shape)) * 4
    forward = symtensor.function([data, tangent], symtensor.Rop(sparse.dense_from_sparse(y), data, tangent),
                                 on_unused_input="ignore")
    same(forward(a.data, a.data + 1), 4 * (dense(a) + _counts(a)))


def _counts(a):
    """How many elements are stored at each position."""
    counted = a.copy()
    counted.data = np.ones_like(a.data)
    return dense(counted)


def test_gradients_given_on_other_positions() -> None:
    """A cotangent may store other elements than the variable: what it has at the variable's positions counts."""
    a, b = draw("csr"), draw("csr", seed=9)
    data = T.dvector("data")
    x = sparse.CSR(data, a.indices, a.indptr, np.array(a.shape))
    y = sparse.csr_matrix("y", "float64")
    found = symtensor.function([data, y], symtensor.Lop(x, data, y), on_unused_input="ignore")(a.data, b)
    np.testing.assert_allclose(found, b.toarray()[a.nonzero()])


def test_forward_mode() -> None:
    a, t = draw("csc"), draw("csc", seed=0)
    t.data = np.arange(1.0, 1 + t.nnz)
    x, d = variable(a), T.dmatrix("d")
    s = variable(t, "t")
    out = sparse.dot(sparse.sqr(x), d)
    f = symtensor.function([x, s, d], symtensor.Rop(out, [x, d], [s, d]))
    wanted = (2 * dense(a) * dense(t)) @ DENSE + dense(a) ** 2 @ DENSE
    same(f(a, t, DENSE), wanted)


def test_complex_data() -> None:
    a = draw("csr", "complex128")
    x, d = variable(a), T.zmatrix("d")
    b = DENSE + 1j
    product = sparse.dot(x, d)
    cost = (product.real**2 + product.imag**2).sum()
    gx, gd = symtensor.function([x, d], symtensor.grad(cost, [x, d]))(a, b)
    assert gx.dtype == gd.dtype == np.complex128
    y = T.zmatrix("y")
    dense_product = T.dot(y, d)
    dense_cost = (dense_product.real**2 + dense_product.imag**2).sum()
    wy, wd = symtensor.function([y, d], symtensor.grad(dense_cost, [y, d]))(dense(a), b)
    same(gx, wy * (dense(a) != 0))
    same(gd, wd)


def test_float32_stays_float32() -> None:
    a = draw("csr", "float32")
    x, w = variable(a), T.fmatrix("w")
    gx, gw = symtensor.grad(T.tanh(sparse.dot(x, w)).sum(), [x, w])
    assert gx.type == x.type
    assert gw.type.dtype == "float32"
    f = symtensor.function([x, w], [gx, gw])
    found = f(a, DENSE.astype("float32"))
    slope = 1 - np.tanh(dense(a) @ DENSE) ** 2
    same(found[0], slope @ DENSE.T * (dense(a) != 0), "float32")
    same(found[1], dense(a).T @ slope, "float32")


def test_logistic_regression_learns() -> None:
    """Sparse features in minibatches of a shared matrix; the optimized program is native."""
    rng = np.random.default_rng(1)
    features = draw("csr", "float64", (400, 60), 0.1, seed=2)
    weights = rng.normal(size=60)
    labels = (features @ weights > 0).astype("float64")
    data, target = symtensor.shared(features), symtensor.shared(labels)
    w, b, at = symtensor.shared(np.zeros(60)), symtensor.shared(0.0), T.lscalar("at")
    x, y = sparse.csr_matrix("x", "float64"), T.dvector("y")
    p = T.nnet.sigmoid(sparse.dot(x, w) + b)
    cost = T.nnet.binary_crossentropy(p, y).mean()
    gw, gb = symtensor.grad(cost, [w, b])
    batch = slice(at * 50, (at + 1) * 50)
    train = symtensor.function([at], cost, updates=[(w, w - 8.0 * gw), (b, b - 8.0 * gb)],
                               givens={x: data[batch], y: target[batch]})
    assert train.backend == "c"
    first = np.mean([train(k) for k in range(8)])
    for _ in range(30):
        last = np.mean([train(k) for k in range(8)])
    assert last < 0.3 * first
    predict = symtensor.function([x], p > 0.5)
    assert (predict(features) == labels).mean() > 0.95
