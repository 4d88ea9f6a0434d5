"""A PropQ server to test against."""

from __future__ import annotations

from .emulator import PropQEmulator
from .values import RecordedRequest, Unit, UnitValues

__all__ = ["PropQEmulator", "RecordedRequest", "Unit", "UnitValues"]
