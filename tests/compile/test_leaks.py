"""Nothing grows: not with functions compiled and dropped, nor with calls."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symtensor import In, Mode, as_op, function, grad, scan, shared
from symtensor import tensor as T
from symtensor.ifelse import ifelse

pytestmark = [pytest.mark.compiler,
              pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc")]
FULL = bool(os.environ.get("SYMTENSOR_TEST_FULL"))


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mapped() -> int:
    with open("/proc/self/maps", encoding="utf-8") as file:
        return sum("program.so" in line for line in file)


@as_op([T.dvector], [T.dvector])
def through_numpy(x: np.ndarray) -> np.ndarray:
    return x + 1


def updates(k: int) -> None:
    x, w = T.dvector("x"), shared(np.zeros(3))
    y = T.exp(x * w + k % 2).sum()
    f = function([x], [y, grad(y, x)], updates=[(w, w + x)])
    f(np.ones(3))
    f(x=np.ones(3))


def background(k: int) -> None:
    x, s = T.dvector("x"), T.dvector("s")
    f = function([x, In(s, value=np.zeros(3), update=s + x)], T.tanh(s) + k % 2, mode="auto", profile=True)
    f(np.ones(3))
    g = f.copy()
    f.wait()
    g(np.ones(3))


def loops(k: int) -> None:
    x = T.dvector("x")
    states, _ = scan(lambda row, h: T.tanh(h * row + k % 2), sequences=x, outputs_info=T.constant(0.5))
    function([x], grad(states.sum(), x))(np.ones(4))


def hosts(k: int) -> None:
    x = T.dvector("x")
    f = function([x], ifelse(x.sum() > k % 2, x * 3, x * 2) + through_numpy(x))
    f(np.zeros(3))
    f(np.ones(3))


def broadcasting(k: int) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    function([x, y], x * y + k % 2)(np.ones(1), np.ones(4))


def errors(k: int) -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    f = function([x, i], x[i] + k % 2)
    for args in ((np.ones(3), 7), (np.ones(3),), ("text", 1)):
        with pytest.raises((IndexError, TypeError)):
            f(*args)


def interpreted(k: int) -> None:
    x = T.dmatrix("x")
    function([x], T.nnet.softmax(x + k % 2).sum(), mode=Mode("py"))(np.ones((2, 3)))
    (x + k % 2).eval({x: np.ones((2, 3))})


@pytest.mark.parametrize("cycle", [updates, background, loops, hosts, broadcasting, errors, interpreted],
                         ids=lambda cycle: cycle.__name__)
def test_functions_that_are_dropped_leave_nothing(cycle: Callable[[int], None]) -> None:
    for k in range(6):
        cycle(k)
    gc.collect()
    before = mapped(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())
    blocks, memory, rounds = sys.getallocatedblocks(), resident(), 10_000 if FULL and cycle is updates else 20
    for k in range(rounds):
        cycle(k)
    gc.collect()
    after = mapped(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())
    assert after[:2] == before[:2]
    assert after[2] - before[2] < rounds
    assert sys.getallocatedblocks() - blocks < 1000 + rounds  # Python fills caches of its own
    assert resident() - memory <= 5_000_000


def calls() -> dict[str, Callable[[], Any]]:
    x, y, v, w = T.dscalar("x"), T.dscalar("y"), T.dvector("v"), shared(np.zeros(1000))
    f = function([x, In(y, value=2.0)], [x + y, x * y], mode="FAST_RUN")
    g = function([v], {"sum": v.sum(), "new": w + v}, updates=[(w, w + v)], mode="FAST_RUN")
    h = function([v], T.dot(v, v) + v.sum(), mode="FAST_RUN")
    value, vector = np.array(1.5), np.ones(1000)
    return {"array": lambda: f(value, value), "number": lambda: f(1.5), "keywords": lambda: f(y=1.0, x=value),
            "updates": lambda: g(vector), "strided": lambda: h(vector[::2]), "converted": lambda: h([1.0, 2.0])}


@pytest.mark.parametrize("how", calls())
def test_calls_leave_nothing(how: str) -> None:
    call = calls()[how]
    for _ in range(1000):
        call()
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), resident()
    for _ in range(1_000_000 if FULL else 20_000):
        call()
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 200
    assert resident() - memory < 1_000_000


def test_failed_calls_leave_nothing() -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    w = shared(np.zeros(3))
    f = function([x, i], x[i] + w, updates=[(w, w + x)], mode="FAST_RUN")

    def fail() -> None:
        for args, kwargs in (((np.ones(3), 7), {}), ((np.ones(3),), {}), ((np.ones(3),), {"j": 1})):
            with pytest.raises((IndexError, TypeError)):
                f(*args, **kwargs)

    for _ in range(20):
        fail()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(2000):
        fail()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 1500  # Python fills caches of its own
