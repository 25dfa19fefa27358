"""Inputs of functions: how they are passed, converted, defaulted and refused."""

from __future__ import annotations

import numpy as np
import pytest

from symtensor import In, MissingInputError, Mode, UnusedInputError, config, function, shared
from symtensor import tensor as T


def test_positional_and_keyword_arguments(mode: Mode) -> None:
    x, y = T.dscalars("x", "y")
    f = function([x, y], x - y, mode=mode)
    assert f(5, 2) == 3
    assert f(5, y=2) == 3
    assert f(y=2, x=5) == 3
    assert isinstance(f(5, 2), np.ndarray)
    assert f(5, 2).shape == ()


def test_wrong_number_of_arguments_names_function_and_inputs(mode: Mode) -> None:
    x, y = T.dscalars("x", "y")
    f = function([x, y], x - y, mode=mode, name="diff")
    with pytest.raises(TypeError, match=r"diff\(...\) takes 2 arguments \(x, y\), got 3"):
        f(1, 2, 3)
    with pytest.raises(TypeError, match=r"takes 2 arguments \(x, y\), got 1: missing y"):
        f(1)
    with pytest.raises(TypeError, match=r"got 0: missing x, y"):
        f()
    with pytest.raises(TypeError, match="'x' is given twice: as argument 0 and by its name"):
        f(1, x=1)
    with pytest.raises(TypeError, match="no input named 'z'; its inputs are x, y"):
        f(1, z=1)
    assert f(3, 2) == 1


def test_unknown_keyword_names_the_nearest() -> None:
    weight, rate = T.dscalars("weight", "rate")
    f = function([weight, rate], weight * rate, mode="INTERPRETER")
    with pytest.raises(TypeError, match="no input named 'wieght'; did you mean 'weight'"):
        f(1, wieght=2)


def test_two_inputs_of_one_name() -> None:
    a, b = T.dscalar("x"), T.dscalar("x")
    f = function([a, b], a - b, mode="INTERPRETER")
    assert f(3, 1) == 2
    with pytest.raises(TypeError, match="2 inputs named 'x'"):
        f(1, x=2)


def test_label_of_an_unnamed_function_is_its_line() -> None:
    x = T.dscalar("x")
    f = function([x], x + 1, mode="INTERPRETER")
    with pytest.raises(TypeError, match=r"the function made at .*test_arguments\.py:\d+ in test_label"):
        f(1, 2)


def test_wrong_dtype_rank_and_shape(mode: Mode) -> None:
    x = T.fmatrix("x")
    f = function([x], x * 2, mode=mode, name="f")
    with pytest.raises(
        TypeError,
        match=r"f\(...\): argument 0 'x': expected a float32 matrix, got dtype float64.*"
        r"\.astype\('float32'\).*allow_input_downcast=True",
    ):
        f(np.ones((2, 2)))
    with pytest.raises(TypeError, match=r"argument 0 'x': expected a float32 matrix, got 1 dimension"):
        f(np.ones(2, "float32"))
    with pytest.raises(TypeError, match="expected a float32 matrix, got dtype complex64"):
        f(np.ones((2, 2), "complex64"))
    with pytest.raises(TypeError, match="argument 0 'x'"):
        f("text")
    with pytest.raises(TypeError, match="argument 0 'x'"):
        f(None)
    with pytest.raises(TypeError, match="symbolic variable"):
        f(x)
    with pytest.raises(TypeError, match="argument 0 'x'"):
        f([[1], [2, 3]])
    r = T.row("r")
    row = function([r], r * 2, mode=mode)
    with pytest.raises(TypeError, match=r"argument 0 'r': expected .*shape \(1, None\).*got shape \(2, 3\)"):
        row(np.ones((2, 3)))


def test_values_that_fit_are_converted(mode: Mode) -> None:
    x = T.dmatrix("x")
    f = function([x], x + 0.5, mode=mode)
    assert np.array_equal(f([[1, 2]]), [[1.5, 2.5]])
    assert np.array_equal(f(np.ones((1, 2), "int32")), [[1.5, 1.5]])
    assert np.array_equal(f(np.ones((1, 2), "float32")), [[1.5, 1.5]])
    subclass = np.array([[1.0, 2.0]]).view(type("Sub", (np.ndarray,), {}))
    assert type(f(subclass)) is np.ndarray
    assert np.array_equal(f(subclass), [[1.5, 2.5]])
    i = T.bvector("i")
    g = function([i], i + 1, mode=mode)
    assert g([1, 2]).tolist() == [2, 3]
    with pytest.raises(TypeError, match="int8"):
        g([1000])


def test_downcast(mode: Mode) -> None:
    x = T.fvector("x")
    f = function([x], x + 0, mode=mode, allow_input_downcast=True)
    assert f(np.array([1.5])).dtype == np.float32
    g = function([In(x, allow_downcast=True)], x + 0, mode=mode)
    assert g([1.25])[0] == 1.25
    with config.change_flags(allow_input_downcast=True):
        h = function([x], x + 0, mode=mode)
    assert h(np.array([1.5]))[0] == 1.5
    i = T.ivector("i")
    k = function([i], i + 0, mode=mode, allow_input_downcast=True)
    assert k([1.9])[0] == 1


def test_python_floats_go_into_floatX_only(mode: Mode) -> None:
    with config.change_flags(floatX="float32"):
        x = T.fscalar("x")
        f = function([x], x * 2, mode=mode)
        assert f(0.1).dtype == np.float32
        assert f([[0.1]][0][0]) == np.float32(0.1) * 2
        never = function([x], x * 2, mode=mode, allow_input_downcast=False)
        with pytest.raises(TypeError, match="expected a float32 scalar, got dtype float64"):
            never(0.1)
        with pytest.raises(TypeError, match="expected a float32 scalar, got dtype float64"):
            f(np.float64(0.1))
    with pytest.raises(TypeError, match="expected a float32 scalar"):
        function([x], x * 2, mode=mode)(0.1)


def test_strict_takes_only_arrays_of_the_dtype(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([In(x, strict=True)], x * 2, mode=mode)
    assert f(np.ones(2)).tolist() == [2, 2]
    for wrong in ([1.0], np.ones(2, "float32"), np.ones(2, ">f8")):
        with pytest.raises(TypeError, match="argument 0 'x': expected an ndarray of dtype float64"):
            f(wrong)
    s = T.dscalar("s")
    g = function([In(s, strict=True)], s * 2, mode=mode)
    with pytest.raises(TypeError, match="strict"):
        g(1.0)


@pytest.mark.parametrize(
    "layout", ["fortran", "reversed", "strided", "swapped", "unaligned", "read_only", "broadcast"]
)
def test_any_layout_of_the_argument(mode: Mode, layout: str) -> None:
    plain = np.arange(12.0).reshape(3, 4)
    raw = np.zeros(12 * 8 + 1, "uint8")[1:].view("float64").reshape(3, 4)
    raw[...] = plain
    read_only = plain.copy()
    read_only.flags.writeable = False
    given = {
        "fortran": np.asfortranarray(plain),
        "reversed": plain[::-1, ::-1],
        "strided": np.repeat(plain, 2, 1)[:, ::2],
        "swapped": plain.astype(">f8"),
        "unaligned": raw,
        "read_only": read_only,
        "broadcast": np.broadcast_to(np.arange(4.0), (3, 4)),
    }[layout]
    x = T.dmatrix("x")
    f = function([x], [x * 2, x.sum(axis=0)], mode=mode)
    before = np.array(given)
    doubled, sums = f(given)
    assert np.array_equal(doubled, before * 2)
    assert np.array_equal(sums, before.sum(0))
    assert np.array_equal(given, before)


def test_mutable_needs_a_writeable_array(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([In(x, mutable=True)], x * 2, mode=mode)
    given = np.ones(3)
    assert f(given).tolist() == [2, 2, 2]
    given.flags.writeable = False
    with pytest.raises(
        ValueError, match="argument 0 'x' is read-only, but the input was declared mutable=True"
    ):
        f(given)
    with pytest.raises(ValueError, match="borrow=False forbids"):
        In(x, mutable=True, borrow=False)


def test_default_values(mode: Mode) -> None:
    x, y, z = T.dscalars("x", "y", "z")
    f = function([x, In(y, value=10), In(z, value=100, name="zed")], x + y + z, mode=mode)
    assert f(1) == 111
    assert f(1, 2) == 103
    assert f(1, zed=3) == 14
    assert f(1, 2, 3) == 6
    assert f["y"] == 10
    assert f[z] == 100
    f["y"] = 20
    assert f(1) == 121
    assert "y" in f
    assert "nothing" not in f
    with pytest.raises(KeyError, match="stores no value for 'nothing'"):
        f["nothing"]
    with pytest.raises(TypeError, match="missing x"):
        f(y=1)


def test_default_value_is_a_copy_unless_borrowed() -> None:
    x = T.dvector("x")
    value = np.ones(2)
    f = function([In(x, value=value)], x * 1, mode="INTERPRETER")
    g = function([In(x, value=value, borrow=True)], x * 1, mode="INTERPRETER")
    value[:] = 7
    assert f().tolist() == [1, 1]
    assert g().tolist() == [7, 7]
    with pytest.raises(TypeError, match=r"In\(x\): value: expected a float64 vector"):
        function([In(x, value=1.0)], x, mode="INTERPRETER")


def test_what_is_no_input() -> None:
    x, w = T.dscalar("x"), shared(1.0, "w")
    with pytest.raises(TypeError, match=r"the inputs are a list, also of one: \[x\]"):
        function(x, x)
    with pytest.raises(TypeError, match="inputs are variables or In"):
        function([3], x)
    with pytest.raises(TypeError, match="shared variable w cannot be an input.*givens"):
        function([w], w)
    with pytest.raises(TypeError, match="constant"):
        function([T.constant(1)], x)
    with pytest.raises(ValueError, match="x is input 0 and input 1"):
        function([x, x], x)
    with pytest.raises(TypeError, match="first argument is a symbolic variable"):
        In("x")
    with pytest.raises(TypeError, match="name is a str"):
        In(x, name=3)
    with pytest.raises(TypeError, match="implicit=True needs a value"):
        In(x, implicit=True)
    with pytest.raises(TypeError, match="replace inputs by expressions with givens"):
        In(x, value=x + 1)
    with pytest.raises(TypeError, match="name is a str"):
        function([x], x, name=3)


def test_missing_and_unused_inputs(mode: Mode) -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(MissingInputError, match=r"y of type .* not an input.*test_arguments\.py"):
        function([x], x + y, mode=mode)
    with pytest.raises(MissingInputError, match="y"):
        function([x], [x, y], mode=mode)
    with pytest.raises(UnusedInputError, match=r"input 1 \(y of type TensorType\(float64, scalar\)\)"):
        function([x, y], x, mode=mode)
    with pytest.warns(UserWarning, match="input 1") as caught:
        f = function([x, y], x + 1, mode=mode, on_unused_input="warn")
    assert caught[0].filename == __file__
    assert f(1, 2) == 2
    assert function([x, y], x + 1, mode=mode, on_unused_input="ignore")(1, 2) == 2
    with config.change_flags(on_unused_input="ignore"):
        assert function([x, y], x + 1, mode=mode)(1, 2) == 2
    with pytest.raises(ValueError, match="on_unused_input is 'raise', 'warn' or 'ignore'"):
        function([x, y], x, mode=mode, on_unused_input="never")


def test_an_expression_as_input(mode: Mode) -> None:
    x = T.dvector("x")
    middle = x * 2
    middle.name = "middle"
    f = function([middle], middle + 1, mode=mode)
    assert f([1.0]).tolist() == [2.0]
    assert f(middle=[3.0]).tolist() == [4.0]
    g = function([middle, x], middle + x, mode=mode)
    assert g([1.0], [10.0]).tolist() == [11.0]


def test_trust_input(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], x + 1, mode=mode)
    assert f.trust_input is False
    f.trust_input = True
    assert f(np.ones(2)).tolist() == [2, 2]


def test_implicit_input(mode: Mode) -> None:
    x, y = T.dscalars("x", "y")
    f = function([x, In(y, value=3, implicit=True)], x * y, mode=mode)
    assert f(2) == 6
    with pytest.raises(TypeError, match=r"takes 1 argument \(x\), got 2"):
        f(2, 3)
    with pytest.raises(TypeError, match="no input named 'y'"):
        f(2, y=3)
    f["y"] = 4
    assert f(2) == 8


def test_zero_arguments_and_empty_arrays(mode: Mode) -> None:
    assert function([], T.constant(2.0) + 1, mode=mode)() == 3
    x = T.dmatrix("x")
    f = function([x], [x + 1, x.sum()], mode=mode)
    grown, total = f(np.zeros((0, 3)))
    assert grown.shape == (0, 3)
    assert total == 0


def test_many_inputs_outputs_and_states(mode: Mode) -> None:
    xs = [T.dscalar(f"x{k}") for k in range(20)]
    ws = [shared(np.full(k % 3 + 1, float(k)), f"w{k}") for k in range(15)]
    f = function(xs, [x + w for x, w in zip(xs, ws, strict=False)] + xs, updates=[(w, w + x) for x, w in
                 zip(xs, ws, strict=False)], mode=mode)
    for call in range(1, 3):
        results = f(*range(20))
        assert len(results) == 35
        assert [int(r.ravel()[0]) for r in results] == [k * (call + 1) for k in range(15)] + list(range(20))
    assert [w.get_value()[0] for w in ws] == [3.0 * k for k in range(15)]
    assert f(*range(10), **{f"x{k}": k for k in range(10, 20)})[34] == 19


def test_numbers_of_numpy_go_by_value():
    """As Theano: an array has to be of the dtype, a number (of a counter, of a loop) only has to fit."""
    i, f, v = T.iscalar(), T.fscalar(), T.lvector()
    whole, real, several = function([i], i), function([f], f), function([v], v)
    assert whole(np.int64(3)) == 3
    assert real(np.float64(0.5)) == 0.5
    assert np.isnan(real(np.float64("nan")))
    assert several([]).tolist() == []
    assert several((np.int32(1), 3)).tolist() == [1, 3]
    for call, value in ((whole, np.int64(2**40)), (whole, np.float64(3)), (whole, np.array(3)), (real, np.float64(0.1)),
                        (real, np.float64(1e300)), (real, np.complex128(1)), (several, np.array([]))):
        with pytest.raises(TypeError, match="precision"):
            call(value)
