"""The lock of everything that threads share."""

from __future__ import annotations

import os
import threading

__all__ = ["Lock"]


class Lock:
    """Re-entrant: one thread at a time. The child of a fork finds it free, for whoever held it does not exist there."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock for this thread; again if it has it."""
        if self._process != os.getpid():
            self._lock, self._process = threading.RLock(), os.getpid()
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Undo one acquire."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
