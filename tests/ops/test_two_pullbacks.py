"""Forward mode by two pullbacks, for every case: it equals what ops' own `R_op` and records give."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, draw_inputs
from evaluation import interpret
from test_cases import as_list, built, input_variables

from symtensor import tensor as T
from symtensor.autodiff import forward
from symtensor.graph.walk import toposort
from symtensor.ops.elemwise import Elemwise


def smooth_outputs(c, variables):
    return [out for out in built(c, variables) if out.type.dtype == "float64"]


def has_another_way(c) -> bool:
    """Whether some op of the case is pushed forward by its own `R_op` or record."""
    outputs = smooth_outputs(c, input_variables(draw_inputs(c, c.sizes[-1])))
    return any(node.op.R_op is not None or isinstance(node.op, Elemwise) for node in toposort(outputs))


@pytest.mark.parametrize("name", [name for name, c in CASES.items() if c.gradient is True and has_another_way(c)])
def test_two_pullbacks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    c = CASES[name]
    arrays = draw_inputs(c, c.sizes[-1])
    variables = input_variables(arrays)
    outputs = smooth_outputs(c, variables)
    rng = np.random.default_rng(5)
    along = {v: rng.uniform(-1, 1, a.shape) for v, a in zip(variables, arrays) if a.dtype == np.float64}
    points = list(along), [T.constant(value) for value in along.values()]
    usual = as_list(forward.Rop(outputs, *points, disconnected_outputs="ignore"))
    monkeypatch.setattr(forward, "_push", forward._by_two_pullbacks)
    anew = as_list(forward.Rop(outputs, *points, disconnected_outputs="ignore"))
    for a, b in zip(*(interpret(made, dict(zip(variables, arrays)), check=False) for made in (usual, anew))):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11 * max(1.0, np.abs(a).max(initial=0)))
