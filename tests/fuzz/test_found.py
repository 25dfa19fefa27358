"""Programs in which the fuzzer once found something, each in all modes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from symtensor import Mode, function, shared
from symtensor import tensor as T
from tests.compile.conftest import has_compiler

MODES = [("py", "None"), ("py", "fast_run"), *([("c", "fast_run"), ("c", "None")] if has_compiler() else [])]


def results(inputs: list, outputs: list, *values: np.ndarray) -> list[list[np.ndarray]]:
    return [function(inputs, outputs, mode=Mode(*mode), on_unused_input="ignore")(*values) for mode in MODES]


def agree(inputs: list, outputs: list, *values: np.ndarray) -> list[np.ndarray]:
    first, *others = results(inputs, outputs, *values)
    for other in others:
        for one, two in zip(first, other, strict=True):
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            np.testing.assert_allclose(two, one, rtol=1e-12)
    return first


def all_raise(kind: type[Exception], inputs: list, outputs: list, *values: np.ndarray) -> None:
    for mode in MODES:
        f = function(inputs, outputs, mode=Mode(*mode))
        with pytest.raises(kind):
            f(*values)


def test_what_cannot_run_under_the_guards_alone_compiles() -> None:
    """Beside c, the columns of x are taken for two; the product wants one."""
    x, c = T.dmatrix("x"), T.constant(np.ones((3, 2)))
    gradient = T.grad(T.sqr(T.maximum(x, c)).sum(), x)
    out = [T.dot(gradient, T.constant(np.ones((1, 4))))]
    (found,) = agree([x], out, np.full((3, 1), 2.0))
    assert found.tolist() == [[8.0] * 4] * 3
    all_raise(ValueError, [x], out, np.full((3, 2), 2.0))


@pytest.mark.parametrize("reduce", [T.sum, T.prod, T.max, T.std, T.mean, T.all])
@pytest.mark.parametrize("shape", [(), (1, 1)])
def test_reductions_over_nothing(reduce: Callable, shape: tuple[int, ...]) -> None:
    x = T.TensorType("float64", shape)("x")
    agree([x], [reduce(x), reduce(x * 2) + 1], np.full(shape, 3.0))


def test_a_scalar_updated_by_its_own_reduction() -> None:
    for mode in MODES:
        w = shared(np.array(3.0))
        function([], [], updates=[(w, T.sum(w) + T.std(w))], mode=Mode(*mode))()
        assert w.get_value() == 3.0


def test_dimensions_from_data_beside_an_empty_one() -> None:
    """The number of elements is known to be 0 before the steps, the shape is not."""
    x, m = T.TensorType("float32", (None, 0))("x"), T.TensorType("bool", (None, None))("m")
    (found,) = agree([x, m], [(x * 2)[m.sum():]], np.zeros((3, 0), "float32"), np.ones((1, 2), bool))
    assert found.shape == (1, 0)


def test_reductions_without_identity_over_dimensions_from_data() -> None:
    x, m = T.dvector("x"), T.TensorType("bool", (None,))("m")
    agree([x, m], [T.max(x[m]), T.logsumexp(x[m], axis=0)], np.array([1.0, 3.0]), np.array([True, False]))
    all_raise(ValueError, [x, m], [T.max(x[m])], np.array([1.0, 3.0]), np.array([False, False]))


def test_softmax_of_a_shift_of_another_dtype() -> None:
    x, y = T.TensorType("bool", (None, None))("x"), T.dcol("y")
    agree([x, y], [T.nnet.softmax(x - y, axis=-1), T.log(T.nnet.softmax(x - y, axis=-1))],
          np.array([[True, False, False]]), np.array([[1.5]]))


def test_broadcasting_at_run_time_beside_a_transposed_view() -> None:
    """A loop for strides that turn out to be 1 must not take the known stride of another operand for 1."""
    x, v, c = T.dmatrix("x"), T.dmatrix("v"), np.array([[1.0, 2.0], [3.0, 4.0]])
    agree([x, v], [v + (T.dot(T.constant(c), x) * 0.5).T], c, np.array([[0.0, 1.0]]))


def test_fused_loops_whose_types_hold_under_the_guards_alone() -> None:
    """Beside v, whose columns are known to be none, those of x are taken for none; the product wants one."""
    x, v, b = T.dmatrix("x"), T.TensorType("float64", (None, 0))("v"), T.TensorType("float64", (1, 2))("b")
    y = T.exp(x)
    product, total = agree([x, v, b], [T.dot(y * 2, b), y * 2 + v], np.ones((3, 1)), np.ones((3, 0)), np.ones((1, 2)))
    assert product.shape == (3, 2)
    assert total.shape == (3, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.int64(-2**63)])
def test_constants_that_c_names(value: object) -> None:
    """A kernel reads a scalar through its address."""
    x = T.TensorType(np.asarray(value).dtype.name, (None, None))("x")
    agree([x], [T.set_subtensor(x[-1, [0, 1]], T.constant(value))], np.ones((2, 3), x.type.dtype))
