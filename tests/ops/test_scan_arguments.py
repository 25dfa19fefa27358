"""Each argument of `scan` and its relatives, and each form of what a step returns; tests/ops/test_scan.py has the
loops themselves."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import symtensor
from symtensor import foldl, foldr, function, grad, ifelse, loop, reduce, scan, scan_checkpoints, shared
from symtensor import map as each
from symtensor import tensor as T
from symtensor.ops.scan import until
from tests.ops.test_scan import LINKERS, M, V, run

X = np.arange(1.0, 7.0)


def parameters(f):
    return {name: p.default for name, p in inspect.signature(f).parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize(("f", "names"), [
    (scan, "fn sequences outputs_info non_sequences n_steps truncate_gradient go_backwards mode name profile allow_gc "
           "strict return_list"),
    (each, "fn sequences non_sequences truncate_gradient go_backwards mode name"),
    (reduce, "fn sequences outputs_info non_sequences go_backwards mode name"),
    (foldl, "fn sequences outputs_info non_sequences mode name"),
    (foldr, "fn sequences outputs_info non_sequences mode name"),
    (scan_checkpoints, "fn sequences outputs_info non_sequences name n_steps save_every_N padding"),
    (ifelse, "condition then_branch else_branch name"),
])
def test_theanos_parameters_in_theanos_order(f, names):
    assert list(parameters(f))[:len(names.split())] == names.split()
    if f is scan:
        assert {k: v for k, v in parameters(f).items() if v not in (None, inspect.Parameter.empty)} == {
            "truncate_gradient": -1, "go_backwards": False, "profile": False, "strict": False, "return_list": False}


def test_arguments_by_place():
    """All of them, one after the other, as old programs have them."""
    x = T.dvector()
    out, updates = scan(lambda a, h, k: h * k + a, x, T.constant(0.0), 2.0, 3, 2, True, None, "all", False, None, True,
                        True)
    assert isinstance(out, list)
    assert updates == {}
    np.testing.assert_array_equal(run([x], out[0], X), [6, 17, 38])
    np.testing.assert_array_equal(run([x], grad(out[0][-1], x), X), [0, 0, 0, 1, 2, 0])
    doubled, _ = each(lambda a, k: a * k, x, 2.0, -1, True, "FAST_RUN", "twice")
    np.testing.assert_array_equal(run([x], doubled, X), 2 * X[::-1])
    total, _ = reduce(lambda a, h, k: h + a * k, x, T.constant(0.0), 2.0, True, "FAST_COMPILE", "sum")
    assert run([x], total, X) == 42


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN", symtensor.Mode("py", "None")])
def test_mode_profile_and_allow_gc_change_no_value(mode):
    x = T.dvector()
    out, _ = scan(lambda a, h: h * a, x, T.constant(1.0), mode=mode, profile=True, allow_gc=False, name="factorial")
    np.testing.assert_array_equal(function([x], out, mode=mode, profile=True)(X), X.cumprod())
    assert any("factorial" in str(node.op) for node in function([x], out).maker.fgraph.order)


# -- taps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taps", [[-1, -3], [-3, -1], [-1, -1], [-2], -2, (-4, -2, -3)])
def test_taps_of_outputs_in_the_order_given(taps):
    y0 = T.dvector()
    numbers = [taps] if isinstance(taps, int) else list(taps)
    out, _ = scan(lambda *ys: sum(10.0**k * y for k, y in enumerate(ys)), None, {"initial": y0, "taps": taps},
                  n_steps=3)
    y = list(X)[:-min(numbers)]
    for _ in range(3):
        y.append(sum(10.0**k * y[tap] for k, tap in enumerate(numbers)))
    np.testing.assert_array_equal(run([y0], out, X), y[-3:])


@pytest.mark.parametrize("taps", [[2, -1], [0], [1], [-2], [3, 1], [-3, -1], None, 1])
@pytest.mark.parametrize("backwards", [False, True])
def test_taps_of_sequences_in_the_order_given(taps, backwards):
    """The walk is where tap 0 and all others are inside."""
    x = T.dvector()
    out, _ = scan(lambda *a: sum(10.0**k * v for k, v in enumerate(a)), {"input": x, "taps": taps},
                  go_backwards=backwards)
    numbers = [0] if taps is None else [taps] if isinstance(taps, int) else taps
    places = range(-min(0, *numbers, 0), 6 - max(0, *numbers, 0))
    wanted = [sum(10.0**k * X[t + tap] for k, tap in enumerate(numbers)) for t in places]
    np.testing.assert_array_equal(run([x], out, X), wanted[::-1] if backwards else wanted)


def test_sequences_of_different_lengths_and_taps():
    x, y, z = T.dvectors("x", "y", "z")
    out, _ = scan(lambda a, b, c, d: a + 10 * b + 100 * c + 1000 * d, [x, {"input": y, "taps": [-1, 1]}, z])
    wanted = [X[t] + 10 * X[t] + 100 * X[t + 2] + 1000 * X[t] for t in range(3)]
    np.testing.assert_array_equal(run([x, y, z], out, X, X, X[:3]), wanted)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_fewer_rows_than_taps_reach_give_no_step(rows):
    x = T.dvector()
    out, _ = scan(lambda a, b, h: h + a * b, {"input": x, "taps": [-1, 1]}, T.constant(0.0))
    np.testing.assert_array_equal(run([x], out, X[:rows]), [X[0] * X[2]] if rows == 3 else [])
    np.testing.assert_array_equal(run([x], grad(out.sum(), x), X[:rows]), [3, 0, 1] if rows == 3 else [0] * rows)


@pytest.mark.parametrize("info", [None, {}, {"initial": None}, [None], [{}]])
def test_outputs_that_are_not_fed_back(info):
    x = T.dvector()
    np.testing.assert_array_equal(run([x], scan(lambda a: a * 2, x, info)[0], X), 2 * X)


def test_more_initial_rows_than_taps_reach():
    y0 = T.dmatrix()
    out, _ = scan(lambda y: y + 1, None, {"initial": y0, "taps": [-2]}, n_steps=3)
    np.testing.assert_array_equal(run([y0], out, M), [M[0] + 1, M[1] + 1, M[0] + 2])


# -- the number of steps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 2, 5, -2, np.int64(3), np.asarray(4, "int8")])
def test_numbers_of_steps(steps):
    x = T.dvector()
    walk = X[:steps] if steps >= 0 else X[::-1][:-steps]
    np.testing.assert_array_equal(run([x], scan(lambda a, h: h + a, x, T.constant(0.0), n_steps=steps)[0], X),
                                  walk.cumsum())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_symbolic_number_of_steps_and_none(dtype):
    n, x = T.scalar(dtype=dtype), T.dvector()
    out, _ = scan(lambda a, h: h + a, x, T.constant(0.0), n_steps=n)
    for k in (0, 1, 5):
        np.testing.assert_array_equal(run([x, n], out, X, k), X[:k].cumsum())
    slope = grad(out.sum(), x)
    for k in (0, 1, 5):
        np.testing.assert_array_equal(run([x, n], slope, X, k), [max(k - t, 0) for t in range(6)])
    for linker in LINKERS:
        with symtensor.config.change_flags(linker=linker):
            with pytest.raises(IndexError, match="out of range"):
                function([x, n], out[-1])(X, 0)
            with pytest.raises(ValueError, match="6 row"):
                function([x, n], out)(X, 7)


def test_wrong_numbers_of_steps():
    x = T.dvector()
    with pytest.raises(TypeError, match="integer"):
        scan(lambda h: h, None, T.zeros(2), n_steps=2.5)
    with pytest.raises(TypeError, match="integer"):
        scan(lambda h: h, None, T.zeros(2), n_steps=T.dscalar())
    for truncate in (-2, 1.5, T.lscalar(), None):
        with pytest.raises(ValueError, match="truncate_gradient is a number of steps"):
            scan(lambda h: h, x, truncate_gradient=truncate)


# -- what a step returns -------------------------------------------------------------------------------------------

FORMS = {
    "outputs": lambda outs, ups, end: outs,
    "tuple": lambda outs, ups, end: tuple(outs),
    "outputs, dict": lambda outs, ups, end: (outs, ups),
    "[outputs, pairs]": lambda outs, ups, end: [outs, list(ups.items())],
    "dict, outputs": lambda outs, ups, end: (ups, outs),
    "outputs, until": lambda outs, ups, end: (outs, end),
    "[*outputs, until]": lambda outs, ups, end: [*outs, end],
    "outputs, dict, until": lambda outs, ups, end: (outs, ups, end),
    "[*outputs, pairs, until]": lambda outs, ups, end: [*outs, list(ups.items()), end],
    "until, dict, outputs": lambda outs, ups, end: [end, ups, outs],
    "dict, until": lambda outs, ups, end: (ups, end),
    "dict": lambda outs, ups, end: ups,
    "pairs": lambda outs, ups, end: list(ups.items()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("linker", LINKERS)
def test_forms_of_what_a_step_returns(form, linker):
    x, s, z = T.dvector(), shared(1.0, "s"), shared(np.zeros(2), "z")
    has = {"outs": "out" in form or form == "tuple", "ups": "dict" in form or "pairs" in form, "end": "until" in form}

    def step(a, *before):
        h = before[0] if before else 0
        return FORMS[form]([h + a, a * s], {s: s * 2, z: z + a}, until(a > 3))

    outs, updates = scan(step, x, [T.constant(0.0), None] if has["outs"] else None)
    with symtensor.config.change_flags(linker=linker):
        found = function([x], outs or [], updates=updates)(X)
    n = 4 if has["end"] else 6
    if has["outs"]:
        np.testing.assert_array_equal(found[0], X[:n].cumsum())
        np.testing.assert_array_equal(found[1], X[:n] * (2.0**np.arange(n) if has["ups"] else 1))
    assert list(updates) == ([s, z] if has["ups"] else [])
    assert s.get_value() == (2.0**n if has["ups"] else 1)
    np.testing.assert_array_equal(z.get_value(), [X[:n].sum() if has["ups"] else 0] * 2)


def test_steps_that_return_nothing_of_use():
    x, y = T.dvectors("x", "y")
    for returned in (None, [], (), [None]):
        with pytest.raises(ValueError, match="neither outputs nor updates"):
            scan(lambda a, returned=returned: returned, x)
    with pytest.raises(TypeError, match=r"has the updates of shared variables, but 'h' is none.*loop"):
        scan(lambda a: {"h": a}, x)
    with pytest.raises(TypeError, match="but y is none"):
        scan(lambda a: (a, {y: y + a}), x)
    with pytest.raises(ValueError, match="twice"):
        scan(lambda a: (a, until(a > 1), until(a > 2)), x)
    with pytest.raises(TypeError, match="scalar"):
        scan(lambda a: (a, until(x > 1)), x)
    with pytest.raises(TypeError, match="cannot make a tensor variable of 'h'"):
        scan(lambda a: "h", x)
    with pytest.raises(TypeError, match=r"the update of .* is float64, the value before is int64"):
        scan(lambda a, k=shared(1): (a, {k: k + a}), x)


def test_one_output_in_a_list_where_wanted():
    x = T.dvector()
    for f in (lambda **k: scan(lambda a: a, x, **k), lambda **k: each(lambda a: a, x, **k),
              lambda **k: reduce(lambda a, h: a + h, x, T.constant(0.0), **k),
              lambda **k: foldl(lambda a, h: a + h, x, T.constant(0.0), **k),
              lambda **k: foldr(lambda a, h: a + h, x, T.constant(0.0), **k)):
        assert isinstance(f(return_list=True)[0], list)
        assert not isinstance(f()[0], list)
    assert len(reduce(lambda a, h, k: (a + h, k * a), x, [T.constant(0.0), T.constant(1.0)])[0]) == 2


# -- what a step uses ----------------------------------------------------------------------------------------------


def test_strict():
    x, limit, w = T.dvector("x"), T.dscalar("limit"), shared(2.0, "w")
    for kinds in ([w], w):  # by the argument, and by its own name
        np.testing.assert_array_equal(
            run([x], scan(lambda a, v: a * v + w + T.constant(1.0), x, None, kinds, strict=True)[0], X), 2 * X + 3)
    for step, name in ((lambda a: a * w, "w"), (lambda a: (a, until(a > limit)), "limit"),
                       (lambda a: {w: w + limit}, "w"), (lambda a: a * T.exp(limit), "limit")):
        with pytest.raises(ValueError, match=rf"strict=True, but the step uses {name}.*non_sequences"):
            scan(step, x, strict=True)


def test_non_sequences_are_what_the_step_gets():
    """A gradient with respect to one inside the step, an update of one, an expression that is computed once."""
    x, w = T.dvector(), shared(3.0)
    slopes, _ = scan(lambda a, v: grad(a * w**2, v), x, None, w)
    np.testing.assert_allclose(run([x], slopes, X), 6 * X)
    out, updates = scan(lambda a, v: (a * v, {w: v + 1}), x, None, w)
    np.testing.assert_array_equal(function([x], out, updates=updates)(X), X * np.arange(3, 9))
    assert w.get_value() == 9
    outer = T.exp(w)
    out, updates = scan(lambda a, v: (a * v, {w: w + a}), x, None, outer)  # of w before the loop
    w.set_value(0.0)
    np.testing.assert_array_equal(function([x], out, updates=updates)(X), X)
    assert w.get_value() == 21


def test_replacing_what_a_loop_found_by_itself():
    x, y, w = T.dvector(), T.dvector(), shared(2.0)
    out, _ = scan(lambda a, h: a * h * w, x, T.constant(1.0))
    np.testing.assert_array_equal(function([x], out, givens={w: np.float64(1)})(X), X.cumprod())
    np.testing.assert_array_equal(function([y], out, givens={x: y / 2})(X), X.cumprod())
    copy = symtensor.clone(out, replace={w: T.constant(np.float64(1))})
    np.testing.assert_array_equal(function([x], copy)(X), X.cumprod())


def test_values_of_numpy_and_python_as_arguments():
    out, _ = scan(lambda a, h, k: h * k + a, X, 0.0, 2)
    found = function([], out)()
    assert found.dtype == "float64"
    assert found[-1] == sum(x * 2.0**(5 - k) for k, x in enumerate(X))
    state, outputs = loop(lambda h, a: (h + a, h), np.zeros(2), np.ones((3, 2)))
    np.testing.assert_array_equal(function([], state)(), [3, 3])
    np.testing.assert_array_equal(function([], outputs)(), [[0, 0], [1, 1], [2, 2]])


# -- dtypes and shapes ---------------------------------------------------------------------------------------------


def test_dtypes_across_steps():
    x, k = T.dvector(), T.iscalar()
    for first, step, dtype in ((T.constant(0.0), lambda a, h: h + a, "float64"), (0, lambda a, h: h + 1.5, "float32"),
                               (np.float64(1), lambda a, h: T.gt(h, a), "float64"), (k, lambda a, h: h + 1, "int32"),
                               (np.float64(0), lambda a, h: T.cast(h + 1, "float32"), "float64"),
                               (T.constant(0), lambda a, h: h + 1, "int8")):
        out, _ = scan(step, x, first)
        assert out.dtype == dtype
        run([x, k], out, X, 3)
    for first, step, text in ((k, lambda a, h: h + a, "float64, the value before is int32; cast"),
                              (T.fscalar(), lambda a, h: h + a, "lose digits at every step"),
                              (T.dscalar(), lambda a, h: T.cast(h, "complex128"), "complex128")):
        with pytest.raises(TypeError, match=text):
            scan(step, x, first)


def test_wrong_initial_shapes():
    m, h0, y0 = T.dmatrix(), T.dvector(), T.dmatrix()
    with pytest.raises(TypeError, match=r"1 dimension\(s\).*keeps its shape"):
        scan(lambda row, h: h + row, m, T.dmatrix()[0][0])
    with pytest.raises(ValueError, match=r"shape \(3,\).*shape \(2,\): dimension 0 differs"):
        scan(lambda row, h: T.alloc(row[0], 3) + T.zeros(3), m, T.zeros(2))
    with pytest.raises(ValueError, match="needs 3 initial rows"):
        scan(lambda y: y, None, {"initial": T.zeros((2, 2)), "taps": [-3]}, n_steps=2)
    with pytest.raises(TypeError, match="is a scalar"):
        scan(lambda y: y, None, {"initial": 1.0, "taps": [-3]}, n_steps=2)
    cases = [([m, h0], scan(lambda row, h: T.tanh(row + h), m, h0)[0], (M, V[:1]), r"state 0 of shape \(3,\)|1"),
             ([m, y0], scan(lambda row, y: y + row, m, {"initial": y0, "taps": [-4]})[0], (M, M[:3]),
              r"needs 4 initial row\(s\), got 3")]
    for inputs, out, values, text in cases:
        for linker in LINKERS:
            with symtensor.config.change_flags(linker=linker), pytest.raises(ValueError, match=text) as caught:
                function(inputs, out)(*values)
            assert "test_scan_arguments.py" in str(caught.value)


def test_entries_that_are_no_descriptions():
    x = T.dvector()
    with pytest.raises(ValueError, match=r"dict\(input=, taps=\), got the key\(s\) 'inputs'"):
        scan(lambda a: a, {"inputs": x})
    with pytest.raises(ValueError, match=r"dict\(initial=, taps=\), got the key\(s\) 'tap'"):
        scan(lambda a: a, None, {"initial": x, "tap": [-1]}, n_steps=2)
    with pytest.raises(ValueError, match=r"'return_steps'; select steps of the result"):
        scan(lambda a: a, None, {"initial": x, "taps": [-1], "return_steps": 1}, n_steps=2)
    with pytest.raises(ValueError, match="no initial value"):
        scan(lambda a: a, None, {"taps": [-1]}, n_steps=2)
    with pytest.raises(ValueError, match="those of outputs are negative"):
        scan(lambda a: a, None, {"initial": x, "taps": [0]}, n_steps=2)
    with pytest.raises(ValueError, match="those of outputs are negative"):
        scan(lambda a: a, None, {"initial": x, "taps": []}, n_steps=2)
    with pytest.raises(TypeError, match="is a scalar; pass it as a non-sequence"):
        scan(lambda a: a, T.dscalar())


def test_updates_add_up():
    a, b = symtensor.shared(0.0, name="a"), symtensor.shared(0.0, name="b")
    _, first = symtensor.scan(lambda i: {a: a + i}, T.arange(4))
    _, second = symtensor.scan(lambda i: {b: b + 2 * i}, T.arange(4))
    symtensor.function([], updates=first + second)()
    assert (a.get_value(), b.get_value()) == (6, 12)
    assert list({a: first[a]} + second) == [a, b]
    _, third = symtensor.scan(lambda i: {a: a - i}, T.arange(4))
    with pytest.raises(ValueError, match="the updates of a in both"):
        first + third


def test_a_step_that_takes_something_else():
    x = T.dvector("x")
    with pytest.raises(TypeError, match=r"scan 'sum': the step takes \(row, before\), but is given 1 row.*0 earlier"):
        symtensor.scan(lambda row, before: row + before, x, name="sum")


def test_test_values_inside():
    x, h = T.dvector("x"), T.dscalar("h")
    x.tag.test_value, h.tag.test_value = np.array([1.0, 2.0]), np.float64(3)
    seen = []

    def step(row, before):
        seen.append((float(row.tag.test_value), float(before.tag.test_value)))
        return row * before

    with symtensor.config.change_flags(compute_test_value="raise"):
        out, _ = symtensor.scan(step, x, h)
        last = out[-1] + 1
    assert seen == [(1.0, 3.0)]
    assert float(last.tag.test_value) == 7


def test_a_number_of_steps_that_is_none():
    for make in (lambda: symtensor.scan(lambda h: h, None, T.dscalar(), n_steps=5.0, name="walk"),
                 lambda: symtensor.loop(lambda h: (h, None), T.dscalar(), n_steps="five", name="walk")):
        with pytest.raises(TypeError, match="'walk': n_steps: "):
            make()
