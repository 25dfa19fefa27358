"""Random sparse matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from matrices import FORMATS, draw, variable

import symtensor
from symtensor.sparse import sp2

pytestmark = pytest.mark.compiler


@pytest.mark.parametrize("format", FORMATS)
def test_draws(format: str) -> None:
    sp2.seed(5)
    means = abs(draw(format, shape=(40, 30))) * 20
    x = variable(means)
    f = symtensor.function([x], sp2.Poisson()(x))
    first, second = f(means), f(means)
    assert (first != second).nnz > 0
    np.testing.assert_array_equal(first.indices, means.indices)
    assert abs(first.data.mean() - means.data.mean()) < 2
    trials = symtensor.function([], sp2.Binomial(format, "int32")(10, 0.3, (50, 40)))()
    assert trials.format == format
    assert trials.dtype == np.int32
    assert abs(trials.toarray().mean() - 3) < 0.2
    chances = getattr(sp, f"{format}_matrix")([[0.5, 0, 0.5], [0, 1.0, 0]])
    p = variable(chances, "p")
    counts = symtensor.function([p], sp2.Multinomial()(100, p))(chances).toarray()
    np.testing.assert_array_equal(counts.sum(axis=1), [100, 100])
    assert counts[1, 1] == 100
    assert 20 < counts[0, 0] < 80
    sp2.seed(5)
    assert isinstance(sp2.multinomial, sp2.Multinomial)
    assert sp2.csc_fbinomial(3, 0.5, (2, 2)).type == symtensor.sparse.csc_fmatrix
    sp2.seed(5)
    again = symtensor.function([x], sp2.poisson(x))(means)
    assert (again != first).nnz == 0
