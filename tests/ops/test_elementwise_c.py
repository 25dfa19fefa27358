"""Every C text against the NumPy meaning: all records and dtypes in one shared library, on edges and random
values."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest
from elementwise_cases import RECORDS, assert_agree, draw, dtype_cases, edges, evaluate, intervals, variables

from symtensor.link.native import preamble
from symtensor.link.scalars import elementwise_text
from symtensor.link.toolchain import NoCompiler, find_compiler, flags
from symtensor.ops.elemwise import C_TYPES

CASES = [(name, dtypes) for name, op in RECORDS.items() for dtypes in dtype_cases(op) if op.has_c(dtypes)]

@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        compiler = find_compiler()
    except NoCompiler:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("texts")
    parts: list[str] = []
    parts += dict.fromkeys(op.support for op in RECORDS.values() if op.support)
    for number, (name, dtypes) in enumerate(CASES):
        op = RECORDS[name]
        args = "".join(f", const {C_TYPES[d]} *a{k}" for k, d in enumerate(dtypes))
        text = elementwise_text(op, [f"a{k}[i]" for k in range(len(dtypes))], dtypes)
        out = C_TYPES[op.dtype_rule(*dtypes)]
        parts.append(f"void k{number}(int64_t n{args}, {out} *y) {{\n"
                     f"    for (int64_t i = 0; i < n; i++) y[i] = {text};\n}}")
    source, target = folder / "texts.c", folder / "texts.so"
    text = "\n".join(parts)
    source.write_text(preamble(text) + text)
    command = [*compiler.command, *flags(), "-O1", "-Werror=implicit-function-declaration", str(source), "-o",
               str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[:3000]
    return ctypes.CDLL(str(target))


def inputs_of(name, dtypes):
    op, rng = RECORDS[name], np.random.default_rng(3)
    spans = intervals(op) if op.nin else [(-3.0, 3.0)] * len(dtypes)
    step = 4 if name == "betainc" else 2 if name in ("iv", "ive", "jv") else 1  # slow in Python

    def some_edges(dtype):
        return edges(dtype)[::7 if dtype.startswith("complex") and len(dtypes) > 2 else step]

    grid = [a.ravel() for a in np.broadcast_arrays(*np.ix_(*(some_edges(dtype) for dtype in dtypes)))]
    drawn = [draw(rng, span, (64,), dtype) for span, dtype in zip(spans, dtypes)]
    return [np.ascontiguousarray(np.concatenate([d, g]).astype(t)) for d, g, t in zip(drawn, grid, dtypes)]


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in CASES))
def test_c_text(library, name):
    for number, (case, dtypes) in enumerate(CASES):
        if case == name:
            check(getattr(library, f"k{number}"), name, dtypes)


def check(function, name, dtypes):
    op, arrays = RECORDS[name], inputs_of(name, dtypes)
    symbols = variables(dtypes, 1)
    (expected,) = evaluate([op(*symbols)], dict(zip(symbols, arrays)))
    got = np.empty(expected.shape, expected.dtype)
    function(ctypes.c_int64(got.size), *(a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, got)))
    assert_agree(name, dtypes, arrays, got, expected)
