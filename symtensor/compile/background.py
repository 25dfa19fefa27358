"""Compiling in the background: what ``mode="auto"`` does beside the interpreter.

A `Later` is a compilation that a daemon thread does, for one function and its copies. Threads exist while there is
something to compile, as many as the process may use. Whatever happens in one of them is the result's ``reason``. The
child of a fork has none of them: a function that is called there on the interpreter starts its compilation anew.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakSet

from symtensor.config import config
from symtensor.graph.lock import Lock
from symtensor.link.execute import usable_threads
from symtensor.link.test_values import without_test_values

__all__ = ["Later"]

_MOST_WORKERS = 8
_HEAD_START = 0.002  # seconds: the thread that made the function goes on first


class Adopting(Protocol):
    """A function that waits for native code."""

    def adopt(self) -> None:
        """Run the result of the compilation from now on."""


class Later:
    """A compilation in the background.

    build : makes the result, under the flags of this moment (but the present number of threads).
    failed : the result that stands for an exception.
    ``result`` is None until it is there.
    """

    def __init__(self, build: Callable[[], Any], failed: Callable[[BaseException], Any]) -> None:
        self.result: Any = None
        self._build = build
        self._failed = failed
        self._flags = {name: value for name, value in config.snapshot().items() if name != "threads"}
        self._functions: WeakSet[Any] = WeakSet()
        self._lock = Lock()
        self._process = 0  # where the compilation waits or runs
        self._done = threading.Event()

    def tell(self, function: Adopting) -> None:
        """Let the function adopt the result: at once where it is there, else when it is."""
        with self._lock:
            if self.result is None:
                self._functions.add(function)
                self.start()
                return
        function.adopt()

    def start(self) -> None:
        """See to it that a thread of this process compiles."""
        if self._process == os.getpid() or self.result is not None:
            return
        with self._lock:
            if self._process != os.getpid():
                self._process, self._done = os.getpid(), threading.Event()
                _workers().add(self)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the result is there and functions have adopted it, at most ``timeout`` seconds."""
        self.start()
        self._done.wait(timeout)

    def run(self) -> None:
        """Compile, unless nobody waits for it any more."""
        with self._lock:
            if not self._functions:
                self._process = 0
                return
        try:
            with config.fixed(self._flags), without_test_values():
                result = self._build()
        except BaseException as error:  # it must not reach anybody: the function says it
            result = self._failed(error)
        self.finish(result)

    def finish(self, result: Any) -> None:
        """Hand the result to the functions."""
        with self._lock:
            self.result, functions = result, list(self._functions)
        try:
            for function in functions:
                function.adopt()
        except BaseException as error:
            self.result = self._failed(error)
        del self._build, self._failed
        self._done.set()

    def fail(self, error: BaseException) -> None:
        """Say why there is no thread."""
        self.finish(self._failed(error))


class _Workers:
    """The threads of one process, and what waits for them."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.most = min(usable_threads(), _MOST_WORKERS)
        self.waiting: deque[Later] = deque()
        self.active = 0
        self.lock = Lock()

    def add(self, job: Later) -> None:
        """Compile this too; a thread more where there may be one."""
        with self.lock:
            self.waiting.append(job)
            if self.active >= self.most:
                return
            self.active += 1
        try:
            threading.Thread(target=self._work, name="symtensor compiler", daemon=True).start()
        except RuntimeError as error:  # no more threads, or the process is ending
            with self.lock:
                self.active -= 1
                left = [self.waiting.popleft() for _ in range(len(self.waiting))] if not self.active else []
            for each in left:
                each.fail(error)

    def _work(self) -> None:
        time.sleep(_HEAD_START)
        while True:
            with self.lock:
                if not self.waiting:
                    self.active -= 1
                    return
                job = self.waiting.popleft()
            job.run()


_present: list[_Workers] = []


def _workers() -> _Workers:
    """Those of this process."""
    if not _present or _present[0].process != os.getpid():
        _present[:] = [_Workers()]
    return _present[0]
