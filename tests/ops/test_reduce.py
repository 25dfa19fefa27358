"""Reductions against NumPy, generated from their records; argmax and argmin; SumTo; gradients by
differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluation import check_gradient, compiled, draw, evaluate, interpret, layouts, variable

from symtensor.autodiff.gradient import grad
from symtensor.graph.types import DTYPES
from symtensor.graph.walk import toposort
from symtensor.ops import argreduce, reduce
from symtensor.ops.reduce import REDUCTIONS, Reduction, SumTo, sum_to_shape

SHAPES_AND_AXES = [
    ((), None),
    ((5,), None),
    ((5,), 0),
    ((1,), 0),
    ((3, 4), None),
    ((3, 4), 0),
    ((3, 4), -1),
    ((3, 4), (0, 1)),
    ((1, 4), 0),
    ((3, 1), 0),
    ((2, 3, 4), 1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), [1, -1]),
    ((2, 3, 4), ()),
    ((0, 3), 1),
    ((2, 0, 3), (0, 2)),
]
WITH_EMPTY = [*SHAPES_AND_AXES, ((0,), None), ((0, 3), 0), ((3, 0), None)]


def numpy_axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def accepted(name: str) -> list[str]:
    if name in ("all", "any"):
        return list(DTYPES)
    return [dtype for dtype in DTYPES if np.dtype(dtype).kind in REDUCTIONS[name].accepts]


def reference(name: str, array: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    kind = array.dtype.kind
    if name in ("sum", "prod"):
        wide = {"b": "int64", "i": "int64", "u": "uint64", "f": "float64", "c": "complex128"}[kind]
        out = wide if kind in "biu" else array.dtype
        return np.asarray(getattr(np, name)(array, axis=axis, keepdims=keepdims, dtype=wide)).astype(out)
    if array.ndim == 0 and name in ("max", "min"):
        return array
    return np.asarray(getattr(np, name)(array, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", sorted(REDUCTIONS))
def test_reductions_mean_what_numpy_means(name: str, keepdims: bool) -> None:
    cases = SHAPES_AND_AXES if REDUCTIONS[name].identity is None else WITH_EMPTY
    for number, (shape, axis) in enumerate(cases):
        for dtype in accepted(name) if number in (4, 5) else ("float32", "bool", "uint8"):
            array = draw(dtype, shape, seed=number)
            x = variable(dtype, len(shape))
            y = getattr(reduce, name)(x, axis=axis, keepdims=keepdims)
            (got,) = interpret([y], {x: array})
            want = reference(name, array, numpy_axis(axis), keepdims)
            assert (got.dtype, got.shape) == (want.dtype, want.shape), (dtype, shape, axis)
            np.testing.assert_allclose(
                got, want, rtol=1e-3 if dtype == "float16" else 1e-6, err_msg=f"{dtype} {shape}"
            )


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
def test_native_code_agrees(name: str) -> None:
    for dtype in accepted(name):
        x = variable(dtype, 3)
        outputs = [getattr(reduce, name)(x, axis) for axis in (None, 0, 1, 2, (0, 1), (0, 2), (1, 2))]
        for number, shape in enumerate([(2, 3, 4), (1, 1, 1), (7, 1, 33), (3, 70, 5)]):
            evaluate(outputs, {x: draw(dtype, shape, seed=number)})


@pytest.mark.parametrize("layout", ["C", "F", "negative", "strided"])
def test_layouts(layout: str) -> None:
    array = layouts(draw("float32", (4, 5, 6)))[layout]
    x = variable("float32", 3)
    cases = [(name, axis) for name in ("sum", "prod", "max", "min") for axis in (None, 0, (0, 2), 2)]
    got = evaluate([getattr(reduce, name)(x, axis) for name, axis in cases], {x: array})
    for (name, axis), value in zip(cases, got):
        np.testing.assert_allclose(value, reference(name, array, axis, False), rtol=1e-5)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_propagate_nan(name: str) -> None:
    for dtype in ("float16", "float32", "float64"):
        x = variable(dtype, 2)
        array = np.array(
            [[1, np.nan, 3], [np.nan, 0, 1], [2, 5, np.nan], [1, 2, 3], [-np.inf, np.inf, 0]], dtype=dtype
        )
        for axis in (None, 0, 1):
            got = evaluate(getattr(reduce, name)(x, axis), {x: array})
            np.testing.assert_array_equal(got, getattr(np, name)(array, axis=axis))


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_of_nothing_are_an_error(name: str) -> None:
    x = variable("float64", 2)
    y = getattr(reduce, name)(x, axis=0)
    given = {x: np.zeros((0, 3))}
    with pytest.raises(ValueError, match=rf"{name}: zero-size array .* axis 0 is empty"):
        interpret([y], given)
    if compiled([x], given) is not None:
        with pytest.raises(ValueError, match=f"{name}: zero-size array"):
            compiled([y], given)
    assert interpret([y], {x: np.zeros((0, 0))})[0].shape == (0,)
    with pytest.raises(ValueError, match=f"{name}: zero-size array"):  # known while the graph is built
        getattr(reduce, name)(variable("float64", 2, shape=(0, 3)), axis=0)
    getattr(reduce, name)(variable("float64", 2, shape=(0, None)), axis=0)


def test_float32_sums_are_accumulated_in_float64() -> None:
    array = np.full(1_000_001, 0.1, dtype="float32")
    x = variable("float32", 1)
    exact = np.sum(array.astype("float64"))
    total = evaluate(reduce.sum(x), {x: array})
    assert total.dtype == np.float32
    assert abs(float(total) - exact) <= np.spacing(np.float32(exact))
    halves = np.full(100_000, 1.0, dtype="float16")
    h = variable("float16", 1)
    assert float(evaluate(reduce.mean(h), {h: halves})) == 1.0


def test_dtype_and_acc_dtype() -> None:
    x = variable("int8", 1)
    values = {x: np.array([100, 100, 100], dtype="int8")}
    assert reduce.sum(x).type.dtype == "int64"
    assert reduce.sum(variable("uint8", 1)).type.dtype == "uint64"
    assert reduce.sum(variable("bool", 1)).type.dtype == "int64"
    assert evaluate(reduce.sum(x), values) == 300
    assert evaluate(reduce.sum(x, dtype="int8"), values) == np.int8(300 - 256)
    assert evaluate(reduce.sum(x, dtype="float64"), values).dtype == np.float64
    y = reduce.sum(variable("float32", 1), acc_dtype="float32")
    assert y.owner.op.acc_dtype == "float32"
    assert reduce.sum(variable("float32", 1)).owner.op.acc_dtype == "float64"
    with pytest.raises(TypeError, match="complex"):
        reduce.sum(variable("complex64", 1), dtype="float32")
    with pytest.raises(TypeError, match="max is not defined for dtype complex64"):
        reduce.max(variable("complex64", 1))


def test_bad_axes() -> None:
    x = variable("float64", 2)
    with pytest.raises(ValueError, match=r"sum: axis 2 is out of range for 2 dimension"):
        reduce.sum(x, axis=2)
    with pytest.raises(ValueError, match=r"max: axis -3"):
        reduce.max(x, axis=-3)
    with pytest.raises(ValueError, match="twice"):
        reduce.sum(x, axis=(0, -2))
    for axis in (1.0, "0", True, variable("int64", 0)):
        with pytest.raises(TypeError, match="axis must be"):
            reduce.sum(x, axis=axis)
    with pytest.raises(ValueError, match="no reduction is named"):
        Reduction("median")


def test_equal_reductions_are_one() -> None:
    x = variable("float64", 2)
    assert reduce.sum(x).owner.op == reduce.sum(x, axis=(1, 0)).owner.op
    assert reduce.sum(x, axis=0).owner.op != reduce.sum(x, axis=1).owner.op
    assert hash(reduce.sum(x).owner.op) == hash(reduce.sum(x, axis=[-1, 0]).owner.op)
    assert str(reduce.sum(x, axis=1).owner.op) == "Sum{axis=[1]}"


@pytest.mark.parametrize("name", ["mean", "var", "std"])
def test_statistics(name: str) -> None:
    for dtype in ("float32", "float64", "int32", "uint8", "bool", "float16"):
        x = variable(dtype, 3)
        array = draw(dtype, (4, 1, 5), seed=3)
        axes = (None, 0, 1, (0, 2), -1)
        for axis, got in zip(axes, evaluate([getattr(reduce, name)(x, axis) for axis in axes], {x: array})):
            want = getattr(np, name)(array.astype("float64"), axis=axis)
            assert got.dtype == ("float64" if array.dtype.kind in "biu" else dtype)
            tolerance = 5e-3 if dtype == "float16" else 1e-5
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance / 5)
    x = variable("float64", 2)
    array = draw("float64", (4, 5))
    if name != "mean":
        got = evaluate(getattr(reduce, name)(x, 0, ddof=1, keepdims=True), {x: array})
        np.testing.assert_allclose(got, getattr(np, name)(array, 0, ddof=1, keepdims=True))
        z = variable("complex128", 1)
        complex_values = draw("complex128", (6,))
        np.testing.assert_allclose(interpret([getattr(reduce, name)(z)], {z: complex_values})[0],
                                   getattr(np, name)(complex_values))
    with pytest.raises(TypeError, match="mean: dtype int32"):
        reduce.mean(x, dtype="int32")


def test_mean_of_nothing_is_nan() -> None:
    x = variable("float32", 2)
    assert np.isnan(evaluate(reduce.mean(x), {x: np.zeros((0, 3), "float32")}))


# -- argmax, argmin ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(name: str) -> None:
    for dtype in (d for d in DTYPES if not d.startswith("complex")):
        x = variable(dtype, 2)
        array = draw(dtype, (6, 7), seed=1)
        axes = (None, 0, 1, -1)
        outputs = [
            *(getattr(argreduce, name)(x, axis) for axis in axes),
            getattr(argreduce, name)(x, 1, keepdims=True),
        ]
        *got, kept = evaluate(outputs, {x: array})
        for axis, positions in zip(axes, got):
            assert positions.dtype == np.int64
            np.testing.assert_array_equal(positions, getattr(np, name)(array, axis=axis))
        np.testing.assert_array_equal(kept, getattr(np, name)(array, axis=1, keepdims=True))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_in_layouts_and_several_axes(name: str) -> None:
    base = draw("float64", (3, 4, 5), seed=2)
    x = variable("float64", 3)
    y = getattr(argreduce, name)(x, (0, 2))
    for array in layouts(base).values():
        got = evaluate(y, {x: array})
        want = getattr(np, name)(base.transpose(1, 0, 2).reshape(4, 15), axis=1)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_nan_or_tie_wins(name: str) -> None:
    x = variable("float32", 2)
    array = np.array([[1, 3, 3], [np.nan, 5, np.nan], [0, np.nan, -1], [1, 1, 1]], dtype="float32")
    np.testing.assert_array_equal(
        evaluate(getattr(argreduce, name)(x, 1), {x: array}), getattr(np, name)(array, axis=1)
    )


def test_positions_of_nothing_are_an_error() -> None:
    x = variable("float64", 2)
    y = argreduce.argmax(x, 1)
    with pytest.raises(ValueError, match="argmax: zero-size"):
        evaluate(y, {x: np.zeros((3, 0))})
    if compiled([x], {x: np.zeros((3, 0))}) is not None:
        with pytest.raises(ValueError, match="argmax: zero-size"):
            compiled([y], {x: np.zeros((3, 0))})
    assert evaluate(y, {x: np.zeros((0, 0))}).shape == (0,)


def test_max_and_argmax_and_ptp() -> None:
    x = variable("float64", 2)
    array = draw("float64", (4, 5))
    top, at = evaluate(argreduce.max_and_argmax(x, 1), {x: array})
    np.testing.assert_array_equal(top, array.max(1))
    np.testing.assert_array_equal(at, array.argmax(1))
    np.testing.assert_array_equal(evaluate(argreduce.ptp(x, 0), {x: array}), np.ptp(array, 0))


# -- gradients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std"])
def test_gradients(name: str, axis: Any) -> None:
    values = np.random.default_rng(4).permutation(np.linspace(0.5, 2.0, 12)).reshape(2, 3, 2)
    for keepdims in (False, True):
        check_gradient(lambda x: getattr(reduce, name)(x, axis=axis, keepdims=keepdims), [values])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var"])
def test_second_gradients(name: str) -> None:
    values = np.random.default_rng(5).uniform(0.5, 2, (2, 3))
    check_gradient(lambda x: getattr(reduce, name)(x, axis=1) ** 2, [values], order=2)


def test_gradient_of_prod_with_zeros() -> None:
    values = np.array([[1.0, 2.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [4.0, 5.0, 0.0]])
    check_gradient(lambda x: reduce.prod(x, axis=1), [values], order=2)
    check_gradient(lambda x: reduce.prod(x), [values])
    check_gradient(lambda x: reduce.prod(x, axis=0, keepdims=True), [values], order=2)
    check_gradient(lambda x: reduce.prod(x, axis=(0, 2)), [values.reshape(2, 2, 3)])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3, 4])
def test_third_derivative_of_prod(zeros: int) -> None:
    x, n = variable("float64", 1), 5
    values = draw("float64", (n,))
    values[:zeros] = 0
    u, v = draw("float64", (n,)) + 1, draw("float64", (n,)) - 1
    slope = (grad(reduce.prod(x), x) * u).sum()
    found = evaluate(grad((grad(slope, x) * v).sum(), x), {x: values})
    wanted = [sum(u[j] * v[k] * np.prod([values[m] for m in range(n) if m not in (i, j, k)])
                  for j in range(n) for k in range(n) if len({i, j, k}) == 3) for i in range(n)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_gradient_of_prod_without_zeros_divides() -> None:
    values = draw("float64", (3, 4)) + 5
    check_gradient(lambda x: reduce.prod(x, axis=1, no_zeros_in_input=True), [values], order=2)


def test_gradient_of_max_goes_to_all_ties() -> None:
    x = variable("float64", 1)
    (got,) = interpret([grad(reduce.max(x), x)], {x: np.array([1.0, 3.0, 3.0])})
    np.testing.assert_array_equal(got, [0, 1, 1])


# -- SumTo ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (3, 1), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "complex64"])
def test_sum_to(shape: tuple[int, int], dtype: str) -> None:
    g, like = variable(dtype, 2), variable("float64", 2)
    array = draw(dtype, (3, 4))
    got = evaluate(SumTo()(g, like), {g: array, like: np.zeros(shape)})
    axes = tuple(axis for axis, dim in enumerate(shape) if dim == 1)
    np.testing.assert_allclose(got, array.sum(axis=axes, keepdims=True, dtype=array.dtype), rtol=1e-5)


def test_sum_to_shape_is_static_where_it_can_be() -> None:
    g = variable("float32", 3)
    same = variable("float32", 3, shape=(None, 4, None))
    assert [str(node.op) for node in toposort([sum_to_shape(g, same)])] == ["SumTo"]
    row = variable("float32", 2, shape=(1, 3))
    ops = [str(node.op) for node in toposort([sum_to_shape(g, row)])]
    assert ops == ["Sum{axis=[0]}", "Sum{axis=[0]}", "DimShuffle{x,0}"]
    known = variable("float32", 2, shape=(2, 3))
    full = variable("float32", 2, shape=(2, 3))
    assert sum_to_shape(full, known) is full
    assert sum_to_shape(g, g) is g


def test_sum_to_what_is_no_broadcast() -> None:
    g, like = variable("float64", 1), variable("float64", 1)
    with pytest.raises(ValueError, match=r"SumTo: shape \(3,\) is no broadcast of \(2,\)"):
        interpret([SumTo()(g, like)], {g: np.zeros(3), like: np.zeros(2)})
    with pytest.raises(ValueError, match="fewer dimensions"):
        sum_to_shape(g, variable("float64", 2))


def test_gradient_through_run_time_broadcasting() -> None:
    check_gradient(lambda g, like: SumTo()(g, like), [np.ones((3, 4)), np.ones((1, 4))], order=2)
    check_gradient(lambda x, y: x * y, [draw("float64", (3, 4)), draw("float64", (3, 1))])
