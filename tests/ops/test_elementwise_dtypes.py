"""Dtypes of results: NumPy's promotion for every pair, and the conversions of numbers that the flags name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symtensor import config
from symtensor import tensor as T
from symtensor.graph.types import DTYPES, TensorType

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "pow": np.power, "int_div": np.floor_divide, "mod": np.remainder, "lt": np.less, "ge": np.greater_equal,
    "eq": np.equal, "neq": np.not_equal, "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor,
    "left_shift": np.left_shift, "right_shift": np.right_shift, "logical_and": np.logical_and,
    "logical_xor": np.logical_xor, "fmod": np.fmod,
}
FLOATS = {"true_div": np.true_divide, "arctan2": np.arctan2, "hypot": np.hypot, "copysign": np.copysign,
          "logaddexp": np.logaddexp}


def resolved(ufunc, *dtypes):
    """The dtype NumPy's function gives arrays of these dtypes; None where it has no loop."""
    try:
        with np.errstate(all="ignore"):
            return ufunc(*(np.ones(1, dtype) for dtype in dtypes)).dtype.name
    except TypeError:
        return None


def ours(name, *dtypes):
    try:
        return getattr(T, name)(*(TensorType(dtype, (None,))() for dtype in dtypes)).dtype
    except TypeError:
        return None


@pytest.mark.parametrize("name", BINARY)
def test_all_pairs_as_numpy(name):
    for pair in itertools.product(DTYPES, repeat=2):
        want, got = resolved(BINARY[name], *pair), ours(name, *pair)
        if name in ("lt", "ge", "maximum", "minimum") and any(dtype.startswith("complex") for dtype in pair):
            assert got is None, pair  # NumPy orders complex numbers by their parts; we do not
        else:
            assert got == want, (name, pair)


@pytest.mark.parametrize("name", FLOATS)
def test_pairs_that_become_floats(name):
    """With a float on one side NumPy's dtype; two integers of at most 16 bits become float32 here, not float16."""
    for pair in itertools.product(DTYPES, repeat=2):
        want, got = resolved(FLOATS[name], *pair), ours(name, *pair)
        if got is None or want is None:
            assert want is None or (want or "").startswith("complex"), pair
        elif all(np.dtype(dtype).kind in "biu" for dtype in pair):
            assert got == config.floatX if name == "true_div" else got == np.result_type(want, "float32").name, pair
        else:
            assert got == want, (name, pair)


def test_casts_between_all_pairs():
    for source, target in itertools.product(DTYPES, repeat=2):
        x = TensorType(source, (None,))()
        if source.startswith("complex") and not target.startswith(("complex", "bool")):
            with pytest.raises(TypeError, match="real"):
                T.cast(x, target)
        else:
            assert T.cast(x, target).dtype == target


@pytest.mark.parametrize("floatX", ["float16", "float32", "float64"])
def test_numbers_beside_tensors(floatX):
    """Theano's rules: an int takes the smallest dtype that holds it, a float is floatX or a float that holds it."""
    with config.change_flags(floatX=floatX):
        x, i = T.fvector(), T.bvector()
        assert T.cast(x, "floatX").dtype == floatX
        assert T.vector().dtype == floatX
        assert (x * 2).dtype == "float32"
        assert (x * 0.5).dtype == "float32"
        assert (x * 0.1).dtype == ("float64" if floatX == "float64" else "float32")
        assert (i + 1).dtype == "int8"
        assert (i + 1000).dtype == "int16"
        assert (i * 0.5).dtype == ("float16" if floatX == "float16" else "float32")
        assert (i / 2).dtype == floatX
        assert (x + True).dtype == "float32"
        assert T.constant(2**40).dtype == "int64"
        assert T.constant([1.5, 2]).dtype == floatX
        assert T.constant(np.float64(0.5)).dtype == "float64"
    with config.change_flags(floatX=floatX, cast_policy="numpy+floatX"):
        assert T.constant(2).dtype == "int64"
        assert T.constant(0.5).dtype == floatX
