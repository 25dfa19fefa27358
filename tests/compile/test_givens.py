"""givens: other expressions in place of variables, in one function."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import Mode, function, shared
from symtensor import tensor as T


def test_forms_and_kinds_of_keys(mode: Mode) -> None:
    x, y, w = T.dvector("x"), T.dvector("y"), shared(np.ones(2), "w")
    z = x * 2
    out = z + w
    assert function([y], out, givens=[(x, y)], mode=mode)([1, 2]).tolist() == [3, 5]
    assert function([], out, givens={x: np.array([1.0, 2.0])}, mode=mode)().tolist() == [3, 5]
    assert function([], out, givens={x: [1, 2]}, mode=mode)().tolist() == [3, 5]
    assert function([y], out, givens={z: y}, mode=mode)([1, 2]).tolist() == [2, 3]
    assert function([x, y], out, givens={w: y}, mode=mode)([1, 2], [0, 0]).tolist() == [2, 4]
    assert function([x], out, givens={x: x + 1}, mode=mode)([1, 2]).tolist() == [5, 7]
    assert function([x], out, givens={z: w}, mode=mode, on_unused_input="ignore")([0, 0]).tolist() == [2, 2]
    assert function([x], x + 1, givens={y: x}, mode=mode)([1, 2]).tolist() == [2, 3]


def test_the_batch_of_the_book(mode: Mode) -> None:
    data = shared(np.arange(12.0).reshape(6, 2), "data")
    x, index = T.dmatrix("x"), T.lscalar("index")
    f = function([index], x.sum(), givens={x: data[index * 2:(index + 1) * 2]}, mode=mode)
    assert [float(f(i)) for i in range(3)] == [6, 22, 38]


def test_givens_reach_updates(mode: Mode) -> None:
    x, w = T.dscalar("x"), shared(1.0, "w")
    function([], updates=[(w, w + x)], givens={x: 5.0}, mode=mode)()
    assert w.get_value() == 6
    v = shared(1.0, "v")
    v.default_update = v + x
    function([], v, givens={x: 2.0}, mode=mode)()
    assert v.get_value() == 3


def test_givens_bring_default_updates(mode: Mode) -> None:
    x, w = T.lscalar("x"), shared(1, "w")
    w.default_update = w * 2
    f = function([], x + 0, givens={x: w}, mode=mode)
    assert [int(f()) for _ in range(3)] == [1, 2, 4]


def test_more_specific_types(mode: Mode) -> None:
    x = T.dmatrix("x")
    f = function([], (x + 1).sum(axis=0), givens={x: np.ones((1, 3))}, mode=mode)
    assert f().tolist() == [2, 2, 2]


def test_what_does_not_fit() -> None:
    x, y = T.fmatrix("x"), T.dmatrix("y")
    with pytest.raises(TypeError, match=r"givens for x of type TensorType\(float32, matrix\): got y of type "
                                        r"TensorType\(float64, matrix\).*astype\('float32'\)"):
        function([y], x, givens={x: y})
    with pytest.raises(TypeError, match="givens for x .*2-d|givens for x .*it has 1 dimension"):
        function([], x, givens={x: T.fvector("v")})
    with pytest.raises(TypeError, match="givens for x"):
        function([], x, givens={x: np.ones((2, 2))})
    with pytest.raises(TypeError, match="givens replaces variables, got the key 'x'"):
        function([], x, givens={"x": y})
    with pytest.raises(ValueError, match="givens replaces x twice"):
        function([], x, givens=[(x, np.ones((1, 1), "float32")), (x, np.ones((1, 1), "float32"))])
    with pytest.raises(TypeError, match="givens is a dict or a list"):
        function([], x, givens=3)


def test_rebuild_strict_false_lets_types_change(mode: Mode) -> None:
    x, y = T.fvector("x"), T.dvector("y")
    f = function([y], x * 2, givens={x: y}, mode=mode, rebuild_strict=False)
    assert f(np.ones(2)).dtype == np.float64
