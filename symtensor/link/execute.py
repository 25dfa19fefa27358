"""Running a compiled program: from `NativeCode` to a callable.

Two implementations with the same interface: the C extension ``symtensor.link.runtime._runtime``, and one in Python
over ctypes (`symtensor.link.execute_ctypes`) where the extension is not built.

**Program.** ``load(code, host=None) -> Program`` compiles ``code.source`` (or takes it from the cache) and binds it.
Of `code` it reads

    code.source    the C text, and ``code.units``, the number of translation units it has
    code.inputs    the TensorTypes of st_main's inputs, in order: explicit inputs, then shared variables
    code.outputs   the TensorTypes of st_main's outputs, in order: results, then update values
    code.constant_inputs    arrays passed as further inputs, after `inputs`
    code.inplace   {output: input}: the output's value is left in the memory of that input
    code.hosts     the Apply nodes run by host calls, by index

and gives

    program.run(arrays) -> list[np.ndarray]     one array per input; one per output (in place: the input's own array).
        Raises ProgramFailure(code, node, values), NeedsGeneral, MemoryError, or what a host call raised.
    program.host         the callable ``host(index, arrays) -> arrays`` (default: `perform` of code.hosts[index])
    program.path         the file of the compiled code
    program.code         the code it was loaded from

**Caller.** ``CallerBase`` is the class to derive `Function` from: its call is the fast path. A subclass calls once

    self._setup(program, containers=(), targets=(), unpack=0, takes=None, names=None)
        program        a Program
        containers     the Containers of the last len(containers) inputs of the program
        targets        for each output after the results, the index in `containers` of the one it updates
        unpack         0: return a list; 1: the only result itself; 2: None (no results); 3: ``self._pack(list)``
        takes          for each explicit input a sum of FLOATS: a Python float may go straight into it (0-d float32 and
                       float16 inputs: where floatX is their dtype; default: only float64), EXACT: only an array of the
                       very dtype may, WRITEABLE: only memory that may be written to may (both unless trust_input)
        names          None, or (the name of each explicit input, or None; a list; the place in it of each input's
                       default, which is None where there is none): then calls with keywords need no Python

and defines

    self._convert(index, value) -> ndarray      called for a value that is not at once usable: returns an array of the
                                                input's dtype and rank (in any layout), or raises
    self._indirect(args, kwargs)                the call's result: called before `_setup`, and where arguments are not
                                                one per explicit input, in order or by `names`
    self._failed(code, node, values, arrays)    must raise; arrays are all inputs of the program (shared ones last);
                                                runs while the containers are locked
    self._general(values)                       called, without locks, when a guard failed: the call's result

It may set ``self.trust_input`` (bool), and ``self.program`` can be read (None before `_setup`). `_setup` may be called
again, by any thread, to exchange the program; calls in flight end with the old one. Function calls hold the lock of
every container they use: shared for containers that are only read, exclusive for targets. `_setup` replaces
``container.lock`` by a `Lock` that knows both ways (``with container.lock:`` stays exclusive and re-entrant).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symtensor.config import config
from symtensor.link import blas, cache, execute_ctypes
from symtensor.link.errors import checked_output, run_time_error
from symtensor.link.execute_ctypes import EXACT, FLOATS, WRITEABLE, NeedsGeneral, ProgramFailure

try:
    from symtensor.link.runtime import _runtime as extension  # type: ignore[attr-defined]

    extension_error = ""
except ImportError as _error:  # not built: ctypes serves
    extension = None  # type: ignore[assignment]
    extension_error = str(_error)

__all__ = ["EXACT", "FLOATS", "WRITEABLE", "CallerBase", "Lock", "NeedsGeneral", "Program", "ProgramFailure",
           "extension", "load", "start", "usable_threads"]

Host = Callable[[int, list[np.ndarray[Any, Any]]], Sequence[Any]]

Program: Any = extension.Program if extension is not None else execute_ctypes.Program
CallerBase: Any = extension.Caller if extension is not None else execute_ctypes.Caller
Lock: Any = extension.Lock if extension is not None else execute_ctypes.Lock


def load(code: Any, host: Host | None = None, log: list[str] | None = None) -> Any:
    """The program of a `NativeCode`, compiled or taken from the cache (``log`` gets a line about that), ready to run.

    Raises CompileError and NoCompiler (see `symtensor.link.toolchain`).
    """
    start(products=any(f"->{name}(" in code.source for name in ("gemm", "gemv", "factor", "triangle")))
    library = cache.library(code.source, units=code.units, log=log)
    inplace = tuple(code.inplace.get(index, -1) for index in range(len(code.outputs)))
    hosts = tuple((_specs(v.type for v in node.inputs), _specs(v.type for v in node.outputs)) for node in code.hosts)
    constants = tuple(code.constant_inputs)
    inputs = _specs(code.inputs) + tuple((array.dtype, array.shape) for array in constants)
    return Program(library.address("st_main"), inputs, _specs(code.outputs), inplace, hosts,
                   host or functools.partial(_perform, code.hosts), library, code, str(library.path),
                   ProgramFailure, NeedsGeneral, constants)


def _specs(kinds: Any) -> tuple[tuple[np.dtype[Any], tuple[int | None, ...]], ...]:
    return tuple((np.dtype(kind.dtype), tuple(kind.shape)) for kind in kinds)


def _perform(nodes: Sequence[Any], index: int, arrays: list[np.ndarray[Any, Any]]) -> list[Any]:
    """What a host call does by default: the op's own `perform`."""
    node = nodes[index]
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    try:
        node.op.perform(node, arrays, storage)
        return [checked_output(node, k, cell[0]) for k, cell in enumerate(storage)]
    except Exception as error:
        raise run_time_error(error, node, arrays) from error


# -- the runtime ---------------------------------------------------------------------------------------------------


def start(products: bool = True) -> None:
    """Bring the runtime in line with the flags; where ``products`` are to be computed, also find a BLAS."""
    runtime = extension if extension is not None else execute_ctypes.runtime()
    _start_once(runtime)
    if products:
        _install_blas(runtime)
    wanted = config.threads or usable_threads()
    if runtime.threads() != wanted:
        runtime.set_threads(wanted)


@functools.cache
def _start_once(runtime: Any) -> None:
    limit = _container_memory()
    if limit is not None:
        runtime.set_memory_limit(limit // 8)


@functools.cache
def _install_blas(runtime: Any) -> None:
    blas.install(runtime)


def usable_threads() -> int:
    """How many threads this process may run at once: its processors, less where a container grants less time."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        return count


def _container_memory() -> int | None:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
