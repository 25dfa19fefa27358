"""Every case of every family: values, types, shapes, layouts, and derivatives to second order."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, draw_inputs, layouts
from evaluation import interpret

import symtensor
from symtensor import tensor as T
from symtensor.graph.types import TensorType
from symtensor.graph.variable import Variable
from symtensor.graph.walk import toposort
from symtensor.link import execute
from symtensor.ops.inventory import entries
from symtensor.ops.loop import Loop

for page in sorted(Path(__file__).parent.glob("cases_*.py")):
    importlib.import_module(page.stem)

pytestmark = pytest.mark.compiler
TOLERANCE = {"e": 4e-3, "f": 1e-5, "d": 1e-12, "F": 1e-5, "D": 1e-12}
STATIC = {"unknown": False, "static": True}


def input_variables(arrays, static=False):
    return [TensorType(a.dtype.name, a.shape if static else (None,) * a.ndim).make_variable(f"x{k}")
            for k, a in enumerate(arrays)]


def as_list(made):
    return list(made) if isinstance(made, (list, tuple)) else [made]


def built(c: Case, variables) -> list[Variable]:
    """The outputs of the case; fresh variables where it returned an input."""
    return [out if isinstance(out, Variable) else T.constant(out) for out in as_list(c.build(*variables))]


@cache
def function_of(name: str, dtype: str, static: bool = False):
    """The inputs, outputs and compiled function of a case (one for all sizes, unless static)."""
    c = CASES[name]
    variables = input_variables(draw_inputs(c, c.sizes[-1], dtype), static)
    outputs = built(c, variables)
    return variables, outputs, symtensor.function(variables, outputs, on_unused_input="ignore")


def assert_same(found, wanted, dtype: str, c: Case, what: str) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, expected {wanted.shape}"
    if found.dtype.kind in "fc":
        rtol = (c.rtol or {}).get(dtype, TOLERANCE.get(dtype, 1e-12))
        scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * float(scale), err_msg=what)
    else:
        np.testing.assert_array_equal(found, wanted, err_msg=what)


def check_values(c: Case, dtype: str, variables, outputs, function, arrays, what: str) -> None:
    before = [a.copy() for a in arrays]
    wanted = as_list(c.reference(*arrays))
    assert len(wanted) == len(outputs)
    interpreted = interpret(outputs, dict(zip(variables, arrays)))
    native = as_list(function(*arrays))
    for out, a, b, w in zip(outputs, interpreted, native, wanted):
        assert a.dtype == b.dtype == out.type.dtype, f"{what}: {a.dtype}, {b.dtype}, {out.type}"
        assert_same(a, w, dtype, c, f"{what}: interpreter and reference")
        assert_same(b, a, dtype, c, f"{what}: C and interpreter")
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b, err_msg=f"{what}: an input was changed")


def check_memory(function, arrays) -> None:
    """What the runtime allocates in a call is what was predicted; it lacks sizes that data decide."""
    shapes, numbers = [a.shape for a in arrays], {k: a for k, a in enumerate(arrays) if not a.ndim}
    try:
        plan = function.memory_plan(shapes, numbers)
    except ValueError:
        with pytest.raises(ValueError, match="depends on data"):
            function.memory_plan(shapes, numbers)
        return
    execute.extension.memory_watch(True)
    function(*arrays)
    measured = execute.extension.memory_watch(False)
    assert measured <= plan - plan.hosts <= 1.1 * measured + 64, str(plan)


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, c in CASES.items() for d in c.dtypes])
def test_values(name: str, dtype: str) -> None:
    c = CASES[name]
    variables, outputs, function = function_of(name, dtype)
    assert function.backend == "c"
    for size in c.sizes:
        check_values(c, dtype, variables, outputs, function, draw_inputs(c, size, dtype), f"n = {size}")
    if dtype == c.dtypes[-1] and execute.extension is not None:
        check_memory(function, draw_inputs(c, c.sizes[-1], dtype))


@pytest.mark.parametrize("name", CASES)
def test_layouts(name: str) -> None:
    c, dtype = CASES[name], CASES[name].dtypes[-1]
    variables, outputs, function = function_of(name, dtype)
    arrays = draw_inputs(c, c.sizes[-1], dtype)
    kinds = [layouts(a) for a in arrays]
    for layout in kinds[0] if kinds else ():
        check_values(c, dtype, variables, outputs, function, [k[layout] for k in kinds], layout)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.static])
def test_static_shapes(name: str) -> None:
    c, dtype = CASES[name], CASES[name].dtypes[-1]
    variables, outputs, function = function_of(name, dtype, True)
    check_values(c, dtype, variables, outputs, function, draw_inputs(c, c.sizes[-1], dtype), "static shapes")


def directional(function, arrays, directions, step: float = 1e-3) -> np.ndarray:
    """The derivative along the directions by central differences, extrapolated (Richardson) to order 6."""
    def slope(h: float) -> np.ndarray:
        ends = [np.asarray(function(*[a + s * h * v if v is not None else a for a, v in zip(arrays, directions)]))
                for s in (1, -1)]
        return (ends[0] - ends[1]) / (2 * h)

    a, b, c = slope(step), slope(step / 2), slope(step / 4)
    return (64 * c - 20 * b + a) / 45


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.gradient])
def test_derivatives(name: str) -> None:
    """Reverse against differences to 1e-7, forward against reverse, and the same for the gradient itself."""
    c = CASES[name]
    arrays = draw_inputs(c, c.sizes[-1])
    rng = np.random.default_rng(1)
    variables = input_variables(arrays)
    floats = [v for v, a in zip(variables, arrays) if a.dtype == np.float64]
    outputs = [out for out in built(c, variables) if out.type.dtype == "float64"]
    weights = [rng.uniform(0.5, 1.5, np.shape(w)) for w in interpret(outputs, dict(zip(variables, arrays)))]
    along = {v: rng.uniform(-1, 1, a.shape) for v, a in zip(variables, arrays) if v in floats}
    second = {v: rng.uniform(-1, 1, a.shape) for v, a in zip(variables, arrays) if v in floats}
    cost = sum((out * w).sum() for out, w in zip(outputs, weights))
    grads = symtensor.grad(cost, floats, disconnected_inputs="ignore")
    slope = sum((g * along[v]).sum() for v, g in zip(floats, grads))
    forward = sum((t * w).sum() for t, w in zip(as_list(symtensor.Rop(
        outputs, floats, [T.constant(along[v]) for v in floats])), weights))
    order = 2 if c.gradient is True else c.gradient
    curvature = sum((g * second[v]).sum() for v, g in zip(floats, symtensor.grad(
        slope, floats, disconnected_inputs="ignore"))) if order > 1 else slope
    wanted = [cost, slope, forward, curvature]
    function = symtensor.function(variables, wanted, on_unused_input="ignore")
    found = [float(value) for value in function(*arrays)]
    scale = max(1.0, *(abs(value) for value in found))
    np.testing.assert_allclose(found, interpret(wanted, dict(zip(variables, arrays))), rtol=1e-8, atol=1e-8 * scale,
                               err_msg="C and interpreter")
    np.testing.assert_allclose(found[2], found[1], rtol=1e-9, atol=1e-9 * scale, err_msg="<Jv, w> and <v, J'w>")
    numeric = directional(function, arrays, [along.get(v) for v in variables])
    np.testing.assert_allclose(found[1], numeric[0], rtol=1e-7, atol=1e-7 * scale, err_msg="first derivative")
    if order > 1:
        numeric = directional(function, arrays, [second.get(v) for v in variables])
        np.testing.assert_allclose(found[3], numeric[1], rtol=1e-6, atol=1e-6 * scale, err_msg="second derivative")


ELSEWHERE = {
    "made by the optimizer (tests/optimize)": {"CheckedTargets", "Fused"},
    "of lists, which the harness draws none of (tests/ops/test_typed_list.py)": {"ListOp", "MakeList"},
}
"""Op classes that no case can hold, and why."""


def test_every_op_class_occurs_in_a_case() -> None:
    found: set[str] = set()
    for c in CASES.values():
        arrays = draw_inputs(c, c.sizes[-1])
        variables = input_variables(arrays)
        roots = built(c, variables)
        floats = [v for v, a in zip(variables, arrays) if a.dtype == np.float64]
        smooth = [out for out in roots if out.type.dtype == "float64"]
        if c.gradient and floats and smooth:
            roots += symtensor.grad(sum(out.sum() for out in smooth), floats, disconnected_inputs="ignore")
        nodes = toposort(roots)
        nodes += [inner for node in nodes if isinstance(node.op, Loop) for inner in node.op.order]
        found |= {type(node.op).__name__ for node in nodes}
    classes = {entry.name for entry in entries() if not entry.page.endswith("record")}
    missing = classes - found
    assert missing == set().union(*ELSEWHERE.values()), sorted(missing)
