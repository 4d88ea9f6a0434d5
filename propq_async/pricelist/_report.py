"""A plan or a push as one page, for people who do not read terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Final, TypeAlias

from propq_async._comparison import exact
from propq_async._wire.redaction import printable

from ._changes import Change, Reason
from ._money import money
from ._planning import Plan
from ._pushing import Push

__all__ = ["report"]

# A browser shows this many rows without trouble, and nobody reads more.
_MOST_ROWS: Final = 20_000

# The text of a cell; or beside it what the value was before, and what it is sorted by.
_CellOf: TypeAlias = str | tuple[str, str, str]

_WHY: Final = {
    Reason.NEW: "new to us",
    Reason.CHANGED: "changed",
    Reason.IN_DOUBT: "in doubt: sent before, never acknowledged",
    Reason.OLD: "acknowledged long ago",
    Reason.ASKED: "asked for",
}


def report(of: Plan | Push) -> str:
    """Return a plan, or what became of it in a push, as the text of an HTML page.

    The page holds all that it needs, so it can be mailed: nothing is loaded from elsewhere. What
    the list says is text in it, and never markup. Warnings come first. Of very many rows the first
    20,000 are in it.

    Args:
        of: the plan, or its push: one that is still under way, or has ended.
    """
    plan, push = (of.plan, of) if isinstance(of, Push) else (of, None)
    what = "plan" if push is None else "push"
    return _template().substitute(
        title=_text(f"PropQ {what} of {plan.path.name}"),
        head="\n".join(_head(plan, push)),
        body="\n".join(part for part in _body(plan, push) if part),
    )


@cache
def _template() -> Template:
    page = resources.files("propq_async.pricelist").joinpath("report.html")
    return Template(page.read_text(encoding="utf-8"))


def _head(plan: Plan, push: Push | None) -> Iterator[str]:
    account, now = plan.account, datetime.now().astimezone()
    yield _paragraph(f"Client {account.client_id} of {account.base_url}", "soft")
    yield _paragraph(f"List {plan.path}; page made on {now:%Y-%m-%d %H:%M %z}", "soft")
    yield _paragraph(*_verdict(plan, push))
    counts = [("rows of the list", plan.rows), ("unchanged", plan.unchanged)]
    if push is None:
        counts += [("to be sent", len(plan.changes)), ("need a yes", len(plan.warnings))]
    else:
        standing = push.standing
        counts += [("applied", standing.applied), ("failed", standing.failed)]
        counts += [("not sent", standing.not_sent + standing.cut_off)]
    counts += [("broken", len(plan.broken))]
    boxes = (f"<div><dt>{_text(name)}</dt><dd>{count:,}</dd></div>" for name, count in counts)
    yield f'<dl class="counts">{"".join(boxes)}</dl>'


def _verdict(plan: Plan, push: Push | None) -> tuple[str, str]:
    """Return how it stands, in a sentence, and the class of its colour."""
    if push is None:
        if plan.warnings:
            return "Something looks like a mistake: see below before it is sent.", "verdict warn"
        if plan.broken:
            return "Some rows cannot be sent: see below.", "verdict bad"
        return "Nothing looks wrong.", "verdict good"
    standing = push.standing
    left = standing.not_sent + standing.cut_off
    if standing.failed or plan.broken:
        return "Not everything is applied: see below.", "verdict bad"
    if left:
        return "It did not come to its end: the same push goes on from here.", "verdict warn"
    return "Everything that was sent is applied.", "verdict good"


def _body(plan: Plan, push: Push | None) -> Iterator[str]:
    title = "Likely a mistake" if push is None else "Confirmed before it was sent"
    yield _list(title, map(str, plan.warnings), "warned")
    if push is not None:
        yield _table(
            "Not applied",
            ("Where", "Unit", "What happened", "May have been applied"),
            ([one.change.row.place, _unit(one.change), str(one.error), "yes" * one.is_unsure]
             for one in push.failures),
            "failed",
        )  # fmt: skip
    yield _list("Broken, and not sent", map(str, plan.broken), "failed")
    yield _list("No longer in the list", (" ".join(unit) for unit in plan.missing), "warned")
    yield _changes(plan.changes, plan.decimal, push)
    said = {str(one) for one in plan.warnings}
    yield _list("Worth a look", (str(one) for one in plan.remarks if str(one) not in said))
    yield _totals(plan)
    yield _columns(plan)


def _changes(changes: Sequence[Change], decimal: str, push: Push | None) -> str:
    heads = ["Development", "Unit", "Status", "Price", "Directions", "Why"]
    if push is None:
        rows = (_change_cells(one, decimal) for one in changes)
    else:
        heads.append("Result")
        rows = ([*_change_cells(one, decimal), result] for one, result in push.results())
    return _table("Changes", heads, rows)


def _change_cells(change: Change, decimal: str) -> list[_CellOf]:
    """Return the cells of a change, but for its result."""
    update, before = change.update, change.before
    cells: list[_CellOf] = [update.development_id, update.name]
    old = ("", "", "")
    moved = ""
    if before is not None and before.status is not None and before.price is not None:
        old = before.status.name, money(before.price, decimal), " ".join(before.directions)
        relative = change.price_change or 0
        moved = f" ({relative * 100:+,.1f}%)" if relative else ""
    new = update.status.name, money(exact(update.price), decimal), " ".join(update.directions)
    orders = "", str(exact(update.price)), ""
    for was, now, order in zip(old, new, orders, strict=True):
        is_moved = was and was != now
        told = f"was {was}{moved if order else ''}" if is_moved else ""
        cells.append((now, told, order))
    return [*cells, _WHY[change.reason]]


def _totals(plan: Plan) -> str:
    rows: list[list[_CellOf]] = [
        [status.name, f"{total.units:,}", (money(total.value, plan.decimal), "", str(total.value))]
        for status, total in plan.totals.items()
    ]
    return _table("The list by status", ("Status", "Units", "Value"), rows)


def _columns(plan: Plan) -> str:
    lines = []
    for table in plan.tables:
        read = ", ".join(f"{field} = {column}" for field, column in table.columns.items())
        others = f"; not read: {', '.join(table.not_read)}" if table.not_read else ""
        lines.append(f"{'' if table.sheet is None else f'sheet {table.sheet}: '}{read}{others}")
    return _list("Which column is which", lines)


def _list(title: str, lines: Iterable[str], kind: str = "") -> str:
    """Return a section with a list, or nothing for no lines."""
    items, more = _some([f"<li>{_text(line)}</li>" for line in lines])
    return _section(title, f"<ul>{''.join(items)}</ul>{more}", kind) if items else ""


def _table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[_CellOf]],
    kind: str = "",
) -> str:
    """Return a section with a table that can be sorted, or nothing for no rows."""
    lines, more = _some(["<tr>" + "".join(map(_cell, heads, row)) + "</tr>" for row in rows])
    if not lines:
        return ""
    head = "".join(
        f'<th scope="col"{_number(name)}><button type="button">{_text(name)}</button></th>'
        for name in heads
    )
    body = "\n".join(lines)
    table = f'<table class="rows"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
    return _section(title, table + more, kind)


def _cell(head: str, cell: _CellOf) -> str:
    text, was, order = (cell, "", "") if isinstance(cell, str) else cell
    told = f"<small>{_text(was)}</small>" if was else ""
    value = f' data-value="{_text(order)}"' if order else ""
    inside = f"<span>{_text(text)}{told}</span>" if text else ""
    return f'<td data-label="{_text(head)}"{_number(head)}{value}>{inside}</td>'


def _number(head: str) -> str:
    return ' class="number"' if head in ("Price", "Units", "Value") else ""


def _some(lines: list[str]) -> tuple[list[str], str]:
    more = len(lines) - _MOST_ROWS
    told = _paragraph(f"And {more:,} more, which this page leaves out.", "soft")
    return lines[:_MOST_ROWS], told if more > 0 else ""


def _section(title: str, inside: str, kind: str) -> str:
    return f'<section class="{kind}"><h2>{_text(title)}</h2>{inside}</section>'


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{_text(text)}</p>'


def _unit(change: Change) -> str:
    return f"{change.update.development_id} {change.update.name}"


def _text(text: str) -> str:
    """Return text that is no markup, and has no character that hides or reorders others."""
    return escape(printable(text))
