"""Fusion along rows: what becomes one function, that it computes the same, and what stays apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from symtensor import Mode, function, grad, ifelse
from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.ops.fused import Fused
from symtensor.ops.stages import stages_of
from symtensor.optimize.pipeline import optimize
from tests.link.harness import needs_compiler
from tests.optimize.graphs import ops

rng = np.random.default_rng(0)
PLAIN = Mode("py", None)


def softmax(x, axis, h):
    e = T.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def normalized(x, axis, h):
    centered = x - x.mean(axis=axis, keepdims=True)
    return centered / T.sqrt(T.sqr(centered).mean(axis=axis, keepdims=True) + np.float32(1e-3)) * h


PROGRAMS = {
    "softmax": lambda x, h, axis: [softmax(x, axis, h)],
    "softmax_gradient": lambda x, h, axis: [grad((softmax(x, axis, h) * h).sum(), x)],
    "normalize": lambda x, h, axis: [normalized(x, axis, h)],
    "normalize_gradient": lambda x, h, axis: grad(T.tanh(normalized(x, axis, h)).sum(), [x, h]),
    "moments": lambda x, h, axis: [x.mean(axis=axis), x.var(axis=axis), x.max(axis=axis, keepdims=True)],
    "logsumexp": lambda x, h, axis: [T.logsumexp(x, axis=axis), grad(T.sqr(T.logsumexp(x, axis=axis)).sum(), x)],
    "logsoftmax": lambda x, h, axis: [T.log(softmax(x, axis, h)) * h, x.sum(axis=0), (x * h).min(axis=axis)],
    "rows_in": lambda x, h, axis: [(x * h.sum(axis=axis, keepdims=True) - T.exp(x))
                                   / (2 + T.sqr(x * h).sum(axis=axis, keepdims=True)), (x * h).sum(axis=axis)],
}
SHAPES = {2: [(7, 5), (70, 300), (3, 1), (1, 4), (3, 9000)], 3: [(2, 3, 70), (3, 1, 2), (1, 2, 1)]}
AXES = {2: [0, 1], 3: [1, 2, (0, 2), (1, 2)]}


@pytest.mark.compiler
@needs_compiler
@pytest.mark.parametrize(("name", "ndim"),
                         [*((name, 2) for name in PROGRAMS), ("normalize_gradient", 3), ("softmax", 3)])
def test_native_code_agrees_with_numpy(name, ndim):
    """Every axis of one program in one function; long and short rows, rows of one element, none."""
    for dtype in ("float64", "float32"):
        x, h = (T.TensorType(dtype, (None,) * ndim)(letter) for letter in "xh")
        outputs = [y for axis in AXES[ndim] for y in PROGRAMS[name](x, h, axis)]
        native = function([x, h], outputs, on_unused_input="ignore")
        plain = function([x, h], outputs, mode=PLAIN, on_unused_input="ignore")
        for shape in SHAPES[ndim]:
            given = [rng.normal(size=shape).astype(dtype) for _ in range(2)]
            for ours, want in zip(native(*given), plain(*given), strict=True):
                np.testing.assert_allclose(ours, want, rtol=2e-3 if dtype == "float32" else 1e-9,
                                           atol=1e-4 if dtype == "float32" else 1e-11)


@pytest.mark.compiler
@needs_compiler
def test_nothing_is_overwritten_while_it_is_needed():
    """What is computed first may lie where an input of later loops was."""
    x = T.dmatrix("x")
    y = T.exp(x) + 1  # a buffer that may be overwritten
    z = T.dot(y, y.T)
    s = z - z.mean(axis=1, keepdims=True)
    outputs = [s / T.sqr(s).sum(axis=1, keepdims=True) + T.exp(z / z.max()), T.tanh(s)]
    value = rng.normal(size=(40, 3))
    for ours, want in zip(function([x], outputs)(value), function([x], outputs, mode=PLAIN)(value), strict=True):
        np.testing.assert_allclose(ours, want, rtol=1e-9)


def fused(*outputs):
    graph, _ = optimize(FunctionGraph.build([X, H], outputs))
    return [op for op in ops(graph) if not op.startswith(("DimShuffle", "Shape"))], graph


X, H = T.fmatrix("X"), T.fmatrix("H")


def test_one_node():
    assert fused(softmax(T.sqr(X), 1, H))[0] == ["Fused{sqr, peak, sub, exp, sum, true_div}"]
    names, _ = fused(T.tanh(normalized(X, 1, H)) - X.max(axis=1, keepdims=True))
    assert names[0] == "cast{float32}"  # the number of columns
    assert len(names) == 2


def test_reductions_over_other_axes_come_behind():
    """They compute again what is not stored: the loop that normalizes writes its result alone."""
    y = normalized(X, 1, H)
    names, graph = fused(y, (y * H).sum(axis=0), T.tanh(y).max(axis=0))
    assert len([name for name in names if name.startswith("Fused")]) == 2


def test_a_path_outside_keeps_loops_apart():
    s = X.sum(axis=1, keepdims=True)
    names, _ = fused(T.dot(T.exp(X - s), H) * s.sum())
    assert "dot" in names


def test_dear_values_wait_in_the_row_of_a_result():
    """The exponentials of a softmax are computed once."""
    (node,) = [node for node in fused(softmax(X, 1, H))[1].order if isinstance(node.op, Fused)]
    plan = stages_of(node.op.program)
    assert len(plan.stages) == 3
    assert plan.repeated == 0
    assert [len(stage.loaded) for stage in plan.stages] == [0, 0, 1]
    assert plan.may_overwrite(0, 0)  # X is read for the last time where the exponentials are written


@pytest.mark.compiler
@needs_compiler
def test_what_runs_in_a_branch_alone_stays_there():
    x, c = T.dmatrix("x"), T.bscalar("c")
    centered = x - x.mean(axis=1, keepdims=True)
    outputs = [centered.max(axis=1), ifelse(c, T.exp(centered) / T.exp(centered).sum(axis=1, keepdims=True), x)]
    native, plain = function([x, c], outputs), function([x, c], outputs, mode=PLAIN)
    assert "if (" in native.c_source()[native.c_source().index("st_main("):]
    for taken in (0, 1):
        value = rng.normal(size=(4, 5))
        for ours, want in zip(native(value, taken), plain(value, taken), strict=True):
            np.testing.assert_allclose(ours, want, rtol=1e-12)
    total = T.exp(X - X.max(axis=1, keepdims=True)).sum(axis=1)
    names, _ = fused(X.max(axis=1), ifelse(T.eq(X.sum(), 0), total, H[:, 0]))
    assert not any("max" in name and "exp" in name for name in names)


@pytest.mark.compiler
@needs_compiler
def test_kernels_are_counted():
    x, h = T.fmatrix("x"), T.fmatrix("h")

    def runs(*outputs):
        text = function([x, h], list(outputs), on_unused_input="ignore").c_source()
        return len(re.findall(r"st_run\(rt, k", text))

    assert runs(softmax(x, 1, h)) == 1
    assert runs(normalized(x, 1, h)) == 1
    assert runs(x.mean(axis=1), x.var(axis=1)) == 1
    assert runs(*grad((normalized(x, 1, h)).sum(), [x, h])) == 1
    assert runs(T.logsumexp(x, axis=1)) == 1
