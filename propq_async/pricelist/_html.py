"""Sections, lists and tables of a page, in the language of its reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, TypeAlias

from propq_async._languages import Language
from propq_async._messages import tr
from propq_async._wire.redaction import printable

__all__ = ["Cell", "Html"]

# A browser shows this many rows without trouble, and nobody reads more.
_MOST_ROWS: Final = 20_000

# The text of a cell; or beside it what the value was before, and what it is sorted by.
Cell: TypeAlias = str | tuple[str, str, str]

_NUMBERS: Final = ("Price", "Units", "Value")


class Html:
    """Writes HTML in a language. What it is given is text in it, and never markup."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def bullets(self, title: str, lines: Iterable[str], kind: str = "") -> str:
        """Return a section with a list, or nothing for no lines."""
        items, more = self._some([f"<li>{self.text(line)}</li>" for line in lines])
        return self._section(title, f"<ul>{''.join(items)}</ul>{more}", kind) if items else ""

    def table(
        self,
        title: str,
        heads: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        kind: str = "",
    ) -> str:
        """Return a section with a table that can be sorted, or nothing for no rows."""
        lines, more = self._some(
            ["<tr>" + "".join(map(self._cell, heads, row)) + "</tr>" for row in rows]
        )
        if not lines:
            return ""
        head = "".join(
            f'<th scope="col"{_number(name)}><button type="button">{self.text(name)}</button></th>'
            for name in heads
        )
        body = "\n".join(lines)
        table = f'<table class="rows"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
        return self._section(title, table + more, kind)

    def _cell(self, head: str, cell: Cell) -> str:
        text, was, order = (cell, "", "") if isinstance(cell, str) else cell
        told = f"<small>{self.text(was)}</small>" if was else ""
        value = f' data-value="{self.text(order)}"' if order else ""
        inside = f"<span>{self.text(text)}{told}</span>" if text else ""
        return f'<td data-label="{self.text(head)}"{_number(head)}{value}>{inside}</td>'

    def _some(self, lines: list[str]) -> tuple[list[str], str]:
        more = len(lines) - _MOST_ROWS
        told = self.paragraph(
            tr("And {more:,} more, which this page leaves out.").format(more=more), "soft"
        )
        return lines[:_MOST_ROWS], told if more > 0 else ""

    def _section(self, title: str, inside: str, kind: str) -> str:
        return f'<section class="{kind}"><h2>{self.text(title)}</h2>{inside}</section>'

    def paragraph(self, text: str, kind: str) -> str:
        """Return a paragraph of a class."""
        return f'<p class="{kind}">{self.text(text)}</p>'

    def text(self, text: str) -> str:
        """Return text that is no markup, and has no character that hides or reorders others."""
        return escape(printable(self._language.said(text)))

    def grouped(self, number: int) -> str:
        """Return a number with its digits in groups."""
        return self._language.said(tr("{:,}").format(number))


def _number(head: str) -> str:
    return ' class="number"' if head in _NUMBERS else ""
