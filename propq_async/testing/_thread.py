"""The emulator in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType

import attrs

from ._emulator import PropQEmulator

__all__ = ["EmulatorThread", "run_in_thread"]


@contextmanager
def run_in_thread(emulator: PropQEmulator) -> Iterator[PropQEmulator]:
    """Serve in a thread with an event loop of its own while the block runs.

    For programs that are not asynchronous, and for those that bring event loops of their own.
    `await emulator.close()` and `await emulator.start()` work within the block from any loop.

    Yields:
        The emulator, which serves at its `url`.

    Raises:
        RuntimeError: it is started already.
        OSError: the port is taken.
    """
    with EmulatorThread(emulator):
        yield emulator


@attrs.define(eq=False)
class EmulatorThread:
    """A thread that serves the emulator while it is entered."""

    emulator: PropQEmulator
    _thread: threading.Thread = attrs.field(init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _end: asyncio.Event = attrs.field(init=False)

    def __enter__(self) -> PropQEmulator:
        ready: Future[None] = Future()
        # A daemon, so that a program that dies inside the block does not wait for the thread.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="propq-emulator", daemon=True
        )
        try:
            self._thread.start()
            ready.result()
        except Exception:
            self._thread.join()
            raise
        except BaseException:
            # Interrupted, while the thread begins to serve.
            ready.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._end.set))
            ready.exception()
            self._thread.join()
            raise
        return self.emulator

    async def _serve(self, ready: Future[None]) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self.emulator.start()
        except BaseException as error:  # noqa: BLE001 - raised where the thread was started
            ready.set_exception(error)
            return
        ready.set_result(None)
        await self._end.wait()
        await self.emulator.close()

    def revive(self) -> None:
        """Start the emulator if it was closed."""
        if not self.emulator.is_started:
            asyncio.run_coroutine_threadsafe(self.emulator.start(), self._loop).result()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
