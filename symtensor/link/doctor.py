"""What works on this machine, and what does not and why: ``symtensor.doctor()``."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable

import numpy as np

from symtensor.config import config

__all__ = ["doctor", "report"]


def doctor() -> None:
    """Print one line or two for each part that programs depend on: compiler, cache, runtime, BLAS, threads, devices.

    Where a part fails, its line says which command or file failed, and how. Nothing is changed, except that a small
    program is compiled.
    """
    print(report())


def report() -> str:
    """The text that `doctor` prints."""
    lines = []
    for name, check in _CHECKS:
        try:
            found = check()
        except Exception as error:  # a broken part must not hide the others
            found = f"FAILS: {type(error).__name__}: {error}"
        first, *rest = found.splitlines() or [""]
        lines += [f"{name:<12}{first}", *(f"{'':<12}{line}" for line in rest)]
    return "\n".join(lines)


def _versions() -> str:
    import symtensor

    version = getattr(symtensor, "__version__", "(unreleased)")
    return (f"{version}, Python {platform.python_version()}, NumPy {np.__version__}, {sys.platform} "
            f"{platform.machine()}")


def _compiler() -> str:
    from symtensor.link.toolchain import find_compiler, flags

    compiler = find_compiler()
    return f"{' '.join(compiler.command)}\nflags {' '.join(flags())}"


def _test_program() -> str:
    from symtensor.link import cache

    source = f"/* {time.time_ns()} */ int st_main(void) {{ return 42; }}\n"
    began = time.perf_counter()
    library = cache.library(source)
    seconds = time.perf_counter() - began
    if library.handle.st_main() != 42:
        return f"FAILS: {library.path} runs, but gives a wrong result"
    cache.forget(library)
    return f"a small program compiles and runs in {seconds * 1e3:.0f} ms"


def _cache() -> str:
    from symtensor.link import cache

    place = cache.folder()
    entries = cache.entries(place)
    size = sum(map(cache.size, entries))
    limit = f"at most {config.cache_size:g} MB" if config.cache_size else "no limit"
    return f"{place}\n{len(entries)} programs, {size / 1e6:.1f} MB ({limit}: config.cache_size)" + (
        "\nonly for this process: " + cache.private_reason() if cache.private_reason() else "")


def _runtime() -> str:
    from symtensor.link import execute

    execute.start()
    if execute.extension is None:
        return ("the C extension is not built (calls take some 20 us more): `pip install` symtensor where there is a C "
                f"compiler, or `python setup.py build_ext --inplace`\n{execute.extension_error}")
    kept = execute.extension.memory_cached()
    return f"{execute.extension.__file__}\n{kept / 1e6:.1f} MB kept for reuse"


def _blas() -> str:
    from symtensor.link import blas

    found = blas.find()
    if found is None:
        tried = ", ".join(path for path, _ in blas.candidates()) or "no library of that kind is installed"
        return f"none (own blocked product); `pip install scipy-openblas32` for a faster one\ntried: {tried}"
    return f"{found.path}\n{found.version}".rstrip()


def _threads() -> str:
    from symtensor.link import execute

    asked = f"config.threads = {config.threads}" if config.threads else "as many as this process may run on"
    return f"{config.threads or execute.usable_threads()} ({asked})"


def _devices() -> str:
    return f"config.device = {config.device}; {_driver()}"


def _driver() -> str:
    """Whether there is a CUDA driver, without making a context."""
    import ctypes

    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError as error:
        return f"no CUDA device: {error}"
    status = driver.cuInit(0)
    count = ctypes.c_int()
    if status or driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"no CUDA device: cuInit of {name} gives error {status}"
    return f"{count.value} CUDA device(s)"


_CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("symtensor", _versions),
    ("compiler", _compiler),
    ("compiling", _test_program),
    ("cache", _cache),
    ("runtime", _runtime),
    ("blas", _blas),
    ("threads", _threads),
    ("devices", _devices),
)
