"""Linear algebra: cases for the generated tests."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from cases import case

from symtensor import tensor as T
from symtensor.ops.blas import batched_dot, batched_tensordot, dot, gemm, inner, matmul, outer, tensordot
from symtensor.ops.einsum import einsum
from symtensor.ops.linalg import adjoint, det, inv, logdet, slogdet
from symtensor.ops.linalg_factor import eig, eigh, eigvalsh, lu, lu_factor, qr, svd
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
from symtensor.ops.linalg_solve import Solve, cho_solve, cholesky, solve, solve_triangular

ALL, LOOSE = "fdFD", {"f": 1e-3, "F": 1e-3, "d": 1e-9, "D": 1e-9}


def square(d, n, *stack):
    """Well-conditioned matrices."""
    return d(*stack, n, n) / (2 * max(n, 1)) + np.eye(n) * 2


def turned(x):
    return np.conj(np.swapaxes(x, -1, -2))


def spread(x, lib=np):
    """Symmetric matrices with eigenvalues apart, made of any matrices."""
    n = x.shape[-1]
    return (x + (turned(x) if lib is np else adjoint(x))) * 0.1 + lib.eye(n, dtype="float32") * lib.arange(n)


def positive(x, lib=np):
    """Positive definite matrices, made of any matrices."""
    other = turned(x) if lib is np else adjoint(x)
    return lib.matmul(x, other) + lib.eye(x.shape[-1], dtype="float32") * 1


def one(n, d):
    return [square(d, n)]


def stack(n, d):
    return [square(d, n, 2, 3)]


def two(*shapes):
    return lambda n, d: [d(*(n if k is None else k for k in shape)) for shape in shapes]


N = None

# -- products --------------------------------------------------------------------------------------------------------

SHAPES = {1: {1: [(N,), (N,)], 2: [(N,), (N, 3)], 3: [(N,), (2, N, 3)]},
          2: {1: [(3, N), (N,)], 2: [(3, N), (N, 2)], 3: [(3, N), (2, N, 3)]},
          3: {1: [(2, 3, N), (N,)], 2: [(2, 3, N), (N, 2)], 3: [(2, 3, N), (2, N, 2)]}}
for i in SHAPES:
    for j, shapes in SHAPES[i].items():
        case(f"linalg/dot-{i}-{j}", dot, np.dot, two(*shapes), dtypes="ilefdFD" if i == j == 2 else "D", static=i == j)
        case(f"linalg/matmul-{i}-{j}", matmul, np.matmul, two(*shapes), static=i == j,
             dtypes="lfdFD" if i == 3 == j else "d", gradient=int(i + j > 4))
case("linalg/dot-scalar", dot, np.dot, two((), (N, 2)), dtypes="fD")
case("linalg/matmul-broadcast", matmul, np.matmul, two((3, 1, 2, N), (2, N, 2)), dtypes="fD")
case("linalg/tensordot", lambda x, y: tensordot(x, y, [[1, 2], [2, 0]]),
     lambda x, y: np.tensordot(x, y, [[1, 2], [2, 0]]), two((2, N, 3), (3, 2, N)), dtypes="ldD")
case("linalg/tensordot-0", lambda x, y: tensordot(x, y, 0), lambda x, y: np.tensordot(x, y, 0), two((2, N), (3,)))
case("linalg/inner", inner, np.inner, two((2, N), (3, 2, N)), dtypes="dD")
case("linalg/outer", outer, np.outer, two((N,), (2, 2)), dtypes="ldD")
case("linalg/batched_dot", batched_dot, lambda x, y: np.einsum("bij,bjk->bik", x, y), two((N, 2, 3), (N, 3, 2)),
     dtypes="ldD")
case("linalg/batched_dot-2-3", batched_dot, lambda x, y: np.einsum("bj,bjk->bk", x, y), two((N, 3), (N, 3, 2)))
case("linalg/batched_dot-1-2", batched_dot, lambda x, y: x[:, None] * y, two((N,), (N, 3)))
case("linalg/batched_tensordot", lambda x, y: batched_tensordot(x, y, [[1], [2]]),
     lambda x, y: np.einsum("bij,bki->bjk", x, y), two((3, N, 2), (3, 2, N)), dtypes="dD")
case("linalg/gemm", gemm, lambda c, p, a, b, q: (q * c + p * (a @ b)).astype(c.dtype),
     two((N, 3), (), (N, 2), (2, 3), ()), dtypes="fdD")

EINSUMS = {"ij,jk->ik": [(2, N), (N, 3)], "ij,jk": [(2, N), (N, 3)], "ii": [(N, N)], "ii->i": [(N, N)],
           "iij->j": [(N, N, 2)], "ij->ji": [(2, N)], "ij->": [(2, N)], "i,j->ij": [(N,), (3,)],
           "ij,ij->": [(2, N)] * 2,
           "bij,bjk->bik": [(2, N, 3), (2, 3, N)], "...ij,...jk->...ik": [(2, 1, 2, N), (3, N, 2)],
           "ab,bc,cd->ad": [(2, N), (N, 3), (3, 2)], "abi,abj,c->bijc": [(2, N, 3), (2, N, 2), (2,)],
           "i,i,i->": [(N,)] * 3, "iijj->ij": [(2, 2, N, N)], "...i->...": [(2, N)], "i...,i": [(N, 2), (N,)],
           "abcd,efbc->aefd": [(2, N, 3, 2), (2, 2, N, 3)], ",i": [(), (N,)],
           "abc,abd,ab->cd": [(2, N, 2), (2, N, 3), (2, N)]}
for text, shapes in EINSUMS.items():
    case(f"linalg/einsum {text}", lambda *xs, text=text: einsum(text, *xs), lambda *xs, text=text: np.einsum(text, *xs),
         two(*shapes), dtypes="l" if len(shapes) < 2 else "d",
         gradient=int(len(shapes) > 2 or "." in text), static=False)
case("linalg/einsum-lists", lambda x, y: einsum(x, [0, 27], y, [27, 2], [2, 0]),
     lambda x, y: np.einsum(x, [0, 27], y, [27, 2], [2, 0]), two((2, N), (N, 3)))

# -- inverse and determinants ----------------------------------------------------------------------------------------

for name, inputs, kinds in (("one", one, "d"), ("stack", stack, ALL)):
    fields = {"dtypes": kinds, "static": name == "one", "gradient": 2 if name == "one" else 1}
    case(f"linalg/inv-{name}", inv, np.linalg.inv, inputs, sizes=(0, 1, 4, 20), **fields)
    case(f"linalg/det-{name}", det, np.linalg.det, inputs, **fields)
    case(f"linalg/slogdet-{name}", slogdet, lambda x: list(np.linalg.slogdet(x)), inputs, **fields)
    case(f"linalg/cholesky-{name}", lambda x: cholesky(positive(x, T)), lambda x: np.linalg.cholesky(positive(x)),
         inputs, **fields)
case("linalg/eigh", lambda x: eigh(spread(x, T))[0], lambda x: np.linalg.eigvalsh(spread(x)), stack,
     dtypes="fD", static=False, rtol=LOOSE)
case("linalg/eigh-vectors", lambda x: _rebuilt(*eigh(spread(x, T), "U")),
     lambda x: _rebuilt_numpy(*np.linalg.eigh(spread(x), "U")), stack, dtypes="fD", static=False, rtol=LOOSE)
case("linalg/lu", lambda x: lu(x[..., ::-1, :]), lambda x: list(scipy.linalg.lu(x[..., ::-1, :])), stack,
     dtypes="fD", static=False, gradient=False)
case("linalg/lu-parts", lambda x: lu(x[..., ::-1, :])[1:],
     lambda x: list(scipy.linalg.lu(x[..., ::-1, :])[1:]), stack, dtypes="d", static=False)
case("linalg/expm", expm, scipy.linalg.expm, stack, dtypes="fD", static=False, rtol={"d": 1e-11, "D": 1e-11})
case("linalg/det-ints", det, np.linalg.det, lambda n, d: [(square(d, n) * 10).astype("int64")], gradient=False)
case("linalg/logdet", logdet, lambda x: np.linalg.slogdet(x)[1], stack, dtypes="fd")


def _rebuilt(w, v):
    return T.exp(T.matmul(v * w[..., None, :], adjoint(v)))


def _rebuilt_numpy(w, v):
    return np.exp((v * w[..., None, :]) @ turned(v))


# -- systems ---------------------------------------------------------------------------------------------------------

RIGHT = {"vector": lambda n, d: [square(d, n), d(n)], "matrix": lambda n, d: [square(d, n), d(n, 3)],
         "stack": lambda n, d: [square(d, n, 3, 1), d(2, n, 2)], "shared": lambda n, d: [square(d, n), d(2, n, 2)]}


def _solved(a, b):
    return np.linalg.solve(a, b[:, None])[:, 0] if b.ndim == 1 else np.linalg.solve(a, b)


def _low(a):
    return np.tril(a)


for name, inputs in RIGHT.items():
    kinds = ALL if name == "matrix" else "d"
    case(f"linalg/solve-{name}", solve, _solved, inputs, dtypes=kinds, static=name == "vector", sizes=(0, 1, 4, 20))
    case(f"linalg/solve-pos-{name}", lambda a, b: solve(positive(a, T), b, "pos", lower=True),
         lambda a, b: _solved(positive(a), b), inputs, dtypes=kinds, gradient=1, static=False)
    case(f"linalg/solve-lower-{name}", lambda a, b: solve_triangular(a, b, lower=True),
         lambda a, b: _solved(np.tril(a), b), inputs, dtypes=kinds, static=name == "vector", sizes=(0, 1, 4, 20))
    case(f"linalg/solve-upper-t-{name}", lambda a, b: solve_triangular(a, b, "T"),
         lambda a, b: _solved(np.swapaxes(np.triu(a), -1, -2), b), inputs, dtypes=kinds, gradient=1, static=False)
case("linalg/solve-pos-upper", Solve("pos"), lambda a, b: _solved(np.triu(a) + turned(np.triu(a, 1)), b),
     lambda n, d: [square(d, n), d(n, 2)], gradient=2)
case("linalg/solve-unit", lambda a, b: solve_triangular(a, b, 2, lower=True, unit_diagonal=True),
     lambda a, b: _solved(turned(np.tril(a, -1) + np.eye(a.shape[0])), b), RIGHT["matrix"], dtypes=ALL)
case("linalg/cho_solve", lambda a, b: cho_solve((cholesky(positive(a, T), lower=False), False), b),
     lambda a, b: _solved(positive(a), b), RIGHT["vector"], dtypes=ALL, gradient=1)
case("linalg/cholesky-upper", lambda x: cholesky(x, lower=False), lambda x: scipy.linalg.cholesky(x), one, sizes=(1, 4))
case("linalg/cholesky-nan", lambda x: cholesky(x * np.array([1, -1]).reshape(2, 1, 1), on_error="nan"),
     lambda x: np.stack([np.linalg.cholesky(x), np.full_like(x, np.nan)]), one, sizes=(1, 4), gradient=False)
case("linalg/lstsq", lambda a, b: lstsq(a, b), lambda a, b: list(np.linalg.lstsq(a, b)), two((N, 3), (N, 2)),
     sizes=(1, 3, 5), gradient=False, rtol=LOOSE)
case("linalg/lstsq-x", lambda a, b: lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0], two((N, 3), (N,)),
     dtypes=ALL, sizes=(3, 5), rtol=LOOSE)
case("linalg/lstsq-wide", lambda a, b: lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0], two((2, N), (2, 2)),
     sizes=(2, 4), rtol=LOOSE)

# -- factors ---------------------------------------------------------------------------------------------------------

case("linalg/lu_factor", lu_factor, lambda x: list(scipy.linalg.lu_factor(x)), lambda n, d: [square(d, n)[::-1].copy()],
     dtypes=ALL, sizes=(1, 4))
case("linalg/lu-permuted", lambda x: lu(x, permute_l=True), lambda x: list(scipy.linalg.lu(x, permute_l=True)),
     lambda n, d: [square(d, n)[::-1].copy()], dtypes=ALL)
for name, shape in (("tall", (2, 5, N)), ("wide", (2, 2, N)), ("square", (N, N))):
    for mode in ("reduced", "complete"):
        case(f"linalg/qr-{mode}-{name}", lambda x, mode=mode: _one_sign(*qr(x, mode)),
             lambda x, mode=mode: _one_sign(*np.linalg.qr(x, mode)), two(shape), dtypes="fD" if name == "tall" else "d",
             rtol=LOOSE, sizes=(0, 1, 3), gradient=2 if name == "square" else 1, static=False)
        case(f"linalg/svd-{mode}-{name}", lambda x, mode=mode: _svd_parts(*svd(x, mode == "complete")),
             lambda x, mode=mode: _svd_parts_numpy(*np.linalg.svd(x, mode == "complete")), two(shape), dtypes="d",
             rtol=LOOSE, sizes=(0, 1, 3), gradient=1, static=False)
    case(f"linalg/svd-values-{name}", lambda x: svd(x, 0, 0), lambda x: np.linalg.svd(x, compute_uv=False), two(shape),
         dtypes="d", rtol=LOOSE, static=False)
    case(f"linalg/pinv-{name}", pinv, np.linalg.pinv, two(shape), dtypes="fD", rtol=LOOSE, sizes=(1, 3), gradient=1,
         static=False)
    case(f"linalg/qr-r-{name}", lambda x: qr(x, "r"), lambda x: np.linalg.qr(x, "r"), two(shape), dtypes="d",
         rtol=LOOSE, gradient=1, static=False)
case("linalg/qr-raw", lambda x: qr(x, "raw"), lambda x: list(np.linalg.qr(x, "raw")), two((5, N)), gradient=False)
case("linalg/eigvalsh-generalized", lambda a, b: eigvalsh(spread(a, T), positive(b, T)),
     lambda a, b: scipy.linalg.eigh(spread(a), positive(b), eigvals_only=True),
     lambda n, d: [square(d, n), square(d, n)], sizes=(1, 3), dtypes=ALL, rtol=LOOSE)
case("linalg/eigvalsh-upper", lambda a: eigvalsh(a, lower=False), lambda a: np.linalg.eigvalsh(a, "U"), one, rtol=LOOSE)
case("linalg/eig", lambda x: _function_of(x, T), lambda x: _function_of(x, np), lambda n, d: [d(2, n, n)], dtypes="fD",
     rtol=LOOSE, sizes=(0, 1, 3), static=False)
case("linalg/eig-unit", lambda x: abs(eig(x)[1]).sum(axis=-1), lambda x: abs(np.linalg.eig(x)[1]).sum(axis=-1),
     lambda n, d: [d(n, n)], rtol=LOOSE, sizes=(1, 3), gradient=1)


def _one_sign(q, r):
    """What does not depend on rotations of the columns of q beyond the rank."""
    k = min(r.shape[-2:]) if not isinstance(r.shape, T.TensorVariable) else T.minimum(r.shape[-2], r.shape[-1])
    first, last = q[..., :k], q[..., k:]
    project = T.matmul(last, adjoint(last)) if isinstance(q, T.TensorVariable) else last @ turned(last)
    return [first, r[..., :k, :], project]


def _svd_parts(u, s, vh):
    k = s.shape[-1]
    late = T.matmul(u[..., k:], adjoint(u[..., k:])), T.matmul(adjoint(vh[..., k:, :]), vh[..., k:, :])
    return [T.matmul(u[..., :k] * T.exp(s)[..., None, :], vh[..., :k, :]), s, *late,
            T.matmul(u[..., :k] * T.sqr(s)[..., None, :], adjoint(u[..., :k]))]


def _svd_parts_numpy(u, s, vh):
    k = s.shape[-1]
    late = u[..., k:] @ turned(u[..., k:]), turned(vh[..., k:, :]) @ vh[..., k:, :]
    return [(u[..., :k] * np.exp(s)[..., None, :]) @ vh[..., :k, :], s, *late,
            (u[..., :k] * s[..., None, :]**2) @ turned(u[..., :k])]


def _function_of(x, lib):
    """exp(x) by the eigenvectors."""
    w, v = eig(x) if lib is T else np.linalg.eig(x)
    made = lib.matmul(v * lib.exp(w)[..., None, :], inv(v) if lib is T else np.linalg.inv(v))
    return lib.real(made) + lib.imag(made) / 2


# -- complex gradients, by real and imaginary parts ------------------------------------------------------------------


def complex_case(name, build, reference, gradient=1):
    def parts(function, lib):
        def call(re, im):
            made = function(lib.complex(re, im) if lib is T else re + 1j * im)
            made = list(made) if isinstance(made, (list, tuple)) else [made]
            return [part(v) for v in made for part in (lib.real, lib.imag)]
        return call

    case(f"linalg/complex-{name}", parts(build, T), parts(reference, np),
         lambda n, d: [square(d, n, 2), square(d, n, 2)], dtypes="d", sizes=(1, 3), rtol=LOOSE, static=False,
         gradient=gradient)


complex_case("dot", lambda z: T.dot(z[0], z[1]), lambda z: z[0] @ z[1])
complex_case("matmul", lambda z: T.matmul(z, z), lambda z: z @ z)
complex_case("inv", inv, np.linalg.inv, 2)
complex_case("det", det, np.linalg.det)
complex_case("slogdet", slogdet, lambda z: list(np.linalg.slogdet(z)))
complex_case("logdet", logdet, lambda z: np.log(np.linalg.det(z)))
complex_case("cholesky", lambda z: cholesky(positive(z, T)), lambda z: np.linalg.cholesky(positive(z)), 2)
complex_case("solve", lambda z: solve(z, z[::-1]), lambda z: np.linalg.solve(z, z[::-1]))
complex_case("solve-pos", lambda z: solve(positive(z, T), z, "pos"), lambda z: np.linalg.solve(positive(z), z))
complex_case("solve-lower", lambda z: solve_triangular(z, z[::-1], "C", lower=True),
             lambda z: np.linalg.solve(turned(np.tril(z)), z[::-1]))
complex_case("eigh", lambda z: _rebuilt(*eigh(spread(z, T))), lambda z: _rebuilt_numpy(*np.linalg.eigh(spread(z))))
complex_case("eig", lambda z: _power(*eig(z), T), lambda z: _power(*np.linalg.eig(z), np))
complex_case("lu", lambda z: lu(z)[1:], lambda z: [np.stack(v) for v in zip(*(scipy.linalg.lu(one)[1:] for one in z))])
complex_case("qr", lambda z: qr(z), lambda z: list(np.linalg.qr(z)))
complex_case("svd", lambda z: _svd_parts(*svd(z)), lambda z: _svd_parts_numpy(*np.linalg.svd(z)))
complex_case("pinv", lambda z: pinv(z[:, :, 1:]), lambda z: np.linalg.pinv(z[:, :, 1:]))
complex_case("expm", expm, scipy.linalg.expm)


def _power(w, v, lib):
    return lib.matmul(v * (w**3)[..., None, :], inv(v) if lib is T else np.linalg.inv(v))


# -- compositions ----------------------------------------------------------------------------------------------------

for a, b in (((N,), (2,)), ((2, N), (2, 3)), ((N,), (2, 2, 2)), ((2, N, 1), (2,)), ((), (N,))):
    case(f"linalg/kron-{len(a)}-{len(b)}", kron, np.kron, two(a, b), dtypes="ldD")
case("linalg/matrix_dot", matrix_dot, lambda *xs: np.linalg.multi_dot(xs), two((2, N), (N, 3), (3, 2)))
for power in (-3, -1, 0, 1, 2, 5):
    case(f"linalg/matrix_power {power}", lambda x, p=power: matrix_power(x, p),
         lambda x, p=power: np.linalg.matrix_power(x, p), stack, dtypes="d", gradient=int(power != 0), static=power < 2)
case("linalg/tensorinv", lambda x: tensorinv(x.reshape((6, 2, 3)), 1),
     lambda x: np.linalg.tensorinv(x.reshape(6, 2, 3), 1), lambda n, d: [square(d, 6)], sizes=(6,))
case("linalg/tensorsolve", lambda a, b: tensorsolve(a.reshape((2, 6, 3)), b, axes=(1,)),
     lambda a, b: np.linalg.tensorsolve(a.reshape(2, 6, 3), b, axes=(1,)), lambda n, d: [square(d, 6), d(2, 3)],
     sizes=(6,))
for ord_ in (None, 0, 1, 2, 3, -1, np.inf, -np.inf):
    case(f"linalg/norm-vector {ord_}", lambda x, o=ord_: norm(x, o, axis=1),
         lambda x, o=ord_: np.linalg.norm(x, o, axis=1), two((2, N)), sizes=(1, 3), dtypes="d",
         gradient=int(ord_ != 0), static=False)
for ord_ in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    case(f"linalg/norm-matrix {ord_}", lambda x, o=ord_: norm(x, o, axis=(0, 2), keepdims=True),
         lambda x, o=ord_: np.linalg.norm(x, o, axis=(0, 2), keepdims=True), two((3, 2, N)), sizes=(1, 3),
         rtol=LOOSE, dtypes="d", gradient=1, static=False)
case("linalg/norm-all", norm, np.linalg.norm, two((2, N, 2)), dtypes=ALL)
case("linalg/norm-matrix-2", lambda x: norm(x, 2), lambda x: np.linalg.norm(x, 2), two((2, N)), sizes=(1, 3),
     rtol=LOOSE)
