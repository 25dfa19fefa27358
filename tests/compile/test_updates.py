"""Updates: what may be updated by what, from old values, all or nothing."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

from symtensor import In, Mode, function, shared
from symtensor import tensor as T


def test_counter_of_the_book(mode: Mode) -> None:
    w, x = shared(1.0), T.dscalar("x")
    mul = function([x], updates=[(w, w * x)], mode=mode)
    assert mul(4) == []
    assert w.get_value() == 4.0
    assert isinstance(w.get_value(), np.ndarray)


@pytest.mark.parametrize("form", [list, tuple, dict, OrderedDict])
def test_forms_of_updates(form: type) -> None:
    a, b = shared(1.0, "a"), shared(2.0, "b")
    f = function([], a + b, updates=form([(a, b), (b, a + b)]), mode="INTERPRETER")
    assert f() == 3
    assert (a.get_value(), b.get_value()) == (2, 3)


def test_swap_reads_old_values(mode: Mode) -> None:
    a, b = shared(np.array([1.0, 2.0]), "a"), shared(np.array([3.0, 4.0]), "b")
    f = function([], [a, b], updates=[(a, b), (b, a)], mode=mode)
    for expected in ([1, 2], [3, 4], [1, 2]):
        assert f()[0].tolist() == expected
    a.set_value(np.zeros(2))
    assert b.get_value().tolist() == [1, 2]


def test_update_does_not_alias_argument_or_result(mode: Mode) -> None:
    w, x = shared(np.zeros(2), "w"), T.dvector("x")
    f = function([x], [x, w], updates=[(w, x)], mode=mode)
    given = np.array([1.0, 2.0])
    results = f(given)
    given[:] = 7
    for result in results:
        result[:] = 8
    assert w.get_value().tolist() == [1, 2]
    assert f(np.zeros(2))[1].tolist() == [1, 2]


def test_result_is_the_old_value(mode: Mode) -> None:
    w = shared(np.array([1.0, 2.0]), "w")
    f = function([], [w, w * 2], updates=[(w, w + 10)], mode=mode)
    old, double = f()
    assert old.tolist() == [1, 2]
    assert double.tolist() == [2, 4]
    assert w.get_value().tolist() == [11, 12]


def test_shape_may_change(mode: Mode) -> None:
    w, x = shared(np.zeros(2), "w"), T.dvector("x")
    f = function([x], w.shape[0], updates=[(w, x)], mode=mode)
    assert f(np.ones(5)) == 2
    assert w.get_value().shape == (5,)
    assert f(np.ones(0)) == 5
    assert f(np.ones(1)) == 0


def test_update_by_values(mode: Mode) -> None:
    w, v = shared(np.float32(1), "w"), shared(np.zeros(2), "v")
    function([], updates=[(w, 0), (v, [3, 4])], mode=mode)()
    assert w.get_value() == 0
    assert w.get_value().dtype == np.float32
    assert v.get_value().tolist() == [3, 4]


def test_what_does_not_fit() -> None:
    w, x = shared(np.ones((2, 2), "float32"), "w"), T.dmatrix("x")
    with pytest.raises(TypeError, match=r"update of w of type TensorType\(float32, matrix\): got .* of type "
                                        r"TensorType\(float64, matrix\).*\.astype\('float32'\)"):
        function([x], updates=[(w, w + x)])
    with pytest.raises(TypeError, match="update of w .*it has 0 dimension"):
        function([], updates=[(w, w.sum())])
    with pytest.raises(TypeError, match=r"update of w of type .*expected a float32 matrix.*\(2,\)"):
        function([], updates=[(w, np.ones(2, "float32"))])
    with pytest.raises(TypeError, match="lose precision"):
        function([], updates=[(w, np.ones((2, 2)))])
    with pytest.raises(ValueError, match="two new values for w"):
        function([], updates=[(w, w + 1), (w, w + 2)])
    with pytest.raises(TypeError, match="updates are for shared variables, x is an input; write In"):
        function([x], updates=[(x, x + 1)])
    with pytest.raises(TypeError, match="updates are for shared variables, got"):
        function([], updates=[(T.dscalar("y"), 1)])
    with pytest.raises(TypeError, match=r"list of \(variable, value\) pairs, got the item"):
        function([], updates=[w])
    with pytest.raises(TypeError, match="updates is a dict or a list of"):
        function([], updates=w)


def test_fixed_dimensions_are_checked(mode: Mode) -> None:
    row = shared(np.ones((1, 3)), "row", broadcastable=(True, False))
    x = T.dmatrix("x")
    f = function([x], updates=[(row, x)], mode=mode)
    f(np.zeros((1, 4)))
    assert row.get_value().shape == (1, 4)
    with pytest.raises((TypeError, ValueError, AssertionError)):
        f(np.zeros((2, 4)))
    assert row.get_value().shape == (1, 4)
    with pytest.raises(TypeError, match=r"its shape is \(None, 1\)|shape"):
        function([], updates=[(row, T.constant(np.ones((2, 1))) + T.col("c"))])


def test_default_update(mode: Mode) -> None:
    n, m = shared(0, "n"), shared(10, "m")
    n.default_update = n + m
    m.default_update = m + 1
    f = function([], n * 2, mode=mode)
    assert [int(f()) for _ in range(3)] == [0, 20, 42]
    assert m.get_value() == 13
    function([], n, mode=mode, no_default_updates=True)()
    assert n.get_value() == 33
    function([], n, mode=mode, no_default_updates=[n])()
    assert (n.get_value(), m.get_value()) == (33, 13)
    function([], n, updates=[(n, n * 0 - 1)], mode=mode)()
    assert (n.get_value(), m.get_value()) == (-1, 13)
    assert len(f.get_shared()) == 2
    with pytest.raises(TypeError, match="no_default_updates lists shared variables"):
        function([], n, no_default_updates=[3])
    with pytest.raises(TypeError, match="bool or a list"):
        function([], n, no_default_updates=n)
    n.default_update = T.dscalar("d")
    with pytest.raises(TypeError, match="default_update of n"):
        function([], n)


def test_two_variables_over_one_container(mode: Mode) -> None:
    w = shared(np.ones(3), "w")
    twin = w.clone()
    f = function([], [w + twin, twin * 2], updates=[(twin, w + 1)], mode=mode)
    total, double = f()
    assert total.tolist() == [2, 2, 2]
    assert double.tolist() == [2, 2, 2]
    assert w.get_value().tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="two new values"):
        function([], updates=[(w, w + 1), (twin, w + 2)])


def test_state_of_an_input(mode: Mode) -> None:
    x, state = T.dscalar("x"), T.dscalar("state")
    f = function([x, In(state, value=0.0, update=state + x)], state * 1, mode=mode)
    assert f(1) == 0
    assert f(2) == 1
    assert f["state"] == 3
    f["state"] = 10
    assert f(1) == 10
    assert f[state] == 11
    assert f(1, 100) == 100
    assert f[state] == 101
    assert f(1, state=5) == 5
    assert f[state] == 6
    g = f.copy()
    g(1)
    assert (f[state], g[state]) == (6, 7)
    with pytest.raises(ValueError, match="needs a first value"):
        In(state, update=state + 1)
    with pytest.raises(TypeError, match=r"update of input state"):
        function([In(state, value=0.0, update=T.dvector("v"))], state)


def test_state_first_then_argument(mode: Mode) -> None:
    x, state = T.dscalar("x"), T.dscalar("state")
    f = function([In(state, value=1.0, update=state * x), x], state + 0, mode=mode)
    assert f(5, 2) == 5
    assert f[state] == 10
    assert f(x=3) == 10
    assert f[state] == 30
    with pytest.raises(TypeError, match="missing x"):
        f(5)
    assert f[state] == 30


def test_input_on_a_shared_container(mode: Mode) -> None:
    w, s, x = shared(2.0, "w"), T.dscalar("s"), T.dscalar("x")
    f = function([In(s, value=w), x], s * x, mode=mode)
    assert f(3) == 6
    w.set_value(5.0)
    assert f(x=3) == 15
    assert f["s"] == 5
    with pytest.raises(TypeError, match=r"takes 1 argument \(x\), got 2"):
        f(3, 1)
    passable = function([x, In(s, value=w, implicit=False)], s * x, mode=mode)
    assert passable(3) == 15
    assert passable(3, 1) == 3
    assert w.get_value() == 5
    g = function([x, In(s, value=w, update=s + x)], s + w, mode=mode)
    assert g(1) == 10
    assert w.get_value() == 6


@pytest.mark.parametrize("failing", ["index", "shape", "perform"])
def test_a_failed_call_changes_nothing(mode: Mode, failing: str) -> None:
    w, v, n = shared(np.arange(3.0), "w"), shared(np.zeros(3), "v"), shared(0, "n")
    x, i = T.dvector("x"), T.lscalar("i")
    last = {"index": w[i], "shape": (w + x).sum() + i * 0, "perform": (w + x).reshape((i, 2)).sum()}[failing]
    f = function([x, i], [last, w * 2], updates=[(w, w + 1), (n, n + 1), (v, v - 1 + x.sum() * 0 + last * 0)],
                 mode=mode)
    bad = {"index": (np.zeros(3), 7), "shape": (np.zeros(4), 0), "perform": (np.zeros(3), 5)}[failing]
    for _ in range(2):
        with pytest.raises((IndexError, ValueError)):
            f(*bad)
        assert w.get_value().tolist() == [0, 1, 2]
        assert v.get_value().tolist() == [0, 0, 0]
        assert n.get_value() == 0
    if failing != "perform":
        f(np.zeros(3), 1)
        assert w.get_value().tolist() == [1, 2, 3]
        assert n.get_value() == 1


def test_a_refused_state_value_changes_nothing(mode: Mode) -> None:
    x, state = T.dvector("x"), T.dvector("state")
    f = function([x, In(state, value=np.zeros(2), update=state + x)], state.sum(), mode=mode)
    with pytest.raises(ValueError):
        f(np.ones(3), np.ones(2))
    assert f["state"].tolist() == [0, 0]
    with pytest.raises(TypeError):
        f(np.ones(2), "text")
    f(np.ones(2))
    assert f["state"].tolist() == [1, 1]
