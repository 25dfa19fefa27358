"""Hand-written programs, and the runtime's table, for the tests of the runtime."""

from __future__ import annotations

import ctypes
import shutil
import types
from typing import Any

import numpy as np
import pytest

from symtensor.graph.types import TensorType
from symtensor.link import execute, execute_ctypes

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")

PROLOGUE = """
#include "symtensor.h"
#include <string.h>
static int64_t size(const int64_t *shape, int ndim) { int64_t n = 1; while (ndim--) n *= shape[ndim]; return n; }
#define NEW(k, n) ((double *)(call->outputs[k].data = call->rt->alloc((size_t)(n) * 8)))
#define IN(k) ((const double *)call->inputs[k].data)
"""


def main(body: str) -> str:
    return PROLOGUE + "int st_main(st_call *call)\n{\n" + body + "\n    return ST_OK;\n}\n"


VECTOR = TensorType("float64", (None,))
SCALAR = TensorType("float64", ())

ADD_ONE = main("double *o = NEW(0, 1); if (!o) return ST_MEMORY; *o = *IN(0) + 1;")

# outputs: x + a, and the new values of a and b: a + x, b - x (a + b is constant)
STEP = main("""
    int64_t n = call->inputs[0].shape[0];
    double *o = NEW(0, n), *a = NEW(1, n), *b = NEW(2, n);
    if (!o || !a || !b) return ST_MEMORY;
    for (int k = 0; k < 3; k++) call->outputs[k].shape[0] = n;
    for (int64_t i = 0; i < n; i++) {
        o[i] = IN(0)[i] + IN(1)[i]; a[i] = IN(1)[i] + IN(0)[i]; b[i] = IN(2)[i] - IN(0)[i];
    }""")

# the same, a and b in place
STEP_INPLACE = main("""
    int64_t n = call->inputs[0].shape[0];
    double *o = NEW(0, n), *a = (double *)call->inputs[1].data, *b = (double *)call->inputs[2].data;
    if (!o) return ST_MEMORY;
    call->outputs[0].shape[0] = n;
    for (int64_t i = 0; i < n; i++) o[i] = IN(0)[i] + a[i];
    for (int64_t i = 0; i < n; i++) a[i] += IN(0)[i];
    for (int64_t i = 0; i < n; i++) b[i] -= IN(0)[i];""")

# calls the host with twice the argument (a temporary), returns the host's result + 1
HOST = main("""
    int64_t n = call->inputs[0].shape[0];
    double *o = NEW(0, n), *t = (double *)call->arena(call, (size_t)n * 8);
    if (!o || !t) return ST_MEMORY;
    call->outputs[0].shape[0] = n;
    for (int64_t i = 0; i < n; i++) t[i] = 2 * IN(0)[i];
    st_value in, out;
    in.data = (char *)t; in.ndim = 1; in.shape[0] = n; in.strides[0] = 8;
    int status = call->host_call(call->host, 0, &in, &out);
    if (status) return status;
    if (out.shape[0] != n) return ST_FAILED;
    for (int64_t i = 0; i < n; i++) o[i] = *(double *)(out.data + i * out.strides[0]) + 1;
    memset(t, 0xff, (size_t)n * 8);""")

FAILS = main("call->error.code = 3; call->error.node = 7; call->error.values[0] = -5;"
             "call->error.values[7] = 1LL << 40; NEW(0, 1000); return ST_FAILED;")
GENERAL = main("return ST_GENERAL;")
NO_MEMORY = main("return ST_MEMORY;")

# how often each of n indices was visited, with a parallel loop inside each piece
PARALLEL = PROLOGUE + """
typedef struct { const st_runtime *rt; double *o; } both;
static void inner(void *context, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) ((double *)context)[i] += 0.5;
}
static void outer(void *context, int64_t begin, int64_t end)
{
    both *b = context;
    for (int64_t i = begin; i < end; i++) b->o[i] += 1;
    if (begin % 16) b->o[begin] = -1e9;
    b->rt->parallel(inner, b->o + begin, end - begin, 3);
}
int st_main(st_call *call)
{
    int64_t n = call->inputs[0].shape[0];
    double *o = NEW(0, n);
    if (!o) return ST_MEMORY;
    call->outputs[0].shape[0] = n;
    memset(o, 0, (size_t)n * 8);
    both b = {call->rt, o};
    call->rt->parallel(outer, &b, n, 16);
    return ST_OK;
}
"""


def code(source: str, inputs: list[Any], outputs: list[Any], inplace: dict[int, int] | None = None,
         hosts: list[Any] | None = None, constants: tuple[Any, ...] = ()) -> Any:
    return types.SimpleNamespace(source=source, inputs=inputs, outputs=outputs, inplace=inplace or {},
                                 hosts=hosts or [], constant_inputs=constants, units=1)


def host_node(n_inputs: int = 1, n_outputs: int = 1, kind: TensorType = VECTOR) -> Any:
    typed = types.SimpleNamespace(type=kind)
    return types.SimpleNamespace(inputs=[typed] * n_inputs, outputs=[typed] * n_outputs)


def use_ctypes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without the extension."""
    monkeypatch.setattr(execute, "extension", None)
    monkeypatch.setattr(execute, "Program", execute_ctypes.Program)
    monkeypatch.setattr(execute, "CallerBase", execute_ctypes.Caller)
    monkeypatch.setattr(execute, "Lock", execute_ctypes.Lock)
    execute._start_once.cache_clear()


def function(program: Any, **settings: Any) -> Any:
    """A small Function over the program: `record` notes what the base class asked for."""

    class Function(execute.CallerBase):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self.record: list[Any] = []
            self._setup(program, **settings)

        def _convert(self, index: int, value: Any) -> Any:
            self.record.append(("convert", index))
            return np.asarray(value, "float64")

        def _indirect(self, args: Any, kwargs: Any) -> Any:
            self.record.append(("indirect", args, kwargs))
            if len(args) + len(kwargs) != 1:
                raise TypeError("takes one argument")
            return self(*args, *kwargs.values())

        def _failed(self, code: int, node: int, values: Any, arrays: Any) -> Any:
            raise IndexError(code, node, tuple(values), [array.tolist() for array in arrays])

        def _general(self, values: Any) -> Any:
            return "general", values

        def _pack(self, results: Any) -> Any:
            return {"results": results}

    return Function()


class Table(ctypes.Structure):
    """st_runtime."""

    P, I = ctypes.c_void_p, ctypes.c_int64
    _fields_ = [
        ("abi", ctypes.c_int32), ("threads", ctypes.c_int32),
        ("alloc", ctypes.CFUNCTYPE(P, ctypes.c_size_t)), ("release", ctypes.CFUNCTYPE(None, P)), ("parallel", P),
        ("gemm", ctypes.CFUNCTYPE(None, ctypes.c_int, I, I, I, P, P, I, I, P, I, I, P, P, I)),
        ("gemv", ctypes.CFUNCTYPE(None, ctypes.c_int, I, I, P, P, I, I, P, I, P, P, I)),
    ]


def runtime_functions() -> Any:
    execute.start()
    return execute.extension if execute.extension is not None else execute_ctypes.runtime()


def table() -> Table:
    return Table.from_address(runtime_functions().table_address())
