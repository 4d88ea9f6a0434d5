"""Which column an answer to a question of `propq setup` states, if there is that column."""

from __future__ import annotations

import re
from typing import Final

from propq_async._messages import tr
from propq_async.pricelist._reading.headers import stated_columns

from ._problems import PriceListError
from ._setup_questions import Question
from ._template import Template, is_template

__all__ = ["checked_column", "expected_column", "named_column"]

# Between several columns that an answer names, which is no way to state them.
_BETWEEN: Final = re.compile(r"\s*[,;+&]\s*")
_FEW: Final = 2


def named_column(question: Question, text: str) -> str | None:
    """Return what states the column that an answer names, `None` if it names none."""
    if text in (choice for choice, _ in question.choices):
        return text
    return text if stated_columns(question.headings, text) else None


def checked_column(question: Question, text: str) -> str:
    """Return what an answer states of a column, or of several as a template.

    Raises:
        PriceListError: there is no such column, or more than one.
    """
    for name in Template.parse(text).columns if is_template(text) else [text]:
        found = stated_columns(question.headings, name)
        if not found:
            raise PriceListError(
                tr("there is no column {name!r}: {expected}").format(
                    name=name, expected=expected_column(question, text)
                )
            )
        if len(found) > 1:
            raise PriceListError(
                tr("more than one column is called {name!r}: type the number of one").format(
                    name=name
                )
            )
    return text


def expected_column(question: Question, text: str = "") -> str:
    """Return what may be typed as an answer, with a template over the columns that it names."""
    if question.key != "name":
        return tr("type a number or a heading")
    choices = [choice for choice, _ in question.choices]
    parts = [
        choices[int(part) - 1] if part.isdecimal() and 0 < int(part) <= len(choices) else part
        for part in _BETWEEN.split(text)
    ]
    headings = [heading for heading in question.headings if heading]
    are_columns = all(stated_columns(headings, part) for part in parts)
    named = parts if are_columns and len(parts) > 1 else headings[:_FEW]
    example = "-".join(f"{{{name}}}" for name in named)
    if named is not parts and question.default and is_template(question.default):
        example = question.default
    return tr("type a number, a heading, or a template such as {example}").format(example=example)
