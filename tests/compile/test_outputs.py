"""Outputs of functions: their form, and that they are arrays of their own."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import Mode, Out, function, shared
from symtensor import tensor as T


def test_forms_of_outputs(mode: Mode) -> None:
    x = T.dvector("x")
    value = np.array([1.0, 2.0])
    assert isinstance(function([x], x + 1, mode=mode)(value), np.ndarray)
    one = function([x], [x + 1], mode=mode)(value)
    assert isinstance(one, list)
    assert len(one) == 1
    assert len(function([x], (x + 1, x * 2), mode=mode)(value)) == 2
    assert function([x], [], mode=mode, on_unused_input="ignore")(value) == []
    assert function([], mode=mode)() == []
    named = function([x], {"sum": x.sum(), "double": x * 2}, mode=mode)(value)
    assert list(named) == ["sum", "double"]
    assert named["sum"] == 3
    assert named["double"].tolist() == [2, 4]
    assert function([x], Out(x * 3), mode=mode)(value).tolist() == [3, 6]


def test_what_is_no_output() -> None:
    x = T.dvector("x")
    with pytest.raises(TypeError, match="outputs are variables or Out"):
        function([x], 3)
    with pytest.raises(TypeError, match="outputs are variables or Out"):
        function([x], [x, None])
    with pytest.raises(TypeError, match="keys of an outputs dict are str, got 1"):
        function([x], {1: x})
    with pytest.raises(TypeError, match="first argument is a symbolic variable"):
        Out(3)


def test_results_share_no_memory(mode: Mode) -> None:
    x, w = T.dmatrix("x"), shared(np.ones((2, 3)), "w")
    f = function([x], [x, x.T, x[0], w, w.T, x + w, x + w, T.constant(np.ones(2))], mode=mode)
    given = np.arange(6.0).reshape(2, 3)
    results = f(given)
    before = [result.copy() for result in results]
    memories = [given, w.get_value(borrow=True)]
    for result in results:
        assert result.flags.writeable
        assert result.flags.c_contiguous
        assert not any(np.shares_memory(result, memory) for memory in memories)
        memories.append(result)
        result[...] = -1
    assert np.array_equal(given, np.arange(6.0).reshape(2, 3))
    assert np.array_equal(w.get_value(), np.ones((2, 3)))
    for old, new in zip(before, f(given), strict=True):
        assert np.array_equal(old, new)


def test_borrowed_output_is_right(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], [Out(x * 2, borrow=True), Out(x, borrow=True)], mode=mode)
    doubled, same = f(np.arange(3.0))
    assert doubled.tolist() == [0, 2, 4]
    assert same.tolist() == [0, 1, 2]


def test_one_output_twice(mode: Mode) -> None:
    x = T.dvector("x")
    y = x + 1
    a, b = function([x], [y, y], mode=mode)(np.zeros(2))
    a[:] = 9
    assert b.tolist() == [1, 1]


def test_dtypes_are_the_declared_ones(mode: Mode) -> None:
    for dtype in ("bool", "int8", "uint16", "int64", "float16", "float32", "complex64"):
        x = T.vector("x", dtype=dtype)
        result = function([x], x, mode=mode)(np.ones(2, dtype))
        assert result.dtype == np.dtype(dtype)
