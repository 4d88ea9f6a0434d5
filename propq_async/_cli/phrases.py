"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from propq_async._messages import tr, trn

__all__ = ["and_more", "are", "counted", "first", "grouped", "was"]


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 row`, `1,000 rows`."""
    match noun:
        case "row":
            return trn("{count:,} row", "{count:,} rows", count)
        case "unit":
            return trn("{count:,} unit", "{count:,} units", count)
        case _:
            return f"{count:,} {noun}" + "s" * (count != 1)


def grouped(number: int) -> str:
    """Return a number with its digits in groups: `1,000`."""
    return tr("{:,}").format(number)


def are(count: int) -> str:
    """Return the verb for a count: `is` or `are`."""
    return "is" if count == 1 else "are"


def was(count: int) -> str:
    """Return the verb for a count in the past: `was` or `were`."""
    return "was" if count == 1 else "were"


def and_more(count: int) -> str:
    """Return the phrase for items that are not shown: `and 1,000 more`."""
    return tr("and {count:,} more").format(count=count)


def first(texts: Iterable[str], listed: int) -> list[str]:
    """Return the first texts, and how many more there are."""
    every = list(texts)
    more = len(every) - listed
    return every if more <= 0 else [*every[:listed], and_more(more)]
