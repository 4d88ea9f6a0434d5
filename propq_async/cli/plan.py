"""`propq plan`: what pushing a price list would change."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async import AsyncPropQ, UnitStatus
from propq_async.ledger import Entry, Ledger, exact
from propq_async.pricelist import Change, Plan, PriceList, Reason, plan

from .ending import CommandError, Exit, on_interrupt
from .output import Screen
from .reading import Reading, open_list
from .wording import counted

__all__ = ["PlanCommand", "interruptible", "plan_status", "refuse_empty", "show_plan", "totals"]

ARROW: Final = "->"
ALERT: Final = "bold dark_orange3"


@attrs.frozen(kw_only=True)
class PlanCommand:
    """The command with its options."""

    path: Path
    reading: Reading
    ledger: Path | None
    trust_hours: float
    everything: bool
    listed: int
    as_json: bool

    async def run(self) -> Exit:
        """Make the plan and show it."""
        return await interruptible(self._run())

    async def _run(self) -> Exit:
        prices = await asyncio.to_thread(open_list, self.path, self.reading)
        async with AsyncPropQ.from_env() as propq, Ledger(self.ledger) as ledger:
            made = await plan(
                prices, propq, ledger, trust_hours=self.trust_hours, everything=self.everything
            )
        refuse_empty(made)
        if self.as_json:
            # Escapes that JSON knows, and not those of the stream.
            is_unicode = sys.stdout.encoding.lower().startswith("utf")
            text = json.dumps(plan_json(made), indent=2, ensure_ascii=not is_unicode, default=float)
            sys.stdout.write(text + "\n")
        else:
            show_plan(Screen(), made, prices, ledger.path, self.listed)
        return plan_status(made)


async def interruptible(command: Any) -> Exit:
    """Run a command that has nothing to finish when it is interrupted."""
    task = asyncio.ensure_future(command)
    with on_interrupt(task.cancel):
        try:
            status: Exit = await task
        except asyncio.CancelledError:
            raise CommandError("interrupted", Exit.INTERRUPTED) from None
    return status


def refuse_empty(made: Plan) -> None:
    """Refuse a list without a row, which nobody means to push: an export has failed."""
    if not made.rows:
        raise CommandError(
            f"{made.path}: the list has no rows: nothing was sent; see what went wrong when it was "
            "made",
            Exit.USAGE,
        )


def plan_status(made: Plan) -> Exit:
    """Return the exit status of a plan."""
    if made.broken:
        return Exit.ROWS_FAILED
    if made.changes:
        return Exit.CHANGES
    # With nothing to send, too, a push asks whether what vanished is meant.
    return Exit.UNCONFIRMED if made.warnings else Exit.DONE


# --- for people -------------------------------------------------------------------------------


def show_plan(screen: Screen, made: Plan, prices: PriceList, ledger: Path, listed: int) -> None:
    """Show a plan."""
    screen.sentence(f"{made.path}: {counted(made.rows, 'row')} ({prices.read_as})")
    screen.sentence(
        f"for client {made.account.client_id} of {made.account.base_url}, by the ledger {ledger}"
    )
    for sheet, reason in prices.skipped_sheets.items():
        screen.sentence(f"sheet {sheet} is not read: {reason}")
    screen.section("", _counts(made), right=[1])
    screen.section("The list", totals(made), right=[1, 2])
    shown = [change for change in made.changes if change.reason is not Reason.NEW]
    _show_changes(screen, "Changed, or to be sent again", shown, listed)
    new = [change for change in made.changes if change.reason is Reason.NEW]
    _show_changes(screen, "New to us", new, listed)
    if made.broken:
        screen.lines("Broken, and not sent", _some(map(str, made.broken), listed), "bold red")
    said = {str(one) for one in made.warnings}
    remarks = [text for text in map(str, made.remarks) if text not in said]
    if remarks:
        screen.lines("Worth a look", _some(remarks, listed))
    if made.warnings:
        screen.lines("Likely a mistake", _some(map(str, made.warnings), listed), ALERT)


def _some(texts: Iterable[str], listed: int) -> list[str]:
    every = list(texts)
    more = len(every) - listed
    return every if more <= 0 else [*every[:listed], f"and {more:,} more"]


def _counts(made: Plan) -> list[tuple[str, str, str]]:
    again = {
        Reason.IN_DOUBT: "in doubt: sent before, and never acknowledged",
        Reason.OLD: "acknowledged long ago, and perhaps edited since",
        Reason.ASKED: "unchanged, and sent since all was asked for",
    }
    rows = [
        ("new to us", f"{made.count(Reason.NEW):,}", ""),
        ("changed", f"{made.count(Reason.CHANGED):,}", ""),
        *(
            ("sent again", f"{made.count(reason):,}", text)
            for reason, text in again.items()
            if made.count(reason)
        ),
        ("unchanged", f"{made.unchanged:,}", ""),
        ("broken", f"{len(made.broken):,}", ""),
    ]
    if made.repeated:
        rows.append(("repeated", f"{made.repeated:,}", "the same as an earlier row"))
    return rows


def totals(made: Plan) -> list[tuple[str, str, str]]:
    """Return units and value by status, for people."""
    rows = [
        (status.name, counted(total.units, "unit"), f"{total.value:,f}")
        for status, total in made.totals.items()
    ]
    units = sum(total.units for total in made.totals.values())
    value = sum((total.value for total in made.totals.values()), Decimal(0))
    return [*rows, ("all", counted(units, "unit"), f"{value:,f}")]


def _show_changes(screen: Screen, title: str, changes: Sequence[Change], listed: int) -> None:
    if not changes:
        return
    screen.section(title, [_cells(change) for change in changes[:listed]])
    more = len(changes) - listed
    if more > 0:
        screen.sentence(f"  and {more:,} more (--list {len(changes)} shows all)")


def _cells(change: Change) -> tuple[str, ...]:
    update, before = change.update, change.before
    status, price = update.status.name, f"{exact(update.price):,f}"
    directions = " ".join(update.directions)
    if before is not None and before.status is not None and before.price is not None:
        status = _moved(before.status.name, status)
        moved = change.price_change or 0
        price = _moved(f"{before.price:,f}", price) + (f" ({moved * 100:+,.1f}%)" if moved else "")
        directions = _moved(" ".join(before.directions), directions)
    reason = "" if change.reason in (Reason.NEW, Reason.CHANGED) else str(change.reason)
    return update.development_id, update.name, status, price, directions, reason


def _moved(before: str, after: str) -> str:
    return after if before == after else f"{before} {ARROW} {after}"


# --- for programs -----------------------------------------------------------------------------


def plan_json(made: Plan) -> dict[str, Any]:
    """Return a plan as plain values."""
    return {
        "list": str(made.path),
        "base_url": made.account.base_url,
        "client_id": made.account.client_id,
        "rows": made.rows,
        "unchanged": made.unchanged,
        "repeated": made.repeated,
        "changes": [_change_json(change) for change in made.changes],
        "broken": [
            {
                "sheet": row.table.sheet,
                "line": row.line,
                "development_id": None if row.unit is None else row.unit[0],
                "name": None if row.unit is None else row.unit[1],
                "problems": [
                    {"column": one.column, "value": one.value, "expected": one.expected}
                    for one in row.problems
                ],
            }
            for row in made.broken
        ],
        "remarks": [str(remark) for remark in made.remarks],
        "warnings": [{"kind": one.kind, "text": one.text} for one in made.warnings],
        "missing": [
            {"development_id": development_id, "name": name}
            for development_id, name in made.missing
        ],
        "totals": {
            status.name: {"units": total.units, "value": total.value}
            for status, total in made.totals.items()
        },
    }


def _change_json(change: Change) -> dict[str, Any]:
    update, before = change.update, change.before
    moved = change.price_change
    return {
        "sheet": change.row.table.sheet,
        "line": change.row.line,
        "development_id": update.development_id,
        "name": update.name,
        "reason": change.reason,
        "status": update.status.name,
        "price": update.price,
        "directions": list(update.directions),
        "before": None if before is None or before.status is None else _entry_json(before),
        "price_change_percent": None if moved is None else moved * 100,
    }


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "status": None if entry.status is None else UnitStatus(entry.status).name,
        "price": entry.price,
        "directions": list(entry.directions),
    }
