"""NumPy's functions on symbolic variables: each call means on variables what it means on arrays."""

from __future__ import annotations

from operator import attrgetter

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T
from symtensor.graph.errors import SymbolicTruthError
from symtensor.ops import numpy_functions, numpy_protocol

A = np.array([[1.0, -2.0, 3.5], [4.0, 0.5, -6.0]])
B = np.array([[2.0, 2.0, -1.5], [0.5, 3.0, 2.0]])
S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
V = np.array([3.0, -1.0, 2.0, 0.5, 2.0, -7.0])
I = np.array([[12, 7, 3], [0, 25, 8]])
U = np.linspace(0.1, 0.9, 6).reshape(2, 3)

UFUNCS_1 = """absolute arccos arcsin arctan arctanh cbrt ceil conjugate cos cosh deg2rad degrees exp exp2 expm1 fabs
    floor isfinite isinf isnan log log10 log1p log2 logical_not negative positive rad2deg radians reciprocal rint sign
    sin sinh sqrt square tan tanh trunc""".split()  # noqa: SIM905
UFUNCS_2 = """add arctan2 copysign divide equal float_power floor_divide fmax fmin fmod greater greater_equal heaviside
    hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply not_equal power
    remainder subtract""".split()  # noqa: SIM905
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "floor_divide", "remainder", "add"]


def values(result, inputs):
    """The values of a result: variables computed, the rest as it is; tuples and lists as lists."""
    if isinstance(result, (tuple, list)):
        return [values(item, inputs) for item in result]
    return result.eval(inputs) if isinstance(result, T.Variable) else result


def same(call, *arrays, rtol=1e-12):
    """The call on variables gives what it gives on arrays, and at least one variable comes out."""
    variables = [T.TensorType(a.dtype.name, (None,) * a.ndim)(f"x{k}") for k, a in enumerate(arrays)]
    try:
        expected = call(*arrays)
    except (AttributeError, TypeError) as error:  # NumPy before 2 lacks some
        pytest.skip(str(error))
    result = call(*variables)
    parts = result if isinstance(result, (tuple, list)) else [result]
    assert any(isinstance(part, T.Variable) for part in parts), result
    used = set(symtensor.graph.walk.graph_inputs([p for p in parts if isinstance(p, T.Variable)]))
    got = values(result, {v: a for v, a in zip(variables, arrays) if v in used})
    for mine, wanted in zip(*((got, expected) if isinstance(expected, (tuple, list)) else ([got], [expected]))):
        assert np.shape(mine) == np.shape(wanted)
        np.testing.assert_allclose(mine, wanted, rtol=rtol, atol=1e-12)
    return got


@pytest.mark.parametrize("name", UFUNCS_1)
def test_unary_ufuncs(name):
    same(getattr(np, name), U)


@pytest.mark.parametrize("name", UFUNCS_2)
def test_binary_ufuncs(name):
    function = getattr(np, name)
    same(function, U, B)
    same(lambda x: function(x, B), U)
    same(lambda y: function(U, y), B)
    same(function.outer, U, B[0])


@pytest.mark.parametrize("name", BITS)
def test_ufuncs_of_integers(name):
    same(getattr(np, name), I, np.array([1, 3, 2]))


CALLS = {
    "more ufuncs": [
        lambda x, y: np.divmod(x, y), lambda x, y: np.modf(x), lambda x, y: np.matmul(x, y.T),
        lambda x, y: np.add(x.astype("float32"), 1.5, dtype="float64"),
        lambda x, y: np.add.reduce(x), lambda x, y: np.add.reduce(x, axis=1, keepdims=True),
        lambda x, y: np.multiply.reduce(x, axis=None), lambda x, y: np.maximum.reduce(x, 1),
        lambda x, y: np.minimum.reduce(x, axis=-1), lambda x, y: np.add.accumulate(x, 1),
        lambda x, y: np.multiply.accumulate(x), lambda x, y: np.logical_and.reduce(x > 0, axis=1),
        lambda x, y: np.logical_or.reduce(x, axis=1), lambda x, y: np.add.reduce(x, 0, initial=3.0),
        lambda x, y: np.subtract.outer(x, y[0]),
    ],
    "reductions": [
        np.sum, lambda x: np.sum(x, axis=0), lambda x: np.sum(x, 1, keepdims=True),
        lambda x: np.sum(np.round(x), dtype="float32"),
        lambda x: np.sum(x, axis=(0, 1)), lambda x: np.sum(x, where=x > 0), lambda x: np.sum(x, 0, initial=5),
        np.mean, lambda x: np.mean(x, 0, keepdims=True), np.prod, lambda x: np.prod(x, -1), np.var,
        lambda x: np.var(x, axis=1, ddof=1), np.std, lambda x: np.std(x, 0, keepdims=True), np.max, np.amax,
        lambda x: np.max(x, axis=1), lambda x: np.max(x, initial=9.0, where=x < 2), np.min, lambda x: np.amin(x, 0),
        np.argmax, lambda x: np.argmax(x, axis=1), lambda x: np.argmin(x, 0, keepdims=True), np.all, np.any,
        lambda x: np.any(x > 3, axis=1), np.ptp, lambda x: np.ptp(x, axis=0), np.cumsum, lambda x: np.cumsum(x, 1),
        np.cumprod, lambda x: np.cumprod(x, axis=0), np.count_nonzero, lambda x: np.average(x, 0),
        lambda x: np.average(x, axis=1, weights=np.array([1.0, 2, 3])),
        lambda x: np.average(x, axis=0, weights=np.array([1.0, 2])), lambda x: np.average(x, weights=B),
    ],
    "shapes": [
        np.transpose, lambda x: np.transpose(x, (1, 0)), lambda x: np.permute_dims(x, (1, 0)),
        lambda x: np.reshape(x, (3, 2)), lambda x: np.reshape(x, -1), np.ravel, np.squeeze,
        lambda x: np.squeeze(x[:1], axis=0), lambda x: np.expand_dims(x, 1), lambda x: np.swapaxes(x, 0, 1),
        lambda x: np.moveaxis(x, 0, -1), lambda x: np.rollaxis(x, 1), lambda x: np.rollaxis(x, 0, 2), np.flip,
        lambda x: np.flip(x, 1), np.fliplr, np.flipud, lambda x: np.roll(x, 1), lambda x: np.roll(x, 2, axis=1),
        np.rot90, lambda x: np.rot90(x, 2), lambda x: np.rot90(x, 3), lambda x: np.rot90(x, -1, (1, 0)),
        lambda x: np.rot90(x, 4), np.atleast_1d, np.atleast_2d, np.atleast_3d, lambda x: np.atleast_3d(x[0], x),
        lambda x: np.broadcast_to(x, (4, 2, 3)), lambda x: np.broadcast_arrays(x, x[0], 1.0), np.shape, np.size,
        lambda x: np.size(x, 1), lambda x: np.pad(x, 1), lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=3.0),
    ],
    "joining": [
        lambda x: np.concatenate([x, x]), lambda x: np.concatenate((x, A), axis=1),
        lambda x: np.concatenate([x, x], None),
        lambda x: np.stack([x, 2 * x]), lambda x: np.stack((x, x), axis=-1), lambda x: np.vstack([x, x[0]]),
        lambda x: np.hstack([x, x]), lambda x: np.hstack([x[0], x[1]]), lambda x: np.dstack([x, x]),
        lambda x: np.column_stack([x[:, 0], x]), lambda x: np.split(x, 3, axis=1), lambda x: np.split(x, [1, 2], 1),
        lambda x: np.array_split(x, 2, axis=1), lambda x: np.hsplit(x, 3), lambda x: np.vsplit(x, [1]),
        lambda x: np.append(x, x), lambda x: np.append(x, x, axis=0), lambda x: np.tile(x, 2),
        lambda x: np.tile(x, (2, 1, 2)), lambda x: np.repeat(x, 2), lambda x: np.repeat(x, [1, 2], axis=0),
        lambda x: np.meshgrid(x[0], x[1]), lambda x: np.meshgrid(x[0], x[1], indexing="ij"),
    ],
    "elements": [
        lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(x > 0), lambda x: np.clip(x, -1, 1),
        lambda x: np.clip(x, None, 1), lambda x: np.clip(x, a_min=0, a_max=None), lambda x: np.clip(x, min=0, max=2),
        np.round, lambda x: np.round(x / 7, 2), lambda x: np.around(x * 100, -2), np.real, np.imag, np.angle,
        lambda x: np.angle(x, deg=True), np.copy, np.fix, np.sinc, np.zeros_like, np.ones_like,
        lambda x: np.full_like(x, 7),
        lambda x: np.zeros_like(x, dtype="int32"), lambda x: np.isclose(x, x + 1e-9), lambda x: np.allclose(x, x, 1e-3),
        np.conj, lambda x: np.nan_to_num(x / np.array([1.0, 0.0, 2.0])), lambda x: np.nan_to_num((x - x) / (x - x)),
        lambda x: np.linspace(x[0], x[1], 5),
    ],
    "indices": [
        lambda x: np.take(x, [0, 2], axis=1), lambda x: np.take(x, 3), np.nonzero, np.flatnonzero, np.argwhere,
        lambda x: np.take_along_axis(x, np.array([[2, 0, 1], [1, 1, 0]]), 1), np.diag, np.diagonal, np.trace,
        lambda x: np.diag(x[0], 1), np.tril, lambda x: np.triu(x, 1), lambda x: np.extract(x > 0, x),
        lambda x: np.compress([True, False, True], x, axis=1),
        lambda x: np.take_along_axis(x, np.argsort(A, axis=None), None),
    ],
    "products": [
        lambda x: np.dot(x, B.T), lambda x: np.dot(A, x.T), lambda x: np.inner(x, x), lambda x: np.outer(x[0], x[1]),
        lambda x: np.vdot(x, x), lambda x: np.tensordot(x, x, axes=((0, 1), (0, 1))), lambda x: np.tensordot(x, x.T, 1),
        lambda x: np.einsum("ij,kj->ik", x, x), lambda x: np.kron(x, x),
    ],
}


def numbered(groups):
    return [pytest.param(call, id=f"{group} {k}") for group, calls in groups.items() for k, call in enumerate(calls)]


@pytest.mark.parametrize("call", numbered({k: v for k, v in CALLS.items() if k != "more ufuncs"}))
def test_functions(call):
    with np.errstate(all="ignore"):
        same(call, A)


@pytest.mark.parametrize("call", numbered({"": CALLS["more ufuncs"]}))
def test_ufunc_methods_and_several_outputs(call):
    same(call, A, B, rtol=1e-6)


SORTS = [np.sort, np.argsort, lambda v: np.sort(v, axis=None), np.unique, np.diff, lambda v: np.diff(v, n=2),
         lambda v: np.searchsorted(np.arange(4.0), v), lambda v: np.searchsorted(np.sort(v), 2.0, side="right"),
         lambda v: np.unique(v, return_counts=True)]


@pytest.mark.parametrize("call", numbered({"": SORTS}))
def test_sorting_and_sets(call):
    same(call, V)


def test_functions_of_integers():
    same(lambda i: np.bincount(i), np.array([0, 2, 2, 5]))
    same(lambda i: np.unravel_index(i, (2, 3)), np.array([5, 1]))
    same(lambda i: np.ravel_multi_index((i, i), (2, 3)), np.array([0, 1]))
    same(np.vander, np.array([1, 2, 4]))
    same(lambda i: np.choose(i, [A[0, :2], A[1, :2]]), np.array([0, 1]))


LINALG = [
    np.linalg.inv, np.linalg.det, lambda s: np.linalg.solve(s, A[0]), lambda s: np.linalg.solve(s, A.T),
    np.linalg.cholesky, np.linalg.norm, lambda s: np.linalg.norm(s, axis=0), lambda s: np.linalg.norm(s, 1),
    np.linalg.pinv, lambda s: np.linalg.eigh(s)[0], np.linalg.eigvalsh, lambda s: np.linalg.svd(s)[1],
    lambda s: abs(np.linalg.qr(s)[1]), lambda s: np.linalg.matrix_power(s, 3), lambda s: np.linalg.slogdet(s)[1],
    lambda s: np.linalg.multi_dot([s, s, s]), lambda s: np.linalg.trace(s),
    lambda s: np.linalg.outer(s[0], s[1]), lambda s: np.linalg.matrix_transpose(s), lambda s: np.linalg.vecdot(s, s),
    lambda s: np.sort(np.linalg.eigvals(s).real), lambda s: np.linalg.svdvals(s),
    np.fft.fft2, np.fft.rfft2, lambda s: np.fft.irfft2(np.fft.rfft2(s, axes=(1, 0)), axes=(1, 0)), np.fft.fftn,
]


@pytest.mark.parametrize("call", numbered({"": LINALG}))
def test_linear_algebra(call):
    same(call, S, rtol=1e-9)


FFT = [np.fft.fft, np.fft.ifft, np.fft.rfft, lambda v: np.fft.irfft(np.fft.rfft(v)), lambda v: np.fft.fft(v, n=4),
       lambda v: np.fft.rfft(v, norm="ortho"), lambda v: np.fft.fft(v, axis=0), np.fft.fftshift, np.fft.ifftshift]


@pytest.mark.parametrize("call", numbered({"": FFT}))
def test_fourier_transforms(call):
    same(call, V)


def test_what_is_known_at_once():
    x, y = T.fmatrix("x"), T.lvector("y")
    assert np.ndim(x) == 2
    assert np.result_type(x, y) == np.float64
    assert np.result_type(x, "int8") == np.float32
    assert np.iscomplexobj(T.zvector())
    assert np.isrealobj(x)


def test_special_functions_of_scipy():
    special = pytest.importorskip("scipy.special")
    for name in ("erf", "erfc", "gammaln", "psi", "expit"):
        same(getattr(special, name), U)
    with pytest.raises(TypeError, match=r"airy|hyp2f1"):
        special.hyp2f1(T.dvector("x"), 1.0, 2.0, 0.5)


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy before 2 lacks some")
def test_every_listed_name_exists():
    """The tables hold no name that NumPy or the language lacks."""
    for name in numpy_protocol.SAME:
        assert callable(attrgetter(name)(np)), name
        assert numpy_protocol._find(name) is not None, name
    for name in set(numpy_functions.UFUNCS) - {"expit"}:
        assert isinstance(getattr(np, name), np.ufunc), name
    for name in numpy_functions.FUNCTIONS:
        assert callable(attrgetter(name)(np)), name


REFUSED = [
    (lambda x: np.spacing(x), "spacing"), (lambda x: np.add.reduceat(x, [0, 1]), "add.reduceat"),
    (lambda x: np.add.at(x, [0], 1.0), "add.at"), (lambda x: np.exp(x, where=np.array([True])), "switch"),
    (lambda x: np.add(x, 1, out=np.zeros(3)), r"a = a \+ x"), (lambda x: np.subtract.reduce(x), "subtract.reduce"),
    (lambda x: np.median(x), "numpy.median"), (lambda x: np.insert(x, 0, 1), "numpy.insert"),
    (lambda x: np.full_like(x, 1, shape=(3,)), "shape="), (lambda x: np.copyto(np.zeros(3), x), "copyto"),
    (lambda x: np.max(x, where=x > 0), "initial="), (lambda x: np.ravel(x, order="F"), "order="),
    (lambda x: np.linalg.cond(x), "linalg.cond"), (lambda x: np.frexp(x), "frexp"),
    (lambda x: np.frompyfunc(abs, 1, 1)(x), "symbolic"), (lambda x: np.sum(x, out=np.zeros(())), "out="),
    (lambda x: np.array_equal(x, x), "array_equal"), (lambda x: x.item(), "eval"), (lambda x: x.tolist(), "eval"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refusals_say_what_to_write(call, message):
    with pytest.raises(TypeError, match=message):
        call(T.dvector("x"))


ARRAYS = [
    lambda x, y: np.array([x, y]), lambda x, y: np.asarray(x), lambda x, y: np.exp([x, y]), lambda x, y: np.sum([x, y]),
    lambda x, y: np.array([1.0, x]), lambda x, y: np.array(x, dtype=object), lambda x, y: np.asanyarray([[x], [y]]),
    lambda x, y: np.full((2,), x), lambda x, y: np.arange(x), lambda x, y: np.zeros(3)[x],
]


@pytest.mark.parametrize("call", ARRAYS)
def test_no_array_of_objects(call):
    with pytest.raises(SymbolicTruthError, match="symbolic"):
        call(T.dvector("x"), T.dvector("y"))


def test_arrays_and_variables_in_one_expression():
    x, y = T.dvectors("x", "y")
    a = np.array([1.0, 2.0, 3.0])
    for result in (a + x, a < x, np.float64(2) * x, a @ x, np.dot(a, x), a**x, np.int8(3) - x, divmod(a, x)[0]):
        assert isinstance(result, T.TensorVariable)
    before = a
    with pytest.raises(TypeError, match="a = a"):
        a += x
    assert a is before
    assert x in [1, a.tolist(), y, x]
    assert x not in [1, y]
    with pytest.raises(ValueError, match="sequence"):
        a[0] = x


class _Other:
    def __array_function__(self, function, types, args, kwargs):
        return "other"


def test_other_array_types_get_their_turn():
    assert np.concatenate([T.dvector("x"), _Other()]) == "other"


def test_shared_variables_take_part():
    w = symtensor.shared(A, name="w")
    np.testing.assert_allclose(np.sum(np.exp(w), axis=0).eval(), np.exp(A).sum(0))


def test_run_time_and_axis_errors():
    x = T.dmatrix("x")
    with pytest.raises(ValueError, match="axis 2"):
        np.split(x, 2, axis=2)
    with pytest.raises(ValueError, match="pieces"):
        np.split(x, 0)
    with pytest.raises(ValueError, match="split"):
        np.split(x, 2, axis=1)[0].eval({x: A})


def test_gradients_flow():
    x = T.dvector("x")
    g = symtensor.grad(np.sum(np.hypot(x, 2.0) + np.logaddexp(x, 1.0)), x)
    data = np.array([0.0, -1.0, 3.0])
    np.testing.assert_allclose(g.eval({x: data}), data / np.hypot(data, 2) + 1 / (1 + np.exp(1 - data)))


@pytest.mark.parametrize("call", [
    lambda x: np.sort(x, stable=True), lambda x: np.argsort(x, 0, stable=True), lambda x: np.isin(x, [2.0, 0.5]),
    lambda x: np.union1d(x, [9.0]), lambda x: np.intersect1d(x, x[0]), lambda x: np.setdiff1d(x, [4.0]),
    lambda x: np.ptp(x, axis=0, keepdims=True), lambda x: np.pad(x, 1, constant_values=(1, 2)),
])
def test_sets_sorts_and_options(call):
    same(call, B)
