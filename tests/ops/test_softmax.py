"""Softmax, log-softmax, log-sum-exp and the cross-entropies against NumPy; gradients by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluation import check_gradient, compiled, draw, evaluate, interpret, layouts, variable
from scipy import special

import symtensor
from symtensor import tensor as T
from symtensor.autodiff.gradient import grad
from symtensor.ops import crossentropy
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.softmax import LogSoftmax, LogSumExp, Softmax, SoftmaxGrad, logsoftmax, logsumexp, softmax

FLOATS = ("float16", "float32", "float64")
TOLERANCE = {"float16": 4e-3, "float32": 3e-6, "float64": 1e-13}
TARGETS = np.array([2, 0, 1, 1], dtype="int32")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("op", "reference"), [(Softmax, special.softmax), (LogSoftmax, special.log_softmax)])
def test_rows_along_any_axis(op: Any, reference: Any, dtype: str) -> None:
    for shapes in ([(5,), (0,)], [(3, 7), (1, 1), (0, 3), (3, 0), (17, 33)], [(2, 3, 4)]):
        ndim = len(shapes[0])
        x = variable(dtype, ndim)
        outputs = [op(axis)(x) for axis in range(-ndim, ndim)]
        for shape in shapes:
            array = draw(dtype, shape, seed=1) * 4
            for axis, got in zip(range(-ndim, ndim), evaluate(outputs, {x: array})):
                assert got.dtype == dtype
                want = reference(array.astype("float64"), axis=axis) if array.size else np.zeros(shape)
                np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("op", [Softmax, LogSoftmax])
def test_layouts(op: Any) -> None:
    x = variable("float32", 3)
    base = draw("float32", (3, 4, 5))
    for axis in (0, 1, 2):
        want = interpret([op(axis)(x)], {x: base})[0]
        turned = op(axis)(x.transpose(2, 0, 1))
        for array in layouts(base).values():
            np.testing.assert_allclose(evaluate(turned, {x: array.transpose(1, 2, 0)}), want, rtol=1e-5)


def test_large_values_and_special_ones() -> None:
    x = variable("float64", 2)
    array = np.array(
        [[1e4, 1e4, -1e4], [-1e300, 0.0, 1e300], [-np.inf, 0.0, 0.0], [np.nan, 0.0, 1.0], [800, 0, 800]]
    )
    soft, log = evaluate([softmax(x), logsoftmax(x)], {x: array})
    np.testing.assert_array_equal(soft[0], [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(soft[1], [0, 0, 1])
    np.testing.assert_array_equal(soft[2], [0, 0.5, 0.5])
    assert np.isnan(soft[3]).all()
    np.testing.assert_allclose(log[0], [-np.log(2), -np.log(2), -2e4 - np.log(2)])
    assert np.isfinite(log[4]).all()


def test_a_vector_gives_a_row_as_in_theano() -> None:
    v = variable("float32", 1)
    assert softmax(v).type.shape == (1, None)
    assert logsoftmax(v).type.shape == (1, None)
    assert softmax(v, axis=0).type.ndim == 1
    array = draw("float32", (5,))
    np.testing.assert_allclose(evaluate(softmax(v), {v: array}), special.softmax(array)[None], rtol=1e-6)
    assert softmax(variable("int8", 2)).type.dtype == "float32"
    with pytest.raises(TypeError, match="complex64"):
        softmax(variable("complex64", 2))
    with pytest.raises(ValueError, match="axis 2 is out of range"):
        softmax(variable("float32", 2), axis=2)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gradients_of_rows(axis: int) -> None:
    values = draw("float64", (3, 4))
    check_gradient(lambda x: softmax(x, axis=axis), [values], order=2)
    check_gradient(lambda x: logsoftmax(x, axis=axis), [values], order=2)
    check_gradient(lambda dy, y: SoftmaxGrad(axis)(dy, y), [values, draw("float64", (3, 4), seed=9)], order=2)


def test_softmax_gradient_in_every_float_dtype() -> None:
    for dtype in FLOATS:
        dy, y = variable(dtype, 2), variable(dtype, 2)
        given = {dy: draw(dtype, (5, 6)), y: draw(dtype, (5, 6), seed=2)}
        got = evaluate(SoftmaxGrad()(dy, y), given)
        d, s = (value.astype("float64") for value in given.values())
        np.testing.assert_allclose(
            got, (d - (d * s).sum(1, keepdims=True)) * s, rtol=5e-3, atol=8 * TOLERANCE[dtype]
        )


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_logsumexp(axis: Any) -> None:
    x = variable("float64", 2)
    array = np.array([[1e3, 1e3], [-np.inf, -np.inf], [0.0, -1e3], [1.0, 2.0]])
    for keepdims in (False, True):
        y = logsumexp(x, axis, keepdims)
        np.testing.assert_allclose(
            evaluate(y, {x: array}), special.logsumexp(array, axis=axis, keepdims=keepdims)
        )
    spelled = LogSumExp(None if axis is None else np.atleast_1d(axis).tolist()).expand(x)
    np.testing.assert_allclose(interpret([spelled], {x: array})[0], special.logsumexp(array, axis=axis))
    check_gradient(lambda x: logsumexp(x, axis), [draw("float64", (3, 4))], order=2)
    check_gradient(lambda x: LogSumExp(None if axis is None else np.atleast_1d(axis).tolist()).expand(x),
                   [draw("float64", (3, 4))])


# -- cross-entropies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("target_dtype", ["int8", "int32", "int64", "uint8"])
def test_one_hot_targets(dtype: str, target_dtype: str) -> None:
    x, y = variable(dtype, 2), variable(target_dtype, 1)
    logits = draw(dtype, (4, 3))
    p = special.softmax(logits.astype("float64"), axis=1)
    want = -np.log(p[np.arange(4), TARGETS])
    given = {x: p.astype(dtype), y: TARGETS.astype(target_dtype)}
    got = evaluate(crossentropy.crossentropy_categorical_1hot(x, y), given)
    np.testing.assert_allclose(got, want, rtol=3 * TOLERANCE[dtype])
    got = evaluate(crossentropy.categorical_crossentropy(x, y), given)
    np.testing.assert_allclose(got, want, rtol=3 * TOLERANCE[dtype])
    loss, soft = evaluate(crossentropy.crossentropy_softmax_1hot(x, y), {**given, x: logits})
    np.testing.assert_allclose(loss, want, rtol=3 * TOLERANCE[dtype])
    np.testing.assert_allclose(soft, p, rtol=3 * TOLERANCE[dtype])


def test_softmax_and_loss_with_bias() -> None:
    x, b, y = variable("float64", 2), variable("float64", 1), variable("int64", 1)
    given = {x: draw("float64", (4, 3)), b: draw("float64", (3,), seed=7), y: TARGETS.astype("int64")}
    p = special.softmax(given[x] + given[b], axis=1)
    want = [-np.log(p[np.arange(4), TARGETS]), p, p.max(1), p.argmax(1)]
    got = evaluate(crossentropy.crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, y), given)
    for have, value in zip(got, want):
        np.testing.assert_allclose(have, value, rtol=1e-12)
    got = evaluate(crossentropy.crossentropy_softmax_argmax_1hot_with_bias(x, b, y), given)
    np.testing.assert_array_equal(got[2], want[3])
    assert len(crossentropy.crossentropy_softmax_1hot_with_bias(x, b, y)) == 2
    with pytest.raises(TypeError, match="bias is a vector"):
        crossentropy.crossentropy_softmax_1hot_with_bias(x, x, y)


def test_extreme_logits_have_finite_losses() -> None:
    x, y = variable("float32", 2), variable("int32", 1)
    logits = np.array([[1e4, 0, -1e4], [0, 0, 0]], dtype="float32")
    loss, _ = evaluate(crossentropy.crossentropy_softmax_1hot(x, y), {x: logits, y: np.array([2, 1], "int32")})
    np.testing.assert_allclose(loss, [2e4, np.log(3)], rtol=1e-6)


def test_layouts_of_logits() -> None:
    x, y = variable("float64", 2), variable("int32", 1)
    base = draw("float64", (4, 3))
    outputs = [*crossentropy.crossentropy_softmax_1hot(x.T, y), crossentropy.crossentropy_categorical_1hot(abs(x.T), y)]
    want = interpret(outputs, {x: base.T, y: TARGETS})
    for have, value in zip(evaluate(outputs, {x: np.ascontiguousarray(base.T), y: TARGETS}), want):
        np.testing.assert_allclose(have, value)


@pytest.mark.parametrize("bad", [3, -1, 100])
def test_targets_out_of_range(bad: int) -> None:
    x, y = variable("float64", 2), variable("int64", 1)
    given = {x: np.full((2, 3), 0.5), y: np.array([0, bad])}
    g = variable("float64", 1)
    for op, outputs in (
        ("CrossentropyCategorical1Hot", [crossentropy.crossentropy_categorical_1hot(x, y)]),
        ("CrossentropySoftmax1Hot", crossentropy.crossentropy_softmax_1hot(x, y)),
        ("CrossentropyCategorical1HotGrad", [crossentropy.CrossentropyCategorical1HotGrad()(g, x, y)]),
        ("CrossentropySoftmax1HotDx", [crossentropy.CrossentropySoftmax1HotDx()(g, x, y)]),
    ):
        with pytest.raises(IndexError, match=rf"{op}: target {bad} is not one of the 3 classes"):
            interpret(outputs, {**given, g: np.ones(2)})
        if compiled([x], given) is not None:
            with pytest.raises(IndexError, match=rf"{op}: target {bad} is not one of the 3 classes"):
                compiled(outputs, {**given, g: np.ones(2)})


def test_ranks_dtypes_and_lengths() -> None:
    x, y = variable("float64", 2), variable("int64", 1)
    with pytest.raises(TypeError, match="integer vector"):
        crossentropy.crossentropy_categorical_1hot(x, variable("float64", 1))
    with pytest.raises(TypeError, match="float matrix"):
        crossentropy.crossentropy_softmax_1hot(variable("int64", 2), y)
    with pytest.raises(TypeError, match="rank 1 of the targets does not fit rank 3"):
        crossentropy.categorical_crossentropy(variable("float64", 3), y)
    with pytest.raises(ValueError, match=r"4 row\(s\) but 5 target\(s\)"):
        crossentropy.crossentropy_softmax_1hot(variable("float64", 2, shape=(4, 3)), variable("int64", 1, shape=(5,)))
    with pytest.raises(ValueError, match=r"2 row\(s\) but 4 target\(s\)"):
        interpret([crossentropy.crossentropy_categorical_1hot(x, y)], {x: np.ones((2, 3)), y: np.zeros(4, "int64")})


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_losses(order: int) -> None:
    logits = draw("float64", (4, 3))
    p = special.softmax(logits, axis=1)
    check_gradient(lambda x: crossentropy.crossentropy_softmax_1hot(x, TARGETS)[0], [logits], order=order, rtol=2e-5)
    check_gradient(
        lambda x: (
            sum_(crossentropy.crossentropy_softmax_1hot(x, TARGETS)[0])
            * crossentropy.crossentropy_softmax_1hot(x, TARGETS)[1]
        ),
        [logits],
        order=order,
        rtol=2e-5,
    )
    check_gradient(lambda x: crossentropy.crossentropy_categorical_1hot(x, TARGETS), [p], order=order, rtol=2e-4)
    check_gradient(lambda x, t: crossentropy.categorical_crossentropy(x, t), [p, p[::-1]], order=order, rtol=2e-4)


def test_gradient_ops_of_losses_in_float32() -> None:
    x, y = variable("float32", 2), variable("int32", 1)
    given = {x: draw("float32", (4, 3)), y: TARGETS}
    got = evaluate(grad(sum_(crossentropy.crossentropy_softmax_1hot(x, y)[0]), x), given)
    p = special.softmax(given[x].astype("float64"), axis=1)
    np.testing.assert_allclose(got, p - np.eye(3)[TARGETS], rtol=1e-5, atol=1e-6)


def test_binary() -> None:
    o, t = variable("float64", 2), variable("float64", 2)
    p, q = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3, 4))
    np.testing.assert_allclose(evaluate(crossentropy.binary_crossentropy(o, t), {o: p, t: q}),
                               -(q * np.log(p) + (1 - q) * np.log(1 - p)))
    check_gradient(crossentropy.binary_crossentropy, [p, q])
    logits = special.logit(p)
    np.testing.assert_allclose(evaluate(crossentropy.sigmoid_binary_crossentropy(o, t), {o: logits, t: q}),
                               -(q * np.log(p) + (1 - q) * np.log(1 - p)))
    check_gradient(lambda x, t: crossentropy.sigmoid_binary_crossentropy(x, t), [logits, q], order=2)
    extreme = evaluate(
        crossentropy.sigmoid_binary_crossentropy(o, t), {o: np.array([[50.0, -1e3, 1e3]]), t: np.array([[1.0, 0, 0]])}
    )
    np.testing.assert_allclose(extreme, [[np.exp(-50), 0, 1e3]], rtol=1e-12)
    at_zero = interpret(
        [grad(sum_(crossentropy.sigmoid_binary_crossentropy(o, t)), o)], {o: np.zeros((1, 1)), t: np.ones((1, 1))}
    )
    np.testing.assert_array_equal(at_zero[0], [[-0.5]])


@pytest.mark.parametrize("mode", ["INTERPRETER", "FAST_COMPILE", "FAST_RUN"])
def test_logsumexp_of_nothing_is_minus_infinity_however_it_is_spelled(mode):
    x = T.dmatrix("x")
    f = symtensor.function([x], [T.logsumexp(x, axis=1), T.log(T.exp(x).sum(axis=1))], mode=mode)
    for shape in [(3, 0), (0, 0), (0, 2)]:
        for value in f(np.zeros(shape)):
            np.testing.assert_array_equal(value, np.full(shape[0], -np.inf))
    np.testing.assert_allclose(f([[1000.0, 1000.0], [-np.inf, -np.inf]])[0], [1000 + np.log(2), -np.inf])
