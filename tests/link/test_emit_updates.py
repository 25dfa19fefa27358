"""Memory: updates in place, order, reuse of memory, what a failed call leaves behind, how much a call needs."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import GCC, General, Runner, assumed, expand, native, needs_compiler, reference
from random_graphs import Graph

from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.link.native import emit
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.dot import Dot, Gemm
from symtensor.ops.elementwise import add, mul, sub
from symtensor.ops.elementwise_math import tanh
from symtensor.ops.fused import Fused, ScalarProgram, Step
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reduction import Reduction

pytestmark = [pytest.mark.compiler, needs_compiler]
GOLDEN = Path(__file__).parent.parent / "golden"


def tensor(dtype, *shape, name=None):
    return T.TensorType(dtype, shape)(name)


def run_updates(inputs, outputs, updates, arrays, **options):
    """The values of all outputs, those in place read from the inputs; compared with `perform`."""
    run = native(inputs, outputs, updates=updates, **options)
    want = reference(inputs, outputs, [np.array(a) for a in arrays])
    given = [np.array(a) for a in arrays]
    got = run(*given)
    for k, (ours, theirs) in enumerate(zip(got, want, strict=True)):
        if k in run.code.inplace:
            ours = given[run.code.inplace[k]]
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for i, array in enumerate(arrays):
        if i not in run.code.inplace.values():
            np.testing.assert_array_equal(given[i], array)
    return run.code


def parameters():
    x, g, lr = tensor("float32", None, None), tensor("float32", None, None), tensor("float32")
    w, b, n = tensor("float32", None, None), tensor("float32", None), tensor("int64")
    random = np.random.default_rng(0)
    arrays = [random.normal(size=s).astype("float32") for s in ((5, 7), (5, 3))] + [np.float32(0.1)]
    arrays += [random.normal(size=s).astype("float32") for s in ((7, 3), (3,))] + [np.int64(3)]
    return [x, g, lr, w, b, n], arrays


def test_a_training_step_updates_everything_in_place():
    (x, g, lr, w, b, n), arrays = parameters()
    loss = sum_(mul(add(Dot()(x, w), dimshuffle(b, "x", 0)), g))
    outputs = [loss, w, Gemm()(w, -0.5, transpose(x), g, 1.0), sub(b, mul(lr, sum_(g, axis=0))), add(n, 1)]
    code = run_updates([x, g, lr, w, b, n], outputs, {2: 3, 3: 4, 4: 5}, arrays, assume=True)
    assert code.inplace == {2: 3, 3: 4, 4: 5}


def test_updates_from_each_others_old_and_new_values():
    v, w = tensor("float64", None), tensor("float64", None)
    arrays = [np.arange(6.0), np.arange(6.0) ** 2]
    velocity = sub(mul(v, 0.5), w)
    code = run_updates([v, w], [velocity, add(w, velocity)], {0: 0, 1: 1}, arrays, assume=True)
    assert code.inplace == {0: 0, 1: 1}
    code = run_updates([v, w], [w, v], {0: 0, 1: 1}, arrays, assume=True)
    assert code.inplace == {}
    code = run_updates([v, w], [w, add(w, v)], {0: 0, 1: 1}, arrays, assume=True)
    assert code.inplace == {1: 1}
    code = run_updates([v, w], [add(v, w), sub(v, w)], {0: 0, 1: 1}, arrays, assume=True)
    assert len(code.inplace) == 1  # the second needs the old value of the first
    code = run_updates([v, w], [add(v, w), add(v, w)], {0: 0, 1: 1}, arrays, assume=True)
    assert code.inplace == {0: 0}


def test_reads_at_other_places_are_not_overwritten():
    w = tensor("float64", None, None)
    array = np.arange(16.0).reshape(4, 4)
    for value in (add(w, transpose(w)), add(w, getitem(w, (slice(None, None, -1),))), add(w, sum_(w)),
                  sub(w, getitem(w, (slice(0, 1),))), transpose(w), Dot()(w, w), mul(w, w)):
        code = run_updates([w], [value, sum_(w)], {0: 0}, [array])
        assert code.inplace in ({}, {0: 0})
    assert run_updates([w], [mul(w, w), sum_(w)], {0: 0}, [array]).inplace == {0: 0}
    assert run_updates([w], [add(w, sum_(w)), transpose(w)], {0: 0}, [array]).inplace == {0: 0}
    assert run_updates([w], [add(w, transpose(w))], {0: 0}, [array]).inplace == {}


def test_a_shape_that_changes_is_no_update_in_place():
    w, x = tensor("float64", None), tensor("float64", None)
    code = run_updates([w, x], [add(x, 1.0)], {0: 0}, [np.zeros(3), np.zeros(5)])
    assert code.inplace == {}


def test_indexed_updates_in_place():
    w, i = tensor("float64", None, None), tensor("int64", None)
    taken = inc_subtensor(getitem(w, (i,)), T.constant(1.0))
    code = run_updates([w, i], [taken], {0: 0}, [np.zeros((4, 2)), np.array([1, 1, 3])])
    run = native([w, i], [taken, sum_(w)], updates={0: 0})
    before = np.arange(8.0).reshape(4, 2)
    array = before.copy()
    with pytest.raises(IndexError):
        run(array, np.array([0, 4]))
    np.testing.assert_array_equal(array, before)
    assert code.inplace == {0: 0}


def test_a_failed_call_changes_nothing():
    w, b, i = tensor("float64", None), tensor("float64", None), tensor("int64")
    x = tensor("float64", None, None)
    outputs = [add(w, 1.0), getitem(x, (i,)), sub(b, Dot()(x, w))]
    run = native([x, i, w, b], outputs, updates={0: 2, 2: 3}, assume=True)
    arrays = [np.ones((2, 3)), np.int64(7), np.zeros(3), np.zeros(2)]
    with pytest.raises(IndexError):
        run(*arrays)
    arrays[1] = np.int64(1)
    with pytest.raises(ValueError):
        run(np.ones((2, 4)), *arrays[1:])
    with pytest.raises(ValueError):
        run(*arrays[:3], np.zeros(5))
    with pytest.raises(General):
        run(*arrays[:3], np.zeros(1))
    assert not arrays[2].any()
    assert not arrays[3].any()
    run(*arrays)
    assert arrays[2].all()


def test_fused_outputs_overwrite_dying_operands():
    x, y = tensor("float64", None, None), tensor("float64", None, None)
    dtype = "float64"
    program = ScalarProgram((dtype, dtype), (Step(mul, (0, 1), dtype), Step(add, (0, 1), dtype)),
                            ((2, None), (3, None), (2, Reduction("sum", (0,))), (3, Reduction("sum", (1,))),
                             (0, Reduction("max", None))))
    a, b = add(x, 1.0), mul(y, 2.0)
    nodes = Fused(program, 2).make_node(a, b)
    last = mul(nodes.outputs[0], nodes.outputs[1])
    outputs = [sum_(last), *nodes.outputs[2:]]
    arrays = [np.random.default_rng(k).normal(size=(30, 40)) for k in range(2)]
    run = native([x, y], outputs, assume=True)
    for ours, theirs in zip(run(*arrays), reference([x, y], outputs, arrays), strict=True):
        np.testing.assert_allclose(ours, theirs)
    plan = run.code.memory.peak([(30, 40), (30, 40)])
    assert [size for size, _ in plan.slots] == [30 * 40 * 8] * 2
    assert sorted(plan.results) == [64, 64, 256, 320]  # 1, 1, 30 and 40 elements


def test_a_chain_needs_one_buffer_whatever_its_length():
    x = tensor("float32", None)
    y = x
    for _ in range(300):
        y = add(sum_(y), mul(y, x))
    run = native([x], [sum_(y)], assume=True)
    assert len(run.code.memory.slots) == 1
    np.testing.assert_allclose(run(np.zeros(10, "float32"))[0], 0)


def test_long_chains_of_views_and_scalars_need_no_recursion():
    x, s = tensor("float64", None, None), tensor("float64")
    y, t = x, s
    for k in range(3000):
        y = dimshuffle(y, 1, 0)
        t = add(t, 1.0) if k % 2 else mul(t, 1.5)
    emit(FunctionGraph.build([x, s], [add(y, t)]))


def test_long_scalar_programs_are_compiled_as_calls():
    x = tensor("float64")
    y = x
    for k in range(900):
        y = sub(mul(tanh(y), 0.5), x) if k % 3 else mul(y, y)
    run = native([x], [y])
    assert "st_tanh_call" in run.code.text
    np.testing.assert_allclose(run(np.float64(0.3))[0], reference([x], [y], [np.float64(0.3)])[0], rtol=1e-12)


def graph_for_golden():
    x, w, b = tensor("float32", None, None), tensor("float32", None, None), tensor("float32", None)
    h = add(Dot()(x, w), dimshuffle(b, "x", 0))
    return [x, w, b], [sum_(mul(h, h)), sub(b, mul(T.constant(np.float32(0.1)), sum_(h, axis=0)))]


GOLDENS = {
    "dense_update.c": lambda: (*graph_for_golden(), {1: 2}),
    "general_add.c": lambda: ((p := [tensor("float64", None, None), tensor("float64", None, None)]), [add(*p)], {}),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_text(name):
    inputs, outputs, updates = GOLDENS[name]()
    graph = expand(FunctionGraph.build(inputs, outputs))
    text = emit(graph if name.startswith("general") else assumed(graph), updates).text
    path = GOLDEN / name
    if os.environ.get("SYMTENSOR_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_text_does_not_depend_on_hash_seeds():
    script = ("import hashlib, test_emit_updates as t\n"
              "from random_graphs import Graph\n"
              "g = Graph(5, {'n': 3, 'm': 4})\n"
              "graphs = [(g.inputs, g.grow(30), {}), (*t.graph_for_golden(), {1: 2})]\n"
              "for i, o, u in graphs:\n"
              "    code = t.emit(t.expand(t.FunctionGraph.build(i, o)), u)\n"
              "    print(hashlib.sha256(code.source.encode()).hexdigest())\n")
    root = Path(__file__).parent
    path = os.pathsep.join([str(root), str(root.parent.parent), *sys.path])
    environments = [{**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path} for seed in ("1", "2")]
    texts = {subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True,
                            check=True).stdout for environment in environments}
    assert len(texts) == 1


SANITIZED = """
import numpy as np
import test_emit_updates as t
t.sanitized()
print("clean")
"""


def sanitized():
    """Runs graphs with instrumented code; called in a process where the sanitizer is loaded."""
    flags = ["-O1", "-g", "-fPIC", "-shared", "-std=gnu11", "-fwrapv", "-ffp-contract=off", "-fopenmp-simd",
             "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    for seed in range(3):
        graph = Graph(seed + 100, [{"n": 3, "m": 5}, {"n": 0, "m": 2}, {"n": 1, "m": 300}][seed])
        outputs = graph.grow(25)
        Runner(emit(expand(FunctionGraph.build(graph.inputs, outputs))), 3, flags)(*graph.arrays)
    inputs, arrays = parameters()
    x, g, lr, w, b, n = inputs
    outputs = [Gemm()(w, -0.5, transpose(x), g, 1.0), sub(b, mul(lr, sum_(g, axis=0)))]
    Runner(emit(FunctionGraph.build(inputs, outputs), {0: 3, 1: 4}), 3, flags)(*arrays)


def test_sanitizers_find_nothing():
    library = subprocess.run([GCC, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not os.path.isabs(library):
        pytest.skip("the compiler has no address sanitizer")
    root = Path(__file__).parent
    env = {**os.environ, "LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0",
           "PYTHONPATH": os.pathsep.join([str(root), str(root.parent.parent), *sys.path])}
    result = subprocess.run([sys.executable, "-c", SANITIZED], env=env, capture_output=True, text=True)
    assert "clean" in result.stdout, result.stderr[-3000:]


def test_sizes_of_the_abi_are_those_of_the_header():
    from harness import Error, Value

    assert ctypes.sizeof(Error) == 72
    assert ctypes.sizeof(Value) == 16 + 64 * 8
