"""Functions in several threads: calls do not disturb each other, updates are atomic, compiling is safe."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symtensor import Mode, config, function, grad, scan, shared
from symtensor import tensor as T
from symtensor.link import execute

ROOT = Path(__file__).parents[2]
CONTEXTS = ["fork", "spawn", "forkserver"] if os.environ.get("SYMTENSOR_TEST_FULL") else ["fork"]


def test_calls_of_one_function(mode: Mode) -> None:
    x = T.dvector("x")
    f = function([x], [x.sum(), T.exp(x) * 2 + x], mode=mode)
    f.wait()
    given = [np.linspace(0, 1, 10 + size) for size in range(40)]
    expected = [f(value) for value in given]

    def work(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(given))
        return all(np.array_equal(a, b) for i in order for a, b in zip(f(given[i]), expected[i], strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_updates_are_atomic(mode: Mode) -> None:
    a, b = shared(np.zeros(50), "a"), shared(np.zeros(50), "b")
    add = function([], a - b, updates=[(a, a + 1), (b, b + 1)], mode=mode)
    swap = function([], [b - a, b], updates=[(b, a), (a, b)], mode=mode)
    read = function([], a - b, mode=mode)

    def work(index: int) -> bool:
        good = True
        for _ in range(50):
            good &= not add().any() and not read().any()
            good &= not swap()[0].any()
        return good

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert a.get_value().tolist() == [400] * 50
    assert b.get_value().tolist() == [400] * 50


def test_compiling_in_threads(mode: Mode) -> None:
    x = T.dvector("x")
    common = T.tanh(x) + 1

    def work(index: int) -> float:
        f = function([x], (common * index).sum(), mode=mode)
        return float(f(np.zeros(3)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(16))) == [3.0 * index for index in range(16)]


def test_first_broadcasting_calls_in_threads() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = function([x, y], x * y)

    def work(index: int) -> list[float]:
        return list(f(np.ones(1), np.arange(3.0)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(16))) == [[0, 1, 2]] * 16


def test_native_and_interpreted_functions_share_variables() -> None:
    a, b = shared(np.zeros(20), "a"), shared(np.zeros(20), "b")
    steps = [
        function([], a - b, updates=[(a, a + 1), (b, b + 1)], mode=mode)
        for mode in ("FAST_RUN", "INTERPRETER")
    ]
    steps += [
        function([], b - a, updates=[(b, a), (a, b)], mode=mode) for mode in ("INTERPRETER", "FAST_RUN")
    ]

    def work(index: int) -> bool:
        return not any(steps[(index + k) % 4]().any() for k in range(100))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert a.get_value().tolist() == [400] * 20


def test_one_thread_fails_while_others_go_on(mode: Mode) -> None:
    w, i = shared(np.zeros(3), "w"), T.lscalar("i")
    f = function([i], w[i], updates=[(w, w + 1)], mode=mode)

    def work(index: int) -> int:
        done = 0
        for k in range(60):
            try:
                f(k % 4)
                done += 1
            except IndexError:
                pass
        return done

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(work, range(8)))
    assert done == 8 * 45
    assert w.get_value().tolist() == [done] * 3


def trained(x: Any, w: Any) -> list[Any]:
    hidden = T.nnet.softmax(T.dot(T.tanh(T.dot(x, w)), w.T))
    return [hidden, grad(T.log(hidden).mean(), w)]


def reduced(x: Any, w: Any) -> list[Any]:
    return [x.sum(), x.mean(axis=0), x.var(axis=1), x.max(axis=0), x.argmax(axis=1), T.exp(x).prod(), x.cumsum(axis=0)]


def scattered(x: Any, w: Any) -> list[Any]:
    rows = T.cast(abs(x[:, 0]) * 7, "int64") % 13
    return [x[rows].sum(axis=0), grad((x[rows] ** 3).sum(), x), T.sort(x, axis=0)]


def looped(x: Any, w: Any) -> list[Any]:
    states, _ = scan(lambda row, h: T.tanh(row + T.dot(h, w)), sequences=x, outputs_info=T.zeros((w.shape[0],)))
    return [states, grad(states.sum(), w)]


def factored(x: Any, w: Any) -> list[Any]:
    gram = T.dot(x.T, x) + 9 * T.eye(x.shape[1])
    return [T.linalg.cholesky(gram), T.linalg.solve(gram, w), T.linalg.inv(gram), T.linalg.det(gram / 400)]


@pytest.mark.compiler
@pytest.mark.parametrize("build", [trained, reduced, scattered, looped, factored], ids=lambda build: build.__name__)
def test_the_number_of_threads_does_not_show(build: Any) -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    f = function([x, w], build(x, w), mode="FAST_RUN", on_unused_input="ignore")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((700, 300)), rng.standard_normal((300, 300)) / 20]
    found = []
    for threads in (1, 2, 3, 7):
        with config.change_flags(threads=threads):
            execute.start()
            found.append([value.tobytes() for value in f(*arrays)])
    execute.start()
    assert all(values == found[0] for values in found)


COUNT = """
import os, threading, time
import numpy as np
from symtensor import config, function, shared, tensor as T
from symtensor.link import execute

config.threads = 3
execute.start()
tasks = lambda: len(os.listdir("/proc/self/task"))
before = tasks()
x = T.dmatrix("x")
f = function([x], [T.dot(T.tanh(x), x.T), T.linalg.inv(T.dot(x, x.T) + T.eye(400)), T.exp(x).sum(axis=0)])
f(np.ones((400, 400)))
threads = [threading.Thread(target=f, args=(np.ones((400, 400)),)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for _ in range(300):  # a thread that was joined is still seen for an instant
    if tasks() - before > 2: time.sleep(0.01)
print(tasks() - before)
"""


@pytest.mark.compiler
@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="there is no /proc")
def test_kernels_and_products_share_their_threads() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("2", "")


POOLS = """
import multiprocessing, sys, threading
import numpy as np
from symtensor import config, function, shared, tensor as T

x, w = T.dmatrix("x"), shared(np.ones((200, 200)), "w")

def child(task):
    f, k = task
    g = function([x], T.dot(x, x) + k, mode="auto" if k % 2 else "FAST_RUN")
    return float(f(np.full((200, 200), k)).sum()), float(g(np.ones((200, 200))).sum()), g.wait()

if __name__ == "__main__":
    config.threads = 2
    f = function([x], T.dot(T.tanh(x), w))
    stop = threading.Event()
    def busy():
        while not stop.is_set(): f(np.ones((200, 200)))
    callers = [threading.Thread(target=busy) for _ in range(2)]
    for caller in callers: caller.start()
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        found = pool.map(child, [(f, k) for k in range(6)])
    stop.set()
    for caller in callers: caller.join()
    for k, (a, b, backend) in enumerate(found):
        assert abs(a - 200**3 * np.tanh(k)) < 1e-6 and b == 200**3 + 200**2 * k and backend == "c", (k, a, b, backend)
"""


@pytest.mark.compiler
@pytest.mark.parametrize("context", CONTEXTS)
def test_pools_of_processes(tmp_path: Path, context: str) -> None:
    (tmp_path / "pools.py").write_text(POOLS)
    done = subprocess.run([sys.executable, str(tmp_path / "pools.py"), context], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
