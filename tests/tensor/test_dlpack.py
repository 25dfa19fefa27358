"""Arrays of other libraries, through DLPack and NumPy's array protocols, into and out of the library."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import symtensor
from symtensor import tensor as T


class Foreign:
    """An array of another library that speaks nothing but DLPack."""

    def __init__(self, array, device=1):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class Converts:
    """One that speaks NumPy's ``__array__``."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class Refuses(Foreign):
    def __dlpack__(self, **options):
        raise BufferError("it requires grad; use detach()")


A = np.array([1.0, 2.0, 3.0])
KINDS = [Foreign, Converts]


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_functions(kind):
    x = T.dvector("x")
    f = symtensor.function([x, symtensor.In(T.fvector("y"), value=kind(A.astype("float32")))], x * 2,
                           on_unused_input="ignore")
    np.testing.assert_array_equal(f(kind(A)), 2 * A)
    np.testing.assert_array_equal(f(kind(A.astype("float32"))), 2 * A)
    with pytest.raises(TypeError, match="lose precision"):
        f(kind(A), y=kind(A))
    with pytest.raises(TypeError, match=r"vector.*2 dimension"):
        f(kind(A[None]))
    np.testing.assert_array_equal(x.eval({x: kind(A)}), A)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_not_copied(kind):
    from symtensor.graph.types import as_ndarray

    assert np.shares_memory(T.dvector.filter(kind(A)), A)
    assert np.shares_memory(as_ndarray(kind(A)), A)
    assert as_ndarray("text") == "text"


def test_arrays_do_not_pass_by_here(monkeypatch):
    """Arguments that are arrays of the input's type are never asked what library they come from."""
    x = T.dvector("x")
    f = symtensor.function([x], x * 2)

    def refuse(value):
        raise AssertionError(f"{value!r} was looked at")

    monkeypatch.setattr("symtensor.graph.types.as_ndarray", refuse)
    np.testing.assert_array_equal(f(A), 2 * A)
    with pytest.raises(AssertionError, match="looked at"):
        f([1.0, 2.0])


@pytest.mark.parametrize("kind", KINDS)
def test_constants_and_operands(kind):
    with symtensor.config.change_flags(floatX="float32"):
        assert T.constant(kind(A)).dtype == "float64"  # typed values keep their dtype
        assert T.as_tensor_variable(kind(A.astype("int16"))).dtype == "int16"
    x = T.dvector("x")
    np.testing.assert_array_equal((x + kind(A)).eval({x: A}), 2 * A)
    np.testing.assert_array_equal(T.stack([x, kind(A)]).eval({x: A}), [A, A])
    f = symtensor.function([], x.sum(), givens={x: kind(A)})
    assert f() == 6


@pytest.mark.parametrize("kind", KINDS)
def test_shared_variables_take_them(kind):
    data = A.copy()
    w = symtensor.shared(kind(data))
    data[0] = 9
    np.testing.assert_array_equal(w.get_value(), A)
    w.set_value(kind(data))
    np.testing.assert_array_equal(w.get_value(), data)
    borrowed = symtensor.shared(kind(data), borrow=True)
    if kind is Converts or np.__version__ > "2":  # before, NumPy takes DLPack's memory as read-only
        assert np.shares_memory(borrowed.get_value(borrow=True), data)


@pytest.mark.parametrize("use", [
    lambda value: T.dvector.filter(value), T.constant, symtensor.shared, T.as_tensor_variable,
    lambda value: symtensor.shared(A).set_value(value),
])
def test_other_devices_and_refusals(use):
    with pytest.raises(TypeError, match=r"CUDA.*CPU first"):
        use(Foreign(A, device=2))
    with pytest.raises(TypeError, match=r"a device \(17\)"):
        use(Foreign(A, device=17))
    with pytest.raises(TypeError, match="detach"):
        use(Refuses(A))


def test_shared_variables_give_their_memory():
    w = symtensor.shared(A, name="w")
    view = np.from_dlpack(w)
    assert w.__dlpack_device__() == (1, 0)
    assert np.shares_memory(view, w.get_value(borrow=True))
    w.set_value(np.zeros(5))
    gc.collect()
    np.testing.assert_array_equal(view, A)  # valid while it is held
    assert np.from_dlpack(w).shape == (5,)
    assert np.from_dlpack(symtensor.shared(np.float32(2))).dtype == np.float32
    with pytest.raises((AttributeError, TypeError)):
        np.from_dlpack(T.dvector("x"))


@pytest.mark.parametrize("size", [3, 5000])
def test_shared_memory_outlives_updates(size):
    w = symtensor.shared(np.arange(float(size)))
    f = symtensor.function([], [], updates=[(w, w + 1)])
    view = np.from_dlpack(w)
    for _ in range(4):
        f()
    assert view[1] in (1.0, 2.0, 3.0, 4.0, 5.0)  # its memory, or that of the value it was taken from
    np.testing.assert_array_equal(w.get_value(), np.arange(float(size)) + 4)


@pytest.mark.parametrize("size", [3, 5000, 300_000])
def test_results_stay_while_they_are_held(size):
    x = T.dvector("x")
    f = symtensor.function([x], x * 2)
    held = [np.from_dlpack(f(np.full(size, float(k)))) for k in range(4)]
    for k in range(4, 8):
        f(np.full(size, float(k)))
    for k, view in enumerate(held):
        assert (view == 2 * k).all()


def test_mutable_inputs_need_memory_that_may_change():
    x = T.dvector("x")
    f = symtensor.function([symtensor.In(x, mutable=True)], x + 1)
    frozen = A.copy()
    frozen.flags.writeable = False
    for value in (frozen, Converts(frozen)):
        with pytest.raises(ValueError, match="read-only"):
            f(value)


def test_real_libraries():
    torch = pytest.importorskip("torch")
    x = T.fvector("x")
    f = symtensor.function([x], x * 2)
    value = torch.arange(3.0)
    np.testing.assert_array_equal(f(value), [0, 2, 4])
    w = symtensor.shared(value, borrow=True)
    value[0] = 7
    assert w.get_value()[0] == 7
    assert torch.from_dlpack(f(value)).tolist() == [14, 2, 4]
    assert torch.from_dlpack(w).tolist() == [7, 1, 2]
    with pytest.raises(TypeError, match="detach"):
        f(torch.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="meta"):
        f(torch.ones(2, device="meta"))
