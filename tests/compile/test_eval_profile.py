"""`x.eval`, profiles, and the public face."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import symtensor
from symtensor import MissingInputError, Mode, config, function, shared
from symtensor import tensor as T
from symtensor.compile.profile import Profile


def test_eval() -> None:
    x, y, w = T.matrix("x"), T.matrix("y"), shared(2.0, "w")
    z = T.dot(x, y) * w
    assert z.eval({x: [[1, 2], [1, 3]], y: [[1, 0], [3, 4]]}).tolist() == [[14, 16], [20, 24]]
    w.set_value(1.0)
    assert z.eval({y: [[1, 0], [3, 4]], x: [[1, 2], [1, 3]]}).tolist() == [[7, 8], [10, 12]]
    assert T.constant(3).eval() == 3
    assert w.eval() == 1
    assert x.eval({x: [[1]]}).tolist() == [[1]]
    assert (z + 1).eval({z: [[1.0]]}).tolist() == [[2]]


def test_eval_errors() -> None:
    x, y = T.dscalars("x", "y")
    z = x + y
    z.name = "z"
    with pytest.raises(
        MissingInputError, match=r"z needs the value of x, y; write z\.eval\(\{x: value, y: value\}\)"
    ):
        z.eval()
    with pytest.raises(MissingInputError, match=r"z needs the value of y; write"):
        z.eval({x: 1})
    with pytest.raises(TypeError, match="the keys are variables, got 'x'"):
        z.eval({"x": 1})
    with pytest.raises(TypeError, match="expected a float64 scalar"):
        z.eval({x: [1], y: 2})


def test_eval_compiles_once() -> None:
    x = T.dscalar("x")
    y = x * 2
    y.eval({x: 1})
    cache = vars(y.tag)["_compiled"]
    (compiled,) = cache.values()
    assert y.eval({x: 5}) == 10
    assert list(cache.values()) == [compiled]


def test_profile_on_the_interpreter() -> None:
    x = T.dvector("x")
    f = function([x], T.exp(x).sum() * 2, mode=Mode("py", None), profile=True, name="f")
    for _ in range(3):
        f(np.ones(4))
    assert f.profile.calls == 3
    table = {op: (nodes, runs) for op, nodes, runs, _ in f.profile.op_times()}
    assert table["Elemwise{exp}"] == (1, 3)
    out = io.StringIO()
    f.profile.summary(out)
    text = out.getvalue()
    for word in ("Profile of f", "calls 3", "Elemwise{exp}", "optimize", "test_eval_profile.py", "%"):
        assert word in text
    assert function([x], x + 1, mode="INTERPRETER").profile is None


def test_profile_everywhere(mode: Mode) -> None:
    x = T.dvector("x")
    with config.change_flags(profile=True):
        f = function([x], x + 1, mode=mode)
    f(np.ones(2))
    f(x=np.ones(2))
    assert f.profile.calls == 2
    assert f.profile.call_seconds > 0
    assert "calls 2" in f.profile.text()
    both = Profile("both")
    for _ in range(2):
        function([x], x + 1, mode=mode, profile=both)(np.ones(2))
    assert both.calls == 2
    assert function([x], x + 1, mode=mode, profile="my text").profile.name == "my text"


def test_public_names() -> None:
    for name in symtensor.__all__:
        assert getattr(symtensor, name) is not None
    assert "function" in dir(symtensor)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        symtensor.nothing  # noqa: B018


def test_import_is_light() -> None:
    watched = "print(sorted({'scipy', 'subprocess', 'ctypes', 'symtensor.ops'} & set(sys.modules)))"
    before, after = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import numpy, sys; {watched}; import symtensor; {watched}"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    assert after == before
