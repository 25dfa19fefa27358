"""Ops that users write, with `make_node` and `perform` alone, inside compiled functions."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import Mode, function, shared
from symtensor import tensor as T


class AXPBOp(symtensor.Op):
    """Takes x to a*x+b."""

    __props__ = ("a", "b")

    def __init__(self, a, b):
        self.a = a
        self.b = b
        super().__init__()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        x = inputs[0]
        z = output_storage[0]
        z[0] = self.a * x + self.b

    def infer_shape(self, node, i0_shapes):
        return i0_shapes

    def grad(self, inputs, output_grads):
        return [self.a * output_grads[0]]


class DivMod(symtensor.Op):
    """Two outputs, by itypes and otypes."""

    __props__ = ()
    itypes = [T.dmatrix, T.dscalar]
    otypes = [T.dmatrix, T.dmatrix]

    def perform(self, node, inputs, outputs):
        x, y = inputs
        outputs[0][0], outputs[1][0] = np.divmod(x, y)


class Given(symtensor.Op):
    """Stores what a function makes of the input; no props, no shapes."""

    def __init__(self, make, otype=None):
        self.make = make
        self.otype = otype

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [(self.otype or x.type)()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = self.make(inputs[0])


def test_the_op_of_the_book(mode: Mode) -> None:
    op = AXPBOp(4, 5)
    assert op == AXPBOp(4, 5)
    assert hash(op) == hash(AXPBOp(4, 5))
    assert str(op) == "AXPBOp{a=4, b=5}"
    x = T.matrix()
    f = function([x], op(x), mode=mode)
    given = np.random.rand(3, 2)
    assert np.array_equal(f(given), 4 * given + 5)
    df = function([x], symtensor.grad(op(x).sum(), x), mode=mode)
    assert np.array_equal(df(given), np.full((3, 2), 4.0))
    mixed = function([x], AXPBOp(2, 1)(2 * x) + 4 * x, mode=mode)
    assert np.allclose(mixed(given), 8 * given + 1)


def test_float32_stays_float32(mode: Mode) -> None:
    x = T.fmatrix("x")
    f = function([x], AXPBOp(4, 5)(x), mode=mode)
    assert f(np.ones((2, 2), "float32")).dtype == np.float32


def test_two_outputs_by_itypes(mode: Mode) -> None:
    x, y = T.dmatrix("x"), T.dscalar("y")
    quotient, rest = DivMod()(x * 1, y)
    f = function([x, y], [quotient + rest, rest], mode=mode)
    total, rest_value = f([[5.0, 7.0]], 3.0)
    assert total.tolist() == [[3, 3]]
    assert rest_value.tolist() == [[2, 1]]
    with pytest.raises(TypeError, match="DivMod: input 0 must be TensorType"):
        DivMod()(y, y)


def test_shape_without_infer_shape(mode: Mode) -> None:
    x = T.dvector("x")
    doubled = Given(lambda a: np.concatenate([a, a]))(x)
    f = function([x], [doubled.shape[0], doubled + 1, doubled.sum()], mode=mode)
    size, plus, total = f(np.arange(3.0))
    assert size == 6
    assert plus.tolist() == [1, 2, 3, 1, 2, 3]
    assert total == 6
    assert f(np.zeros(0))[0] == 0


def test_results_in_every_layout(mode: Mode) -> None:
    x = T.dmatrix("x")
    given = np.arange(6.0).reshape(2, 3)
    for make in (lambda a: a.T, lambda a: a[::-1, ::2], lambda a: np.broadcast_to(a[:1], (4, 3)), lambda a: a,
                 np.asfortranarray):
        result = function([x], [Given(make)(x), Given(make)(x * 2) + 0], mode=mode)(given)
        assert np.array_equal(result[0], make(given))
        assert np.array_equal(result[1], make(given * 2))
        assert not np.shares_memory(result[0], given)
    assert np.array_equal(given, np.arange(6.0).reshape(2, 3))


def test_scalars_as_results(mode: Mode) -> None:
    x = T.dvector("x")
    for make in (lambda a: a.sum(), lambda a: float(a.sum()), lambda a: np.asarray(a.sum())):
        f = function([x], Given(make, T.dscalar)(x) * 2, mode=mode)
        assert f(np.ones(3)) == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda a: a.astype("float32"),
            r"output 0 is declared TensorType\(float64, vector\), but perform stored float32",
        ),
        (
            lambda a: a[None],
            r"output 0 is declared TensorType\(float64, vector\), but perform stored float64 with shape",
        ),
        (lambda a: None, r"perform stored nothing in outputs\[0\]\[0\]"),
        (lambda a: "text", "perform stored"),
        (lambda a: a.astype(">f8"), "perform stored >f8"),
    ],
)
def test_results_of_another_type_are_errors(mode: Mode, make, message) -> None:
    w, x = shared(1.0, "w"), T.dvector("x")
    f = function([x], Given(make)(x) + 0, updates=[(w, w + 1)], mode=mode)
    with pytest.raises(TypeError, match=rf"(?s)Given.*{message}.*test_user_ops\.py"):
        f(np.ones(2))
    assert w.get_value() == 1


def test_perform_cannot_change_its_inputs(mode: Mode) -> None:
    def destroy(a):
        a[:] = 0
        return a

    w, x = shared(np.ones(2), "w"), T.dvector("x")
    given = np.ones(2)
    for inner in (x, x * 2, w):
        f = function([x], Given(destroy)(inner), mode=mode, on_unused_input="ignore")
        with pytest.raises(ValueError, match="(?s)read-only.*Given"):
            f(given)
    assert given.tolist() == [1, 1]
    assert w.get_value().tolist() == [1, 1]


def test_a_result_that_perform_keeps_is_not_shared(mode: Mode) -> None:
    kept = np.ones(2)
    x = T.dvector("x")
    f = function([x], Given(lambda a: kept[:])(x), mode=mode)
    f(np.zeros(2))[:] = 5
    assert kept.tolist() == [1, 1]


def test_equal_ops_run_once() -> None:
    calls = []

    def count(a):
        calls.append(1)
        return a + 1

    x, op = T.dvector("x"), Given(count)
    f = function([x], op(x) + op(x))
    assert f(np.zeros(2)).tolist() == [2, 2]
    assert len(calls) == 1


def test_an_op_that_calls_a_function(mode: Mode) -> None:
    v = T.dvector("v")
    inner = function([v], v * 10, mode=mode)
    x = T.dvector("x")
    f = function([x], Given(lambda a: inner(a))(x) + 1, mode=mode)
    assert f([1.0]).tolist() == [11.0]


def test_missing_perform_and_make_node() -> None:
    class Nothing(symtensor.Op):
        pass

    with pytest.raises(NotImplementedError, match="Nothing: define make_node"):
        Nothing()(1.0)

    class NoPerform(symtensor.Op):
        itypes = [T.dscalar]
        otypes = [T.dscalar]

    with pytest.raises(NotImplementedError, match="NoPerform defines no perform"):
        NoPerform()(T.constant(1.0, dtype="float64")).eval()


class ListType(symtensor.Type):
    """Python lists."""

    def filter(self, value, strict=False, allow_downcast=None):
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {value!r}")
        return value


class Total(symtensor.Op):
    """The sum of a list."""

    __props__ = ()

    def make_node(self, items):
        return symtensor.Apply(self, [items], [T.dscalar()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = float(sum(inputs[0]))


def test_values_that_are_no_tensors() -> None:
    items = ListType()("items")
    f = function([items], [Total()(items) + 1, items])
    assert f.backend == "py"
    assert "no tensor" in f.backend.reason
    assert f([1, 2]) == [4, [1, 2]]
    with pytest.raises(TypeError, match="argument 0 'items': expected a list, got 3"):
        f(3)
    with pytest.raises(TypeError, match="linker='c': items of type .* is no tensor"):
        function([items], items, mode=Mode("c"))
