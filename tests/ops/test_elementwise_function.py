"""Elementwise functions through `symtensor.function`: one compiled function for every layout and size, native
code and interpreter, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from elementwise_cases import LAYOUTS, RECORDS, assert_agree, dtype_cases, evaluate, lay_out, variables

import symtensor
from symtensor import tensor as T

GROUP = 12
KINDS = ("bool", "int32", "uint8", "float32", "float64", "complex128")


def backends():
    from symtensor.link.toolchain import NoCompiler, find_compiler

    try:
        find_compiler()
    except NoCompiler:
        return ["py"]
    return ["py", "c"]


def cases(names):
    for name in names:
        for dtypes in dtype_cases(RECORDS[name]):
            if len(set(dtypes)) == 1 and dtypes[0] in KINDS:
                yield name, dtypes


def groups():
    names = [name for name in RECORDS if name != "broadcast_dim"]  # it broadcasts dimensions, not arrays
    return [names[at:at + GROUP] for at in range(0, len(names), GROUP)]


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("names", groups(), ids=lambda names: names[0])
def test_one_function_serves_all_layouts(names, backend):
    applied = [(name, dtypes, variables(dtypes, 2)) for name, dtypes in cases(names)]
    inputs = [variable for _, _, symbols in applied for variable in symbols]
    results = [RECORDS[name](*symbols) for name, _, symbols in applied]
    function = symtensor.function(inputs, results, mode=symtensor.Mode(backend), on_unused_input="ignore")
    rng = np.random.default_rng(4)
    for layout in LAYOUTS:
        arrays = [lay_out(rng, RECORDS[name], dtypes, layout) for name, dtypes, _ in applied]
        values = function(*(array for group in arrays for array in group))
        expected = evaluate(results, dict(zip(inputs, (array for group in arrays for array in group))))
        for (name, dtypes, _), group, got, want in zip(applied, arrays, values, expected):
            assert_agree(name, dtypes, group, got, want)


@pytest.mark.parametrize("backend", backends())
def test_gradients_of_all_functions_in_one_graph(backend):
    """The gradient of a sum over every smooth function of one variable, compiled, against `perform`."""
    x = T.dvector("x")
    names = [name for name, op in RECORDS.items() if op.nin == 1 and op.smooth and op.differentiable
             and "f" in op.accepts and not name.startswith("cast{")]
    inside = {"arccosh": lambda v: v + 1, "real": lambda v: v}
    total = sum(T.real(RECORDS[name](inside.get(name, lambda v: v)(x))).sum() for name in names)
    gradient = symtensor.grad(total, x)
    point = np.linspace(0.15, 0.85, 7)
    got = symtensor.function([x], gradient, mode=symtensor.Mode(backend))(point)
    np.testing.assert_allclose(got, evaluate([gradient], {x: point})[0], rtol=1e-12)


@pytest.mark.parametrize("backend", backends())
def test_nothing_unselected_reaches_the_gradient(backend):
    x, y = T.dvectors("x", "y")
    cost = T.switch(x > 0, T.sqrt(x) * y, 0).sum() + T.switch(T.eq(y, 0), 1, T.sin(y) / y).sum()
    function = symtensor.function([x, y], symtensor.grad(cost, [x, y]), mode=symtensor.Mode(backend))
    gx, gy = function(np.array([0.0, 4.0, -1.0]), np.array([0.0, 0.0, 0.0]))
    assert np.isfinite(gx).all()
    np.testing.assert_allclose(gy, [0.0, 2.0, 0.0])
