"""``config.compute_test_value``: graphs computed on test values while they are built."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import symtensor
from symtensor import config, function, shared
from symtensor import tensor as T
from symtensor.link.test_values import get_test_value


@pytest.fixture
def x():
    variable = T.dmatrix("x")
    variable.tag.test_value = np.arange(6.0).reshape(2, 3)
    return variable


def test_values_follow_the_graph(x):
    w = shared(np.ones((3, 2)), "w")
    with config.change_flags(compute_test_value="raise"):
        y = T.dot(x, w) + [1, 2]
        loss = (y**2).sum()
        slope = symtensor.grad(loss, w)
    assert y.tag.test_value.tolist() == [[4, 5], [13, 14]]
    assert slope.tag.test_value.shape == (3, 2)
    assert y.eval({x: np.zeros((2, 3))}).tolist() == [[1, 2], [1, 2]]


def test_the_line_that_does_not_fit(x):
    with config.change_flags(compute_test_value="ignore"), pytest.raises(ValueError, match="test_test_values.py"):
        T.dot(x, T.exp(x))


def test_inputs_without_value(x):
    z = T.dmatrix("z")
    with config.change_flags(compute_test_value="raise"), pytest.raises(ValueError, match=r"no test value of z.*tag"):
        x + z
    with config.change_flags(compute_test_value="warn"), pytest.warns(UserWarning, match="no test value of z"):
        x + z
    with config.change_flags(compute_test_value="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not hasattr((x + z).tag, "test_value")


def test_compiling_needs_no_values(x):
    with config.change_flags(compute_test_value="raise"):
        y = T.nnet.softmax(x)
        f = function([x], T.log(y).sum() + T.exp(x - x).mean())
        assert np.isfinite(f(np.ones((2, 3))))


def test_later(x):
    y = T.exp(x) * 2
    np.testing.assert_allclose(get_test_value(y), 2 * np.exp(x.tag.test_value))
    assert get_test_value(T.constant(3)) == 3
    x.tag.test_value = np.zeros(3)
    with pytest.raises(TypeError, match="dimension"):
        get_test_value(x)
