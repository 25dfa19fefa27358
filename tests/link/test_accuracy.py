"""The accuracy tables, on a sample: one float in many, and a part of the stable family."""

from __future__ import annotations

import os

import pytest

from benchmarks import accuracy, accuracy_stable
from symtensor.link.toolchain import NoCompiler, find_compiler

STRIDE = 10007 if os.environ.get("SYMTENSOR_TEST_FULL") else 200003

try:
    find_compiler()
except NoCompiler:
    pytestmark = pytest.mark.skip(reason="no C compiler")


@pytest.mark.compiler
@pytest.mark.parametrize("target", ["native", "baseline"])
def test_functions_of_one_float(target):
    found = accuracy.measure(accuracy.unary_functions(), STRIDE, target)
    limits = {name: 4 if name in accuracy.GAMMA_LIKE else 2 for name in found}
    assert {name: row for name, row in found.items() if row[0] > limits[name]} == {}


@pytest.mark.compiler
def test_stable_family():
    names = () if os.environ.get("SYMTENSOR_TEST_FULL") else (
        "sigmoid(x)", "softplus(x)", "log1mexp(x)", "erfc(x)", "log(1 + exp(x))", "log(1 - sigmoid(x))",
        "1 - sigmoid(x)", "log(1 - exp(x))", "logaddexp(x, y)")
    lines, bad = accuracy_stable.table(names)
    assert bad == 0, "\n".join(lines)
