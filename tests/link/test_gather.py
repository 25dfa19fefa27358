"""Rows of a table read where they lie, by the loop that needs them."""

from __future__ import annotations

import numpy as np
import pytest
from harness import needs_compiler

import symtensor
from symtensor import Mode, function
from symtensor import tensor as T

pytestmark = [pytest.mark.compiler, needs_compiler]
PLAIN = Mode("py", None)
rng = np.random.default_rng(0)


def softmax(x):
    e = T.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("index", ["int64", "uint8"])
def test_loops_over_gathered_rows(index):
    table, row = T.dmatrix("table"), T.dvector("row")
    at, pairs = T.TensorType(index, (None,))("at"), T.TensorType(index, (None, None))("pairs")
    outputs = [T.tanh(table[at] + row), table[pairs].mean(axis=1), softmax(table[at]) * row,
               (table.T[at] * 2).sum(axis=0),
               T.exp(table[pairs]).sum(), table[::2][at % 3] - 1, (table[at] * row).sum(axis=1), -table[pairs[:, ::-1]]]
    native = function([table, row, at, pairs], outputs)
    assert native.c_source().count("named0 = ") >= len(outputs) - 1
    plain = function([table, row, at, pairs], outputs, mode=PLAIN)
    for n, columns in ((6, 6), (7, 0)):
        low = 0 if index == "uint8" else -6
        given = [rng.normal(size=(6, 6)), rng.normal(size=6), rng.integers(low, 6, n).astype(index),
                 rng.integers(low, 6, (n, columns)).astype(index)]
        for ours, want in zip(native(*given), plain(*given), strict=True):
            np.testing.assert_allclose(ours, want, rtol=1e-12)


def test_indices_are_checked_before_anything_is_written():
    table = symtensor.shared(np.arange(6.0).reshape(3, 2))
    at = T.lvector("at")
    step = function([at], T.exp(table[at]), updates=[(table, table + 1)])
    np.testing.assert_allclose(step([2, -3]), np.exp([[4.0, 5.0], [0.0, 1.0]]))
    with pytest.raises(IndexError, match="index 3 is out of range for axis 0 of size 3"):
        step([0, 3])
    np.testing.assert_array_equal(table.get_value(), np.arange(6.0).reshape(3, 2) + 1)


def test_rows_are_read_before_the_table_changes():
    table, at, rate = symtensor.shared(rng.normal(size=(9, 3))), T.lvector("at"), T.dscalar("rate")
    before = table.get_value()
    change = T.inc_subtensor(table[at], -rate * T.exp(table[at]))
    step = function([at, rate], T.tanh(table[at]).sum(), updates=[(table, change)])
    np.testing.assert_allclose(step([1, 1, 4], 0.5), np.tanh(before[[1, 1, 4]]).sum())
    want = before.copy()
    np.add.at(want, [1, 1, 4], -0.5 * np.exp(before[[1, 1, 4]]))
    np.testing.assert_allclose(table.get_value(), want)
