"""The programs of the book's first chapter (the language, compiled functions, updates, gradients, loops): they give the
figures it prints. The GPU has tests of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

import symtensor
import symtensor.tensor as T
from symtensor import shared
from symtensor.graph.variable import Variable


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    """The chapter works in float32."""
    with symtensor.config.change_flags(floatX="float32"):
        yield


def float_x(value: object) -> numpy.ndarray:
    return numpy.asarray(value, dtype=symtensor.config.floatX)


def shown(variable: Variable, values: dict | None = None) -> str:
    """What the shell prints, without layout: spaces differ between versions of NumPy."""
    return "".join(repr(variable.eval(values or {})).split())


def printed(what: object) -> list[str]:
    text = io.StringIO()
    symtensor.printing.debugprint(what, file=text)
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


# -- configuration and types -------------------------------------------------------------------------------------


def test_configuration():
    assert symtensor.config.device == "cpu"
    assert "floatX" in str(symtensor.config)
    symtensor.config.floatX = "float64"
    assert repr(T.scalar()) == "<TensorType(float64, scalar)>"
    assert repr(T.fscalar()) == "<TensorType(float32, scalar)>"
    symtensor.config.floatX = "float32"
    assert repr(T.scalar()) == "<TensorType(float32, scalar)>"


@pytest.mark.parametrize(("make", "text"), [
    (T.scalar, "<TensorType(float32, scalar)>"), (T.iscalar, "<TensorType(int32, scalar)>"),
    (T.fscalar, "<TensorType(float32, scalar)>"), (T.dscalar, "<TensorType(float64, scalar)>"),
    (T.vector, "<TensorType(float32, vector)>"), (T.matrix, "<TensorType(float32, matrix)>"),
    (T.tensor3, "<TensorType(float32, 3D)>"),
])
def test_variables_in_the_shell(make, text):
    assert repr(make()) == text


# -- graphs ------------------------------------------------------------------------------------------------------


def test_first_graph():
    x, y = T.matrix("x"), T.matrix("y")
    z = x + y
    assert symtensor.pp(z) == symtensor.printing.pprint(z) == "(x + y)"
    assert shown(z, {x: [[1, 2], [1, 3]], y: [[1, 0], [3, 4]]}) == "array([[2.,2.],[4.,7.]],dtype=float32)"
    assert repr(z).startswith("Elemwise{add")
    tree = printed(z)
    assert tree[0].startswith("Elemwise{add")
    assert tree[0].split("[id ")[1][0] == "A"
    assert tree[1:] == ["|x [id B]", "|y [id C]"]


def test_names():
    a, b = T.matrix(), T.matrix()
    assert symtensor.pp(a + b) == "(<TensorType(float32, matrix)> + <TensorType(float32, matrix)>)"
    x = T.matrix("x")
    x = x + x
    assert symtensor.pp(x) == "(x + x)"
    assert [v.name for v in T.matrices("x", "y", "z")] == ["x", "y", "z"]


def test_pictures(tmp_path: Path):
    a = T.scalar()
    slope = symtensor.grad(a**2, a)
    for number, what in enumerate([T.matrix() + 1, slope, symtensor.function([a], slope)]):
        file = tmp_path / f"{number}.svg"
        symtensor.printing.pydotprint(what, outfile=str(file), print_output_file=False)
        assert file.read_text(encoding="utf-8").lstrip().startswith("<")


def test_function_of_lists():
    x, y = T.matrix("x"), T.matrix("y")
    addition = symtensor.function([x, y], [x + y])
    result = addition([[1, 2], [1, 3]], [[1, 0], [3, 4]])
    assert isinstance(result, list)
    assert [each.tolist() for each in result] == [[[2.0, 2.0], [4.0, 7.0]]]
    assert result[0].dtype == numpy.float32
    assert len(printed(addition)) == 3


def test_precision_is_not_lost_silently():
    x, y = T.matrix(), T.matrix()
    addition = symtensor.function([x, y], [x + y])
    with pytest.raises(TypeError, match="precision"):
        addition(numpy.ones((2, 2)), numpy.zeros((2, 2)))
    assert addition(float_x(numpy.ones((2, 2))), float_x(numpy.zeros((2, 2))))[0].tolist() == [[1, 1], [1, 1]]
    assert addition(float_x(numpy.ones((2, 2))), float_x(numpy.diag((2, 3))))[0].tolist() == [[3, 1], [1, 4]]
    lenient = symtensor.function([x, y], [x + y], allow_input_downcast=True)
    assert lenient(numpy.ones((2, 2)), numpy.diag((2, 3)))[0].tolist() == [[3, 1], [1, 4]]


# -- operations on tensors ---------------------------------------------------------------------------------------


def test_creation():
    with symtensor.config.change_flags(floatX="float64"):
        a = T.zeros((2, 3))
        assert shown(a) == "array([[0.,0.,0.],[0.,0.,0.]])"
        assert shown(T.identity_like(a)) == "array([[1.,0.,0.],[0.,1.,0.]])"
    c = T.arange(10)
    assert shown(c) == "array([0,1,2,3,4,5,6,7,8,9])"
    assert (c.ndim, c.dtype, repr(c.type)) == (1, "int64", "TensorType(int64, vector)")


def test_shape():
    a, n = T.matrix(), T.iscalar()
    assert repr(a.shape) == "Shape.0"
    assert shown(a.shape, {a: [[1, 2], [1, 3]]}) == "array([2,2])"
    assert symtensor.function([a], a.shape)([[1, 2], [1, 3]]).tolist() == [2, 2]
    assert shown(T.arange(n).shape, {n: 10}) == "array([10])"


def test_dimension_manipulation():
    a = T.arange(10)
    assert shown(T.reshape(a, (5, 2))) == "array([[0,1],[2,3],[4,5],[6,7],[8,9]])"
    assert T.reshape(a, (5, 2))[::-1].T.eval().tolist() == [[8, 6, 4, 2, 0], [9, 7, 5, 3, 1]]


def test_elementwise():
    a, b = T.matrices("a", "b")
    ones, threes = float_x(numpy.ones((2, 2))), float_x(numpy.diag((3, 3)))
    for z in (a * b, T.mul(a, b)):
        assert shown(z, {a: ones, b: threes}) == "array([[3.,0.],[0.,3.]],dtype=float32)"
    assert T.mul(a, b, a, b).eval({a: ones, b: threes}).tolist() == [[9, 0], [0, 9]]
    assert shown(a**2, {a: threes}) == "array([[9.,0.],[0.,9.]],dtype=float32)"


def test_switch():
    cond = T.vector("cond")
    x, y = T.vectors("x", "y")
    z = T.switch(cond, x, y)
    assert shown(z, {cond: [1, 0], x: [10, 10], y: [3, 2]}) == "array([10.,2.],dtype=float32)"


ELEMENTWISE = """add sub mul truediv pow sqrt exp log cos sin tan cosh sinh tanh intdiv mod floor ceil round sgn and_
    xor or_ invert gt lt ge le eq neq isclose isnan abs_ minimum maximum clip switch cast"""
OTHERS = """zeros ones eye zeros_like ones_like identity_like arange reshape fill flatten squeeze transpose swapaxes
    max argmax max_and_argmax min argmin sum prod mean var std all any ptp dot outer tensordot batched_dot
    batched_tensordot concatenate stack set_subtensor inc_subtensor"""


@pytest.mark.parametrize("name", (ELEMENTWISE + " " + OTHERS).split())
def test_names_of_the_tables(name):
    assert callable(getattr(T, name))


def test_reductions():
    a = T.matrix("a")
    values = {a: [[1, 2], [3, 4]]}
    assert shown(T.max(a), values) in ("array(4.0,dtype=float32)", "array(4.,dtype=float32)")
    assert shown(T.max(a, axis=0), values) == "array([3.,4.],dtype=float32)"
    assert shown(T.max(a, axis=1), values) == "array([2.,4.],dtype=float32)"


def test_joining_and_replacing():
    a = T.arange(10).reshape((5, 2))
    b = a[::-1]
    first, second = numpy.arange(10).reshape(5, 2), numpy.arange(10).reshape(5, 2)[::-1]
    numpy.testing.assert_array_equal(T.concatenate([a, b]).eval(), numpy.concatenate([first, second]))
    assert T.concatenate([a, b], axis=1).eval().tolist() == [
        [0, 1, 8, 9], [2, 3, 6, 7], [4, 5, 4, 5], [6, 7, 2, 3], [8, 9, 0, 1]
    ]
    numpy.testing.assert_array_equal(T.stack([a, b]).eval(), numpy.stack([first, second]))
    assert T.set_subtensor(a[3:], [-1, -1]).eval().tolist() == [[0, 1], [2, 3], [4, 5], [-1, -1], [-1, -1]]
    assert T.inc_subtensor(a[3:], [-1, -1]).eval().tolist() == [[0, 1], [2, 3], [4, 5], [5, 6], [7, 8]]
    assert a.eval().tolist() == first.tolist()


# -- shared variables, functions, derivatives --------------------------------------------------------------------


def test_shared():
    state = shared(0)
    assert repr(state) == "<TensorType(int64, scalar)>"
    assert repr(state.get_value()) == "array(0)"
    state.set_value(1)
    assert repr(state.get_value()) == "array(1)"


def test_several_outputs():
    a = T.matrix()
    ex = symtensor.function([a], [T.exp(a), T.log(a), a**2])
    given = float_x([[0.84776, -1.68678, -0.45322], [-1.68678, 0.29507, -0.86266], [-0.13831, 1.61177, 1.92968]])
    exponential, logarithm, square = ex(given)
    with numpy.errstate(invalid="ignore"):
        numpy.testing.assert_allclose(logarithm, numpy.log(given), rtol=1e-5)
    numpy.testing.assert_allclose(exponential, numpy.exp(given), rtol=1e-5)
    numpy.testing.assert_allclose(square, given * given, rtol=1e-6)
    assert numpy.isnan(logarithm).tolist() == (given < 0).tolist()


def test_updates():
    w = shared(1.0)
    x = T.scalar("x")
    mul = symtensor.function([x], updates=[(w, w * x)])
    assert mul(4) == []
    assert shown(w) in ("array(4.)", "array(4.0)")


def test_givens_change_what_others_point_to():
    x, y = T.scalars("x", "y")
    assert symtensor.function([y], (x + 1) * 2, givens={x: y * 10})(3.0) == 62.0


@pytest.mark.optimized
def test_derivative_of_a_square():
    a = T.scalar()
    slope = symtensor.grad(a**2, a)
    compiled = symtensor.function([a], slope)
    assert compiled(3.0) == 6.0
    tree = printed(compiled)
    assert len(tree) == 3
    assert tree[0].startswith("Elemwise{mul")
    assert tree[1].startswith("|TensorConstant{2")
    with pytest.raises(TypeError, match="scalar"):
        symtensor.grad(T.matrix() ** 2, T.matrix())


# -- loops -------------------------------------------------------------------------------------------------------


def test_loop_over_rows():
    """One more than each row, by the function of a row."""
    a = T.matrix()
    rows, updates = symtensor.scan(lambda row: row + 1, sequences=a)
    result = symtensor.function([a], rows, updates=updates)(float_x(numpy.ones((2, 3))))
    assert (result.tolist(), result.dtype) == ([[2, 2, 2], [2, 2, 2]], "float32")


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_running_sums(mode):
    """The state after each step; the initial one is not among them."""
    vector, matrix, start = T.vector(), T.matrix(), T.scalar("start")
    sums, updates = symtensor.scan(fn=lambda x, total: total + x, outputs_info=start, sequences=vector)
    assert symtensor.function([vector, start], sums, updates=updates, mode=mode)([0, 3, 5], 0).tolist() == [0, 3, 8]
    sums, updates = symtensor.scan(fn=lambda row, total: total + row.sum(), outputs_info=start, sequences=matrix)
    found = symtensor.function([matrix, start], sums, updates=updates, mode=mode)(float_x(numpy.ones((20, 5))), 0)
    assert found.tolist() == list(range(5, 101, 5))


def test_fixed_values_in_a_loop():
    vector, start, factor = T.vector(), T.scalar(), T.scalar()
    polynomial, updates = symtensor.scan(lambda x, before, by: before * by + x, vector, start, factor)
    f = symtensor.function([vector, start, factor], polynomial, updates=updates)
    assert f([1, 2, 3], 1, 5).tolist() == [6, 32, 163]


def test_compiled_functions_are_no_steps():
    x = T.scalar()
    with pytest.raises(TypeError, match="expected a value, got the symbolic variable"):
        symtensor.scan(symtensor.function([x], x + 1), T.vector())


def test_loops_for_derivatives_of_several_dimensions():
    x = T.vector()
    y = x**3 * x.sum()
    rows, updates = symtensor.scan(lambda i, y, x: T.grad(y[i], x), T.arange(y.shape[0]), None, [y, x])
    found = symtensor.function([x], rows, updates=updates)([1, 2])
    assert found.tolist() == [[10, 1], [8, 44]]  # x**3 in each column, 3 x**2 sum(x) more on the diagonal
    second, _ = symtensor.scan(lambda i, g, x: T.grad(g[i], x), T.arange(x.shape[0]), None, [T.grad(y[0], x), x])
    assert symtensor.function([x], second)([1, 2]).tolist() == [[24, 3], [3, 0]]


# -- modes and profiles ------------------------------------------------------------------------------------------


def test_configuration_for_debugging():
    with symtensor.config.change_flags(exception_verbosity="high", mode="Mode", optimizer="fast_compile", profile=True):
        a = T.vector("a")
        f = symtensor.function([a], a.sum() + 1)
        assert f([1, 2]) == 4.0
        assert f.profile is not None
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        assert symtensor.function([a], a.sum() + 1, mode=mode)([1, 2]) == 4.0


def test_profile():
    a = T.vector("a")
    f = symtensor.function([a], T.exp(a).sum(), profile=True)
    f([1, 2])
    text = io.StringIO()
    f.profile.summary(file=text)
    assert "1" in text.getvalue()
    assert "ompil" in text.getvalue()
