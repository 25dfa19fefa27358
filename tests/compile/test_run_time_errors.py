"""Errors of calls: the class of the original, the op, shapes, and the user's line."""

from __future__ import annotations

import numpy as np
import pytest

import symtensor
from symtensor import Mode, config, function, shared
from symtensor import tensor as T
from symtensor.link.errors import run_time_error


class Failing(symtensor.Op):
    """Raises the error it was given."""

    __props__ = ()

    def __init__(self, error: Exception) -> None:
        self.error = error

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        raise self.error


class TwoArguments(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def test_shape_mismatch_names_op_shapes_and_line(mode: Mode) -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = function([x, y], T.dot(x, y).sum() + (x - 1).sum(), mode=mode)
    with pytest.raises(ValueError, match=r"(?s)dot.*test_run_time_errors\.py:\d+ in test_shape") as caught:
        f(np.ones((2, 3)), np.ones((4, 5)))
    assert "(2, 3)" in str(caught.value)
    assert "(4, 5)" in str(caught.value)
    g = function([x, y], T.exp(x + y) * 2, mode=mode)
    with pytest.raises(ValueError, match=r"(?s)test_run_time_errors\.py:\d+ in test_shape") as caught:
        g(np.ones((2, 3)), np.ones((4, 3)))
    assert "(2, 3)" in str(caught.value)
    assert "(4, 3)" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_index_error_stays_one(mode: Mode) -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    f = function([x, i], x[i], mode=mode)
    for index in (3, -4):
        with pytest.raises(IndexError, match=rf"(?s){index}.*test_run_time_errors\.py:\d+ in test_index"):
            f(np.ones(3), index)
    assert f(np.arange(3.0), -1) == 2


@pytest.mark.parametrize(
    "error",
    [
        IndexError("bad index"),
        ValueError("bad value"),
        RuntimeError("bad luck"),
        KeyError("key"),
        TwoArguments(1, 2),
        OSError(2, "no file"),
        ZeroDivisionError(),
        UnicodeDecodeError("utf8", b"x", 0, 1, "why"),
        StopIteration(3),
    ],
)
def test_errors_of_perform_keep_their_class(mode: Mode, error: Exception) -> None:
    x = T.dvector("x")
    f = function([x], Failing(error)(x * 2) + 1, mode=mode)
    with pytest.raises(type(error)) as caught:
        f(np.ones(2))
    text = str(caught.value) + "\n".join(getattr(caught.value, "__notes__", ()))
    assert "Failing" in text
    assert "float64" in text
    assert "shape (2,)" in text
    assert "test_run_time_errors.py" in text
    assert type(caught.value) is type(error)
    if caught.value is not error:
        assert caught.value.__cause__ is error


def test_two_calls_of_a_failing_op_do_not_pile_up_notes() -> None:
    x = T.dvector("x")
    f = function([x], Failing(IndexError("once"))(x), mode="INTERPRETER")
    for _ in range(2):
        with pytest.raises(IndexError) as caught:
            f(np.ones(2))
    assert str(caught.value).count("in Failing") == 1
    node = f.maker.fgraph.order[0]
    again = run_time_error(caught.value, node)
    assert again is caught.value


def test_verbosity_high_prints_the_graph(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], Failing(ValueError("bad"))(T.exp(x)), mode=mode)
    with pytest.raises(ValueError) as caught:
        f(np.ones(2))
    assert "its graph" not in str(caught.value)
    with (
        config.change_flags(exception_verbosity="high"),
        pytest.raises(ValueError, match=r"(?s)its graph:.*\[id A\]"),
    ):
        f(np.ones(2))


def test_interrupts_pass_through(mode: Mode) -> None:
    w, x = shared(1.0, "w"), T.dvector("x")
    f = function([x], Failing(KeyboardInterrupt())(x), updates=[(w, w + 1)], mode=mode)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        f(np.ones(2))
    assert w.get_value() == 1


def test_empty_reduction(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], x.max(), mode=mode)
    with pytest.raises(ValueError, match=r"(?s)zero-size.*test_run_time_errors\.py"):
        f(np.zeros(0))


def test_no_memory(mode: Mode) -> None:
    w, n = shared(1.0, "w"), T.lscalar("n")
    f = function([n], T.zeros((n,)) + T.arange(n), updates=[(w, w + 1)], mode=mode)
    for size in (10**13, 10**18):
        with pytest.raises(MemoryError, match="memory|allocate"):
            f(size)
    assert w.get_value() == 1
