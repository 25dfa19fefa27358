"""The interpreter by itself: the oracle of native code."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import symtensor
from symtensor import FunctionGraph
from symtensor import tensor as T
from symtensor.link.interpreter import Interpreter
from symtensor.optimize.pipeline import optimize


class Watched(symtensor.Op):
    """Copies its input and remembers what it made, weakly."""

    __props__ = ()

    def __init__(self) -> None:
        self.made: list[weakref.ref] = []
        self.alive: list[int] = []

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symtensor.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        self.alive.append(sum(ref() is not None for ref in self.made))
        outputs[0][0] = inputs[0] + 1
        self.made.append(weakref.ref(outputs[0][0]))


def test_values_are_freed_after_their_last_use() -> None:
    x, op = T.dvector("x"), Watched()
    y = x
    for _ in range(6):
        y = op(y)
    run = Interpreter(FunctionGraph.build([x], [y]))
    assert run([np.zeros(2)])[0].tolist() == [6, 6]
    assert max(op.alive) <= 2


def test_outputs_are_arrays_of_their_own() -> None:
    x = T.dmatrix("x")
    constant = T.constant(np.ones(3))
    graph = FunctionGraph.build([x], [x, x.T, x + 1, constant, constant])
    given = np.arange(6.0).reshape(2, 3)
    results = Interpreter(graph)([given])
    arrays = [given, constant.data, *results]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i] if a is not constant.data)
    assert all(array.flags.c_contiguous and array.flags.writeable for array in results)
    borrowed = Interpreter(graph, [True] * 5)([given])
    assert borrowed[0] is given
    assert np.shares_memory(borrowed[1], given)


def test_inputs_may_be_unused_or_outputs() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    assert Interpreter(FunctionGraph.build([x, y], [x]))([np.array(1.0), np.array(2.0)]) == [1]
    assert Interpreter(FunctionGraph.build([], [T.constant(3)]))([]) == [3]
    with pytest.raises(ValueError):
        Interpreter(FunctionGraph.build([x], [x]))([])


def test_guards_are_checked() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    graph, _ = optimize(FunctionGraph.build([x, y], [x + y]), assume=True)
    assert graph.guards
    run = Interpreter(graph)
    assert run([np.ones(3), np.ones(3)])[0].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="dimension 0 is .* assume=False"):
        run([np.ones(1), np.ones(3)])


def test_a_timer_sees_every_node() -> None:
    class Timer:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def add_node(self, node, seconds: float) -> None:
            assert seconds >= 0
            self.seen.append(str(node.op))

    x, timer = T.dvector("x"), Timer()
    Interpreter(FunctionGraph.build([x], [T.exp(x).sum()]))([np.zeros(2)], timer)
    assert timer.seen == ["Elemwise{exp}", "Sum"]


def test_a_deep_graph() -> None:
    x = T.dscalar("x")
    y = x
    for _ in range(5000):
        y = T.sin(y)
    assert abs(Interpreter(FunctionGraph.build([x], [y]))([np.array(1.0)])[0]) < 0.1
