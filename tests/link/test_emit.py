"""Emitted programs compute what `perform` does: layouts, dtypes, sizes, reductions, views, kernels, host calls."""

from __future__ import annotations

import numpy as np
import pytest
from harness import General, native, needs_compiler, reference
from random_graphs import Graph

from symtensor import tensor as T
from symtensor.graph.op import Op
from symtensor.graph.variable import Apply
from symtensor.link.native import CannotEmit, emit
from symtensor.ops.dimshuffle import dimshuffle, transpose
from symtensor.ops.dot import Dot, Gemm
from symtensor.ops.elementwise import add, cast, mul, sub
from symtensor.ops.fused import Fused, ScalarProgram, Step
from symtensor.ops.index import getitem
from symtensor.ops.reduce import max as max_
from symtensor.ops.reduce import sum as sum_
from symtensor.ops.reduction import Reduction
from symtensor.ops.reshape import flatten

pytestmark = [pytest.mark.compiler, needs_compiler]
DTYPES = ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "complex64",
          "complex128")


def tensor(dtype, *shape, name=None):
    return T.TensorType(dtype, shape)(name)


def values(dtype, *shape, seed=0):
    random = np.random.default_rng(seed)
    array = random.normal(size=shape) * 3
    return (array + 1j * random.normal(size=shape) if dtype.startswith("complex") else np.abs(array)).astype(dtype)


def check(inputs, outputs, arrays, tolerance=1e-6, **options):
    run = native(inputs, outputs, **options)
    got, want = run(*arrays), reference(inputs, outputs, arrays)
    for ours, theirs in zip(got, want, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    return run


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_in_loops_scalars_constants_and_views(dtype):
    x, s = tensor(dtype, None, None), tensor(dtype)
    c = T.constant(values(dtype, 4, seed=2))
    big = T.constant(values(dtype, 2000, 4, seed=3))
    outputs = [add(mul(x, s), c), mul(s, s), getitem(x, (1, 2)), sum_(x), sum_(x, axis=0),
               x if dtype.startswith("complex") else cast(x, "float64"), getitem(big, (slice(None, None, -1),)), c, s,
               add(s, getitem(c, (0,)))]
    check([x, s], outputs, [values(dtype, 3, 4), values(dtype, seed=1)], 1e-2 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize("assume", [False, True])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (3, 5), (300, 70), (2, 70000)])
def test_broadcasting_and_reductions_at_every_size(shape, assume):
    x, row, col = tensor("float64", None, None), tensor("float64", None), tensor("float64", None, 1)
    y = add(mul(x, col), dimshuffle(row, "x", 0))
    outputs = [y, sum_(y), sum_(y, axis=0), sum_(y, axis=1), mul(transpose(y), transpose(x)),
               sum_(transpose(y), axis=0)]
    if 0 not in shape:
        outputs += [max_(y, axis=0), max_(y)]
    arrays = [values("float64", *shape), values("float64", shape[1]), values("float64", shape[0], 1)]
    check([x, row, col], outputs, arrays, assume=assume)


def test_run_time_broadcasting_runs_in_the_general_variant_and_is_refused_by_the_fast_one():
    x, y = tensor("float64", None, None), tensor("float64", None, None)
    outputs = [add(x, y), sum_(mul(x, y), axis=1)]
    pairs = [((3, 4), (3, 4)), ((1, 4), (3, 4)), ((3, 1), (1, 4)), ((1, 1), (3, 4)), ((0, 1), (1, 4)), ((3, 1), (3, 1))]
    general, fast = native([x, y], outputs), native([x, y], outputs, assume=True)
    for a, b in pairs:
        arrays = [values("float64", *a), values("float64", *b, seed=1)]
        want = reference([x, y], outputs, arrays)
        for ours, theirs in zip(general(*arrays), want, strict=True):
            np.testing.assert_allclose(ours, theirs)
        if a == b:
            np.testing.assert_allclose(fast(*arrays)[0], want[0])
        else:
            with pytest.raises(General):
                fast(*arrays)
    for run in (general, fast):
        with pytest.raises(ValueError, match=r"add(.|\n)*axis 1(.|\n)*4 and 5(.|\n)*test_emit.py"):
            run(values("float64", 3, 4), values("float64", 3, 5))


AXES = [None, (0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 1), (0, 3, 2), (70, 3, 300), (3000, 2, 3)])
def test_fused_nests_with_stores_and_reductions(dtype, shape):
    x, y = tensor(dtype, None, None, None), tensor(dtype, None, None, None)
    row, col = tensor(dtype, 1, 1, None), tensor(dtype, None, 1, 1)
    steps = (Step(mul, (0, 2), dtype), Step(add, (4, 1), dtype), Step(mul, (5, 3), dtype))
    arrays = [values(dtype, *s, seed=k) for k, s in enumerate((shape, shape, (1, 1, shape[2]), (shape[0], 1, 1)))]
    for k in range(3):
        chosen = AXES[k::3]
        reduced = tuple((4 + (j + k) % 3, Reduction("sum", axis)) for j, axis in enumerate(chosen))
        program = ScalarProgram((dtype,) * 4, steps, ((5, None), *reduced, (6, None)))
        node = Fused(program, 3).make_node(x, dimshuffle(y, 1, 0, 2), row, col)
        turned = np.ascontiguousarray(arrays[1].transpose(1, 0, 2))
        check([x, y, row, col], list(node.outputs), [arrays[0], turned, *arrays[2:]], 1e-3, assume=bool(k))


def test_sums_are_as_good_as_numpys_and_do_not_depend_on_threads():
    x = tensor("float32", None)
    array = np.full(1_000_003, 0.1, "float32")
    results = [native([x], [sum_(x), sum_(cast(x, "float64"))], threads=threads)(array) for threads in (1, 7)]
    assert [r.tobytes() for r in results[0]] == [r.tobytes() for r in results[1]]
    np.testing.assert_allclose(results[0][0], np.float64(np.float32(0.1)) * array.size, rtol=1e-7)
    np.testing.assert_allclose(results[0][1], np.float64(np.float32(0.1)) * array.size, rtol=1e-13)


def test_max_keeps_nan_and_says_what_is_empty():
    x = tensor("float64", None, None)
    run = native([x], [max_(x, axis=1)])
    array = values("float64", 3, 40)
    array[1, 17] = np.nan
    np.testing.assert_array_equal(run(array)[0], array.max(axis=1))
    assert run(np.zeros((0, 0)))[0].shape == (0,)
    with pytest.raises(ValueError, match=r"zero-size array(.|\n)*test_emit.py"):
        run(np.zeros((3, 0)))


def test_views_kernels_and_products():
    x, y, w = (tensor("float64", None, None) for _ in range(3))
    i = tensor("int64")
    outputs = [
        Dot()(x, y), Dot()(transpose(y), transpose(x)), Gemm()(w, 2.0, x, y, -1.0), flatten(transpose(x)),
        getitem(x, (slice(None, None, -1), slice(1, i))), getitem(x, (i,)), getitem(x, (i, i)),
        getitem(transpose(x), (slice(i, None, 2),)), add(flatten(getitem(x, (slice(1, None),))), 1.0),
    ]
    arrays = [values("float64", 5, 7), values("float64", 7, 3), values("float64", 5, 3), np.int64(3)]
    run = check([x, y, w, i], outputs, arrays)
    with pytest.raises(IndexError, match=r"5(.|\n)*size 5"):
        run(*arrays[:3], np.int64(5))
    with pytest.raises(ValueError, match=r"7(.|\n)*6"):
        run(arrays[0], values("float64", 6, 3), *arrays[2:])


class Trim(Op):
    """Runs on the host; the size of its first result depends on data."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type.make_variable(), T.TensorType("int64", ()).make_variable()])

    def perform(self, node, inputs, outputs):
        if inputs[0].shape[0] == 13:
            raise RuntimeError("thirteen")
        kept = inputs[0][inputs[0][:, 0] > 0] if inputs[0].size else inputs[0]
        outputs[0][0] = kept
        outputs[1][0] = np.asarray(len(kept))


def test_host_calls_with_sizes_known_only_then():
    x = tensor("float64", None, None)
    kept, count = Trim()(transpose(x))
    outputs = [mul(kept, cast(count, "float64")), sum_(kept, axis=0), getitem(kept, (slice(None, count - 1),)), count,
               kept, add(x, 1.0), flatten(transpose(kept))]
    run = native([x], outputs)
    array = np.random.default_rng(0).normal(size=(4, 6))
    for ours, theirs in zip(run(array), reference([x], outputs, [array]), strict=True):
        np.testing.assert_allclose(ours, theirs)
    with pytest.raises(RuntimeError, match="thirteen"):
        run(np.zeros((2, 13)))


def test_outputs_that_are_inputs_constants_views_or_twice_the_same():
    x, s = tensor("float32", None, None), tensor("int8")
    y = add(x, x)
    outputs = [x, x, y, y, transpose(y), flatten(y), s, T.constant(np.arange(3)), T.constant(2.5), transpose(x)]
    check([x, s], outputs, [values("float32", 3, 4), np.int8(-3)])
    check([x, s], [flatten(y)], [values("float32", 3, 4), np.int8(-3)])


def test_a_size_too_large_fails_cleanly():
    n = tensor("int64")
    x = tensor("float64", None)
    from harness import OutOfMemory

    from symtensor.ops.create import alloc

    run = native([x, n], [alloc(sum_(x), n, n), sub(x, x)])
    assert run(values("float64", 3), np.int64(2))[0].shape == (2, 2)
    with pytest.raises(OutOfMemory):
        run(values("float64", 3), np.int64(2**40))
    with pytest.raises(ValueError):
        run(values("float64", 3), np.int64(-1))


def test_values_that_are_no_tensors_are_refused():
    from symtensor.graph.fgraph import FunctionGraph
    from symtensor.graph.types import Type
    from symtensor.graph.variable import Variable

    class Text(Type):
        variable_class = Variable

        def filter(self, value, strict=False, allow_downcast=None):
            return str(value)

    text = Text()("text")
    with pytest.raises(CannotEmit, match="no tensor"):
        emit(FunctionGraph.build([text], [text]))


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs(seed):
    sizes = [{"n": 3, "m": 5}, {"n": 1, "m": 4}, {"n": 0, "m": 2}, {"n": 40, "m": 700}][seed % 4]
    graph = Graph(seed, sizes)
    outputs = graph.grow(8 + seed)
    want = reference(graph.inputs, outputs, graph.arrays)
    try:
        got = native(graph.inputs, outputs, assume=seed % 3 > 0)(*graph.arrays)
    except General:
        got = native(graph.inputs, outputs)(*graph.arrays)
    for ours, theirs in zip(got, want, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-3)
