"""Large programs: drivers in parts, units side by side, and work that grows with the graph and no faster."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import symtensor
from symtensor import function, grad, ifelse, scan, shared
from symtensor import tensor as T
from symtensor.graph.fgraph import FunctionGraph
from symtensor.link import cache, native, toolchain, units
from symtensor.optimize.pipeline import optimize


def emitted(inputs, outputs):
    return native.emit(optimize(FunctionGraph.build(inputs, outputs))[0])


def chain(n, x):
    y = x
    for _ in range(n // 2):
        y = T.sin(y) + x
    return y


@pytest.fixture
def small(monkeypatch):
    """Everything is large."""
    monkeypatch.setattr(units, "PART", 6)
    monkeypatch.setattr(units, "UNIT", 8.0)
    monkeypatch.setattr(units, "COPIES", 0)


def mixed():
    """Loops, branches, scalars, host calls, updates, and what they share."""
    x, h0, m = T.dvector(), T.dscalar(), T.dmatrix()
    w = shared(np.eye(3) / 2)
    sums, _ = scan(lambda a, h: T.tanh(h) * 0.9 + a, x, h0)
    rows, _ = scan(lambda r, h: T.tanh(T.dot(h, w) + r), m, T.zeros(3))
    cost = sums.sum() + rows.sum() + T.exp(T.sin(h0) * h0).sum()
    outputs = [cost, rows[-1], ifelse(T.gt(h0, 0), T.dot(m, w), m * 2), T.fft.rfft(m)]
    return [x, h0, m], [*outputs, *grad(cost, [x, w])], {w: w * 0.99}


def test_parts_and_units_compute_the_same(small, monkeypatch):
    values = np.arange(4.0) / 5, 0.3, np.arange(12.0).reshape(4, 3) / 20
    inputs, outputs, updates = mixed()
    f = function(inputs, outputs, updates=updates, mode=symtensor.Mode("c"))
    code = f.maker.compiled.code
    assert code.units > 8
    assert code.text.count("ST_PART st_part") > 16
    found = [np.copy(value) for value in f(*values)]
    monkeypatch.undo()
    inputs, outputs, updates = mixed()
    g = function(inputs, outputs, updates=updates, mode=symtensor.Mode("c"))
    assert g.maker.compiled.code.units < code.units
    for value, want in zip(found, g(*values), strict=True):
        np.testing.assert_array_equal(value, want)


def test_errors_in_parts(small):
    """Failures, guards and the number of a loop's step cross the borders of parts."""
    x, i = T.dmatrix(), T.ivector()
    rows, _ = scan(lambda r, h: T.tanh(h + r), x, T.zeros(3))
    picked, _ = scan(lambda k: rows[k].sum(), i)
    f = function([x, i], [picked, T.exp(rows) + rows.sum()], mode=symtensor.Mode("c"))
    assert "st_part1" in f.c_source()
    data = np.ones((4, 3))
    assert f(data, np.int32([0, 3]))[0].shape == (2,)
    with pytest.raises(IndexError, match=r"(?s)9.*step 1"):
        f(data, np.int32([0, 9]))
    with pytest.raises(ValueError, match="3"):
        f(np.ones((4, 2)), np.int32([0]))


def test_a_long_driver_is_cut():
    x = T.dscalar()
    y = x
    for k in range(2000):
        y = y * 0.5 + (x + k) if k % 2 else T.sin(y)
    code = emitted([x], [y])
    assert code.text.count("ST_PART st_part") == 2 * code.text.count("{\n    const st_runtime *const rt = call->rt;\n"
                                                                     "    const st_input") > 8
    assert code.units > 2
    longest = max(text.count("\n") for text in code.text.split("ST_PART"))
    assert longest < 3 * units.PART
    f, g = (function([x], y, mode=symtensor.Mode(linker)) for linker in ("c", "py"))
    np.testing.assert_allclose(f(0.3), g(0.3), rtol=1e-9)


def test_many_copies_of_a_function_are_calls():
    x, y = T.dvectors("x", "y")
    few, many = emitted([x, y], [T.sin(x) * T.sin(y)]), emitted([x, y], [chain(200, x + y)])
    assert few.text.count("st_sin(") == 2
    assert "st_sin_call" not in few.text
    assert many.text.count("st_sin(") == many.text.count("ST_CALLED double st_sin_call(double x)") == 1


def test_a_long_chain_is_a_few_kernels():
    """Loops of a bounded size are alike, and emitted once."""
    x = T.dvector()
    short, long = emitted([x], [chain(1000, x)]), emitted([x], [chain(4000, x)])
    assert long.text.count("ST_KERNEL k") <= short.text.count("ST_KERNEL k") + 2 <= 8
    assert max(text.count(" = ") for text in long.text.split("ST_KERNEL")) < 600


def layers(n):
    x, parameters = T.dmatrix(), []
    h = x
    for _ in range(n // 16):
        parameters += [T.dmatrix(), T.dvector()]
        h = T.tanh(T.dot(h, parameters[-2]) + parameters[-1])
    return [x, *parameters], grad(h.sum(), parameters)


def sums(n):
    x = T.dvector()
    parts = [T.sin(x * float(k)) for k in range(n // 3)]
    while len(parts) > 1:
        parts = [sum(parts[at:at + 2][1:], parts[at]) for at in range(0, len(parts), 2)]
    return [x], parts


def of_chain(kind, differentiate):
    def made(n):
        x = kind()
        y = chain(n, x)
        return [x], [grad(y.sum(), x) if differentiate else y]
    return made


@pytest.mark.parametrize("make", [
    of_chain(T.dvector, False), of_chain(T.dscalar, False), of_chain(T.dvector, True), of_chain(T.dscalar, True),
    layers, sums], ids=["vector", "scalar", "vector gradient", "scalar gradient", "layers", "sums"])
def test_work_grows_with_the_graph(make):
    """Function calls, from the user's graph to C, per node."""
    def calls(n):
        inputs, outputs = make(n)
        count = 0

        def note(frame, event, arg):
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            emitted(inputs, outputs)
        finally:
            sys.setprofile(None)
        return count

    calls(100)
    assert calls(1600) < 4.4 * calls(400)


def test_the_same_graph_gives_the_same_library(small, tmp_path):
    places = []
    for name in ("a", "b"):
        x = T.dvector("x")
        code = emitted([x], [T.exp(x) * T.sin(x).sum(), x[::-1] + 1])
        assert code.units > 1
        (tmp_path / name).mkdir(mode=0o700)
        with symtensor.config.change_flags(cache_dir=str(tmp_path / name)):
            library = cache.library(code.source, units=code.units)
            cache._memo.clear()
        places.append(library.path)
    (one, other) = (path.relative_to(path.parent.parent) for path in places)
    assert one == other
    assert places[0].read_bytes() == places[1].read_bytes()
    assert sorted(path.name for path in places[0].parent.iterdir()) == ["digest", "program.so"]


def test_a_unit_that_fails(tmp_path):
    """The first failure ends the build, whatever else is running, and says where."""
    text = "int st_main(void)\n{\n#if ST_TU == 2\n    wrong\n#endif\n    return ST_TU;\n}\n"
    with pytest.raises(toolchain.CompileError, match=r"ST_TU=2"):
        toolchain.find_compiler().build(text, tmp_path / "program.so", toolchain.flags(), units=4)


def test_small_programs_read_no_headers():
    x = T.fmatrix()
    small = emitted([x], [T.nnet.softmax(T.tanh(x) + T.gamma(x))])
    assert "#include" not in small.source
    for text in ("double y = nextafterl(x);", "int64_t y = INT16_MAX;", "const int_fast8_t y = 0;", "double y = M_PI;"):
        assert "#include <math.h>" in native.preamble(text), text


def test_a_driver_without_functions_is_one_unit():
    x = T.fscalar()
    y = x
    for _ in range(60):
        y = T.sin(y * x) + T.cos(y)
    code = emitted([x], [y])
    assert code.units == 1
    assert np.isfinite(function([x], y, mode=symtensor.Mode("c"))(np.float32(0.5)))
