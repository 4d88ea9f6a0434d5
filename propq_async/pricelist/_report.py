"""A plan or a push as one page, for people who do not read terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from importlib import resources
from string import Template
from typing import Final

from propq_async._comparison import exact
from propq_async._languages import ENGLISH, Language
from propq_async._languages import language as language_named
from propq_async._messages import joined, tr

from ._changes import Change, Reason
from ._html import Cell, Html
from ._money import money
from ._outcomes import Result
from ._plan_warning import by_title
from ._planning import Plan
from ._pushing import Push

__all__ = ["report"]

_WHY: Final = {
    Reason.NEW: tr("new to us"),
    Reason.CHANGED: tr("changed"),
    Reason.IN_DOUBT: tr("in doubt: sent before, never acknowledged"),
    Reason.OLD: tr("acknowledged long ago"),
    Reason.ASKED: tr("asked for"),
}
_RESULTS: Final = {
    Result.APPLIED: tr("applied"),
    Result.FAILED: tr("failed"),
    Result.NOT_SENT: tr("not sent"),
    Result.CUT_OFF: tr("cut off"),
}
_YES: Final = tr("yes")


def report(of: Plan | Push, *, language: str = ENGLISH) -> str:
    """Return a plan, or what became of it in a push, as the text of an HTML page.

    The page holds all that it needs, so it can be mailed: nothing is loaded from elsewhere. What
    the list says is text in it, and never markup. Warnings come first. Of very many rows the first
    20,000 are in it.

    Args:
        of: the plan, or its push: one that is still under way, or has ended.
        language: the language of the page, `en` or `es`.
    """
    plan, push = (of.plan, of) if isinstance(of, Push) else (of, None)
    return _Page(plan, push, language_named(language)).text()


@cache
def _template() -> Template:
    page = resources.files("propq_async.pricelist").joinpath("report.html")
    return Template(page.read_text(encoding="utf-8"))


class _Page:
    """A page in a language."""

    def __init__(self, plan: Plan, push: Push | None, language: Language) -> None:
        self._plan = plan
        self._push = push
        self._language = language
        self._html = Html(language)

    def text(self) -> str:
        what = tr("PropQ plan of {name}") if self._push is None else tr("PropQ push of {name}")
        return _template().substitute(
            language=self._language.name,
            title=self._html.text(what.format(name=self._plan.path.name)),
            head="\n".join(self._head()),
            body="\n".join(part for part in self._body() if part),
        )

    def _head(self) -> Iterator[str]:
        account, push = self._plan.account, self._push
        now = datetime.now().astimezone()
        yield self._html.paragraph(
            tr("Client {client_id} of {base_url}").format(
                client_id=account.client_id, base_url=account.base_url
            ),
            "soft",
        )
        yield self._html.paragraph(
            tr("List {path}; page made on {now:%Y-%m-%d %H:%M %z}").format(
                path=self._plan.path, now=now
            ),
            "soft",
        )
        yield self._html.paragraph(*self._verdict())
        counts: list[tuple[str, int]] = [
            (tr("rows of the list"), self._plan.rows),
            (tr("unchanged"), self._plan.unchanged),
        ]
        if push is None:
            counts += [
                (tr("to be sent"), len(self._plan.changes)),
                (tr("need a yes"), len(self._plan.warnings)),
            ]
        else:
            standing = push.standing
            counts += [(tr("applied"), standing.applied), (tr("failed"), standing.failed)]
            counts += [(tr("not sent"), standing.not_sent + standing.cut_off)]
        counts += [(tr("broken"), len(self._plan.broken))]
        boxes = (
            f"<div><dt>{self._html.text(name)}</dt><dd>{self._html.grouped(count)}</dd></div>"
            for name, count in counts
        )
        yield f'<dl class="counts">{"".join(boxes)}</dl>'

    def _verdict(self) -> tuple[str, str]:
        """Return how it stands, in a sentence, and the class of its colour."""
        push = self._push
        if push is None:
            if any(not one.is_first_push for one in self._plan.warnings):
                return (
                    tr("Something looks like a mistake: see below before it is sent."),
                    "verdict warn",
                )
            if self._plan.broken:
                return tr("Some rows cannot be sent: see below."), "verdict bad"
            return tr("Nothing looks wrong."), "verdict good"
        standing = push.standing
        left = standing.not_sent + standing.cut_off
        if standing.failed or self._plan.broken:
            return tr("Not everything is applied: see below."), "verdict bad"
        if left:
            return tr(
                "It did not come to its end: the same push goes on from here."
            ), "verdict warn"
        return tr("Everything that was sent is applied."), "verdict good"

    def _body(self) -> Iterator[str]:
        push = self._push
        warned = self._plan.warnings
        confirmed = tr("Confirmed before it was sent")
        for title, texts in by_title(warned) if push is None else [(confirmed, warned)]:
            yield self._html.bullets(title, map(str, texts), "warned")
        if push is not None:
            yield self._html.table(
                tr("Not applied"),
                (tr("Where"), tr("Unit"), tr("What happened"), tr("May have been applied")),
                (
                    [
                        one.change.row.place,
                        _unit(one.change),
                        str(one.error),
                        _YES if one.is_unsure else "",
                    ]
                    for one in push.failures
                ),
                "failed",
            )
        yield self._html.bullets(tr("Broken, and not sent"), map(str, self._plan.broken), "failed")
        yield self._html.bullets(
            tr("No longer in the list"), (" ".join(unit) for unit in self._plan.missing), "warned"
        )
        yield self._changes()
        said = {str(one) for one in self._plan.warnings}
        yield self._html.bullets(
            tr("Worth a look"), (str(one) for one in self._plan.remarks if str(one) not in said)
        )
        yield self._totals()
        yield self._columns()

    def _changes(self) -> str:
        heads = [
            tr("Development"),
            tr("Unit"),
            tr("Status"),
            tr("Price"),
            tr("Directions"),
            tr("Why"),
        ]
        plan, push = self._plan, self._push
        if push is None:
            rows: Iterable[list[Cell]] = (self._change_cells(one) for one in plan.changes)
        else:
            heads.append(tr("Result"))
            rows = ([*self._change_cells(one), _RESULTS[result]] for one, result in push.results())
        return self._html.table(tr("Changes"), heads, rows)

    def _change_cells(self, change: Change) -> list[Cell]:
        """Return the cells of a change, but for its result."""
        update, before = change.update, change.before
        cells: list[Cell] = [update.development_id, update.name]
        old = ("", "", "")
        moved: str = ""
        if before is not None and before.status is not None and before.price is not None:
            old = (
                before.status.name,
                money(before.price, self._plan.decimal),
                " ".join(before.directions),
            )
            relative = change.price_change or 0
            moved = tr(" ({moved:+,.1f}%)").format(moved=relative * 100) if relative else ""
        new = (
            update.status.name,
            money(exact(update.price), self._plan.decimal),
            " ".join(update.directions),
        )
        orders = "", str(exact(update.price)), ""
        for was, now, order in zip(old, new, orders, strict=True):
            is_moved = was and was != now
            told = (
                tr("was {was}{moved}").format(was=was, moved=moved if order else "")
                if is_moved
                else ""
            )
            cells.append((now, told, order))
        return [*cells, _WHY[change.reason]]

    def _totals(self) -> str:
        rows: list[list[Cell]] = [
            [
                status.name,
                self._html.grouped(total.units),
                (money(total.value, self._plan.decimal), "", str(total.value)),
            ]
            for status, total in self._plan.totals.items()
        ]
        return self._html.table(
            tr("The list by status"), (tr("Status"), tr("Units"), tr("Value")), rows
        )

    def _columns(self) -> str:
        lines = []
        for table in self._plan.tables:
            read = joined(
                ", ",
                (joined(" = ", (field, str(column))) for field, column in table.columns.items()),
            )
            others: str = (
                tr("; not read: {names}").format(names=", ".join(table.not_read))
                if table.not_read
                else ""
            )
            text: str = read + others
            if table.sheet is not None:
                text = tr("sheet {names}: {text}").format(names=table.sheet, text=text)
            lines.append(text)
        return self._html.bullets(tr("Which column is which"), lines)


def _unit(change: Change) -> str:
    return f"{change.update.development_id} {change.update.name}"
