"""Linear algebra beyond the generated cases: errors, large and many matrices, no LAPACK, edge values, names."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation import interpret, variable

import symtensor
from symtensor import config
from symtensor import tensor as T
from symtensor.graph.walk import toposort
from symtensor.link import blas, execute
from symtensor.ops.dot import BatchedDot, Dot
from symtensor.ops.einsum import einsum
from symtensor.ops.linalg import det, inv, logdet, slogdet
from symtensor.ops.linalg_factor import eig, eigh, lu, qr, svd
from symtensor.ops.linalg_more import expm, lstsq, matrix_power, norm, pinv, tensorinv
from symtensor.ops.linalg_solve import Cholesky, Solve, cholesky, solve, solve_triangular

LinAlgError = np.linalg.LinAlgError
RNG = np.random.default_rng(7)
A, B, S = variable("float64", 2, "A"), variable("float64", 2, "B"), variable("float64", 3, "S")


def run(build, *arrays, linker="c"):
    inputs = [variable(np.asarray(a).dtype.name, np.ndim(a)) for a in arrays]
    with config.change_flags(linker=linker):
        return symtensor.function(inputs, build(*inputs))(*arrays)


# -- errors ----------------------------------------------------------------------------------------------------------

SINGULAR = np.stack([np.eye(3), np.ones((3, 3)), np.eye(3)])
FAILURES = {
    "inv": (inv, "inv: the matrix number 1 of the stack (3 by 3) is singular"),
    "solve": (lambda x: solve(x, np.ones((3, 3, 2))), "solve: the matrix number 1 of the stack (3 by 3) is singular"),
    "cholesky": (lambda x: cholesky(-x), "cholesky: the matrix number 0 of the stack (3 by 3) is not positive"),
    "solve-pos": (lambda x: solve(-x, np.ones((3, 3, 2)), "pos"), "is not positive definite"),
    "triangular": (lambda x: solve_triangular(x - 1, np.ones((3, 3, 2))), "number 0 of the stack (3 by 3) is singular"),
    "gradient of det": (lambda x: T.grad(det(x).sum(), x), "inv: the matrix number 1 of the stack"),
    "cholesky, nan": (lambda x: cholesky(x * np.nan), "cholesky: the matrix number 0 of the stack (3 by 3) is not pos"),
    "solve-pos, nan": (lambda x: solve(x * np.nan, np.ones((3, 3, 2)), "pos"), "is not positive definite"),
    "eig, nan": (lambda x: eig(x * np.nan)[0], "look for nan and inf"),
    "svd, nan": (lambda x: svd(x[:, :2] * np.nan)[1], "svd: the matrix number 0 of the stack (2 by 3) has no result"),
}


@pytest.mark.parametrize("linker", ["c", "py"])
@pytest.mark.parametrize("name", FAILURES)
def test_matrices_without_result(name, linker):
    build, message = FAILURES[name]
    with pytest.raises(LinAlgError) as caught:
        run(build, SINGULAR, linker=linker)
    assert message in str(caught.value)


@pytest.mark.parametrize("linker", ["c", "py"])
@pytest.mark.parametrize("build", [inv, det, cholesky, expm, lu, eigh, eig, lambda x: solve(x, x)])
def test_not_square(build, linker):
    with pytest.raises(LinAlgError, match=r"square matrices are expected, got 2 by 3"):
        run(build, np.ones((2, 3)), linker=linker)
    with pytest.raises(LinAlgError, match=r"square matrices are expected, got 2 by 3"):
        build(variable("float64", 2, shape=(2, 3)))


@pytest.mark.parametrize("linker", ["c", "py"])
@pytest.mark.parametrize("power", [0, 1, 2])
def test_power_of_a_matrix_that_is_not_square(power, linker):
    with pytest.raises(LinAlgError, match="matrix_power: square matrices are expected"):
        run(lambda x: matrix_power(x, power), np.ones((1, 3)), linker=linker)


def test_wrong_arguments():
    for build, error, message in [
        (lambda: inv(variable("float16", 2)), TypeError, "float16"),
        (lambda: inv(variable("float64", 1)), TypeError, "a matrix, or a stack of them"),
        (lambda: solve(T.constant(np.eye(2)), T.constant(np.ones(3))), ValueError, "is 2, that of the right-hand"),
        (lambda: Solve("round"), ValueError, "round"), (lambda: Cholesky(on_error="pass"), ValueError, "pass"),
        (lambda: solve_triangular(A, B, "X"), ValueError, "trans"), (lambda: qr(A, "half"), ValueError, "half"),
        (lambda: eigh(A, "M"), ValueError, "UPLO"), (lambda: matrix_power(A, 0.5), TypeError, "int"),
        (lambda: matrix_power(variable("float64", 2, shape=(2, 3)), 2), LinAlgError, "square"),
        (lambda: norm(A, 3), ValueError, "no order"), (lambda: norm(A, "fro", axis=1), ValueError, "no order"),
        (lambda: norm(S, 2), ValueError, "vector or matrix"), (lambda: norm(S, axis=(1, 1)), ValueError, "axis"),
        (lambda: tensorinv(A, 0), ValueError, "ind"), (lambda: lstsq(S, A), TypeError, "a matrix"),
        (lambda: T.dot(T.ones((2, 3)), T.ones((2, 3))), ValueError, "do not fit"),
        (lambda: T.nlinalg.matrix_dot(), TypeError, "at least 1"),
    ]:
        with pytest.raises(error, match=message):
            build()


@pytest.mark.parametrize("linker", ["c", "py"])
def test_shapes_that_do_not_fit(linker):
    for build, shapes in [(solve, [(3, 3), (2, 1)]), (lambda a, b: lstsq(a, b)[0], [(3, 2), (2,)]),
                          (lambda a, b: einsum("ij,jk", a, b), [(2, 3), (2, 3)]), (lambda a: einsum("ii", a), [(2, 3)]),
                          (lambda a, b: einsum("abij,abjk->abik", a, b), [(2, 3, 1, 1), (3, 2, 1, 1)]),
                          (lambda a, b: einsum("ijk,jik", a, b), [(2, 3, 4), (2, 3, 4)])]:
        with pytest.raises(ValueError):
            run(build, *(np.ones(shape) for shape in shapes), linker=linker)


def test_einsum_texts():
    for text, operands, message in [
        ("ij,jk->il", (A, B), "must be different, and occur"), ("ij->ii", (A,), "must be different"),
        ("ij,jk", (A,), "names 2 operand"), ("ijk", (A,), "'ijk', but has 2"), ("i", (A,), "'i', but has 2"),
        ("i-j", (A,), "is no text"), ("...i->i", (A,), "lacks"), ("ij,ij", (A, T.ones((2, 3)), A), "names 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            einsum(text, *operands)
    with pytest.raises(ValueError, match=r"dimensions 'j' .* are \[2, 3\]"):
        einsum("ij,jk", T.ones((2, 3)), T.ones((2, 3)))


# -- many, large, and without LAPACK ---------------------------------------------------------------------------------


@pytest.fixture(params=["lapack", "loops"])
def library(request):
    runtime = execute.extension if execute.extension is not None else execute.execute_ctypes.runtime()
    execute.start()
    found = blas.find()
    if request.param == "loops":
        runtime.set_blas((0,) * 8)
    elif found is None or not all(found.addresses):
        pytest.skip("no LAPACK")
    yield request.param
    runtime.set_blas(found.addresses if found is not None else (0,) * 8)


@pytest.mark.compiler
@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("shape", [(1000, 3, 3), (3, 61, 61), (1, 330, 330)])
def test_stacks(library, dtype, shape):
    x = RNG.normal(size=shape) + np.eye(shape[-1]) * 4
    x = (x + 1j * RNG.normal(size=shape) if dtype in "FD" else x).astype(dtype)
    b = RNG.normal(size=(*shape[:-1], 2)).astype(dtype)
    definite = x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1], dtype=dtype)
    lower, sign, size = cholesky(B3 := variable(x.dtype.name, 3)), *slogdet(A3 := variable(x.dtype.name, 3))
    right = variable(x.dtype.name, 3)
    outputs = [inv(A3), solve(A3, right), solve(B3, right, "pos"), lower, sign, size, *lu(A3)]
    found = symtensor.function([A3, B3, right], outputs)(x, definite, b)
    p, low, high = found[6:]
    rtol = 2e-3 if dtype in "fF" else 1e-9
    wanted = [np.linalg.inv(x), np.linalg.solve(x, b), np.linalg.solve(definite, b), np.linalg.cholesky(definite),
              *np.linalg.slogdet(x)]
    for value, reference in zip([*found[:6], p @ low @ high], [*wanted, x]):
        np.testing.assert_allclose(value, reference, rtol=rtol, atol=rtol * abs(reference).max())


# -- edge values -----------------------------------------------------------------------------------------------------


def test_edge_values():
    zero, nan = np.zeros((2, 2)), np.full((2, 2), np.nan)
    assert run(det, zero) == 0
    assert [float(v) for v in run(slogdet, zero)] == [0, -np.inf]
    assert run(logdet, zero) == -np.inf
    assert np.isnan(run(logdet, np.diag([-1.0, 1])))
    assert run(logdet, np.diag([1e-300, 1e-300, 1e300])) == pytest.approx(-300 * np.log(10))
    assert np.isnan(run(lambda x: cholesky(x, on_error="nan"), -np.eye(2))).all()
    assert np.isnan(run(lambda x: cholesky(x, on_error="nan"), nan)).all()
    assert np.isnan(run(expm, nan)).all()
    both = run(expm, np.stack([np.diag([1e6, -1e6]), np.full((2, 2), np.inf), [[0.0, 1e-3], [-1e-3, 0]]]))
    np.testing.assert_allclose(both[2], [[np.cos(1e-3), np.sin(1e-3)], [-np.sin(1e-3), np.cos(1e-3)]], rtol=4e-16)
    np.testing.assert_allclose(run(expm, np.diag([100.0, -800])), np.diag([np.exp(100), 0]), rtol=1e-12)
    empty = np.zeros((0, 0))
    assert run(det, empty) == 1
    assert run(logdet, empty) == 0
    assert [v.shape for v in run(svd, np.zeros((3, 0)))] == [(3, 3), (0,), (0, 0)]
    assert run(lambda x: norm(x, axis=0), np.zeros((0, 2))).tolist() == [0, 0]
    np.testing.assert_array_equal(run(lambda x: T.grad(norm(x), x), zero), zero)


def test_equal_eigenvalues_have_gradients():
    value = run(lambda x: T.grad(T.exp(eigh(x)[0]).sum(), x), np.eye(3))
    np.testing.assert_allclose(value, np.exp(1) * np.eye(3), rtol=1e-12)
    rebuilt = run(lambda x: T.grad((lambda w, v: T.trace(T.dot(v * T.sqr(w), v.T)))(*eigh(x)), x), np.eye(3) * 2)
    np.testing.assert_allclose(rebuilt, 4 * np.eye(3), rtol=1e-12, atol=1e-12)


def test_pinv_of_low_rank():
    x = RNG.normal(size=(5, 2)) @ RNG.normal(size=(2, 4))
    np.testing.assert_allclose(run(pinv, x), np.linalg.pinv(x, 1e-12), atol=1e-10)


# -- graphs ----------------------------------------------------------------------------------------------------------


def test_einsum_makes_matrix_products():
    chain = einsum("ij,jk,kl->il", T.ones((100, 2)), T.ones((2, 100)), variable("float64", 2, shape=(100, 3)))
    kinds = [node for node in toposort([chain]) if isinstance(node.op, Dot)]
    assert len(kinds) == 2
    assert sorted(node.outputs[0].type.shape for node in kinds) == [(2, 3), (100, 3)]  # the short way
    attention = einsum("bthd,bshd->bhts", variable("float32", 4), variable("float32", 4))
    assert sum(isinstance(node.op, BatchedDot) for node in toposort([attention])) == 1
    assert attention.type.dtype == "float32"


def test_third_derivative():
    m, n, t = RNG.normal(size=(3, 3)) + 4 * np.eye(3), RNG.normal(size=(3, 3)), variable("float64", 0)
    g = logdet(m + t * n)
    for _ in range(3):
        g = T.grad(g, t)
    step = np.linalg.solve(m, n)
    assert interpret([g], {t: 0.0})[0] == pytest.approx(2 * np.trace(step @ step @ step), rel=1e-9)


def test_log_of_det_uses_no_det():
    f = symtensor.function([A], T.log(det(A)))
    assert f(np.eye(400) * 1e-3) == pytest.approx(400 * np.log(1e-3))


def test_theano_names():
    n, s = T.nlinalg, T.slinalg
    x = RNG.normal(size=(3, 3)) + 4 * np.eye(3)
    for made, wanted in [
        (n.MatrixInverse()(x), np.linalg.inv(x)), (n.matrix_inverse(x), np.linalg.inv(x)),
        (n.Det()(x), np.linalg.det(x)),
        (n.MatrixPinv()(x), np.linalg.pinv(x)), (n.QRFull("reduced")(x)[1], np.linalg.qr(x)[1]),
        (n.QRIncomplete("r")(x), np.linalg.qr(x, "r")), (n.SVD()(x)[1], np.linalg.svd(x)[1]),
        (n.svd(x, full_matrices=1, compute_uv=0), np.linalg.svd(x)[1]), (n.Eig()(x)[0], np.linalg.eig(x)[0]),
        (n.Eigh("L")(x)[0], np.linalg.eigh(x)[0]), (n.alloc_diag(x[0]), np.diag(x[0])),
        (n.AllocDiag()(x[0]), np.diag(x[0])),
        (n.extract_diag(x), np.diag(x)), (n.ExtractDiag(view=True)(x), np.diag(x)), (n.trace(x), np.trace(x)),
        (n.lstsq()(x, x[0], -1)[0], np.linalg.solve(x, x[0])), (n.matrix_power(x, 3), x @ x @ x),
        (n.TensorInv(1)(x), np.linalg.inv(x)), (n.TensorSolve()(x, x[0]), np.linalg.solve(x, x[0])),
        (s.Cholesky()(x @ x.T), np.linalg.cholesky(x @ x.T)), (s.solve(x, x[0]), np.linalg.solve(x, x[0])),
        (s.Solve(A_structure="lower_triangular", lower=True)(x, x[0]), np.linalg.solve(np.tril(x), x[0])),
        (s.solve_lower_triangular(x, x[0]), np.linalg.solve(np.tril(x), x[0])),
        (s.solve_upper_triangular(x, x[0]), np.linalg.solve(np.triu(x), x[0])),
        (s.Eigvalsh(lower=False)(x, None), np.linalg.eigvalsh(x, "U")), (s.kron(x, x[0]), np.kron(x, x[0])),
        (s.Expm()(x * 0), np.eye(3)), (T.linalg.inv(x), np.linalg.inv(x)),
    ]:
        np.testing.assert_allclose(made.eval(), wanted, rtol=1e-9, atol=1e-9)
