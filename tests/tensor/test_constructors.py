"""Constructors, constants and conversion."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import config
from symtensor import tensor as T
from symtensor.tensor.constructors import LETTERS, RANKS, TYPES


@pytest.mark.parametrize("name", TYPES)
def test_types_are_their_own_constructors(name):
    kind = getattr(T, name)
    assert isinstance(kind, T.TensorType)
    x = kind("x")
    assert x.type is kind
    assert (x.name, x.dtype, x.broadcastable) == ("x", LETTERS[name[0]], RANKS[name[1:]])
    assert kind().name is None
    assert kind.ndim == len(RANKS[name[1:]])


@pytest.mark.parametrize("rank", RANKS)
def test_floatX_constructors(rank):
    make = getattr(T, rank)
    for floatX in ("float32", "float64"):
        with config.change_flags(floatX=floatX):
            assert make("x").type == T.TensorType(floatX, RANKS[rank])
    assert make("x", dtype="int16").dtype == "int16"
    assert make(dtype=np.uint8).dtype == "uint8"


def test_plurals():
    x, y = T.matrices("x", "y")
    assert (x.name, y.name, x.type) == ("x", "y", T.matrix().type)
    assert [v.type for v in T.dvectors(3)] == [T.dvector] * 3
    assert T.fscalars("a").name == "a"
    assert [v.name for v in T.ivectors("ab", "c")] == ["ab", "c"]
    for name in ("scalars", "rows", "cols", "tensor3s", "tensor4s", "lmatrices", "zcols", "wscalars",
                 "btensor5s"):
        assert len(getattr(T, name)("p", "q")) == 2
    assert T.vectors("a", "b", dtype="int8")[1].dtype == "int8"


def test_tensor():
    assert T.tensor("float32", (False, True)).type == T.fcol
    assert T.tensor("float32", (None, 3), "x").name == "x"
    assert T.tensor("x", dtype="int64", shape=(2,)).type.shape == (2,)
    assert T.tensor(dtype="bool", broadcastable=(True, False)).type == T.TensorType("bool", (1, None))
    assert T.tensor("uint16", ndim=2).ndim == 2
    assert T.tensor(shape=()).dtype == config.floatX
    for wrong in ({"dtype": "float32"}, {"dtype": "float31", "shape": ()}):
        with pytest.raises(TypeError):
            T.tensor(**wrong)
    with pytest.raises(TypeError, match="names"):
        T.tensor("x", dtype="int8", shape=(), name="y")
    with pytest.raises(TypeError, match="dtypes"):
        T.tensor(np.float32, dtype="int8", shape=())
    with pytest.raises(TypeError, match="at most 3"):
        T.tensor("int8", (), "x", 4)


def test_names_are_texts():
    with pytest.raises(TypeError, match="name"):
        T.dvector(3)


@pytest.mark.parametrize(("value", "floatX", "dtype"), [
    (1, "float64", "int8"), (-129, "float64", "int16"), (2**31, "float32", "int64"),
    (2**63, "float64", "uint64"),
    (1.5, "float64", "float32"), (0.1, "float64", "float64"), (0.1, "float32", "float32"),
    (True, "float32", "bool"),
    (1j, "float32", "complex128"), ([1, 2], "float64", "int64"), ([1.0, 2], "float32", "float32"),
    (np.float64(0.1), "float32", "float64"), (np.int16(3), "float64", "int16"),
    ([np.float64(1)], "float32", "float64"),
    (float("nan"), "float64", "float32"), (1e300, "float64", "float64"), ([], "float32", "float32"),
])
def test_autocast(value, floatX, dtype):
    with config.change_flags(floatX=floatX):
        assert T.constant(value).dtype == dtype


def test_policy_numpy_floatX():
    with config.change_flags(cast_policy="numpy+floatX", floatX="float32"):
        assert T.constant(1).dtype == "int64"
        assert T.constant(1.5).dtype == "float32"


def test_as_tensor_variable():
    x = T.dscalar("x")
    assert T.as_tensor_variable(x) is x
    stacked = T.as_tensor_variable([x, 1.0, x * 2])
    np.testing.assert_allclose(stacked.eval({x: 3.0}), [3, 1, 6])
    assert T.as_tensor_variable(T.dvector(), ndim=3).broadcastable == (True, True, False)
    with pytest.raises(ValueError, match="dimensions"):
        T.as_tensor_variable(T.dmatrix(), ndim=1)
    for wrong in ("text", None, object(), {"a": 1}):
        with pytest.raises(TypeError, match="tensor"):
            T.as_tensor_variable(wrong)


def test_constants_are_read_only():
    data = np.zeros(3)
    c = T.constant(data)
    data[0] = 5
    assert c.data[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        c.data[0] = 1


def test_plural_of_one_text_names_each_letter():
    """As Theano's: ``x, y, z = T.scalars('xyz')``."""
    assert [v.name for v in T.scalars("xyz")] == ["x", "y", "z"]
    assert T.vectors("x").name == "x"
