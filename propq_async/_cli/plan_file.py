"""Plans in files: what `propq plan --out` keeps, and `propq push` sends."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from propq_async._messages import tr
from propq_async.pricelist import Plan, PriceListError, save_plan
from propq_async.pricelist._saved_plan import Saved, is_plan, load

from .exit_codes import CommandError, Exit
from .list_options import ListOptions, list_file

__all__ = ["keep", "kept", "reading_of"]


def keep(made: Plan, out: Path, reading: ListOptions) -> None:
    """Save a plan, with the options that say how its list is read."""
    try:
        values = asdict(reading)
        if reading.profile is not None:
            # From wherever the plan is pushed.
            values["profile"] = str(reading.profile.absolute())
        save_plan(made, out, reading=values)
    except PriceListError as error:
        raise CommandError(tr("--out: {error}").format(error=error), Exit.USAGE) from error


def kept(path: Path) -> Saved | None:
    """Return the plan that the file has, `None` if it has none. It reads files."""
    path = list_file(path)
    try:
        return load(path) if is_plan(path) else None
    except OSError:
        # What is wrong with a list is told by whoever reads it.
        return None
    except PriceListError as error:
        raise CommandError(str(error), Exit.USAGE) from error


def reading_of(saved: Saved, path: Path) -> ListOptions:
    """Return the options that say how the list of a plan is read."""
    try:
        options = ListOptions(**saved.reading)
        return replace(options, profile=Path(options.profile)) if options.profile else options
    except TypeError:
        raise CommandError(
            tr(
                "{path} was made by another version of propq-async: nothing was sent; make "
                "another plan"
            ).format(path=path),
            Exit.USAGE,
        ) from None
