"""Products of vectors, matrices and tensors against NumPy, over dtypes, layouts and empty sizes;
gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from evaluation import check_gradient, compiled, draw, evaluate, interpret, layouts, variable

from symtensor.graph.types import DTYPES
from symtensor.graph.walk import toposort
from symtensor.ops import blas

PAIRS = [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((3, 4), (4, 5))]
TOLERANCE = {"float16": 1e-2, "float32": 1e-5, "complex64": 1e-5}


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.dot(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dot_in_every_dtype(dtype: str) -> None:
    for left, right in [*PAIRS, ((), (3, 4)), ((3,), ()), ((), ()), ((17, 33), (33, 9))]:
        a, b = draw(dtype, left, seed=1), draw(dtype, right, seed=2)
        x, y = variable(dtype, a.ndim), variable(dtype, b.ndim)
        got = evaluate(blas.dot(x, y), {x: a, y: b})
        assert (got.dtype, got.shape) == (np.dtype(dtype), product(a, b).shape)
        tolerance = TOLERANCE.get(dtype, 1e-12)
        np.testing.assert_allclose(got, product(a, b), rtol=tolerance, atol=tolerance)


def test_small_integers_wrap_as_in_numpy() -> None:
    x, y = variable("int8", 2), variable("int8", 2)
    a, b = np.full((2, 9), 100, "int8"), np.full((9, 3), 100, "int8")
    np.testing.assert_array_equal(evaluate(blas.dot(x, y), {x: a, y: b}), np.dot(a, b))
    v, w = variable("int8", 1), variable("int8", 1)
    np.testing.assert_array_equal(
        evaluate(blas.dot(v, w), {v: a[0], w: b[:, 0].copy()}), np.dot(a[0], b[:, 0])
    )


@pytest.mark.parametrize(("left", "right"), [("int8", "float32"), ("int32", "int64"), ("float32", "float64"),
                                             ("float64", "complex64"), ("bool", "uint8")])
def test_mixed_dtypes(left: str, right: str) -> None:
    x, y = variable(left, 2), variable(right, 2)
    a, b = draw(left, (3, 4)), draw(right, (4, 2))
    got = evaluate(blas.dot(x, y), {x: a, y: b})
    assert got.dtype == np.result_type(left, right)
    np.testing.assert_allclose(got, np.dot(a, b), rtol=1e-6)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((0,), (0,)),
        ((3, 0), (0,)),
        ((3, 0), (0, 4)),
        ((0, 3), (3, 4)),
        ((3, 4), (4, 0)),
        ((0,), (0, 3)),
        ((0, 0), (0, 0)),
        ((1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int64", "complex128"])
def test_empty_sizes(left: tuple[int, ...], right: tuple[int, ...], dtype: str) -> None:
    a, b = draw(dtype, left), draw(dtype, right)
    x, y = variable(dtype, a.ndim), variable(dtype, b.ndim)
    got = evaluate(blas.dot(x, y), {x: a, y: b})
    np.testing.assert_allclose(got, np.dot(a, b))
    assert got.shape == np.dot(a, b).shape


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
def test_layouts(dtype: str) -> None:
    for left, right in PAIRS:
        a, b = draw(dtype, left), draw(dtype, right, seed=3)
        x, y = variable(dtype, a.ndim), variable(dtype, b.ndim)
        z = blas.dot(x, y)
        for first, second in itertools.product(layouts(a).values(), layouts(b).values()):
            got = evaluate(z, {x: first, y: second})
            np.testing.assert_allclose(
                got, np.dot(a, b), rtol=1e-2 if dtype == "float16" else 1e-5, atol=1e-3
            )


def test_views_inside_the_graph() -> None:
    x, y = variable("float64", 2), variable("float64", 2)
    a, b = draw("float64", (4, 3)), draw("float64", (5, 4))
    cases = (
        (blas.dot(x.T, y.T), a.T @ b.T),
        (blas.dot(y[::-1, ::-1], x), b[::-1, ::-1] @ a),
        (blas.dot(y[::2], x[:, ::-2]), b[::2] @ a[:, ::-2]),
        (blas.dot(y, x[:, 1]), b @ a[:, 1]),
        (blas.dot(x[::-1, 0], y.T), a[::-1, 0] @ b.T),
        (blas.dot(x[::-1, 0], y[::-1].T[:, 2]), a[::-1, 0] @ b[2]),
    )
    for (_, want), got in zip(cases, evaluate([z for z, _ in cases], {x: a, y: b})):
        np.testing.assert_allclose(got, want)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"dot: shapes \(3, 4\) and \(5, 6\) do not fit"):
        blas.dot(variable("float64", 2, shape=(3, 4)), variable("float64", 2, shape=(5, 6)))
    for left, right in [((2, 3), (4, 5)), ((3,), (4,)), ((2, 3), (4,)), ((3,), (4, 2)), ((0, 3), (4, 0))]:
        for dtype in ("float64", "int32"):
            x, y = variable(dtype, len(left)), variable(dtype, len(right))
            given = {x: np.ones(left, dtype), y: np.ones(right, dtype)}
            with pytest.raises(ValueError, match="dot: shapes .* do not fit"):
                interpret([blas.dot(x, y)], given)
            if compiled([x], given) is not None:
                with pytest.raises(ValueError, match="dot: shapes .* do not fit"):
                    compiled([blas.dot(x, y)], given)
    with pytest.raises(TypeError, match="vectors or matrices"):
        blas.Dot()(variable("float64", 3), variable("float64", 2))


@pytest.mark.parametrize(("left", "right"), [((2, 3, 4), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (6, 4, 5)),
                                             ((4,), (6, 4, 5)), ((3, 4), (6, 4, 5)), ((), (2, 3, 4))])
def test_dot_of_more_dimensions(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = draw("float64", left), draw("float64", right, seed=4)
    x, y = variable("float64", a.ndim), variable("float64", b.ndim)
    np.testing.assert_allclose(evaluate(blas.dot(x, y), {x: a, y: b}), np.dot(a, b))
    check_gradient(blas.dot, [a, b])


@pytest.mark.parametrize(("left", "right", "axes"), [
    ((2, 3, 4), (3, 4, 5), 2), ((2, 3), (4, 5), 0), ((2, 3), (3, 4), 1), ((2, 3, 4), (2, 3, 4), 3),
    ((2, 3, 4), (4, 3, 5), [[1, 2], [1, 0]]), ((2, 3, 4), (5, 2), [0, 1]), ((2, 3, 4), (5, 3), (-2, -1)),
    ((3,), (3, 2, 2), [[0], [0]]), ((3, 4), (3, 4), [[0, 1], [0, 1]]), ((2, 0), (0, 3), 1),
])
def test_tensordot(left: tuple[int, ...], right: tuple[int, ...], axes: Any) -> None:
    a, b = draw("float64", left), draw("float64", right, seed=5)
    x, y = variable("float64", a.ndim), variable("float64", b.ndim)
    np.testing.assert_allclose(evaluate(blas.tensordot(x, y, axes), {x: a, y: b}), np.tensordot(a, b, axes))
    check_gradient(lambda x, y: blas.tensordot(x, y, axes), [a, b])


def test_tensordot_errors() -> None:
    x, y = variable("float64", 2), variable("float64", 2)
    with pytest.raises(ValueError, match="cannot sum over 3 axes"):
        blas.tensordot(x, y, 3)
    with pytest.raises(ValueError, match="not pairs"):
        blas.tensordot(x, y, [[0, 1], [0]])
    with pytest.raises(ValueError, match="tensordot: axis 2"):
        blas.tensordot(x, y, [[2], [0]])
    with pytest.raises(ValueError, match="axis 1 of the first is 3, axis 0 of the second is 4"):
        blas.tensordot(variable("float64", 2, shape=(2, 3)), variable("float64", 2, shape=(4, 2)), 1)
    # one product of sizes is not enough: 2 * 3 == 3 * 2
    with pytest.raises(ValueError, match="tensordot: dimension 0 is 3, but 2 is expected"):
        interpret([blas.tensordot(x, y, 2)], {x: np.ones((2, 3)), y: np.ones((3, 2))})


def test_inner_and_outer() -> None:
    a, b = draw("float64", (2, 3)), draw("float64", (4, 3), seed=6)
    x, y = variable("float64", 2), variable("float64", 2)
    np.testing.assert_allclose(evaluate(blas.inner(x, y), {x: a, y: b}), np.inner(a, b))
    np.testing.assert_allclose(evaluate(blas.outer(x, y), {x: a, y: b}), np.outer(a, b))
    v = variable("float64", 1)
    np.testing.assert_allclose(evaluate(blas.inner(v, v), {v: a[0]}), np.inner(a[0], a[0]))
    check_gradient(blas.outer, [a[0], b[0]])
    check_gradient(blas.inner, [a, b])


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32", "float16", "bool"])
@pytest.mark.parametrize(("left", "right"), [((6, 2, 3), (6, 3, 4)), ((6, 3), (6, 3, 4)), ((6, 2, 3), (6, 3)),
                                             ((6, 3), (6, 3)), ((6, 2, 5, 3), (6, 3)), ((0, 2, 3), (0, 3, 4)),
                                             ((6, 2, 0), (6, 0, 4))])
def test_batched_dot(left: tuple[int, ...], right: tuple[int, ...], dtype: str) -> None:
    a, b = draw(dtype, left), draw(dtype, right, seed=7)
    x, y = variable(dtype, a.ndim), variable(dtype, b.ndim)
    got = evaluate(blas.batched_dot(x, y), {x: a, y: b})
    assert got.dtype == dtype
    for index in range(left[0]):
        np.testing.assert_allclose(
            got[index], np.dot(a[index], b[index]), rtol=1e-2 if dtype == "float16" else 1e-5, atol=1e-3
        )


def test_batched_products_more() -> None:
    a, b = draw("float64", (3, 2, 4)), draw("float64", (3, 4, 5), seed=8)
    check_gradient(blas.batched_dot, [a, b])
    check_gradient(blas.batched_dot, [a[:, 0], b])
    x, y = variable("float64", 3), variable("float64", 3)
    got = evaluate(blas.batched_tensordot(x, y, [[2], [1]]), {x: a, y: b})
    np.testing.assert_allclose(got, a @ b)
    got = evaluate(blas.batched_tensordot(x, y, [[1, 2], [1, 2]]), {x: a, y: a})
    np.testing.assert_allclose(got, (a * a).sum((1, 2)))
    v, m = variable("float64", 1), variable("float64", 2)
    np.testing.assert_allclose(
        evaluate(blas.batched_dot(v, m), {v: a[:, 0, 0], m: a[:, 0]}), a[:, 0, :1] * a[:, 0]
    )
    for wrong in (np.ones((2, 4, 5)), np.ones((3, 5, 5))):
        with pytest.raises(ValueError, match="batched_dot: shapes"):
            interpret([blas.batched_dot(x, y)], {x: a, y: wrong})
        if compiled([x], {x: a}) is not None:
            with pytest.raises(ValueError, match="batched_dot: shapes"):
                compiled([blas.batched_dot(x, y)], {x: a, y: wrong})
    with pytest.raises(ValueError, match="axis 0 is that of the batch"):
        blas.batched_tensordot(x, y, [[0], [0]])


MATMUL = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((6, 5, 2, 3), (3,)),
    ((3,), (6, 5, 3, 4)),
    ((6, 5, 2, 3), (6, 5, 3, 4)),
    ((0, 2, 3), (1, 3, 4)),
]


@pytest.mark.parametrize(("left", "right"), MATMUL)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = draw("float64", left), draw("float64", right, seed=9)
    want = np.matmul(a, b)
    for static in (False, True):
        x = variable("float64", a.ndim, shape=a.shape if static else None)
        y = variable("float64", b.ndim, shape=b.shape if static else None)
        got = evaluate(blas.matmul(x, y), {x: a, y: b})
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want)
    if a.size:
        check_gradient(blas.matmul, [a, b])


def test_matmul_errors() -> None:
    with pytest.raises(ValueError, match="scalars are not allowed"):
        blas.matmul(variable("float64", 0), variable("float64", 2))
    x, y = variable("float64", 3), variable("float64", 3)
    with pytest.raises(ValueError, match="broadcast|do not fit"):
        interpret([blas.matmul(x, y)], {x: np.ones((2, 3, 4)), y: np.ones((3, 4, 5))}, check=False)


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_gradients(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    check_gradient(blas.dot, [draw("float64", left), draw("float64", right, seed=1)], order=2)


# -- gemm ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(3, 4, 5), (1, 1, 1), (3, 0, 5), (0, 4, 5), (3, 4, 0), (40, 30, 20)]
)
def test_gemm(dtype: str, m: int, k: int, n: int) -> None:
    names = [variable(dtype, ndim) for ndim in (2, 0, 2, 2, 0)]
    arrays = [draw(dtype, (m, n)), np.asarray(0.5, dtype), draw(dtype, (m, k), 1), draw(dtype, (k, n), 2)]
    z = blas.gemm(*names)
    for beta in (0, 1, -2):
        given = dict(zip(names, [*arrays, np.asarray(beta, dtype)]))
        got = evaluate(z, given, atol=1e-6)
        tolerance = TOLERANCE.get(dtype, 1e-12)
        np.testing.assert_allclose(
            got, beta * arrays[0] + 0.5 * (arrays[2] @ arrays[3]), rtol=tolerance, atol=tolerance
        )


def test_gemm_does_not_read_what_beta_zero_drops() -> None:
    c, a, b = (variable("float64", 2) for _ in range(3))
    given = {c: np.full((2, 2), np.nan), a: np.ones((2, 3)), b: np.ones((3, 2))}
    np.testing.assert_array_equal(evaluate(blas.gemm(c, 1.0, a, b, 0.0), given), np.full((2, 2), 3.0))


def test_gemm_checks_and_gradients() -> None:
    c, a, b = (variable("float64", 2) for _ in range(3))
    for shapes in [((3, 2), (2, 3), (3, 2)), ((2, 2), (2, 3), (4, 2)), ((2, 1), (2, 3), (3, 2))]:
        given = dict(zip((c, a, b), map(np.ones, shapes)))
        with pytest.raises(ValueError, match="gemm: .* do not fit"):
            interpret([blas.gemm(c, 1.0, a, b, 1.0)], given)
        if compiled([c], given) is not None:
            with pytest.raises(ValueError, match="gemm: .* do not fit"):
                compiled([blas.gemm(c, 1.0, a, b, 1.0)], given)
    with pytest.raises(ValueError, match="gemm: shapes"):
        blas.gemm(variable("float64", 2, shape=(2, 2)), 1.0, variable("float64", 2, shape=(3, 3)), b, 1.0)
    with pytest.raises(TypeError, match="Gemm takes"):
        blas.gemm(variable("int32", 2), 1, variable("int32", 2), variable("int32", 2), 1)
    check_gradient(
        blas.gemm,
        [draw("float64", (2, 4)), 0.7, draw("float64", (2, 3)), draw("float64", (3, 4)), -0.3],
        order=2,
    )
    assert [type(node.op).__name__ for node in toposort([blas.gemm(c, 1.0, a, b, 1.0)])][-1] == "Gemm"
