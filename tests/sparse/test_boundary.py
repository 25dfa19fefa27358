"""Where values meet programs: types, arguments, shared variables, states, copies, pickles, printing, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from matrices import FORMATS, dense, draw, messy, same, variable

import symtensor
from symtensor import In, Out, function, shared, sparse
from symtensor import tensor as T

pytestmark = pytest.mark.compiler


def test_types() -> None:
    kind = sparse.SparseType("csr", "float32")
    assert kind == sparse.csr_fmatrix == pickle.loads(pickle.dumps(kind))
    assert hash(kind) == hash(sparse.csr_fmatrix)
    assert kind != sparse.csc_fmatrix
    assert kind.ndim == 2
    assert "int64" in sparse.SparseType.dtype_set
    assert sparse.csr_matrix("x").type == sparse.SparseType("csr", symtensor.config.floatX)
    assert sparse.csc_matrix("x", "int64").type.dtype == "int64"
    assert sparse.csr_dmatrix("x").name == "x"
    x = sparse.csr_matrix(name="x", dtype="float32")
    assert (x.ndim, x.format, x.dtype, x.broadcastable) == (2, "csr", "float32", (False, False))
    assert sparse._is_sparse_variable(x)
    assert not sparse._is_sparse_variable(T.dmatrix())
    assert sparse._is_dense_variable(T.dmatrix())
    assert sparse._is_sparse(draw("csr"))
    assert not sparse._is_dense(x)
    assert sparse.enable_sparse
    again = pickle.loads(pickle.dumps([x, sparse.structured_exp(x)]))
    assert again[0].type == x.type
    assert again[1].type == x.type
    with pytest.raises(ValueError, match="'csr' or 'csc', got 'coo'"):
        sparse.SparseType("coo", "float32")
    with pytest.raises(NotImplementedError, match="float16"):
        sparse.SparseType("csr", "float16")


def test_what_an_argument_may_be() -> None:
    x = sparse.csr_matrix("x", "float64")
    f = function([x], x)
    a = draw("csr")
    for value in (a, a.tocsc(), a.tocoo(), a.astype("float32"), sp.csr_array(a), a.toarray(), a.astype("int32")):
        found = f(value)
        assert isinstance(found, sp.csr_matrix)
        assert found.dtype == np.float64
        np.testing.assert_allclose(dense(found), dense(value))
    long = sp.csr_matrix((a.data, a.indices.astype("int64"), a.indptr.astype("int64")), shape=a.shape)
    long.indices, long.indptr = long.indices.astype("int64"), long.indptr.astype("int64")
    assert f(long).indices.dtype == np.int32
    padded = a.copy()
    padded.data, padded.indices = np.append(a.data, 9.0), np.append(a.indices, 1).astype("int32")
    same(f(padded), a)
    with pytest.raises(TypeError, match=r"argument 0 'x'.*complex128.*lose precision"):
        f(a.astype("complex128"))
    with pytest.raises(TypeError, match="expected a sparse matrix of dtype float64, got ndarray"):
        f(np.zeros(3))
    with pytest.raises(TypeError, match="symbolic variable"):
        f(x)
    with pytest.raises(TypeError, match="strict"):
        function([In(x, strict=True)], x)(a.tocsc())
    narrow = sparse.csr_matrix("narrow", "float32")
    assert function([narrow], narrow, allow_input_downcast=True)(a).dtype == np.float32


def test_results_share_nothing() -> None:
    a = draw("csr")
    x = variable(a)
    f = function([x], [x, x, Out(x * 1)])
    first, second, _ = f(a)
    for part in ("data", "indices", "indptr"):
        assert not np.shares_memory(getattr(first, part), getattr(a, part))
        assert not np.shares_memory(getattr(first, part), getattr(second, part))


def test_outputs_by_name_defaults_and_keywords() -> None:
    a = draw("csc")
    x, y = variable(a), T.dscalar("y")
    f = function([In(x, value=a), In(y, value=2.0)], {"scaled": x * y, "sum": x.sum()})
    same(f()["scaled"], dense(a) * 2)
    same(f(y=3)["scaled"], dense(a) * 3)
    same(f(x=a * 2)["sum"], dense(a).sum() * 2)
    f[x] = a * 5
    same(f()["scaled"], dense(a) * 10)
    same(f["x"], a * 5)


@pytest.mark.parametrize("mode", ["FAST_RUN", "INTERPRETER"])
@pytest.mark.parametrize("format", FORMATS)
def test_shared_variables_and_updates(format: str, mode: str) -> None:
    a = draw(format)
    w, step = shared(a, "w"), shared(1.0, "step")
    assert isinstance(w, symtensor.SharedVariable)
    assert w.type == sparse.SparseType(format, "float64")
    f = function([], w.sum(), updates=[(w, w * 2 + w), (step, step + 1)], mode=mode)
    assert f.backend == ("c" if mode == "FAST_RUN" else "py")
    assert f.get_shared() == [w, step]
    f()
    np.testing.assert_allclose(f(), 3 * a.sum())
    same(w.get_value(), 9 * dense(a))
    assert w.get_value().format == format
    assert float(step.get_value()) == 3
    same(a, draw(format))  # the user's matrix is not touched
    w.set_value(draw(format, seed=4))
    same(w.get_value(), draw(format, seed=4))
    assert w.get_value(borrow=True) is w.get_value(borrow=True) is not w.get_value()
    w.zero()
    assert w.get_value().nnz == 0
    with pytest.raises(TypeError, match="strict|lose precision"):
        w.set_value(a.astype("complex64"))
    with pytest.raises(TypeError, match="update of w"):
        function([], updates=[(w, w.toarray())])
    same(function([], w * 1, updates=[(w, a)])(), np.zeros(a.shape))
    same(w.get_value(), a)


def test_an_error_leaves_shared_variables() -> None:
    a = draw("csr")
    w, n = shared(a), shared(0)
    x = T.dmatrix("x")
    f = function([x], sparse.dot(w, x), updates=[(w, w * 2), (n, n + 1)])
    with pytest.raises(ValueError, match=r"sparse dot.*dimension 0 is 7, but 4 is expected"):
        f(np.ones((7, 2)))
    same(w.get_value(), a)
    assert int(n.get_value()) == 0


@pytest.mark.parametrize("mode", ["FAST_RUN", "INTERPRETER"])
def test_states(mode: str) -> None:
    a = draw("csr")
    x, y = variable(a), T.dscalar("y")
    f = function([In(x, value=a, update=x * y), y], x.sum(), mode=mode)
    for power in range(3):
        np.testing.assert_allclose(f(y=2.0), a.sum() * 2**power)
    same(f[x], dense(a) * 8)
    np.testing.assert_allclose(f(x=a * 3, y=1.0), a.sum() * 3)
    copied = f.copy()
    copied(y=2.0)
    same(f[x], dense(a) * 3)
    same(copied[x], dense(a) * 6)
    w = shared(a)
    g = function([In(x, value=w), y], x * y)
    same(g(2.0), 2 * dense(a))


def test_copy_swap_and_pickle() -> None:
    a, b = draw("csr"), draw("csr", seed=3)
    w, v = shared(a, "w"), shared(b, "v")
    x = T.dvector("x")
    f = function([x], sparse.dot(w, x), updates=[(w, w * 2)], name="product")
    one = np.ones(4)
    same(f.copy(swap={w: v}, delete_updates=True)(one), b @ one)
    same(f.copy(delete_updates=True)(one), a @ one)
    g = pickle.loads(pickle.dumps(f))
    same(g(one), a @ one)
    same(g(one), 2 * (a @ one))
    same(f(one), a @ one)
    c = pickle.loads(pickle.dumps(sparse.constant(a) * 2))
    same(c.eval(), dense(a) * 2)


def test_givens_and_constants() -> None:
    a = draw("csr")
    x = variable(a)
    y = x * 2
    z = sparse.dot(y, np.ones((4, 1)))
    same(function([], z, givens={x: a})(), 2 * dense(a) @ np.ones((4, 1)))
    same(function([x], z, givens={y: x})(a), dense(a) @ np.ones((4, 1)))
    c = sparse.as_sparse_variable(a, name="c")
    assert c.name == "c"
    assert sparse.as_sparse(c) is c
    assert sparse.as_sparse_or_tensor_variable(1.0).type.ndim == 0
    same((x + a).eval({x: a}), 2 * dense(a))
    same((a + x).eval({x: a}), 2 * dense(a))
    same((x * a.toarray()).eval({x: a}), dense(a) ** 2)
    same((a.toarray() * x).eval({x: a}), dense(a) ** 2)
    assert sparse.constant(a).equals(sparse.constant(a.copy()))
    same((T.constant(a.toarray()) - x).eval({x: a}), np.zeros(a.shape))
    same((x.toarray() - x).eval({x: a}), np.zeros(a.shape))


def test_programs_hold_dense_variables_only() -> None:
    x = sparse.csr_matrix("x", "float64")
    f = function([x], sparse.structured_exp(x).T.tocsc() * 2)
    assert all(hasattr(v.type, "shape") for node in f.maker.fgraph.order for v in (*node.inputs, *node.outputs))
    assert not any("CSM" in str(node.op) for node in f.maker.fgraph.order)
    assert [str(node.op).partition("{")[0] for node in f.maker.fgraph.order] .count("Coalesce") == 0


class Doubled(symtensor.Op):
    """A user's op on sparse variables."""

    __props__ = ()

    def make_node(self, x):
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = inputs[0] * 2


def test_user_ops_run_on_the_interpreter() -> None:
    a = draw("csr")
    x, w = variable(a), shared(a)
    f = function([x], [Doubled()(x * 3), sparse.dot(Doubled()(x), np.ones(4))], updates=[(w, Doubled()(w))])
    assert f.backend == "py"
    assert "no tensor" in f.backend.reason
    first, second = f(a)
    same(first, dense(a) * 6)
    same(second, dense(a) * 2 @ np.ones(4))
    same(w.get_value(), dense(a) * 2)


def test_printing() -> None:
    x = sparse.csr_matrix("x", "float64")
    assert str(sparse.csc_dmatrix) == "Sparse[float64, csc]"
    assert str(x) == "x"
    assert "CSM{format='csr'}" in symtensor.debugprint(x * 2, file="str")
    assert "x" in symtensor.pp(sparse.dot(x, T.dvector("v")))
    assert "stored" in str(sparse.constant(draw("csr")))


def test_wrong_matrices_are_errors() -> None:
    """Parts that do not fit together never read wild memory."""
    parts = [T.dvector("data"), T.ivector("indices"), T.ivector("indptr"), T.lvector("shape")]
    d = T.dmatrix("d")
    good = [np.ones(3), [0, 1, 1], [0, 1, 3], [2, 2]]
    bad = {"index": (1, [0, 1, 9]), "negative index": (1, [0, -1, 1]), "falling": (2, [0, 5, 3]),
           "short": (2, [0, 1, 2]), "late": (2, [1, 1, 3]), "far": (2, [0, 1, 99])}
    for mode in ("FAST_RUN", "INTERPRETER"):
        for format in FORMATS:
            x = sparse.CSM(format)(*parts)
            product = sparse.dot(x, d)
            f = function([*parts, d], [product, symtensor.grad(product.sum(), parts[0])], mode=mode)
            g = function(parts, [x.toarray(), x.sum(0)], mode=mode)
            f(*good, np.ones((2, 2)))
            for at, value in bad.values():
                wrong = [value if k == at else part for k, part in enumerate(good)]
                with pytest.raises((ValueError, IndexError)):
                    f(*wrong, np.ones((2, 2)))
                if at == 2:
                    with pytest.raises((ValueError, IndexError)):
                        g(*wrong)
    with pytest.raises(TypeError, match="indices is an integer vector"):
        sparse.CSR(parts[0], parts[0], parts[2], parts[3])


def test_what_is_refused() -> None:
    x, d = sparse.csr_matrix("x", "float64"), T.dmatrix("d")
    with pytest.raises(TypeError, match="csr_from_dense"):
        sparse.as_sparse_variable(d)
    with pytest.raises(TypeError, match="must be sparse"):
        sparse.dot(d, d)
    with pytest.raises(TypeError, match="not a tensor"):
        T.exp(x)
    with pytest.raises(TypeError, match="vector or matrix"):
        sparse.dot(x, T.tensor3())
    with pytest.raises(TypeError, match="scalars"):
        sparse.structured_pow(x, d)
    with pytest.raises(ValueError, match="axis 2"):
        sparse.sp_sum(x, 2)
    with pytest.raises(TypeError, match="iterated"):
        iter(x)
    with pytest.raises(TypeError, match="rows"):
        sparse.sparse_grad(d)
    rows = d[T.lvector()]
    assert sparse.sparse_grad(rows) is rows
    a, b = draw("csr"), draw("csr", shape=(4, 4))
    y = variable(b, "y")
    for build in (lambda: x + y, lambda: x * y, lambda: x.dot(y.T.T.T), lambda: x + d, lambda: x * d, lambda: x < y):
        with pytest.raises(ValueError, match=r"fit|expected|shapes"):
            function([x, y, d], build(), on_unused_input="ignore")(a, draw("csr", shape=(3, 3)), np.ones((3, 2)))


def test_dense_round_trip_of_messy_matrices() -> None:
    for format in FORMATS:
        a = messy(format)
        same(function([x := variable(a)], x)(a), a)
        assert function([x], x)(a).nnz == a.nnz


def test_malformed_matrices() -> None:
    x = sparse.csr_matrix("x", "float64")
    f = function([x], x.toarray())
    for place, end in [(0, 10**7), (0, -1), (10**7, 1), (-10**7, 1)]:
        a = sp.csr_matrix(np.eye(2, 3))
        a.indices[0], a.indptr[1] = place, end
        with pytest.raises((IndexError, ValueError)):
            f(a)
