"""Sparse matrices that tests use: empty rows, nothing stored, unsorted and repeated indices, sizes 0 and 1."""

from __future__ import annotations

import itertools
import os

import numpy as np
import scipy.sparse as sp

from symtensor import sparse

FORMATS = ("csr", "csc")
DTYPES = ("float32", "float64", "complex64", "complex128", "int8", "int32", "int64", "uint8", "bool")
FULL = bool(os.environ.get("SYMTENSOR_TEST_FULL"))
ONE_FORMAT = FORMATS if FULL else ("csc",)
KINDS = list(itertools.product(FORMATS, DTYPES)) if FULL else [
    ("csr", "float64"), ("csc", "float32"), ("csc", "int32"), ("csr", "bool"), ("csr", "complex128")]
"""The formats and dtypes that tests of everything run over."""


def values(rng, count, dtype):
    drawn = rng.uniform(0.2, 1.9, count) * rng.choice([-1, 1], count)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * rng.uniform(-1, 1, count)
    if np.dtype(dtype).kind in "iu":
        drawn = np.trunc(drawn * (3 if np.dtype(dtype).kind == "i" else 1))
        drawn = np.abs(drawn) if np.dtype(dtype).kind == "u" else drawn
    return drawn.astype(dtype)


def draw(format, dtype="float64", shape=(5, 4), density=0.4, seed=0):
    """A random matrix with an empty row and an empty column where there is room."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    if min(shape) > 2:
        mask[1] = False
        mask[:, 2] = False
    dense = np.zeros(shape, dtype)
    dense[mask] = values(rng, int(mask.sum()), dtype)
    return getattr(sp, f"{format}_matrix")(dense)


def messy(format, dtype="float64"):
    """Unsorted and repeated indices, a stored zero, an empty row (column)."""
    data = np.array([1, 2, 0, 3, 1, 5]).astype(dtype)
    indices, indptr = np.array([2, 0, 1, 3, 3, 0], "int32"), np.array([0, 3, 3, 5, 6], "int32")
    shape = (4, 5) if format == "csr" else (5, 4)
    found = getattr(sp, f"{format}_matrix")((data, indices, indptr), shape=shape)
    if found.dtype == bool:  # a position twice is True once, and is not when it is multiplied
        found.sum_duplicates()
    return found


def samples(format, dtype="float64"):
    """One matrix of each kind."""
    return {
        "random": draw(format, dtype), "messy": messy(format, dtype),
        "nothing stored": draw(format, dtype, density=0.0), "full": draw(format, dtype, density=1.0, shape=(2, 3)),
        "no rows": draw(format, dtype, shape=(0, 3)), "no columns": draw(format, dtype, shape=(3, 0)),
        "one by one": draw(format, dtype, shape=(1, 1), density=1.0),
    }


def variable(matrix, name="x"):
    return sparse.matrix(matrix.format, name, matrix.dtype.name)


def dense(value):
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def same(found, wanted, dtype="float64"):
    """Equal values; both may be sparse."""
    found, wanted = dense(found), dense(wanted)
    assert found.shape == wanted.shape
    rtol = 1e-5 if np.dtype(dtype).name in ("float32", "complex64") else 1e-12
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
