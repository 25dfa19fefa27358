"""Shared variables."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symtensor import function, shared
from symtensor import tensor as T
from symtensor.graph.shared import SharedVariable


def test_types_of_values() -> None:
    assert shared(0).type == T.lscalar
    assert shared(1.0).type == T.dscalar
    assert shared(True).type.dtype == "bool"
    assert shared(1j).type.dtype == "complex128"
    assert shared(np.float32(2)).type == T.fscalar
    assert shared(np.zeros((1, 3), "int8")).type == T.bmatrix
    assert shared(np.zeros((1, 3)), broadcastable=(True, False)).type == T.drow
    assert shared(np.zeros((4, 3)), shape=(None, 3)).type.shape == (None, 3)
    assert repr(shared(0)) == "<TensorType(int64, scalar)>"
    assert str(shared(0, "n")) == "n"
    assert isinstance(shared(0), SharedVariable)


def test_what_cannot_be_shared() -> None:
    for value in (None, "text", [1, 2], (1,), {}, np.array(["a"]), np.array([None]), 10**30):
        with pytest.raises(TypeError, match="shared"):
            shared(value)
    with pytest.raises(TypeError, match="got the symbolic variable x"):
        shared(T.dscalar("x"))
    with pytest.raises(TypeError, match="broadcastable=.* has 1 entries"):
        shared(np.zeros((1, 1)), broadcastable=(True,))
    with pytest.raises(TypeError, match="not both"):
        shared(np.zeros(1), broadcastable=(True,), shape=(1,))
    with pytest.raises(TypeError, match="shape"):
        shared(np.zeros(2), shape=(3,))
    with pytest.raises(ValueError, match="target='nowhere'"):
        shared(1.0, target="nowhere")
    with pytest.raises(TypeError, match="name is a str"):
        shared(1.0, name=3)


def test_values_are_copied_unless_borrowed() -> None:
    array = np.zeros(2)
    own, lent = shared(array), shared(array, borrow=True)
    array[0] = 5
    assert own.get_value()[0] == 0
    assert lent.get_value()[0] == 5
    own.get_value()[0] = 9
    assert own.get_value()[0] == 0
    own.get_value(borrow=True)[0] = 9
    assert own.get_value()[0] == 9
    own.set_value(array)
    array[0] = 6
    assert own.get_value()[0] == 5
    own.set_value(array, borrow=True)
    array[0] = 7
    assert own.get_value()[0] == 7


def test_set_value_checks() -> None:
    w = shared(np.zeros(2, "float32"), "w")
    with pytest.raises(TypeError, match="expected a float32 vector"):
        w.set_value(np.zeros(2))
    with pytest.raises(TypeError, match="expected a float32 vector"):
        w.set_value(np.zeros((2, 2), "float32"))
    with pytest.raises(TypeError, match="symbolic"):
        w.set_value(T.fvector("x"))
    assert w.get_value().tolist() == [0, 0]
    w.set_value(np.ones(5, "float32"))
    assert w.get_value().shape == (5,)
    loose = shared(np.zeros(1, "float32"), allow_downcast=True)
    loose.set_value([0.1])
    strict = shared(np.zeros(1), strict=True)
    with pytest.raises(TypeError, match="strict"):
        strict.set_value([1.0])
    row = shared(np.zeros((1, 2)), broadcastable=(True, False))
    with pytest.raises(TypeError, match="shape"):
        row.set_value(np.zeros((2, 2)))
    w.zero()
    assert w.get_value().tolist() == [0] * 5


def test_layouts_become_contiguous() -> None:
    for array in (np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::-2], np.arange(3.0).astype(">f8")):
        for borrow in (False, True):
            w = shared(array, borrow=borrow)
            inner = w.get_value(borrow=True)
            assert inner.flags.c_contiguous
            assert inner.dtype.isnative
            assert np.array_equal(inner, array)


def test_pickle_keeps_the_value() -> None:
    w = shared(np.arange(3.0), "w")
    loaded = pickle.loads(pickle.dumps(w))
    assert loaded.name == "w"
    assert loaded.type == w.type
    assert loaded.get_value().tolist() == [0, 1, 2]
    loaded.set_value(np.zeros(1))
    assert w.get_value().shape == (3,)


def test_shared_between_functions() -> None:
    w = shared(1.0, "w")
    add = function([], updates=[(w, w + 1)], mode="INTERPRETER")
    read = function([], w * 10, mode="INTERPRETER")
    add()
    assert read() == 20
    assert w.eval() == 2
    assert (w + 1).eval() == 3
