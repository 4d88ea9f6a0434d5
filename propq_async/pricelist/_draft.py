"""What `propq setup` knows of a list so far, and the text of its profile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from propq_async._languages import ENGLISH
from propq_async._languages import language as language_named
from propq_async._messages import tr
from propq_async.pricelist._reading.rows import BrokenRow, Row

from ._profile_text import list_text
from ._profile_values import ListProfile
from ._setup_questions import Question

__all__ = ["Draft"]


@attrs.frozen
class Draft:
    """What is known of a list, and what is left to be answered.

    Args:
        path: the list.
        stated: what the profile states of it.
        guessed: the questions that nobody has answered, each with the line of the profile that
            would answer it by its best guess.
        rows: the first rows as they would be sent.
        problem: why the list cannot be read yet, nothing if it can.
        decimal: what stands before the decimals of its prices, `None` where nothing tells.
    """

    path: Path
    stated: ListProfile
    guessed: Sequence[tuple[Question, str]]
    rows: Sequence[Row | BrokenRow]
    problem: str = ""
    decimal: str | None = "."

    def text(self, folder: str | os.PathLike[str] | None = None, *, language: str = ENGLISH) -> str:
        """Return the text of a profile in a folder, by default that of the list.

        Args:
            folder: the folder.
            language: the language of its questions, `en` or `es`.
        """
        folder = self.path.parent if folder is None else Path(folder)
        said = language_named(language).said
        comments = map(said, _comments(self.guessed, self.problem))
        return list_text(self.stated, folder, comments)


def _comments(guessed: Sequence[tuple[Question, str]], problem: str) -> Iterator[str]:
    if guessed:
        yield tr("Not certain: answer these, and take the # away before what is right.")
    for question, line in guessed:
        yield question.text
        yield line
    if problem:
        yield problem
