"""Functions in several threads: calls do not disturb each other, updates are atomic, compiling is safe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from symtensor import Mode, function, shared
from symtensor import tensor as T


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
