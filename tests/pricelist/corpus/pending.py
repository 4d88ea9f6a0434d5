"""Lists that are not read yet as a careful person would, each with what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["PENDING"]

PENDING: Final[Mapping[str, str]] = {}
