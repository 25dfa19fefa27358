"""Indexing against NumPy: reading, setting and increasing, known and unknown dimensions, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import check, evaluate, failing_checks

from symtensor import tensor as T
from symtensor.ops.index import AdvancedSubtensor1, Subtensor, getitem
from symtensor.ops.index_advanced import nonzero, take
from symtensor.ops.index_set import inc_subtensor, set_subtensor
from symtensor.ops.shape import Shape_i, shape
from symtensor.tensor import subtensor

X = np.arange(2 * 3 * 4, dtype="float64").reshape(2, 3, 4) + 0.5
I1, I2 = np.array([1, 0, -1, 1]), np.array([[2, 0], [-1, 1]])
M1, M2 = np.array([True, False]), X[:, :, 0] % 8 > 4
n_, e_ = None, Ellipsis
s_ = slice

BASIC = [
    0, -1, (1, 2), (1, -3, 3), e_, (), s_(None), s_(1, None), s_(None, -1), (0, s_(None, None, -1)),
    (s_(None), s_(2, 0, -1)), (s_(None), s_(5, -9, -2)), (e_, 1), (e_, s_(1, 3)), (1, e_, 2), (n_,), (0, n_, e_, n_),
    (s_(None), n_, 1, n_), (s_(3, 1), 0), (s_(None), s_(None), s_(-3, -1, 2)), (s_(100, None),), (s_(None, -100), n_),
    (s_(None), s_(None, None, 100)), (np.int8(1), np.array(2)), (s_(None), s_(None), s_(None, None, -3)),
]
ADVANCED = [
    I1,
    [0, 1, 1],
    I2 % 2,
    (s_(None), I2),
    (s_(None), s_(None), I1),
    (I1, [0, 1, 2, -1]),
    (I2 % 2, I2),
    (0, I2),
    (I1, 1),
    (I1, s_(None), 2),
    (0, s_(None), I1),
    (I1, s_(None), [3, 2, 1, 0]),
    (s_(None), I1, 3),
    (s_(None), 2, I1),
    (s_(None, None, -1), I1),
    (s_(None), I1, s_(1, None, 2)),
    (n_, I1),
    (I1, n_, I1),
    (s_(None), I1, n_, I1),
    (s_(None), n_, I1, I1),
    (e_, I1),
    (I1, e_, I1),
    (s_(None), I1, e_, I1),
    (I1[:, None], I1[:3]),
    (I2 % 2, 0, [[1], [2]]),
    ([], 0),
    (np.zeros((0, 2), int),),
    M1,
    (s_(None), [True, False, True]),
    M2,
    (M2, 1),
    (M2, s_(None, 2)),
    X > 3,
    (M1, I1[:1]),
    (0, [True, True, False]),
    (s_(None), n_, np.array([True, False, True]), 0),
    (M1, n_, [1]),
    (np.uint8([1, 0]), np.int16([2, 2])),
    (s_(None), np.zeros(3, bool)),
    (I1[:1], I2),
    [[], []],
    True,
    (True, False),
    (0, np.array(True)),
    (s_(None), True, s_(1, None)),
    (True, s_(None), I1),
    (I2 % 2, 0, True),
    (e_, False, n_),
    (M1, s_(None), True),
    np.ix_([1, 0], [0, 2]),
    (np.uint64([1, 0]), e_, np.uint8(3)),
]


def words(key):
    return str(key).replace("\n", "")


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=words)
def test_reading(key):
    check(lambda x: getitem(x, key), lambda x: np.asarray(x[key]), X)


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=words)
@pytest.mark.parametrize("dtype", ["float64", "bool"])
def test_setting_and_increasing(key, dtype):
    x = X.astype(dtype) if dtype != "bool" else X % 3 > 1
    part = np.asarray(x[key])
    y = (np.arange(part.size).reshape(part.shape) * 1.5).astype(dtype)

    def increased(x, y):
        np.add.at(x, key, y)
        return x

    def replaced(x, y):
        x[key] = y
        return x

    check(lambda x, y: set_subtensor(getitem(x, key), y), replaced, x, y)
    check(lambda x, y: inc_subtensor(getitem(x, key), y), increased, x, y)
    check(lambda x: set_subtensor(getitem(x, key), 1), lambda x: replaced(x, np.array(1).astype(dtype)), x)
    if part.ndim:
        check(lambda x, y: inc_subtensor(getitem(x, key), y), increased, x, y.sum(axis=0, keepdims=True).astype(dtype))


def test_symbolic_indices():
    i, j = np.array(-2), np.array(1, "int8")
    check(lambda x, i, j: getitem(x, (i, slice(j, None))), lambda x, i, j: x[int(i), int(j):], X, i, j)
    check(lambda x, i: getitem(x, (slice(None), i)), lambda x, i: x[:, i], X, I2)
    check(lambda x, i, j: getitem(x, (i, slice(None), j)), lambda x, i, j: x[i, :, j], X, I1, np.array([[1], [2]]))
    check(lambda x, i, j: getitem(x, (i, j)), lambda x, i, j: x[i, j], X, I1, np.array([2]))
    check(lambda x, m: getitem(x, m), lambda x, m: x[m], X, X > 7)
    check(lambda x, m: getitem(x, (slice(1, None), m)), lambda x, m: x[1:, m], X, np.array([True, False, True]))
    check(lambda p, y: getitem(p, (T.arange(Shape_i(0)(y)), y)), lambda p, y: p[np.arange(3), y],
          np.arange(12.0).reshape(3, 4), np.array([1, 3, 0]), static=(False,))


def test_ops_that_are_made():
    x = T.tensor3("x")
    v = T.ivector("v")
    assert isinstance(getitem(x, 0).owner.op, Subtensor)
    assert isinstance(getitem(x, v).owner.op, AdvancedSubtensor1)
    assert getitem(x, (0, slice(None))).owner.op is not None
    assert getitem(x, (slice(0, None, 1), slice(None))).owner.op == Subtensor(())
    assert isinstance(getitem(shape(x), 1).owner.op, Shape_i)
    assert getitem(x, (slice(None), 0)).owner.op == getitem(T.tensor3(), (slice(None), v[0])).owner.op


def test_part_of_a_view():
    y = np.arange(3.0)
    check(
        lambda x, y: set_subtensor(getitem(x, 1).T, y),
        lambda x, y: np.stack([x[0], np.broadcast_to(y[:, None], (3, 4))]),
        X,
        y,
    )
    check(lambda x: set_subtensor(getitem(x, 0).flatten(), 1.0), lambda x: np.stack([np.ones((3, 4)), x[1]]), X)
    with pytest.raises(TypeError, match="no part of a tensor"):
        set_subtensor(T.matrix("x") + 1, 0)
    check(
        lambda x: inc_subtensor(getitem(x, [0, 0]), 1.0, ignore_duplicates=True),
        lambda x: np.stack([x[0] + 1, x[1]]),
        X,
    )


def test_values_of_other_dtypes():
    x = T.fvector("x")
    assert set_subtensor(getitem(x, slice(1, None)), T.dscalar()).type == x.type
    with pytest.raises(TypeError, match="does not fit in a tensor of dtype int32"):
        set_subtensor(getitem(T.ivector("x"), 0), 1.5)
    with pytest.raises(ValueError, match="2 dimension"):
        set_subtensor(getitem(x, slice(1, None)), T.matrix())
    with pytest.raises(ValueError, match="does not broadcast"):
        set_subtensor(getitem(x, slice(None)), T.TensorType("float32", (2,))()).owner.op.make_node(
            T.TensorType("float32", (3,))(), T.TensorType("float32", (2,))())


@pytest.mark.parametrize(("key", "error", "match"), [
    ((0, 0, 0, 0), IndexError, "too many indices: x has 3 dimension"),
    ((e_, e_), IndexError, "only one ellipsis"),
    (1.5, TypeError, "float"),
    (T.dscalar("s"), TypeError, "integer or bool dtype"),
    ("a", TypeError, "an index is an integer"),
    (2**70, IndexError, "out of range for every axis"),
    (s_(1.5, None), TypeError, "the start of a slice"),
    (s_(None, None, 0), ValueError, "cannot be zero"),
    (s_(None, I1), TypeError, "the stop of a slice"),
    ((s_(None), np.ones((2, 2, 2), bool)), IndexError, "too many"),
], ids=words)
def test_bad_keys(key, error, match):
    with pytest.raises(error, match=match):
        getitem(T.tensor3("x"), key)


def test_bad_keys_of_known_shapes():
    x = T.TensorType("float64", (3, None))("x")
    with pytest.raises(IndexError, match="index 3 is out of range for axis 0 of size 3"):
        getitem(x, 3)
    with pytest.raises(IndexError, match="index -4"):
        getitem(x, ([0, -4],))
    with pytest.raises(IndexError, match="boolean index: dimension 0 is 2, but 3"):
        getitem(x, [True, False])
    with pytest.raises(IndexError, match="do not broadcast"):
        getitem(x, ([0, 1], [0, 1, 1]))


def test_errors_at_run_time():
    x, i, j, y = T.dmatrix("x"), T.lscalar("i"), T.lvector("j"), T.dvector("y")
    data = np.zeros((2, 3))
    cases = [
        (getitem(x, i), {x: data, i: np.array(2)}, IndexError, "index 2 is out of range for axis 0 of size 2", True),
        (getitem(x, (0, i)), {x: data, i: np.array(-4)}, IndexError, "axis 1 of size 3", True),
        (getitem(x, 1), {x: data[:0]}, IndexError, "it is empty", True),
        (getitem(x, slice(None, None, i)), {x: data, i: np.array(0)}, ValueError, "step of the slice of axis 0", True),
        (getitem(x, j), {x: data, j: np.array([0, 5])}, IndexError, "index 5 is out of range for axis 0", False),
        (getitem(x, (j, j[1:])), {x: data, j: np.array([0, 0, 0])}, IndexError, "index arrays do not broadcast", True),
        (set_subtensor(getitem(x, 0), y), {x: data, y: np.zeros(2)}, ValueError, "does not broadcast to the 3", True),
        (inc_subtensor(getitem(x, j), 1.0), {x: data, j: np.array([-3])}, IndexError, "index -3", False),
    ]
    for output, values, error, match, checked in cases:
        with pytest.raises(error, match=match):
            evaluate([output], values)
        found = failing_checks(output, values)
        assert bool(found) == checked
        for exception in found:
            assert isinstance(exception, error)
            assert match in str(exception)


def test_mask_of_another_shape():
    x, m = T.dvector("x"), T.vector("m", dtype="bool")
    with pytest.raises(IndexError, match="boolean index: dimension 0 is 2, but 3 is expected"):
        evaluate([getitem(x, m)], {x: np.zeros(3), m: np.ones(2, bool)})




def test_functions_that_index():
    with pytest.raises(TypeError, match="scalar"):
        nonzero(T.dscalar())
    x, m = T.dmatrix("x"), T.matrix("m", dtype="bool")
    for call, error, match in [
        (lambda: take(x, m), TypeError, "compress takes a mask"),
        (lambda: take(x, [0], mode="nearest"), ValueError, "'raise', 'wrap' or 'clip'"),
        (lambda: take(x, [0], axis=2), (ValueError, IndexError), "axis 2"),
        (lambda: T.compress(m, x), ValueError, "the condition is a vector"),
        (lambda: T.take_along_axis(x, [0, 1], 0), ValueError, "as many dimensions as the tensor"),
        (lambda: T.where(m, x), TypeError, "both values"),
    ]:
        with pytest.raises(error, match=match):
            call()
    check(lambda c: T.where(c), np.where, X > 3)
    check(lambda c, x: T.where(c, x, 0.0), lambda c, x: np.where(c, x, 0.0), X > 3, X)
    check(lambda x, i: T.take_along_axis(x, i, None), lambda x, i: np.take_along_axis(x, i, None), X, I1)


def test_other_names():
    x, y, i = T.dmatrix("x"), T.dmatrix("y"), T.lvector("i")
    given = {x: np.zeros((3, 2)), y: np.ones((2, 2)), i: np.array([2, 2])}
    for output, wanted in [
        (subtensor.advanced_inc_subtensor1(x, y, i), [0, 0, 2]), (subtensor.advanced_inc_subtensor(x, y, i), [0, 0, 2]),
        (subtensor.advanced_set_subtensor1(x, y, i), [0, 0, 1]), (subtensor.advanced_set_subtensor(x, y, i), [0, 0, 1]),
        (subtensor.AdvancedIncSubtensor1(True, True)(x, y, i), [0, 0, 1]),
        (inc_subtensor(x[i], y, False, True), [0, 0, 1]),
        (inc_subtensor(x[i], y, tolerate_inplace_aliasing=True), [0, 0, 2]),
        (subtensor.advanced_subtensor1(x + 1, i), [1, 1]), (subtensor.advanced_subtensor(x, i, 0), [0, 0]),
    ]:
        assert evaluate([output], given)[0].reshape(len(wanted), -1)[:, 0].tolist() == wanted


@pytest.mark.parametrize("static", [False, True])
def test_slices_with_bounds_beyond_every_integer(static):
    x, array = T.TensorType("float64", (2, 3) if static else (None, None))("x"), np.arange(6.0).reshape(2, 3)
    for bound in (2**63 - 1, 2**70, -2**63, -2**70):
        for part in (slice(bound), slice(bound, None), slice(None, None, bound)):
            np.testing.assert_array_equal(x[part].eval({x: array}), array[part])


@pytest.mark.parametrize("bound", [2**63 - 1, -2**63, 2**62])
def test_symbolic_bounds_at_the_ends_of_the_integers(bound):
    x, k, array = T.dmatrix("x"), T.lscalar("k"), np.arange(6.0).reshape(2, 3)
    parts = [slice(k), slice(k, None), slice(None, None, k), slice(1, None, k)]
    wanted = [slice(bound), slice(bound, None), slice(None, None, bound), slice(1, None, bound)]
    for part, want in zip(parts, wanted):
        values = {x: array, k: np.array(bound)}
        np.testing.assert_array_equal(x[part].eval(values), array[want])
        slope, expected = T.grad(x[part].sum(), x).eval(values), np.zeros((2, 3))
        expected[want] = 1
        np.testing.assert_array_equal(slope, expected)


def test_unsigned_positions_beyond_every_size():
    x, k = T.dvector("x"), T.TensorType("uint64", ())("k")
    values = {x: np.ones(3), k: np.uint64(2**64 - 1)}
    with pytest.raises(IndexError, match="out of range for axis 0 of size 3"):
        x[k].eval(values)
    assert x[k:].eval(values).shape == (0,)
