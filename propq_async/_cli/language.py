"""The language that a command speaks. It is chosen once, before anything is said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from propq_async._languages import ENGLISH, LANGUAGES, Language, language, language_of
from propq_async._messages import joined, tr

from .exit_codes import CommandError, Exit

__all__ = ["choose_language", "said", "spoken"]

_OPTION: Final = "--lang"


class _Speaker:
    """What is spoken. No variable of the context: progress is drawn in a thread of its own."""

    language: Language = language(ENGLISH)


def said(text: str) -> str:
    """Return a text in the language of this command."""
    return _Speaker.language.said(text)


def spoken() -> str:
    """Return the language of this command."""
    return _Speaker.language.name


def choose_language(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Speak what `--lang` says, or else the environment, and return the other arguments.

    Raises:
        CommandError: `--lang` names no language that is spoken.
    """
    _Speaker.language = language(language_of(environ))
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        option, equals, value = argument.partition("=")
        if option != _OPTION:
            rest.append(argument)
            if argument == "--":
                break
            continue
        name = value if equals else next(left, "")
        if name not in LANGUAGES:
            raise CommandError(
                tr("--lang: expected {languages}, not {name!r}").format(
                    languages=joined(tr(" or "), LANGUAGES), name=name
                ),
                Exit.USAGE,
            )
        _Speaker.language = language(name)
    return [*rest, *left]
