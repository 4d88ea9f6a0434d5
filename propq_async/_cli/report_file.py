"""The page that `--report` writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from propq_async.pricelist import Plan, Push, report

from .exit_codes import CommandError, Exit
from .streams import complain

__all__ = ["check_report", "tell_report", "write_report"]


def check_report(path: Path | None) -> None:
    """Refuse a file that is no page: a slip must not overwrite a price list."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise CommandError(f"--report {path}: name a file that ends with .html", Exit.USAGE)


async def write_report(of: Plan | Push, path: Path | None) -> None:
    """Write the page, if one is wanted."""
    if path is None:
        return
    try:
        await asyncio.to_thread(_write, of, path)
    except OSError as error:
        why = error.strerror or str(error)
        said = f"--report {path}: cannot be written: {why}: nothing was sent"
        raise CommandError(said, Exit.UNUSABLE) from error


async def tell_report(push: Push, path: Path | None) -> None:
    """Write the page of a push that has ended. What goes wrong does not change how it ended."""
    try:
        await write_report(push, path)
    except CommandError as error:
        complain(str(error).replace("nothing was sent", "it shows the plan and not the push"))


def _write(of: Plan | Push, path: Path) -> None:
    path.write_text(report(of), encoding="utf-8")
