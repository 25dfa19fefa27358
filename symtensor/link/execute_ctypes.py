"""Programs and calls without the C extension: the same interface over ctypes (see `symtensor.link.execute`).

The C part of the runtime (memory, threads, matrix products) is compiled by the toolchain and cached like a program.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from symtensor.graph.lock import Lock
from symtensor.link import cache, toolchain
from symtensor.link.failures import add_text, step_lines

__all__ = ["EXACT", "FLOATS", "WRITEABLE", "Caller", "Lock", "NeedsGeneral", "Program", "ProgramFailure", "runtime"]

Array = np.ndarray[Any, Any]
_MAX_NDIM, _ERROR_VALUES, _STEPS = 32, 8, 4
_OK, _FAILED, _GENERAL, _PYTHON, _MEMORY = range(5)
FLOATS, EXACT, WRITEABLE = 1, 2, 4  # what an input takes
_PAGES = ("support", "memory", "gemm", "narrow", "gemv", "blocked", "linalg")


class ProgramFailure(Exception):
    """A program reported an error: ``code`` and ``values`` (see `symtensor.link.failures`), ``node`` of its table."""

    def __init__(self, code: int, node: int, values: tuple[int, ...]) -> None:
        super().__init__(f"code {code}, node {node}, values {values}")
        self.code, self.node, self.values = code, node, values

    @staticmethod
    def in_steps(error: BaseException, code: Any, values: Sequence[int]) -> None:
        """Let the exception of a host call say in which steps of which loops it was."""
        add_text(error, step_lines(values[_ERROR_VALUES:], code))


class NeedsGeneral(Exception):
    """The program met run-time broadcasting that it was not made for; its general variant must run."""


# -- the structures of symtensor.h ---------------------------------------------------------------------------------


class _Input(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("shape", ctypes.c_void_p)]


class _Output(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("shape", ctypes.c_int64 * _MAX_NDIM)]


class _Value(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("ndim", ctypes.c_int64), ("shape", ctypes.c_int64 * _MAX_NDIM),
                ("strides", ctypes.c_int64 * _MAX_NDIM)]


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("node", ctypes.c_int32), ("values", ctypes.c_int64 * _ERROR_VALUES)]


class _Steps(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int64), ("node", ctypes.c_int64 * _STEPS), ("step", ctypes.c_int64 * _STEPS)]


_HostCall = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(_Value),
                             ctypes.POINTER(_Value))


class _Frame(ctypes.Structure):
    _fields_ = [("rt", ctypes.c_void_p), ("inputs", ctypes.c_void_p), ("outputs", ctypes.c_void_p),
                ("error", _Error), ("host", ctypes.c_void_p), ("host_call", _HostCall), ("arena", ctypes.c_void_p),
                ("steps", _Steps), ("arenas", ctypes.c_void_p)]

    def values(self) -> tuple[int, ...]:
        """Those of the error, then a node and the number of its step for each loop."""
        steps = self.steps
        return (*self.error.values, *(n for k in range(steps.count) for n in (steps.node[k], steps.step[k])))


class _Runtime:
    """What the extension has as module functions."""

    def __init__(self) -> None:
        pages = tuple(toolchain.HEADERS / f"{page}.c" for page in _PAGES)
        self.library = cache.library("", pages, ("-ffp-contract=fast", "-pthread"))
        self.c = self.library.handle
        self.c.st_runtime_table.restype = ctypes.c_void_p
        self.c.st_memory_cached.restype = self.c.st_memory_watch.restype = ctypes.c_int64
        self.c.st_memory_limit.argtypes = [ctypes.c_size_t]
        self.c.st_release.argtypes = [ctypes.c_void_p]
        self.table = self.c.st_runtime_table()
        self.arena = self.library.address("st_arena")

    def table_address(self) -> int:
        return int(self.table)

    def set_threads(self, count: int) -> None:
        self.c.st_set_threads(ctypes.c_int32(count))

    def threads(self) -> int:
        return int(self.c.st_thread_count())

    def set_memory_limit(self, size: int) -> None:
        self.c.st_memory_limit(size)

    def memory_cached(self) -> int:
        return int(self.c.st_memory_cached())

    def memory_watch(self, on: bool) -> int:
        return int(self.c.st_memory_watch(ctypes.c_int(on)))

    def memory_trim(self) -> None:
        self.c.st_memory_trim()

    def set_blas(self, addresses: Sequence[int]) -> None:
        self.c.st_set_blas((ctypes.c_void_p * 20)(*addresses))

    def set_blocked(self, addresses: Sequence[int]) -> None:
        self.c.st_set_blocked(ctypes.c_void_p(addresses[0]), ctypes.c_void_p(addresses[1]))


@functools.cache
def runtime() -> _Runtime:
    """The C part, compiled at first need."""
    return _Runtime()


class _Block:
    """Memory of the runtime's allocator; an array made of it keeps it, and gives it back."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.address = address
        self.release = runtime().c.st_release
        self.__array_interface__ = {"version": 3, "data": (address, False), "shape": shape, "typestr": dtype.str}

    def __del__(self) -> None:
        self.release(self.address)


Spec = tuple[np.dtype[Any], tuple[int | None, ...]]


def _usable(spec: Spec, value: Any) -> bool:
    dtype, shape = spec
    return (type(value) is np.ndarray and value.dtype == dtype and value.ndim == len(shape)
            and value.flags.c_contiguous and value.flags.aligned
            and all(want in (None, have) for want, have in zip(shape, value.shape)))


def _ready(spec: Spec, value: Any) -> Array:
    """The array as a program takes it, copied where its layout asks for it; TypeError where it does not fit."""
    if _usable(spec, value):
        return value  # type: ignore[no-any-return]
    dtype, shape = spec
    if not isinstance(value, np.ndarray):
        raise TypeError(f"expected a {dtype} array with shape {shape} (None: any), got a {type(value).__name__}")
    fits = value.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, value.shape))
    if not fits or value.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"expected a {dtype} array with shape {shape} (None: any), got a {value.dtype} array with "
                        f"shape {value.shape}")
    return np.array(value, dtype=dtype, order="C", subok=False)


class Program:
    """As the extension's Program."""

    def __init__(self, entry: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], inplace: tuple[int, ...],
                 hosts: tuple[tuple[tuple[Spec, ...], tuple[Spec, ...]], ...],
                 host: Callable[[int, list[Array]], Sequence[Any]], keep: Any, code: Any, path: str,
                 failure: Any = None, general: Any = None, constants: tuple[Array, ...] = ()) -> None:
        self.inputs, self.outputs, self.inplace, self.hosts = inputs, outputs, inplace, hosts
        self.host, self.code, self.path = host, code, path
        self._keep = keep
        self._call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(entry)
        self.n_given = len(inputs) - len(constants)
        self.constants = [_ready(spec, array) for spec, array in zip(inputs[self.n_given:], constants)]

    def run(self, arrays: Sequence[Any]) -> list[Array]:
        """One array per output, from one per input; ProgramFailure, NeedsGeneral, MemoryError, or a host's error."""
        if len(arrays) != self.n_given:
            raise ValueError(f"the program takes {self.n_given} arrays, got {len(arrays)}")
        given = [_ready(spec, array) for spec, array in zip(self.inputs, arrays)] + self.constants
        running = _Running(self, given)
        return running.run()


class _Running:
    """One run; what a host call returns is kept until the same call is made again in a later step, or the end."""

    def __init__(self, program: Program, arrays: list[Array]) -> None:
        self.program, self.arrays = program, arrays
        self.kept: dict[int, list[Array]] = {}
        self.error: BaseException | None = None

    def run(self) -> list[Array]:
        program = self.program
        shapes = [(ctypes.c_int64 * max(array.ndim, 1))(*array.shape) for array in self.arrays]
        inputs = (_Input * max(len(shapes), 1))(*(
            _Input(array.ctypes.data, ctypes.addressof(shape)) for array, shape in zip(self.arrays, shapes)))
        outputs = (_Output * max(len(program.outputs), 1))()
        c = runtime()
        frame = _Frame(rt=c.table, inputs=ctypes.addressof(inputs), outputs=ctypes.addressof(outputs),
                       host_call=_HostCall(self._host_call), arena=c.arena)
        try:
            status = program._call(ctypes.byref(frame))
            results = self._collect(outputs, status)
        finally:
            c.c.st_arena_release(ctypes.byref(frame))
        if status == _OK:
            return results
        if status == _FAILED:
            raise ProgramFailure(frame.error.code, frame.error.node, frame.values())
        if status == _GENERAL:
            raise NeedsGeneral
        if status == _MEMORY:
            raise MemoryError("no memory for the temporaries and results of the call; f.memory_plan(shapes) tells how "
                              "much it needs")
        if self.error is not None and frame.steps.count:
            ProgramFailure.in_steps(self.error, program.code, frame.values())
        raise self.error or SystemError(f"the program returned the unknown status {status}")

    def _collect(self, outputs: Any, status: int) -> list[Array]:
        results = []
        for (dtype, shape), output, source in zip(self.program.outputs, outputs, self.program.inplace):
            if source >= 0:
                results.append(self.arrays[source])
            elif output.data:
                block = _Block(output.data, tuple(output.shape[:len(shape)]), dtype)
                results.append(np.asarray(block))
            elif status == _OK:
                raise SystemError("the program made no output")
        return results

    def _host_call(self, _: Any, index: int, inputs: Any, outputs: Any) -> int:
        try:
            given, wanted = self.program.hosts[index]
            # copies: the memory is the program's, and a host may keep its arguments
            arrays = [_view(spec, inputs[k]).copy() for k, spec in enumerate(given)]
            results = self.program.host(index, arrays)
            if not isinstance(results, Sequence):
                raise TypeError("a host call must return a sequence of arrays")
            if len(results) != len(wanted):
                raise ValueError(f"a host call returned {len(results)} arrays instead of {len(wanted)}")
            self.kept[index] = [_ready(spec, np.asarray(value)) for spec, value in zip(wanted, results)]
            for k, array in enumerate(self.kept[index]):
                outputs[k].data, outputs[k].ndim = array.ctypes.data, array.ndim
                outputs[k].shape[:array.ndim] = array.shape
                outputs[k].strides[:array.ndim] = array.strides
        except BaseException as error:  # it is raised again when st_main has returned
            self.error = error
            return _PYTHON
        return _OK


def _view(spec: Spec, value: Any) -> Array:
    shape, strides = value.shape[:value.ndim], value.strides[:value.ndim]
    if 0 in shape:
        return np.empty(shape, spec[0])
    low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides))
    high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides)) + spec[0].itemsize
    memory = (ctypes.c_char * (high - low)).from_address(value.data + low)
    return np.ndarray(tuple(shape), spec[0], memory, -low, tuple(strides))


# -- calls ---------------------------------------------------------------------------------------------------------


@contextmanager
def _all_held(locks: list[Lock]) -> Iterator[None]:
    """Waits only while it holds none of them: callers that already hold locks are not deadlocked."""
    first, held = 0, 0
    while locks and held < len(locks):
        locks[first].acquire()
        held = 0
        while held < len(locks) and (held == first or locks[held].acquire(blocking=False)):
            held += 1
        if held < len(locks):
            for lock in {*locks[:held], locks[first]}:
                lock.release()
            first = held
    try:
        yield
    finally:
        for lock in locks:
            lock.release()


class Caller:
    """As the extension's Caller."""

    trust_input = False
    program: Any = None

    def _setup(self, program: Program, containers: Sequence[Any] = (), targets: Sequence[int] = (), unpack: int = 0,
               takes: Sequence[int] | None = None, names: Any = None) -> None:
        n_args = program.n_given - len(containers)
        n_results = len(program.outputs) - len(targets)
        if n_args < 0 or n_results < 0 or (unpack == 1 and n_results != 1) or (unpack == 2 and n_results):
            raise ValueError(f"a program of {program.n_given} inputs and {len(program.outputs)} outputs does not fit "
                             f"{len(containers)} containers, {len(targets)} targets, unpack={unpack}")
        for container in containers:
            if not isinstance(container.lock, Lock):
                with container.lock:
                    container.lock = container.lock if isinstance(container.lock, Lock) else Lock()
        if takes is None:
            takes = [FLOATS * (dtype == np.float64) for dtype, _ in program.inputs[:n_args]]
        self._plan = (program, tuple(containers), tuple(targets), unpack, tuple(takes), n_args, n_results)
        self.program = program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.program is None:
            return self._indirect(args, kwargs)  # type: ignore[attr-defined]
        program, containers, _, _, takes, n_args, _ = self._plan
        if kwargs or len(args) != n_args:
            return self._indirect(args, kwargs)  # type: ignore[attr-defined]
        arrays = [self._argument(program.inputs[k], k, value, takes[k]) for k, value in enumerate(args)]
        try:
            with _all_held([lock for _, lock in sorted({id(one.lock): one.lock for one in containers}.items())]):
                return self._run_locked(arrays)
        except NeedsGeneral:
            return self._general(list(args))  # type: ignore[attr-defined]

    def _run_locked(self, arrays: list[Array]) -> Any:
        program, containers, targets, unpack, _, n_args, n_results = self._plan
        written = sorted({source for source in program.inplace if source >= 0})
        for position, container in enumerate(containers):
            spec, value = program.inputs[n_args + position], container.storage[0]
            ready = _ready(spec, value)
            if n_args + position in written and not ready.flags.writeable:
                ready = ready.copy()
            if n_args + position in written:
                container.storage[0] = ready
            arrays.append(ready)
        for source in written:
            for k, array in enumerate(arrays):
                if k != source and np.may_share_memory(array, arrays[source]):
                    arrays[k] = array.copy()
                    if k in written:
                        containers[k - n_args].storage[0] = arrays[k]
        try:
            outputs = program.run(arrays)
        except ProgramFailure as failure:
            return self._failed(failure.code, failure.node, failure.values, arrays)  # type: ignore[attr-defined]
        for target, value in zip(targets, outputs[n_results:]):
            containers[target].storage[0] = value
        results = outputs[:n_results]
        if unpack == 3:
            return self._pack(results)  # type: ignore[attr-defined]
        return results[0] if unpack == 1 else None if unpack == 2 else results

    def _argument(self, spec: Spec, index: int, value: Any, takes: int) -> Array:
        if self.trust_input:
            takes &= FLOATS
        if _usable(spec, value) and (value.flags.writeable or not takes & WRITEABLE):
            return value  # type: ignore[no-any-return]
        if takes > FLOATS:
            return _ready(spec, self._convert(index, value))  # type: ignore[attr-defined]
        dtype, shape = spec
        if not shape and ((type(value) is float and takes) or type(value) is dtype.type):
            return np.asarray(value, dtype)
        fits = type(value) is np.ndarray and value.ndim == len(shape) and value.dtype.newbyteorder("=") == dtype
        if fits and all(known in (None, dim) for known, dim in zip(shape, value.shape, strict=True)):
            return _ready(spec, value)
        return _ready(spec, self._convert(index, value))  # type: ignore[attr-defined]
