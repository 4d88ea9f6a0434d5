"""The page that `--report` writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from propq_async._messages import os_reason, tr
from propq_async.pricelist import Plan, Push, report

from .exit_codes import CommandError, Exit
from .language import spoken
from .streams import complain

__all__ = ["check_report", "tell_report", "write_report"]

_NOT_SENT: Final = tr("nothing was sent")


def check_report(path: Path | None) -> None:
    """Refuse a file that is no page: a slip must not overwrite a price list."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise CommandError(
            tr("--report {path}: name a file that ends with .html").format(path=path), Exit.USAGE
        )


async def write_report(of: Plan | Push, path: Path | None, standing: str = _NOT_SENT) -> None:
    """Write the page, if one is wanted. `standing` is what is true if it cannot be written."""
    if path is None:
        return
    try:
        await asyncio.to_thread(_write, of, path)
    except OSError as error:
        why = os_reason(error)
        said = tr("--report {path}: cannot be written: {why}: {standing}").format(
            path=path, why=why, standing=standing
        )
        raise CommandError(said, Exit.UNUSABLE) from error


async def tell_report(push: Push, path: Path | None) -> None:
    """Write the page of a push that has ended. What goes wrong does not change how it ended."""
    try:
        await write_report(push, path, tr("it shows the plan and not the push"))
    except CommandError as error:
        complain(str(error))


def _write(of: Plan | Push, path: Path) -> None:
    path.write_text(report(of, language=spoken()), encoding="utf-8")
