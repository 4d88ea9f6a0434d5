"""A PropQ server to test against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from propq_async._lazy import lazily

__all__ = ["PropQEmulator", "RecordedRequest", "Unit", "UnitValues", "run_in_thread"]

if TYPE_CHECKING:
    from ._emulator import PropQEmulator
    from ._thread import run_in_thread
    from ._values import RecordedRequest, Unit, UnitValues
else:
    # pytest imports this package in each of its runs, since the plugin is in it.
    __getattr__, __dir__ = lazily(__name__, __all__, ["_values", "_emulator", "_thread"])
