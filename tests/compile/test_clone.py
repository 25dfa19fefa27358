"""`symtensor.clone`."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import clone, shared
from symtensor import tensor as T


def test_joined_parameters():
    """As samplers do: a density of several variables becomes one of a vector of all."""
    mean, scale = T.dscalar("mean"), T.dscalar("scale")
    log_density = -((mean - 1) ** 2) / 2 - T.log(scale) ** 2
    q = T.dvector("q")
    joined = clone(log_density, [(mean, q[0]), (scale, T.exp(q[1]))])
    slope = symtensor.grad(joined, q)
    np.testing.assert_allclose(slope.eval({q: [3.0, 2.0]}), [-2.0, -4.0])
    assert log_density.eval({mean: 1.0, scale: 1.0}) == 0


def test_lists_types_and_values():
    x, y = T.dvector("x"), T.fmatrix("y")
    assert [v.eval().tolist() for v in clone([x + 1, x], {x: np.array([1.0])})] == [[2.0], [1.0]]
    with pytest.raises(TypeError, match="strict=False"):
        clone(x * 2, {x: y})
    assert clone(x * 2, {x: y}, strict=False).type == y.type
    with pytest.raises(TypeError, match="keys"):
        clone(x, {"x": x})


def test_inputs_of_their_own():
    x, w = T.dvector("x"), shared(np.ones(2), "w")
    copy = clone(w, share_inputs=False)
    copy.default_update = copy + 1
    assert w.default_update is None
    symtensor.function([], copy)()
    assert w.get_value().tolist() == [2, 2]
    y = clone(x * w, share_inputs=False)
    names = {v.name for v in y.owner.inputs}
    assert names == {"x", "w"}
    assert not {x, w} & set(y.owner.inputs)
