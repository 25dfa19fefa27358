"""What the machine can do: the time that no program can beat at a workload, measured beside the frameworks.

It is the longest of three: copying as many bytes as the workload must move, on two threads; multiplying matrices for
as many operations as its products have, with NumPy's BLAS on two threads; and additions that wait for one another.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import Workload

__all__ = ["Limit", "description"]

THREADS = 2


class Limit:
    """Measures the limit of one workload; ``name`` says which of the three it is."""

    def __init__(self, workload: Workload) -> None:
        w = workload.size
        self.flops, self.traffic, self.depth = workload.flops(w), workload.traffic(w), workload.depth(w)
        self.pool = ThreadPoolExecutor(THREADS)
        floats = max(1024, int(self.traffic) // (2 * 4 * THREADS))
        self.parts = [(np.ones(floats, "float32"), np.ones(floats, "float32")) for _ in range(THREADS)]
        self.square = np.ones((1024, 1024), "float32")
        self.add = additions() if self.depth else None

    def measure(self, seconds: float = 0.03) -> dict[str, float]:
        """Milliseconds of each kind of work."""
        found = {}
        if self.traffic:
            found["memory"] = self._copy(seconds) * 1e3
        if self.flops:
            found["products"] = _seconds(lambda: self.square @ self.square, seconds) * self.flops / (2 * 1024**3) * 1e3
        if self.add:
            found["latency"] = _seconds(lambda: self.add(100_000, 1e-9), seconds) * self.depth / 100_000 * 1e3
        return found

    def _copy(self, seconds: float) -> float:
        """Of one copy of all, both threads at it, many times without waiting for each other."""

        def repeat(part: tuple[np.ndarray, np.ndarray]) -> float:
            return _seconds(lambda: np.copyto(*part), seconds)

        return max(self.pool.map(repeat, self.parts))

    def close(self) -> None:
        self.pool.shutdown()


@functools.cache
def additions() -> Any:
    """``add(n, x)``: n dependent additions of floats, in C; None without a compiler."""
    from symtensor.link.toolchain import NoCompiler, find_compiler

    text = "float add(long n, float x) { float y = 0; for (; n > 0; n--) y += x; return y; }"
    try:
        command = find_compiler().command
    except NoCompiler:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "add.c"), Path(folder, "add.so")
        source.write_text(text)
        subprocess.run([*command, "-O2", "-fPIC", "-shared", "-o", str(library), str(source)], check=True)
        add = ctypes.CDLL(str(library)).add
    add.argtypes, add.restype = (ctypes.c_long, ctypes.c_float), ctypes.c_float
    return add


def _seconds(work: Any, seconds: float) -> float:
    """Of one ``work()``, repeated for about ``seconds``."""
    began, count, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
        work()
        count += 1
        passed = time.perf_counter() - began
    return passed / count


def description(packages: list[str]) -> dict[str, str]:
    """The machine in words, without its name."""
    found = {"processor": _processor(), "system": f"{platform.system()} {platform.machine()}",
             "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
             "compiler": _compiler(), "Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            facts = dict(line.split(":", 1) for line in lines if ":" in line)
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = facts.get("flags", "").split()
    wide = next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "")
    return " ".join(filter(None, [facts.get("model name", platform.machine()), wide and f"({wide})"]))


def _compiler() -> str:
    from symtensor.link.toolchain import NoCompiler, find_compiler

    try:
        command = find_compiler().command
    except NoCompiler:
        return "none"
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else command[0]
