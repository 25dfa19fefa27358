"""Values that are almost right: each is refused with a message that says what to do, nothing is lost in silence."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import Mode, TensorType, config, function, shared
from symtensor import tensor as T

MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize("use", [
    lambda: function([x := T.dvector()], x + 1)(MASKED), lambda: function([x := T.fvector()], x + 1)(MASKED),
    lambda: shared(MASKED), lambda: shared(np.zeros(2)).set_value(MASKED), lambda: T.constant(MASKED),
])
def test_masks_are_not_dropped(use):
    with pytest.raises(TypeError, match="mask would be lost"):
        use()


def test_masked_arrays_without_a_masked_element_are_arrays():
    x = T.dvector()
    assert function([x], x + 1)(np.ma.array([1.0, 2.0])).tolist() == [2.0, 3.0]


def test_eval_of_an_array_instead_of_a_dict():
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"dict of values by variable, got a ndarray; write .*\.eval\(\{x: value\}\)"):
        (x + 1).eval(np.ones(2))


def test_orders_and_shapes_that_are_none():
    with pytest.raises(TypeError, match=r"holds axes 0\.\.1 and 'x', got \('y', 0\)"):
        T.matrix().dimshuffle("y", 0)
    with pytest.raises(TypeError, match="the shape is a tuple"):
        TensorType("float64", 3)


def test_complex_values_do_not_fit_in_real_tensors():
    with pytest.raises(TypeError, match="complex128 does not fit in a tensor of dtype float64"):
        T.set_subtensor(T.dvector()[0], 1j)


@pytest.mark.parametrize("linker", ["py", "c"])
def test_an_index_out_of_range_is_an_error_for_an_empty_result_too(linker):
    x = T.dmatrix("x")
    f = function([x], x[:, [5]], mode=Mode(linker))
    with pytest.raises(IndexError, match="index 5 is out of range for axis 1 of size 3"):
        f(np.zeros((0, 3)))
    assert f(np.zeros((0, 6))).shape == (0, 1)


def test_ones_like_of_a_scalar_is_an_expression_of_it():
    s = T.dscalar("s")
    assert function([s], T.ones_like(s))(3.0) == 1.0


def test_flags_have_bounds():
    with pytest.raises(ValueError, match=r"config\.threads: -1 is less than 0"):
        config.threads = -1
