"""What is wrong with the arguments of a command, as cyclopts found it, in a sentence."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from propq_async._messages import tr

from .help import label

__all__ = ["usage_error"]


def usage_error(error: CycloptsError) -> str:
    """Return what is wrong, and how to read more about it."""
    command = " ".join(("propq", *(error.command_chain or ())))
    return tr("{error}\nTry '{command} --help'.").format(error=_what(error), command=command)


def _what(error: CycloptsError) -> str:
    what = str(error)
    match error:
        case MissingArgumentError(keyword=str(option)):
            what = tr("{option} needs a value").format(option=option)
        case MissingArgumentError(argument=argument) if argument is not None:
            what = tr("{name} is missing").format(name=label(argument.name))
        case UnknownOptionError(token=token, argument_collection=arguments):
            option = token.keyword or token.value
            known = [name for argument in arguments for name in argument.names]
            meant = _meant(option, known)
            what = tr("there is no option {option}{meant}").format(option=option, meant=meant)
        case UnknownCommandError(unused_tokens=[name, *_], app=app) if app is not None:
            known = [one for one in app if not one.startswith("-")]
            what = tr("there is no command {name!r}{meant}; there are {known}").format(
                name=name, meant=_meant(name, known), known=", ".join(known)
            )
        case UnusedCliTokensError(unused_tokens=[name, *_]):
            what = tr("unexpected argument {name!r}").format(name=name)
        case RepeatArgumentError(token=Token(keyword=str(option))):
            what = tr("{option} is stated twice").format(option=option)
        case ValidationError(argument=argument) if argument is not None and argument.tokens:
            what = tr("{option}: {text!r} is too low, or out of bounds").format(
                option=argument.name, text=argument.tokens[0].value
            )
        case CoercionError(token=Token() as token, argument=argument) if argument is not None:
            what = _unfit(token, argument)
    return what


def _unfit(token: Token, argument: Any) -> str:
    option = token.keyword or label(argument.name)
    choices = argument.get_choices()
    if choices:
        return tr("{option}: expected one of {choices}, not {text!r}").format(
            option=option, choices=" ".join(choices), text=token.value
        )
    return tr("{option}: expected a number, not {text!r}").format(option=option, text=token.value)


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return tr(" (is {name} meant?)").format(name=close[0]) if close else ""
