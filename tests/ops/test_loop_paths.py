"""Theano's paths of loops and branches."""

from __future__ import annotations

import subprocess
import sys

import pytest

import symtensor
from symtensor import tensor as T
from symtensor.ifelse import ifelse
from symtensor.scan_module import scan_utils, until
from symtensor.scan_module.scan_op import Scan


def test_ifelse_is_a_function_and_a_page():
    x = T.dscalar()
    chosen = [symtensor.ifelse(x > 0, x, -x), symtensor.ifelse.ifelse(x > 0, x, -x), ifelse(x > 0, x, -x, name="y")]
    for each in chosen:
        assert each.eval({x: -2.0}) == 2
    text = "import symtensor as s; a = s.ifelse; import symtensor.ifelse; assert s.ifelse is a and callable(a)"
    subprocess.run([sys.executable, "-c", text], check=True)


def test_scan_module():
    limit = T.dscalar()
    out, _ = symtensor.scan_module.scan(lambda x: (x * 2, until(x > limit)), outputs_info=1.0, n_steps=9)
    f = symtensor.function([limit], out)
    assert f(3.0).shape == (3,)
    assert until is scan_utils.until is symtensor.scan_module.until
    assert any(isinstance(node.op, Scan) for node in f.maker.fgraph.order)


def test_equal_computations():
    x, y = T.dvectors("x", "y")
    a, b = (symtensor.scan(lambda row, h: T.tanh(row + h), v, 0.0)[0] for v in (x, y))
    assert scan_utils.equal_computations([a], [b], [x], [y])
    assert not scan_utils.equal_computations([a], [b])
    with pytest.raises(ValueError, match="one by one"):
        scan_utils.equal_computations([a], [a, b])
