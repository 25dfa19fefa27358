"""Compiles emitted C with gcc and a small runtime of its own, and runs it through ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from symtensor.graph.fgraph import FunctionGraph
from symtensor.link.failures import make_exception
from symtensor.link.native import NativeCode, emit
from symtensor.ops.infer import ShapeInference

GCC = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(GCC is None, reason="needs a C compiler")
FLAGS = ["-O1", "-fPIC", "-shared", "-std=gnu11", "-fwrapv", "-fno-math-errno", "-ffp-contract=off", "-fopenmp-simd",
         "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-variable", "-Wno-sign-compare", "-Werror=implicit",
         "-Werror=int-conversion", "-Werror=incompatible-pointer-types", "-Werror=discarded-qualifiers"]
_RUNTIME = (Path(__file__).parent / "harness.c").read_text()
_FOLDER = tempfile.TemporaryDirectory(prefix="symtensor-emit-")
_count = itertools.count()


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("node", ctypes.c_int32), ("values", ctypes.c_int64 * 8)]


class Value(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("ndim", ctypes.c_int64), ("shape", ctypes.c_int64 * 32),
                ("strides", ctypes.c_int64 * 32)]


HOST = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(Value), ctypes.POINTER(Value))


class General(Exception):
    """A guard asked for the general variant."""


class OutOfMemory(Exception):
    """The program found no memory."""


def compile_c(source: str, flags: list[str] = FLAGS) -> ctypes.CDLL:
    text = source + _RUNTIME
    path = Path(_FOLDER.name) / hashlib.sha256((text + " ".join(flags)).encode()).hexdigest()[:20]
    library = path.with_suffix(".so")
    if not library.exists():
        path.with_suffix(".c").write_text(text)
        subprocess.run([GCC, *flags, "-o", str(library), str(path.with_suffix(".c")), "-lm"], check=True)
    return ctypes.CDLL(str(library))


class Runner:
    """A compiled graph as a callable."""

    def __init__(self, code: NativeCode, threads: int = 2, flags: list[str] = FLAGS) -> None:
        self.code = code
        self.threads = threads
        self.library = compile_c(code.source, flags)
        self.library.h_free.argtypes = [ctypes.c_void_p]
        self.library.h_live.restype = ctypes.c_int64
        self.raised: Exception | None = None

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray | None]:
        given = [np.ascontiguousarray(a) for a in (*arrays, *self.code.constant_inputs)]
        given = [a.reshape(np.shape(b)) for a, b in zip(given, (*arrays, *self.code.constant_inputs))]
        before = self.library.h_live()
        count = len(self.code.outputs)
        datas = (ctypes.c_void_p * (len(given) + 1))(*(a.ctypes.data for a in given))
        dims = [(ctypes.c_int64 * max(a.ndim, 1))(*a.shape) for a in given]
        int64s = ctypes.POINTER(ctypes.c_int64)
        shapes = (int64s * (len(given) + 1))(*(ctypes.cast(d, int64s) for d in dims))
        results = (ctypes.c_void_p * (count + 1))()
        out_shapes = (ctypes.c_int64 * (32 * count + 32))()
        error = Error()
        keep: list[np.ndarray] = []
        host = HOST(lambda _, index, ins, outs: self._host(index, ins, outs, keep))
        status = self.library.h_run(self.threads, datas, shapes, len(given), count, results, out_shapes,
                                    ctypes.byref(error), host)
        values: list[np.ndarray | None] = []
        for k, type_ in enumerate(self.code.outputs):
            if not results[k]:
                values.append(None)
                continue
            shape = tuple(out_shapes[32 * k:32 * k + type_.ndim])
            size = int(np.prod(shape)) * type_.numpy_dtype.itemsize
            values.append(np.frombuffer(ctypes.string_at(results[k], size), type_.dtype).reshape(shape).copy())
            self.library.h_free(results[k])
        assert self.library.h_live() == before, "memory is lost"
        if status == 0:
            return values
        assert all(value is None for value in values)
        if status == 1:
            raise make_exception(error.code, error.node, list(error.values), self.code)
        if status == 3:
            raise self.raised
        raise {2: General, 4: OutOfMemory}[status]()

    def _host(self, index, ins, outs, keep) -> int:
        node = self.code.hosts[index]
        try:
            arrays = [_array(ins[k], v.type) for k, v in enumerate(node.inputs)]
            storage = [[None] for _ in node.outputs]
            node.op.perform(node, arrays, storage)
            for k, (value,) in enumerate(storage):
                value = np.array(value, dtype=node.outputs[k].type.dtype, order="C")
                keep.append(value)
                outs[k].data, outs[k].ndim = value.ctypes.data, value.ndim
                for axis, dim in enumerate(value.shape):
                    outs[k].shape[axis] = dim
        except Exception as error:
            self.raised = error
            return 1
        return 0


def _array(value: Value, type_) -> np.ndarray:
    shape, steps = tuple(value.shape[:value.ndim]), tuple(value.strides[:value.ndim])
    if 0 in shape:
        return np.zeros(shape, type_.dtype)
    low = sum(min(0, (d - 1) * s) for d, s in zip(shape, steps))
    high = sum(max(0, (d - 1) * s) for d, s in zip(shape, steps))
    raw = (ctypes.c_char * (high - low + type_.numpy_dtype.itemsize)).from_address(value.data + low)
    return np.ndarray(shape, type_.dtype, raw, -low, steps)


def expand(graph: FunctionGraph) -> FunctionGraph:
    """The graph with composites spelled out."""
    while True:
        made = {}
        for node in graph.order:
            spell = getattr(node.op, "expand", None)
            result = spell(*node.inputs) if spell is not None else None
            if result is not None:
                results = result if isinstance(result, (list, tuple)) else [result]
                made.update(zip(node.outputs, results, strict=True))
                break
        if not made:
            return graph
        graph = graph.with_replaced(made)


def assumed(graph: FunctionGraph) -> FunctionGraph:
    """The graph with the guards of the fast variant."""
    infer = ShapeInference.of(graph, assume=True)
    return graph.with_guards(infer.run(graph.order))


def native(inputs, outputs, *, updates=None, assume=False, threads=2, flags=FLAGS) -> Runner:
    graph = expand(FunctionGraph.build(inputs, outputs))
    if assume:
        graph = assumed(graph)
    return Runner(emit(graph, updates), threads, flags)


def reference(inputs, outputs, arrays) -> list[np.ndarray]:
    """The values by `perform`."""
    graph = FunctionGraph.build(inputs, outputs)
    values = {v: np.asarray(a) for v, a in zip(inputs, arrays, strict=True)}

    def value(variable):
        return variable.data if hasattr(variable, "data") else values[variable]

    for node in graph.order:
        storage = [[None] for _ in node.outputs]
        node.op.perform(node, [value(v) for v in node.inputs], storage)
        values.update(zip(node.outputs, (np.asarray(s[0]) for s in storage), strict=True))
    return [np.asarray(value(v)) for v in graph.outputs]
