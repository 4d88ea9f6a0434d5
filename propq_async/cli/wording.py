"""Numbers as one says them."""

from __future__ import annotations

__all__ = ["are", "counted", "was"]


def counted(count: int, noun: str) -> str:
    """Return so many of them: `1 row`, `1,000 rows`."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def are(count: int) -> str:
    """Return the verb after so many of them."""
    return "is" if count == 1 else "are"


def was(count: int) -> str:
    """Return the verb for what so many of them were."""
    return "was" if count == 1 else "were"
