"""A PropQ server to test against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from propq_async._lazy import lazily

if TYPE_CHECKING:
    from .emulator import PropQEmulator
    from .thread import run_in_thread
    from .values import RecordedRequest, Unit, UnitValues
else:
    # pytest imports this package in each of its runs, for the plugin beside it.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "emulator": ("PropQEmulator",),
            "thread": ("run_in_thread",),
            "values": ("RecordedRequest", "Unit", "UnitValues"),
        },
    )

__all__ = ["PropQEmulator", "RecordedRequest", "Unit", "UnitValues", "run_in_thread"]
