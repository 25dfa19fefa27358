"""The CUDA side of the texts of random numbers, compiled as C++, gives the bits that C gives."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cases_random  # noqa: F401  (it defines the cases)
import numpy as np
import pytest
from cases import CASES, draw_inputs

from symtensor import Mode, config, function
from symtensor.graph.types import TensorType
from symtensor.link.toolchain import Compiler
from symtensor.tensor.shared_randomstreams import RandomStreams

HEADER = Path(__file__).parent / "cuda_as_cpp.h"
LISTED = """
static void st_listed(const st_runtime *rt, std::initializer_list<st_job> jobs)
{
    st_together(rt, jobs.begin(), (int)jobs.size());
}
"""
pytestmark = [pytest.mark.compiler,
              pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile C++ with")]


@pytest.fixture
def as_cuda(monkeypatch, tmp_path):
    """Compile programs as C++ that sees __CUDACC__; gives the list of their texts."""
    compilers = Compiler((shutil.which("g++"), "-x", "c++", "-fpermissive", "-include", str(HEADER)), "/bin/sh")
    c_build, texts = Compiler.build, []

    def build(self, source, target, arguments, name="program.c", units=1):
        # C++ lets no goto pass a declaration: the driver's exits become exceptions, which kernels do not throw.
        kernels, start, driver = source.partition("int st_main(")
        assert start
        assert "goto" not in kernels
        head, opened, rest = driver.partition("    call->error.code = 0;\n")
        assert opened
        body = (head + opened + "try {\n" + rest).replace("goto done;", "throw 0;").replace(
            "\ndone:\n", "\n} catch (int) {}\n")
        body = re.sub(r"st_together\(rt, \(const st_job\[\]\)(\{.*?\}), (\d+)\);",  # no address of temporary arrays
                      r"st_listed(rt, \1);", body, flags=re.DOTALL)
        text = f'{kernels}{LISTED}extern "C" int st_main({body}'
        texts.append(text)
        c_build(compilers, text, target, tuple(a for a in arguments if not a.startswith("-std=")), name, units)

    def compiled(inputs, outputs):
        with monkeypatch.context() as patch, config.change_flags(cache_dir=str(tmp_path)):
            patch.setattr(Compiler, "build", build)
            return function(inputs, outputs, mode=Mode("c"), on_unused_input="ignore")

    compiled.texts = texts
    return compiled


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("random/")])
def test_same_bits(name, as_cuda):
    c = CASES[name]
    for dtype in c.dtypes:
        arrays = draw_inputs(c, c.sizes[-1], dtype)
        variables = [TensorType(a.dtype.name, (None,) * a.ndim).make_variable() for a in arrays]
        made = c.build(*variables)
        outputs = list(made) if isinstance(made, (list, tuple)) else [made]
        cuda = as_cuda(variables, outputs)
        plain = function(variables, outputs, mode=Mode("c"), on_unused_input="ignore")
        for found, wanted in zip(cuda(*arrays), plain(*arrays)):
            np.testing.assert_array_equal(found, wanted)


def test_same_stream(as_cuda):
    def draws(compile_):
        streams = RandomStreams(7)
        return compile_([], [streams.normal((300,)), streams.uniform((3, 5)), streams.permutation(n=20),
                             streams.binomial((4,), n=50, p=0.3), streams.choice((6,), a=9)])

    cuda, plain = draws(as_cuda), draws(lambda i, o: function(i, o, mode=Mode("c")))
    assert "__CUDACC__" in as_cuda.texts[-1]
    assert "__umul64hi" in as_cuda.texts[-1]
    for _ in range(3):
        for found, wanted in zip(cuda(), plain()):
            np.testing.assert_array_equal(found, wanted)
