"""User ops that call back into the library, and processes that fork while threads work: nothing waits for ever."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from symtensor import Apply, Op, function, shared
from symtensor import tensor as T


class Calling(Op):
    """Its value is what a Python function returns."""

    def __init__(self, call: Callable) -> None:
        self.call = call

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.asarray(self.call(inputs[0]))


def finished(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def test_op_that_calls_compiled_functions(mode):
    x = T.dvector("x")
    inner = function([x], x * 2, mode=mode)
    found = {}
    found["f"] = function([x], Calling(lambda a: found["f"](a - 1) if a[0] > 0 else inner(a))(x) + 1, mode=mode)
    results = []
    assert finished(lambda: results.append(found["f"]([3.0])))
    assert results[0].tolist() == [4.0]


@pytest.mark.parametrize("shape", [(2,), (1,), (5,)])
def test_op_that_sets_a_shared_variable(mode, shape):
    """The call goes on with the value it began with, and its update is what stays."""
    x, w = T.dvector("x"), shared(np.ones(2))

    def change(a):
        w.set_value(np.full(shape, 7.0))
        return a

    f = function([x], [Calling(change)(x), w * 1], updates=[(w, w + 1)], mode=mode)
    results = []
    assert finished(lambda: results.append(f([1.0])))
    assert results[0][1].tolist() == [1.0, 1.0]
    assert w.get_value().tolist() == [2.0, 2.0]


def test_ops_of_two_functions_with_the_same_shared_variables(mode):
    v, a, b = T.dvector("v"), shared(np.zeros(3)), shared(np.zeros(3))

    def slow(value):
        time.sleep(0.001)
        return value

    one = function([v], [], updates=[(a, a + Calling(slow)(b + v)), (b, b + 1)], mode=mode)
    two = function([v], [], updates=[(b, b + Calling(slow)(a + v)), (a, a + 1)], mode=mode)
    threads = [threading.Thread(target=lambda f=f: [f(np.zeros(3)) for _ in range(10)], daemon=True)
               for f in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process.*:DeprecationWarning")
def test_forks_while_threads_call_and_compile(mode):
    x, w = T.dvector("x"), shared(np.zeros(100))
    f = function([x], (x + w).sum(), updates=[(w, w + 1)], mode=mode)
    f(np.zeros(100))
    stop = threading.Event()

    def call():
        while not stop.is_set():
            f(np.zeros(100))
            w.get_value()

    threads = [threading.Thread(target=call, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert _child_succeeds(lambda: (f(np.zeros(100)), w.set_value(np.zeros(100)), w.get_value()))
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def _child_succeeds(work: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False
