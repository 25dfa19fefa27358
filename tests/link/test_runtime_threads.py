"""Threads: parallel loops, calls from many threads, locks, forks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import runtime_programs as programs
from runtime_programs import SCALAR, VECTOR, code, function

from symtensor.graph.shared import Container
from symtensor.link import execute

pytestmark = [pytest.mark.compiler, programs.needs_compiler]
pytestmark.append(pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"))


@pytest.fixture(autouse=True, params=["extension", "ctypes"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "ctypes":
        programs.use_ctypes(monkeypatch)
    elif execute.extension is None:
        pytest.skip("the extension is not built")
    before = programs.runtime_functions().threads()
    yield request.param
    programs.runtime_functions().set_threads(before)


def parallel_program() -> Any:
    return execute.load(code(programs.PARALLEL, [VECTOR], [VECTOR]))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_index_is_visited_once(threads: int) -> None:
    program = parallel_program()
    programs.runtime_functions().set_threads(threads)
    for n in (0, 1, 15, 16, 17, 160, 1000, 100_001):
        for _ in range(20 if n < 2000 else 2):
            np.testing.assert_array_equal(program.run([np.zeros(n)])[0], 1.5)


def test_parallel_loops_from_many_threads() -> None:
    program = parallel_program()
    programs.runtime_functions().set_threads(4)

    def work(n: int) -> bool:
        return all((program.run([np.zeros(n)])[0] == 1.5).all() for _ in range(100))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100, 900, 100)))


def in_child(work: Callable[[], bool]) -> bool:
    """Whether a forked child does the work within a minute."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    for _ in range(6000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_its_own_threads() -> None:
    program = parallel_program()
    programs.runtime_functions().set_threads(3)
    x = np.zeros(50_000)

    def work() -> bool:
        return all(bool((program.run([x])[0] == 1.5).all()) for _ in range(20))

    assert work()
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [work() for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        assert all(in_child(lambda: work() and in_child(work)) for _ in range(5))
    finally:
        stop.set()
        busy.join()
    assert work()


def test_many_threads_share_a_function() -> None:
    call = function(execute.load(code(programs.ADD_ONE, [SCALAR], [SCALAR])), unpack=1)

    def work(start: int) -> bool:
        return all(call(float(start + k)) == start + k + 1 for k in range(2000))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.parametrize("inplace", [False, True])
def test_updates_are_atomic(inplace: bool) -> None:
    n = 500
    a, b = Container(VECTOR, np.zeros(n)), Container(VECTOR, np.full(n, 1e6))
    source = programs.STEP_INPLACE if inplace else programs.STEP
    write = function(execute.load(code(source, [VECTOR] * 3, [VECTOR] * 3, {1: 1, 2: 2} if inplace else {})),
                     containers=[a, b], targets=[0, 1], unpack=1)
    both = programs.main("""
        int64_t n = call->inputs[0].shape[0];
        double *o = NEW(0, n);
        call->outputs[0].shape[0] = n;
        for (int64_t i = 0; i < n; i++) o[i] = IN(0)[i] + IN(1)[i];""")
    read = function(execute.load(code(both, [VECTOR] * 2, [VECTOR])), containers=[b, a], unpack=1)
    x = np.ones(n)

    def writer(_: int) -> bool:
        for _ in range(300):
            write(x)
        return True

    def reader(_: int) -> bool:
        return all((read() == 1e6).all() for _ in range(300))

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(reader if k % 2 else writer, k) for k in range(8)]
        assert all(one.result() for one in done)
    np.testing.assert_array_equal(a.value, 1200.0)


# -- locks ---------------------------------------------------------------------------------------------------------


def test_lock_is_reentrant_and_exclusive() -> None:
    lock = execute.Lock()
    with lock, lock:
        assert lock.acquire(timeout=1)
        lock.release()
        got = []
        other = threading.Thread(target=lambda: got.append((lock.acquire(blocking=False), lock.acquire(timeout=0.05))))
        other.start()
        other.join()
        assert got == [(False, False)]
    with pytest.raises(RuntimeError):
        lock.release()


def test_waiting_for_a_lock_lets_others_run() -> None:
    lock, order = execute.Lock(), []
    lock.acquire()
    other = threading.Thread(target=lambda: (lock.acquire(), order.append("got"), lock.release()))
    other.start()
    time.sleep(0.05)
    order.append("release")
    lock.release()
    other.join(10)
    assert order == ["release", "got"]


def test_setup_waits_for_the_holder_of_the_old_lock() -> None:
    a, b = Container(VECTOR, np.zeros(2)), Container(VECTOR, np.zeros(2))
    program = execute.load(code(programs.STEP, [VECTOR] * 3, [VECTOR] * 3))
    with a.lock:
        call = function(program, containers=[a, b], targets=[0, 1], unpack=1)
    assert {type(a.lock), type(b.lock)} == {execute.Lock}
    lock = a.lock
    function(program, containers=[a, b], targets=[0, 1], unpack=1)
    assert a.lock is lock
    with a.lock, b.lock:
        np.testing.assert_array_equal(call(np.ones(2)), 1.0)


def test_locks_held_in_another_order_do_not_deadlock() -> None:
    a, b = Container(VECTOR, np.zeros(2)), Container(VECTOR, np.zeros(2))
    program = execute.load(code(programs.STEP, [VECTOR] * 3, [VECTOR] * 3))
    call = function(program, containers=[a, b], targets=[0, 1], unpack=1)

    def work(k: int) -> bool:
        for _ in range(200):
            if k % 4 == 0:
                with a.lock:
                    call(np.ones(2))
            else:
                call(np.ones(2))
        return True

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(work, k) for k in range(8)]
        assert all(one.result(timeout=60) for one in done)
    np.testing.assert_array_equal(a.value, 1600.0)


def test_calls_inside_a_host_call(implementation: str) -> None:
    a, b = Container(VECTOR, np.ones(2)), Container(VECTOR, np.ones(2))
    step = function(execute.load(code(programs.STEP, [VECTOR] * 3, [VECTOR] * 3)), containers=[a, b], targets=[0, 1])
    seen: list[Any] = []

    def host(index: int, arrays: list[Any]) -> list[Any]:
        with a.lock:  # as get_value and set_value do
            seen.append(a.storage[0].copy())
            a.storage[0] = a.storage[0] + 1
        if implementation == "extension":
            with pytest.raises(RuntimeError, match="cannot be changed from inside a call"):
                step(np.ones(2))
        return [arrays[0]]

    outer = execute.load(code(programs.HOST, [VECTOR], [VECTOR], hosts=[programs.host_node()]), host)
    call = function(outer, containers=[a], unpack=1)
    np.testing.assert_array_equal(call(), 3.0)
    np.testing.assert_array_equal(a.value, 2.0)
    step(np.ones(2))
    assert len(seen) == 1
