"""`f.memory_plan`: what it predicts is what the runtime allocates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symtensor import config, function, grad, scan, shared
from symtensor import tensor as T
from symtensor.link import execute
from symtensor.link.footprint import block

pytestmark = [pytest.mark.compiler,
              pytest.mark.skipif(execute.extension is None, reason="the extension counts the bytes")]

RNG = np.random.default_rng(0)


def matrix(rows: int, columns: int) -> np.ndarray:
    return RNG.standard_normal((rows, columns))


def chain() -> Any:
    x = T.dvector()
    return [x], [T.exp(T.sin(x) * 2 + 1), (x * 2).sum()], [[RNG.random(n)] for n in (0, 1, 1000, 1_000_003)]


def mlp() -> Any:
    x, t = T.fmatrix(), T.lvector()
    w = [shared(matrix(*shape).astype("float32")) for shape in ((784, 500), (500, 10))]
    p = T.nnet.softmax(T.dot(T.tanh(T.dot(x, w[0])), w[1]))
    loss = -T.mean(T.log(p)[T.arange(t.shape[0]), t])
    updates = [(v, v - T.cast(0.1, "float32") * g) for v, g in zip(w, grad(loss, w), strict=True)]
    data = [[matrix(n, 784).astype("float32"), RNG.integers(0, 10, n)] for n in (1, 17, 600)]
    return [x, t], loss, data, updates


def recurrent(of: Callable[[Any, Any], Any]) -> Any:
    x, w = T.dmatrix(), T.dmatrix()
    h, _ = scan(lambda row, h: T.tanh(row + T.dot(h, w)), sequences=x, outputs_info=T.zeros((50,)), non_sequences=[])
    return [x, w], of(h, w), [[matrix(n, 50), matrix(50, 50)] for n in (1, 20, 300)]


def linear() -> Any:
    a, b = T.dmatrix(), T.dmatrix()
    outputs = [T.linalg.solve(a, b), T.linalg.inv(a), grad(T.linalg.det(a), a)]
    return [a, b], outputs, [[matrix(n, n) + 9 * np.eye(n), matrix(n, 30)] for n in (1, 10, 200)]


def positive() -> Any:
    a = T.dmatrix()
    root = T.linalg.cholesky(a)
    data = [[2 * np.eye(n)] for n in (1, 10, 200)]
    return [a], [root, grad(root.sum(), a)], data


def strided() -> Any:
    a, b = T.dmatrix(), T.dmatrix()
    outputs = [T.dot(a[::2, ::2], b[::-2, ::3]), T.dot(a.T, b), a[::2].T * 1]
    return [a, b], outputs, [[matrix(n, n), matrix(n, n)] for n in (20, 200)]


def gathered() -> Any:
    x, i = T.dmatrix(), T.lvector()
    outputs = [x[i].sum(axis=0), grad((x[i] ** 2).sum(), x), T.sort(x, axis=0), T.argsort(x, axis=1)]
    return [x, i], outputs, [[matrix(n, 30), RNG.integers(0, n, 500)] for n in (1, 50, 2000)]


GRAPHS = {
    "chain": chain, "mlp": mlp, "last state": lambda: recurrent(lambda h, w: h[-1]),
    "all states": lambda: recurrent(lambda h, w: h), "through time": lambda: recurrent(lambda h, w: grad(h.sum(), w)),
    "linear systems": linear, "positive definite": positive, "gathered": gathered,
    "strided": strided,
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", GRAPHS)
def test_prediction(name: str, threads: int) -> None:
    inputs, outputs, data, *rest = GRAPHS[name]()
    with config.change_flags(threads=threads):
        f = function(inputs, outputs, updates=rest[0] if rest else None, mode="FAST_RUN")
        for arrays in data:
            execute.extension.memory_watch(True)
            result = f(*arrays)
            measured = execute.extension.memory_watch(False)
            plan = f.memory_plan([array.shape for array in arrays])
            assert abs(plan - measured) <= 0.1 * measured + 64, f"{measured}\n{plan}"
            del result
    execute.start()


def test_numbers_that_sizes_depend_on() -> None:
    n = T.lscalar()
    f = function([n], scan(lambda i, s: s + i, T.arange(n), T.constant(0))[0], mode="FAST_RUN")
    assert f.memory_plan([()], {0: 1000}) < f.memory_plan([()], {0: 100_000})
    with pytest.raises(ValueError, match="value of input 0: give values="):
        f.memory_plan([()])


def test_what_data_decide_cannot_be_told() -> None:
    x = T.dvector()
    for output in (x[(x > 0.5).nonzero()], x[(x > 0.5).nonzero()].sum()):
        with pytest.raises(ValueError, match="depends on data"):
            function([x], output, mode="FAST_RUN").memory_plan([(100,)])


def test_broadcasting_has_a_plan_of_its_own() -> None:
    x, y = T.dmatrix(), T.dmatrix()
    f = function([x, y], x + y, mode="FAST_RUN")
    for shapes in ([(1, 1000), (1000, 1000)], [(1000, 1000), (1000, 1)]):
        assert f.memory_plan(shapes) >= 8_000_000


def test_printed() -> None:
    x = T.dmatrix()
    plan = function([x], [T.dot(T.exp(x), x), T.linalg.inv(x + 1)], mode="FAST_RUN").memory_plan([(100, 100)])
    lines = str(plan).splitlines()
    assert lines[0].split() == [f"{int(plan):,}", "bytes", "at", "most"]
    for words in ("workspace of 1 slots", "in 2 results", "taken by a kernel"):
        assert any(words in line for line in lines)
    assert plan == plan.workspace + sum(plan.results) + plan.hosts + plan.room


def test_blocks_are_those_of_the_allocator() -> None:
    x = T.zvector()
    f = function([x], x + 1, mode="FAST_RUN")
    for n in (1, 4, 63, 64, 65, 72, 73, 1000, 4096, 5000, 70_000):
        execute.extension.memory_watch(True)
        result = f(np.zeros(n, "complex128"))
        assert execute.extension.memory_watch(False) == block(result.nbytes)
