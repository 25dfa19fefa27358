"""One framework at one workload, in a process of its own: ``python -m benchmarks.worker FRAMEWORK WORKLOAD``.

Prints a JSON line with the seconds of import and of the first step (build, compile, run). Then it answers a line
of standard input with a JSON line: to a number of seconds, with the milliseconds of a step, timed for about that
long; to a file name, with the shapes of the results, after writing the results of two more steps to that file.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workloads import Data, Workload, data_of, named

MORE_STEPS = 2


def prepared(module: Any, workload: Workload, data: Data) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
    """The step of a framework's module, and what gives the parameters that it has learned (none for many)."""
    made = getattr(module, workload.function)(data)
    return made if isinstance(made, tuple) else (made, list)


def results_of(step: Callable[[], Any], state: Callable[[], list[Any]]) -> list[np.ndarray]:
    """The results of two more steps, and then the parameters."""
    found: list[Any] = []
    for _ in range(MORE_STEPS):
        got = step()
        found += list(got) if isinstance(got, (list, tuple)) else [] if got is None else [got]
    return [np.asarray(value) for value in [*found, *state()]]


def peak_mb() -> float:
    """Of this process since it began; what `getrusage` says counts the memory of the parent before `exec` too."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(framework: str, workload: str) -> None:
    importing = time.perf_counter()
    module = importlib.import_module(f"benchmarks.use_{framework}")
    imported = time.perf_counter()
    data = data_of(named(workload))
    base, start = peak_mb(), time.perf_counter()
    step, state = prepared(module, named(workload), data)
    del data
    step()
    _answer({"import": imported - importing, "first": time.perf_counter() - start, "base_mb": base})
    one = 0.0
    for line in sys.stdin:
        try:
            seconds = float(line)
        except ValueError:
            results = results_of(step, state)
            np.savez(line.strip(), *results)
            _answer({"results": len(results)})
            continue
        count = max(1, round(seconds / one)) if one else 1
        began = time.perf_counter()
        for _ in range(count):
            step()
        one = (time.perf_counter() - began) / count
        _answer({"ms": 1e3 * one, "count": count, "peak_mb": peak_mb()})


def _answer(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
