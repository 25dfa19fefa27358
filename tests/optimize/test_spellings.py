"""Every naive spelling of the stable families, against mpmath: the value, the gradient, and the gradient of a product
with something else, near 0, far away, and at infinity."""

from __future__ import annotations

import os

import mpmath
import pytest

from benchmarks.accuracy_spellings import errors, families
from symtensor import Mode

FAMILIES = families(mpmath)
FULL = bool(os.environ.get("SYMTENSOR_TEST_FULL"))


def test_there_are_at_least_eighty():
    assert len({text for family in FAMILIES for text in family.spellings}) >= 80


@pytest.mark.parametrize("dtype", ["float32", "float64"] if FULL else ["float32"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name.replace(" ", ""))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_family(family, dtype):
    with mpmath.workdps(60):
        found = list(errors(family, dtype, mpmath, None if FULL else Mode("py"), 60 if FULL else 20))
    assert [row for row in found if row[1] > 4 or row[2] > 8] == []
