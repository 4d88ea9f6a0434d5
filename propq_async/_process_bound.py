"""What belongs to its process, thread or event loop."""

from __future__ import annotations

import os
import threading
from typing import NoReturn


class Unpicklable:
    """An object that belongs to its process, since it has connections, locks or tasks."""

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"a {name} cannot be pickled or copied, since it belongs to its process and event "
            f"loop: pass on what it is made of, such as its settings, and make another {name} there"
        )


class ForkSafeLock:
    """A lock of threads that is free after a fork.

    A fork copies a lock as it is, but not the thread that would release it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process_id = os.getpid()

    def __enter__(self) -> None:
        if self._process_id != os.getpid():
            self._lock, self._process_id = threading.Lock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def another_loop(what: str, advice: str) -> RuntimeError:
    """Return the error of using `what` outside of the event loop that it belongs to."""
    return RuntimeError(f"this {what} belongs to another event loop: {advice}")
