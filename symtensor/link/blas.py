"""Where matrix products come from: a BLAS found at run time, or the blocked product of ``runtime/blocked.c``. Where
the library holds LAPACK too, matrices are factored with it.

Order: the wheel ``scipy-openblas32``, MKL (``libmkl_rt``), the system's OpenBLAS, any CBLAS. Only libraries with 32-bit
integers are taken. The library is told to use one thread: products are split over symtensor's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from symtensor.graph.record import Record

__all__ = ["Blas", "candidates", "find", "install"]

_NAMES = tuple(f"cblas_{letter}{kind}" for kind in ("gemm", "gemv") for letter in "sdcz")
_OPTIONAL = tuple(form.format(letter) for form in ("cblas_{}trsm", "{}potrf_", "{}getrf_") for letter in "sdcz")
_ONE_THREAD = ("openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads")
_SYSTEM = ("mkl_rt", "openblas", "cblas", "blas")


class Blas(Record):
    """A loaded BLAS: its file, what it calls itself, and the addresses `set_blas` takes."""

    path: str
    version: str
    addresses: tuple[int, ...]
    handle: Any


def install(runtime: Any) -> None:
    """Give the runtime the BLAS that is found, or else the blocked product compiled for this processor."""
    found = find()
    if found is not None:
        runtime.set_blas(found.addresses)
        return
    compiled = _blocked()
    if compiled is not None:
        runtime.set_blocked((compiled.address("st_blocked_sgemm"), compiled.address("st_blocked_dgemm")))


@functools.cache
def find() -> Blas | None:
    """The BLAS in use, or None. Loaded once per process."""
    for path, prefix in candidates():
        try:
            handle = ctypes.CDLL(path)
        except OSError:
            continue
        found = _bound(handle, path, prefix)
        if found is not None:
            return found
    return None


def candidates() -> Iterator[tuple[str, str]]:
    """The libraries to try, in order, with what their names of functions begin with."""
    spec = importlib.util.find_spec("scipy_openblas32")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(place).glob("lib/*scipy_openblas*")):
            if ".so" in path.name or path.suffix in (".dylib", ".dll"):
                yield str(path), "scipy_"
    for name in _SYSTEM:
        path_or_none = ctypes.util.find_library(name)
        if path_or_none is not None:
            yield path_or_none, ""


def _bound(handle: Any, path: str, prefix: str) -> Blas | None:
    """None where the library lacks a function, or has 64-bit integers."""
    functions: list[Any] = [getattr(handle, prefix + name, None) for name in _NAMES]
    if None in functions:
        return None
    version = ""
    config: Callable[[], bytes] | None = getattr(handle, prefix + "openblas_get_config", None)
    if config is not None:
        config.restype = ctypes.c_char_p  # type: ignore[attr-defined]
        version = (config() or b"").decode("ascii", "replace")
    if "USE64BITINT" in version or not _is_right(functions[1]):
        return None
    for name in _ONE_THREAD:
        with contextlib.suppress(AttributeError):
            getattr(handle, prefix + name)(ctypes.c_int(1))
    functions += [getattr(handle, prefix + name, None) for name in _OPTIONAL]
    addresses = tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 if function else 0 for function in functions)
    return Blas(path, version, addresses, handle)


def _is_right(dgemm: Any) -> bool:
    """A product of known numbers through the 32-bit interface, with rubbish where 64-bit integers would be read."""
    matrix = ctypes.c_double * 4
    a, b, c = matrix(1, 2, 3, 4), matrix(5, 6, 7, 8), matrix(0, 0, 0, 0)
    one, zero, two = ctypes.c_double(1), ctypes.c_double(0), ctypes.c_int(2)
    dgemm.restype = None
    dgemm(ctypes.c_int(101), ctypes.c_int(111), ctypes.c_int(111), two, two, two, one, a, two, b, two, zero, c, two)
    return list(c) == [19, 22, 43, 50]


@functools.cache  # keeps it loaded
def _blocked() -> Any:
    from symtensor.link import cache, toolchain

    pages = (toolchain.HEADERS / "blocked.c",)
    try:
        return cache.library("", pages, ("-ffp-contract=fast",))
    except (toolchain.NoCompiler, toolchain.CompileError):
        return None  # the extension has its own, for any processor
