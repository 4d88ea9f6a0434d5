"""A plan as text, for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from propq_async._comparison import exact
from propq_async._messages import joined, tr
from propq_async.pricelist import Change, Plan, PlanWarning, PriceList, Reason, Table
from propq_async.pricelist._money import money
from propq_async.pricelist._plan_warning import by_title
from propq_async.pricelist._setup_problems import is_asked_in_full

from .phrases import and_more, counted, first, grouped
from .screen import Screen

__all__ = ["show_changes", "show_plan", "show_setup", "show_warnings", "totals"]

ARROW: Final = "->"
_ALERT: Final = "bold dark_orange3"
_NOT_READ: Final = 20
REASONS: Final = {
    Reason.NEW: tr("new"),
    Reason.CHANGED: tr("changed"),
    Reason.IN_DOUBT: tr("in doubt"),
    Reason.OLD: tr("old"),
    Reason.ASKED: tr("asked"),
}


def show_plan(screen: Screen, made: Plan, prices: PriceList, ledger: str, listed: int) -> None:
    """Show a plan."""
    part = (
        ""
        if made.shard is None
        else tr(" in shard {number} of {count}").format(number=made.shard[0], count=made.shard[1])
    )
    screen.sentence(
        tr("{path}: {rows}{part} ({read_as})").format(
            path=made.path, rows=counted(made.rows, "row"), part=part, read_as=prices.read_as
        )
    )
    screen.sentence(
        tr("for client {client_id} of {base_url}, by the ledger {ledger}").format(
            client_id=made.account.client_id, base_url=made.account.base_url, ledger=ledger
        )
    )
    if made.profile is not None:
        screen.sentence(tr("as the profile {profile} says").format(profile=made.profile))
    for text in _mappings(made.tables):
        screen.sentence(text)
    for sheet, reason in prices.skipped_sheets.items():
        screen.sentence(
            tr("sheet {sheet} is not read: {reason}").format(sheet=sheet, reason=reason)
        )
    screen.section("", _counts(made), right=[1])
    screen.section(tr("The list"), totals(made), right=[1, 2])
    shown = [change for change in made.changes if change.reason is not Reason.NEW]
    show_changes(screen, tr("Changed, or to be sent again"), shown, made, listed)
    new = [change for change in made.changes if change.reason is Reason.NEW]
    show_changes(screen, tr("New to us"), new, made, listed)
    if made.broken:
        screen.lines(tr("Broken, and not sent"), first(map(str, made.problems), listed), "bold red")
        show_setup(screen, made)
    if made.not_units:
        screen.lines(tr("Not units"), first(map(str, made.not_units), listed))
    said = {str(one) for one in made.warnings}
    remarks = [text for text in map(str, made.remarks) if text not in said]
    if remarks:
        screen.lines(tr("Worth a look"), first(remarks, listed))
    show_warnings(screen, made.warnings, listed)


def show_warnings(screen: Screen, warnings: Sequence[PlanWarning], listed: int) -> None:
    """Show what needs a yes."""
    for title, texts in by_title(warnings):
        screen.lines(title, first(map(str, texts), listed), _ALERT)


def show_setup(screen: Screen, made: Plan, failures: Path | None = None) -> None:
    """Name the command that asks what words mean, if a row is broken for one.

    Args:
        screen: the screen.
        made: the plan.
        failures: where the broken rows are, if they are not in the list alone.
    """
    if all(kind.asks is None for kind in made.problems):
        return
    command = shlex.join(["propq", "setup", str(made.path)])
    text = (
        tr("  {command} asks all of this at once, and keeps the answers")
        if all(map(is_asked_in_full, made.problems))
        else tr(
            "  {command} asks about the words and the empty cells, and keeps the answers; correct "
            "the other rows in {file}"
        )
    )
    screen.sentence(text.format(command=command, file=failures or made.path))


def _mappings(tables: Sequence[Table]) -> Iterator[str]:
    """Return which columns are read and which are not, once for sheets that are alike."""
    sheets: dict[str, list[str]] = {}
    for table in tables:
        read = joined(
            ", ",
            (joined(" = ", (field, str(column))) for field, column in table.columns.items()),
        )
        others = first(table.not_read, _NOT_READ)
        text: str = read + (
            tr("; not read: {names}").format(names=joined(", ", others)) if others else ""
        )
        sheets.setdefault(text, []).append(table.sheet or "")
    for text, names in sheets.items():
        yield (
            text
            if len(sheets) == 1
            else tr("sheet {names}: {text}").format(names=", ".join(names), text=text)
        )


def _counts(made: Plan) -> list[tuple[str, str, str]]:
    again = {
        Reason.IN_DOUBT: tr("in doubt: sent before, and never acknowledged"),
        Reason.OLD: tr("acknowledged long ago, and perhaps edited since"),
        Reason.ASKED: tr("unchanged, and sent since all was asked for"),
    }
    rows: list[tuple[str, str, str]] = [
        (tr("new to us"), grouped(made.count(Reason.NEW)), ""),
        (tr("changed"), grouped(made.count(Reason.CHANGED)), ""),
        *(
            (tr("sent again"), grouped(made.count(reason)), text)
            for reason, text in again.items()
            if made.count(reason)
        ),
        (tr("unchanged"), grouped(made.unchanged), ""),
        (tr("broken"), grouped(len(made.broken)), ""),
    ]
    if made.repeated:
        rows.append((tr("repeated"), grouped(made.repeated), tr("the same as an earlier row")))
    return rows


def totals(made: Plan) -> list[tuple[str, str, str]]:
    """Return units and value by status, for people."""
    rows = [
        (status.name, counted(total.units, "unit"), money(total.value, made.decimal))
        for status, total in made.totals.items()
    ]
    units = sum(total.units for total in made.totals.values())
    value = sum((total.value for total in made.totals.values()), Decimal(0))
    return [*rows, (tr("all"), counted(units, "unit"), money(value, made.decimal))]


def show_changes(
    screen: Screen, title: str, changes: Sequence[Change], made: Plan, listed: int
) -> None:
    """Show changes below a title."""
    if not changes:
        return
    screen.section(title, [_cells(change, made.decimal) for change in changes[:listed]])
    more = len(changes) - listed
    if more > 0:
        screen.sentence(
            tr("  {more} (--list {count} shows all)").format(
                more=and_more(more), count=len(changes)
            )
        )


def _cells(change: Change, decimal: str | None) -> tuple[str, ...]:
    update, before = change.update, change.before
    status, price = update.status.name, money(exact(update.price), decimal)
    directions = " ".join(update.directions)
    if before is not None and before.status is not None and before.price is not None:
        status = _moved(before.status.name, status)
        moved = change.price_change or 0
        price = _moved(money(before.price, decimal), price)
        price += tr(" ({moved:+,.1f}%)").format(moved=moved * 100) if moved else ""
        directions = _moved(" ".join(before.directions), directions)
    reason = [] if change.reason in (Reason.NEW, Reason.CHANGED) else [REASONS[change.reason]]
    filled = [
        tr("{field} from {source}").format(field=field, source=source)
        for field, source in change.row.filled.items()
    ]
    notes = joined(", ", [*reason, *filled])
    return update.development_id, update.name, status, price, directions, notes


def _moved(before: str, after: str) -> str:
    return after if before == after else joined(f" {ARROW} ", (before, after))
