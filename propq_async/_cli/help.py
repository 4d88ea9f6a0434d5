"""The help of the commands, in the language of the reader.

cyclopts makes it of docstrings and of what apps state. Both are English as they are written, and
are replaced before a command runs. What cyclopts says itself is replaced while it is shown.
"""
# ruff: noqa: PLC0415 - only the help needs rich

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs
from cyclopts import App

from propq_async._messages import Message, tr

from .exit_codes import table
from .language import said, spoken

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

__all__ = ["Help", "HelpFormatter", "label", "with_texts"]

_ARGUMENTS: Final = "\n\nArgs:\n"
# What cyclopts says: titles, its own commands, and what stands for a value.
_WORDS: Final = {
    str(word): word
    for word in (
        tr("Arguments"),
        tr("Commands"),
        tr("Parameters"),
        tr("Display this message and exit."),
        tr("Display application version."),
        tr("COMMAND"),
        tr("OPTIONS"),
        tr("ARGS"),
        tr("CHOICE"),
        tr("FLOAT"),
        tr("INT"),
        tr("PATH"),
        tr("STR"),
        tr("DEVELOPMENT"),
        tr("FILE"),
        tr("MORE"),
        tr("NAME"),
        tr("SOURCE"),
        tr("TARGET"),
        tr("UNIT"),
    )
}
_LABEL: Final = re.compile(r"[A-Z]{3,}")


def with_texts(docstring: str, say: Callable[[str], str]) -> str:
    """Return a docstring with each of its texts, paragraphs and arguments, as `say` returns it."""
    about, _, arguments = inspect.cleandoc(docstring).partition(_ARGUMENTS)
    whole = "\n\n".join(say(_line(text)) for text in about.split("\n\n"))
    listed = []
    for argument in re.split(r"\n {4}(?! )", f"\n{arguments}")[1:]:
        name, _, text = argument.partition(": ")
        listed.append(f"    {name}: {say(_line(text))}")
    return whole + _ARGUMENTS + "\n".join(listed) if listed else whole


def _line(text: str) -> str:
    return " ".join(text.split())


@attrs.frozen
class _Text:
    """A docstring, or what an app states in place of one, as it is in English."""

    owner: Any
    attribute: str
    english: str

    @classmethod
    def of(cls, owner: Any) -> _Text:
        """Return that of a class, or of an app, whose command may have it."""
        if isinstance(owner, App) and not inspect.isfunction(owner.default_command):
            return cls(owner, "help", owner.help)
        documented = owner.default_command if isinstance(owner, App) else owner
        return cls(documented, "__doc__", documented.__doc__ or "")

    def speak(self) -> None:
        setattr(self.owner, self.attribute, with_texts(self.english, _said))


class Help:
    """The help of an app, and of the classes that have options of its commands."""

    def __init__(self, app: App, *options: type) -> None:
        self._app = app
        self._texts = [*map(_Text.of, (*_apps(app), *options))]
        self._language = ""

    @property
    def english(self) -> list[str]:
        """Return its docstrings, as they are written."""
        return [text.english for text in self._texts]

    def speak(self) -> None:
        """Put it into the language that is spoken."""
        if self._language != spoken():
            self._language = spoken()
            self._app.help_epilogue = _epilogue()
            for text in self._texts:
                text.speak()


def _apps(app: App) -> Iterator[App]:
    yield app
    for name in app:
        yield from _apps(app[name])


def _epilogue() -> str:
    options = tr(
        "Each command takes `--lang es` or `--lang en`, the language that it speaks [default: that "
        "of LC_ALL, LC_MESSAGES or LANG], and `--debug`, which shows the traceback of an error."
    )
    return f"{said(options)}\n\n{table(said)}"


class HelpFormatter:
    """Shows the help as cyclopts does, in the language that is spoken."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Show commands, or options of a group."""
        from cyclopts.help.formatters import DefaultFormatter

        title, entries = _said(str(panel.title)), [*map(_entry, panel.entries)]
        DefaultFormatter()(console, options, attrs.evolve(panel, title=title, entries=entries))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """Show how a command is called."""
        from rich.text import Text

        del options
        command = label(str(usage).strip().removeprefix("Usage: "))
        console.print(
            Text(said(tr("Usage: {command}").format(command=command)), "bold"), end="\n\n"
        )


def _entry(entry: HelpEntry) -> HelpEntry:
    """Return an entry with that in its description which cyclopts would add in English."""
    from rich.text import Text

    if entry.choices:
        choices = tr("[choices: {choices}]").format(choices=", ".join(entry.choices))
        entry.description.append(Text(said(choices), "gray58"))
    if entry.default is not None:
        default = tr("[default: {default}]").format(default=entry.default)
        entry.description.append(Text(said(default), "gray58"))
    if entry.required:
        entry.description.append(Text(said(tr("[required]")), "red"))
    changes: dict[str, Any] = {"choices": None, "default": None, "required": False}
    # In some versions of cyclopts these are among the names.
    for name in ("metavar", "positional_label"):
        if shown := getattr(entry, name, None):
            changes[name] = label(shown)
    return attrs.evolve(entry, **changes)


def label(text: str) -> str:
    """Return a text in which words in capitals stand for values, in the language spoken."""
    return _LABEL.sub(lambda found: said(_WORDS.get(found[0], found[0])), text)


def _said(text: str) -> str:
    return said(Message(text))
