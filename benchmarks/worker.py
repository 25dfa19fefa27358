"""One framework at one workload, in a process of its own: ``python -m benchmarks.worker FRAMEWORK WORKLOAD``.

Prints a JSON line with the seconds of import and of the first step (build, compile, run); then, for each line with a
number N on standard input, times N steps and prints the milliseconds of one. Ends at end of input.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time

import numpy as np


def main(framework: str, workload: str) -> None:
    start = time.perf_counter()
    module = importlib.import_module(f"benchmarks.use_{framework}")
    imported = time.perf_counter()
    step = getattr(module, workload)(np.random.default_rng(0))
    step()
    first = time.perf_counter()
    _answer({"import": imported - start, "first": first - imported})
    for line in sys.stdin:
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            step()
        elapsed = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        _answer({"ms": 1e3 * elapsed / count, "peak_mb": peak})


def _answer(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
