"""Copies and pickles of functions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symtensor import In, Mode, Out, function, shared
from symtensor import tensor as T


def test_copy_shares_shared_variables(mode: Mode) -> None:
    w, x = shared(1.0, "w"), T.dscalar("x")
    f = function(
        [x, In(T.dscalar("y"), value=2.0)], x + w, updates=[(w, w + x)], mode=mode, on_unused_input="ignore"
    )
    g = f.copy(name="g")
    assert g.name == "g"
    assert (f(1), g(1), f(1)) == (2, 3, 4)
    assert w.get_value() == 4
    frozen = f.copy(delete_updates=True)
    assert frozen(1) == 5
    assert w.get_value() == 4


def test_swap(mode: Mode) -> None:
    w, v, x = shared(np.ones(2), "w"), shared(np.zeros(2), "v"), T.dvector("x")
    f = function([x], x + w, updates=[(w, w + x)], mode=mode)
    for key in (w, "w"):
        g = f.copy(swap={key: v})
        v.set_value(np.zeros(2))
        assert g(np.ones(2)).tolist() == [1, 1]
        assert v.get_value().tolist() == [1, 1]
        assert w.get_value().tolist() == [1, 1]
    assert f(np.ones(2)).tolist() == [2, 2]
    with pytest.raises(ValueError, match="swap names q"):
        f.copy(swap={"q": v})
    with pytest.raises(TypeError, match="w of type .* cannot be swapped"):
        f.copy(swap={w: shared(1.0)})
    with pytest.raises(TypeError, match="cannot be swapped for 3"):
        f.copy(swap={w: 3})


def test_pickle(mode: Mode) -> None:
    w, x, k = shared(np.ones(2), "w"), T.dvector("x"), T.dscalar("k")
    y = T.exp(x) * w + (k - 4)
    f = function(
        [x, In(k, value=3.0)],
        {"y": y, "again": Out(y, borrow=True)},
        updates=[(w, w + x)],
        mode=mode,
        name="f",
    )
    f["k"] = 4.0
    f, v = pickle.loads(pickle.dumps((f, w)))
    assert f.name == "f"
    assert f.maker.mode == mode
    assert f["k"] == 4
    result = f(np.zeros(2))
    assert list(result) == ["y", "again"]
    assert result["y"].tolist() == [1, 1]
    f(x=np.ones(2))
    assert v.get_value().tolist() == [2, 2]
    assert w.get_value().tolist() == [1, 1]


def test_pickle_of_state(mode: Mode) -> None:
    x, s = T.dscalar("x"), T.dscalar("s")
    f = function([x, In(s, value=0.0, update=s + x)], s + 0, mode=mode)
    f(5)
    g = pickle.loads(pickle.dumps(f))
    assert g(1) == 5
    assert g["s"] == 6
    assert f["s"] == 5


def test_pickle_of_a_deep_graph() -> None:
    x = T.dscalar("x")
    y = x
    for _ in range(3000):
        y = y * 1.5 - x
    f = function([x], T.switch(y > 1e300, x, x + 0), mode=Mode("py", None))
    assert pickle.loads(pickle.dumps(f))(2) == 2
