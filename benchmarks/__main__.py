"""Measure every installed framework at every workload, in turn, in one run.

    python -m benchmarks                        all
    python -m benchmarks --only mlp,chain --frameworks symtensor,jax --rounds 9

Every framework gets a process of its own on the same two processors. The first step is measured twice: with an empty
cache folder (cold) and in a new process that finds the first one's cache (warm). Steps are timed in rounds, each
framework in turn in every round, and the median round counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import FRAMEWORKS, WORKLOADS, Workload

PACKAGES = {"torch_compile": "torch"}
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Row:
    """One framework's figures at one workload: seconds of the first step, milliseconds of a step."""

    cold: float
    warm: float
    step: float
    peak_mb: float


class Worker:
    """A process that holds one framework ready at one workload."""

    def __init__(self, framework: str, workload: str, cache: Path) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "2",
            "SYMTENSOR_FLAGS": f"cache_dir={cache},threads=2",
            "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
            "NUMBA_CACHE_DIR": f"{cache}/numba",
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PLATFORMS": "cpu",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", framework, workload],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.first = self._read()

    def _read(self) -> dict[str, float]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            message = self.process.stderr.read() if self.process.stderr else ""
            raise RuntimeError(message.strip().splitlines()[-1] if message.strip() else "the process ended")
        values: dict[str, float] = json.loads(line)
        return values

    def time(self, count: int) -> dict[str, float]:
        """Milliseconds of one of ``count`` steps, and the peak memory so far."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.communicate(timeout=60)


def measure(workload: Workload, frameworks: list[str], rounds: int) -> dict[str, Row]:
    """All frameworks at one workload; one that fails is reported and left out."""
    cold: dict[str, float] = {}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        for framework in frameworks:
            cache = Path(folder, framework)
            cache.mkdir(mode=0o700)
            try:
                first = Worker(framework, workload.name, cache)
                first.close()
                cold[framework] = first.first["first"]
                workers[framework] = Worker(framework, workload.name, cache)
            except RuntimeError as error:
                print(f"   {framework}: {error}", file=sys.stderr)
        samples: dict[str, list[float]] = {name: [] for name in workers}
        peaks: dict[str, float] = {}
        for worker in workers.values():
            worker.time(max(1, workload.repeat // 4))
        for _ in range(rounds):
            for name, worker in workers.items():
                answer = worker.time(workload.repeat)
                samples[name].append(answer["ms"])
                peaks[name] = answer["peak_mb"]
        for worker in workers.values():
            worker.close()
    return {name: Row(cold[name], workers[name].first["first"], statistics.median(samples[name]), peaks[name])
            for name in workers}


def show(workload: Workload, rows: dict[str, Row]) -> None:
    """The table of one workload; the ratio is the best peer's step time over symtensor's."""
    print(f"\n{workload.title}")
    print(f"   {'':14}{'first, cold':>12}{'first, warm':>12}{'step':>12}{'peak':>9}")
    for name, row in rows.items():
        step = f"{row.step * 1e3:.2f} us" if row.step < 0.1 else f"{row.step:.3f} ms"
        print(f"   {name:14}{row.cold:>10.2f} s{row.warm:>10.2f} s{step:>12}{row.peak_mb:>6.0f} MB")
    peers = {name: row.step for name, row in rows.items() if name != "symtensor"}
    if peers and "symtensor" in rows:
        best = min(peers, key=peers.__getitem__)
        print(f"   best peer / symtensor: {peers[best] / rows['symtensor'].step:.2f} ({best})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="workloads, separated by commas")
    parser.add_argument("--frameworks", help=f"of {', '.join(FRAMEWORKS)}")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    frameworks = options.frameworks.split(",") if options.frameworks else list(FRAMEWORKS)
    installed = [f for f in frameworks if importlib.util.find_spec(PACKAGES.get(f, f)) is not None]
    wanted = options.only.split(",") if options.only else [w.name for w in WORKLOADS]
    if missing := set(frameworks) - set(installed):
        print(f"not installed, left out: {', '.join(sorted(missing))}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    results = {}
    for workload in WORKLOADS:
        if workload.name in wanted:
            rows = measure(workload, installed, options.rounds)
            show(workload, rows)
            results[workload.name] = {name: vars(row) for name, row in rows.items()}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
