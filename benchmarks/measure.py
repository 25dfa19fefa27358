"""All frameworks at one workload: results compared, first calls cold and warm, steps timed in turn, peak memory.

Every framework gets two processes. The first starts with an empty cache folder (cold); its results of a few steps
are compared with NumPy's, and one that differs is not timed. The second finds the cache of the first (warm) and is
timed: in rounds, each framework in turn in every round, the physical limit too.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.limits import Limit
from benchmarks.workloads import Workload, data_of

__all__ = ["Outcome", "Row", "Settings", "Worker", "differences", "measure"]

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 120.0  # for anything but a first step
THREADS = "2"
REST = 0.05  # seconds before a sample: idle threads of others still spin for some hundredths of a second


@dataclass
class Row:
    """One framework's figures: seconds of the first step, milliseconds of a step (median, fastest), peak memory."""

    cold: float
    warm: float
    step: float
    fastest: float
    peak_mb: float
    base_mb: float


@dataclass
class Outcome:
    """One workload: the rows, why others have none, and the milliseconds of each physical limit."""

    rows: dict[str, Row] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)


class Failure(Exception):
    """A framework cannot do the workload, or not in time, or not right."""


class Worker:
    """A process that holds one framework ready at one workload."""

    def __init__(self, framework: str, workload: str, cache: Path, limit: float) -> None:
        environment = {
            **os.environ,
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), THREADS),
            "OMP_PROC_BIND": "true",  # two spinning threads on one core would wait for each other
            "SYMTENSOR_FLAGS": f"cache_dir={cache},threads={THREADS}",
            "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
            "NUMBA_CACHE_DIR": f"{cache}/numba",
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PLATFORMS": "cpu",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        }
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", framework, workload], cwd=ROOT,
            env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            start_new_session=True)
        self.lines: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        try:
            self.first = self._answer(limit)
        except Failure:
            self.close()
            raise

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self, limit: float) -> dict[str, float]:
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise Failure(f"> {limit:.0f} s") from None
        if not line:
            self.errors.seek(0)
            message = self.errors.read().strip().splitlines()
            raise Failure(message[-1] if message else "the process ended")
        values: dict[str, float] = json.loads(line)
        return values

    def ask(self, request: str) -> dict[str, float]:
        """The answer to a line: a number of seconds to time steps for, or a file for results."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it ended; the answer says why
            self.process.stdin.write(f"{request}\n")
            self.process.stdin.flush()
        return self._answer(ANSWER_SECONDS)

    def close(self) -> None:
        """End the process and those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.listener.join()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):  # a request that nobody read
                stream.close()


def load(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def differences(workload: Workload, got: Sequence[np.ndarray], expected: Sequence[np.ndarray],
                start: Sequence[np.ndarray] = ()) -> list[str]:
    """What is wrong with results; none where they agree with the expected ones within the workload's tolerance.

    The last results are parameters, which began as ``start``: what counts is how far they went. Of random workloads,
    mean and deviation count.
    """
    if len(got) != len(expected):
        return [f"{len(got)} results, not {len(expected)}"]
    wrong = []
    begins: list[Any] = [0.0] * (len(expected) - len(start)) + list(start)
    for k, (one, other, begin) in enumerate(zip(got, expected, begins)):
        if one.shape != other.shape:
            wrong.append(f"result {k} has shape {one.shape}, not {other.shape}")
            continue
        a, b = np.float64(one) - begin, np.float64(other) - begin
        if workload.random:
            a, b = np.array([a.mean(), a.std()]), np.array([b.mean(), b.std()])
        error = np.abs(a - b).max() / (np.abs(b).max() or 1.0)
        if not error <= workload.tolerance:
            wrong.append(f"result {k} differs by {error:.1e} of the largest")
    return wrong


@dataclass
class Settings:
    """How to measure. limit : seconds for a first step. seconds : of a timed sample."""

    rounds: int
    limit: float
    seconds: float


def measure(workload: Workload, frameworks: Sequence[str], settings: Settings) -> Outcome:
    """All frameworks at one workload."""
    limit = settings.limit
    outcome = Outcome(missing={name: reason for name, reason in workload.skip.items() if name in frameworks})
    runners = [name for name in frameworks if name not in outcome.missing]
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            cold = _checked(workload, runners, Path(folder), limit, outcome)
            for name in cold:
                try:
                    workers[name] = Worker(name, workload.name, Path(folder, name), limit)
                except Failure as failure:
                    outcome.missing[name] = str(failure)
            _timed(workload, workers, settings, cold, outcome)
        finally:
            for worker in workers.values():
                worker.close()
    return outcome


def _checked(workload: Workload, runners: Sequence[str], folder: Path, limit: float,
             outcome: Outcome) -> dict[str, float]:
    """The seconds of the cold first step of all whose results agree with NumPy's."""
    start = list(data_of(workload).start.values()) if workload.learns else []
    cold: dict[str, float] = {}
    expected: list[np.ndarray] = []
    for name in ("numpy", *(runner for runner in runners if runner != "numpy")):
        cache = Path(folder, name)
        cache.mkdir(mode=0o700)
        try:
            worker = Worker(name, workload.name, cache, limit)
            try:
                worker.ask(str(cache / "results.npz"))
                results = load(cache / "results.npz")
            finally:
                worker.close()
            expected = expected or results
            if wrong := differences(workload, results, expected, start):
                raise Failure(f"wrong: {'; '.join(wrong)}")
        except Failure as failure:
            outcome.missing[name] = str(failure)
            continue
        if name in runners:
            cold[name] = worker.first["first"]
    return cold


def _timed(workload: Workload, workers: dict[str, Worker], settings: Settings, cold: dict[str, float],
           outcome: Outcome) -> None:
    samples: dict[str, list[float]] = {name: [] for name in workers}
    limits: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    machine = Limit(workload)
    for number in range(-2, settings.rounds):  # two to warm up, and to learn how many steps fill the time
        for name, worker in list(workers.items()):
            time.sleep(REST)
            try:
                answer = worker.ask(str(settings.seconds))
            except Failure as failure:
                outcome.missing[name] = str(failure)
                workers.pop(name).close()
                continue
            if number >= 0:
                samples[name].append(answer["ms"])
                peaks[name] = answer["peak_mb"]
        if number >= 0:
            time.sleep(REST)
            for name, value in machine.measure().items():
                limits.setdefault(name, []).append(value)
    machine.close()
    outcome.limits = {name: statistics.median(values) for name, values in limits.items()}
    for name, worker in workers.items():
        outcome.rows[name] = Row(cold[name], worker.first["first"], statistics.median(samples[name]),
                                 min(samples[name]), peaks[name], worker.first["base_mb"])
