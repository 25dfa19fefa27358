"""New tensors against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check, check_grad, evaluate, failing_checks
from hypothesis import given, settings
from hypothesis import strategies as st

from symtensor import tensor as T
from symtensor.config import config
from symtensor.ops import create as C

X = np.arange(6.0).reshape(2, 3)


def test_alloc():
    n = np.array(4)
    check(lambda v, n: C.alloc(v, n, 2), lambda v, n: np.full((4, 2), v), np.array(1.5), n)
    check(lambda v, n: C.alloc(v, n, 3), lambda v, n: np.broadcast_to(v, (4, 3)), X[0], n)
    check(lambda v, n: C.alloc(v, n, 2, 3), lambda v, n: np.broadcast_to(v, (4, 2, 3)), X, n)
    check(lambda v, n: C.alloc(v, 2, n, 3), lambda v, n: np.broadcast_to(v, (2, 4, 3)), X[:, None], n)
    check(lambda v, n: C.alloc(v, n, n), lambda v, n: np.broadcast_to(v, (4, 4)), X[:1, :1], n)
    check(lambda v, n: C.alloc(v, n, 3), lambda v, n: np.zeros((0, 3)), X[0], np.array(0))
    check(lambda v: C.alloc(v, 0), lambda v: np.zeros((0,), "int8"), np.int8([1]))
    assert C.alloc(T.vector(), T.lscalar(), 3).type.shape == (None, 3)
    assert C.alloc(T.TensorType("float64", (3,))(), T.lscalar(), T.lscalar()).type.shape == (None, 3)
    check_grad(lambda v: C.alloc(v, 2, 3), np.array(0.5))
    check_grad(lambda v: C.alloc(v, 4, 2, 3), X[:, :1] / 10)
    check_grad(lambda v: C.alloc(v, 4, 2, 3), X[0] / 10)


def test_alloc_errors():
    v, n = T.dvector("v"), T.lscalar("n")
    for output, values, match in [
        (
            C.alloc(v, n),
            {v: np.zeros(2), n: np.array(3)},
            "dimension 0 of the value is 2, which does not broadcast to 3",
        ),
        (C.alloc(1.0, n), {n: np.array(-1)}, "dimension 0 is -1"),
        (C.alloc(v, n), {v: np.zeros(2), n: np.array(0)}, "does not broadcast to 0"),
    ]:
        with pytest.raises(ValueError, match=match):
            evaluate([output], values)
        (found,) = failing_checks(output, values)
        assert match in str(found)
    with pytest.raises(ValueError, match="is 2, which does not broadcast to 3"):
        C.alloc(np.zeros(2), 3)
    with pytest.raises(ValueError, match="negative"):
        C.zeros(-1)
    with pytest.raises(TypeError, match="does not fit"):
        C.alloc(T.matrix(), 3)


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "complex64"])
def test_filled(dtype):
    n = np.array(3)
    check(lambda n: C.zeros((n, 2), dtype), lambda n: np.zeros((3, 2), dtype), n)
    check(lambda n: C.ones(n, dtype=dtype), lambda n: np.ones(3, dtype), n)
    check(lambda n: C.full((2, n), 1, dtype), lambda n: np.full((2, 3), 1, dtype), n)
    check(C.zeros_like, np.zeros_like, X.astype(dtype))
    check(C.ones_like, np.ones_like, X.astype(dtype))
    check(lambda x: C.zeros_like(x, dtype), lambda x: np.zeros_like(x, dtype), X)
    check(lambda x: C.full_like(x, 1), lambda x: np.full_like(x, 1), X.astype(dtype))
    check(lambda x, v: C.full_like(x, v), lambda x, v: np.full_like(x, v), X, np.array(2, "int8"))


def test_defaults():
    assert C.zeros(3).type.dtype == config.floatX
    assert C.zeros([2, 3]).type.shape == (2, 3)
    assert C.zeros(T.shape(T.row())).type.shape == (1, None)
    assert C.zeros(()).type.ndim == 0
    assert C.empty_like(T.iscalar()).type.dtype == "int32"
    check(lambda: C.empty((2, 2), "int16"), lambda: np.zeros((2, 2), "int16"))
    with pytest.raises(ValueError, match="known while the graph"):
        C.zeros(T.lvector())
    with pytest.raises(TypeError, match="integer scalar"):
        C.zeros((2.0, 1))


def test_fill():
    check(C.fill, lambda a, b: np.broadcast_to(b, a.shape), X, np.float32([1, 2, 3]))
    check(C.fill, lambda a, b: np.broadcast_to(b, (2, 3)), X[:1], X)
    check_grad(C.fill, X, X[0] / 10)


numbers = st.integers(-5, 9)


@settings(max_examples=80, deadline=None)
@given(numbers, numbers, st.integers(-4, 4).filter(bool), st.sampled_from(["int64", "float64", "float32"]))
def test_arange(start, stop, step, dtype):
    a, b, c = (np.array(v * (1 if dtype == "int64" else 0.3), dtype) for v in (start, stop, step))
    check(
        C.arange,
        lambda a, b, c: np.arange(
            *(v if dtype == "int64" else float(v) for v in (a, b, c)), dtype=dtype
        ),
        a,
        b,
        c,
    )
    check(lambda: C.arange(start, stop, step), lambda: np.arange(start, stop, step))


def test_arange_dtypes():
    assert C.arange(T.bscalar()).type.dtype == "int64"
    assert C.arange(T.scalar(dtype="uint8")).type.dtype == "int64"
    assert C.arange(*(T.scalar(dtype="uint8") for _ in range(3))).type.dtype == "uint64"
    assert C.arange(T.fscalar()).type.dtype == "float32"
    assert C.arange(T.fscalar(), T.iscalar()).type.dtype == "float64"
    assert C.arange(3, dtype="int8").type.dtype == "int8"
    assert C.arange(2, 7, 2).type.shape == (3,)
    check(lambda: C.arange(0, 1, 0.1), lambda: np.arange(0, 1, 0.1))
    check(lambda: C.arange(3), lambda: np.arange(3))
    check(lambda n: C.arange(n), lambda n: np.arange(4), np.array(4, "int16"))
    check_grad(lambda a, c: C.arange(a, 2.05, c), np.array(0.1), np.array(0.5))


def test_arange_errors():
    a, b = T.dscalar("a"), T.lscalar("b")
    for output, values in [
        (C.arange(0, 3, b), {b: np.array(0)}), (C.arange(0.0, 3.0, a), {a: np.array(0.0)}),
        (C.arange(a), {a: np.array(np.inf)}), (C.arange(a), {a: np.array(np.nan)}),
    ]:
        with pytest.raises(ValueError, match="arange: the step must not be zero"):
            evaluate([output], values)
        assert len(failing_checks(output, values)) == 1
    with pytest.raises(TypeError, match="real scalars"):
        C.arange(T.vector())
    with pytest.raises(TypeError, match="is no int8 scalar"):
        C.ARange("int8")(0, T.lscalar(), 1)


def test_linspace_of_a_negative_number():
    n = T.lscalar("n")
    for num, error in ((n, {n: np.array(-1)}), (-1, None)):
        with pytest.raises(ValueError, match="linspace: num is"):
            T.linspace(0.0, 1.0, num).eval(error)
    np.testing.assert_array_equal(T.linspace(0.0, 1.0, n).eval({n: np.array(3)}), [0.0, 0.5, 1.0])


def test_pad_widths_and_values():
    n = np.array(2)
    check(lambda x, n: T.pad(x, n), lambda x, n: np.pad(x, int(n)), X, n)
    check(lambda x, n: T.pad(x, [(n, 0), (1, n)], "edge"), lambda x, n: np.pad(x, [(2, 0), (1, 2)], "edge"), X, n)
    for values in ((7, 8), ((7, 8), (1, -1)), ((7,),), np.array([7.0, 8.0])):
        check(lambda x: T.pad(x, ((1, 2), (0, 3)), constant_values=values),
              lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=values), X)
    x, k = T.dvector("x"), T.lscalar("k")
    for mode in ("constant", "wrap"):
        with pytest.raises(ValueError, match="pad: a width is negative"):
            T.pad(x, k, mode).eval({x: np.ones(3), k: np.array(-1)})
    with pytest.raises(ValueError, match=r"constant_values \(1, 2, 3\) for 1 dimension"):
        T.pad(x, 1, constant_values=(1, 2, 3))


def test_sizes_beyond_any_memory():
    from symtensor.tensor.shared_randomstreams import RandomStreams

    with pytest.raises(ValueError, match=r"1208925819614629174706176 elements.*2\*\*63"):
        RandomStreams(1).uniform((2**40, 2**40))
