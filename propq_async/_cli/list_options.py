"""The options that say how a price list is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from propq_async import UnitStatus
from propq_async._messages import tr
from propq_async._paths import absolute_path, expanded_path

from .exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from propq_async.pricelist import PriceList

__all__ = ["ListOptions", "again", "list_file", "no_pipe", "open_list", "pairs", "status_words"]

_DEVICES = ("/dev", "/proc")
Decimals = Literal[".", ","]
Words = Annotated[list[str], Parameter(negative="", show_default=False)]


@Parameter(name="*", group=tr("How the list is read (what is not stated is recognised)"))
# Not attrs, since cyclopts reads the annotations.
@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """How a price list is read.

    Args:
        development: The development of all rows, where the list has no column for it.
        column: Which column is which, such as --column name=Ref or 'price=Precio (C)'; again for
            each.
        status_word: What a word for a status means, such as --status-word 'Under
            contract=RESERVED'.
        direction_word: What a word for a direction means, such as --direction-word 'Mar=S'.
        decimal: What stands before the decimals of a price: . or ,
        delimiter: What separates the columns of a CSV.
        encoding: The encoding of a text, such as cp1252.
        sheet: The one sheet of a workbook to read. Without it, all that have the columns and are
            not hidden.
        profile: The profile that says how the list is read. [default: the propq.toml beside it or
            above]
    """

    development: str | None = None
    column: Words = field(default_factory=list)
    status_word: Words = field(default_factory=list)
    direction_word: Words = field(default_factory=list)
    decimal: Decimals | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    profile: Path | None = None


def again(options: ListOptions, delimiter: str) -> Iterator[tuple[str, str]]:
    """Return the options that the failures file needs too.

    It has the words, the columns and the delimiter of the list. It has no sheets, and its encoding
    is told by its bytes.
    """
    if options.development is not None:
        yield "--development", options.development
    for option, values in (
        ("--column", options.column),
        ("--status-word", options.status_word),
        ("--direction-word", options.direction_word),
    ):
        for value in values:
            yield option, value
    if options.profile is not None:
        yield "--profile", str(options.profile)
    if options.decimal is not None:
        yield "--decimal", options.decimal
    if options.delimiter == delimiter:
        yield "--delimiter", delimiter


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Parse the `KEY=VALUE` texts of an option that may be repeated."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise CommandError(
                tr("{option}: expected KEY=VALUE, not {text!r}").format(option=option, text=text),
                Exit.USAGE,
            )
        found[key.strip()] = value.strip()
    return found


def status_words(texts: list[str]) -> dict[str, UnitStatus]:
    """Parse the values of `--status-word`."""
    from propq_async.pricelist._reading.word_lookup import status_of  # noqa: PLC0415 - not needed for --help

    found: dict[str, UnitStatus] = {}
    for word, meaning in pairs("--status-word", texts).items():
        status = status_of(meaning, {})
        if status is None:
            names = ", ".join(one.name for one in UnitStatus)
            raise CommandError(
                tr(
                    "--status-word: expected WORD=STATUS with one of {names}, not {meaning!r}"
                ).format(names=names, meaning=meaning),
                Exit.USAGE,
            )
        found[word] = status
    return found


def list_file(path: Path) -> Path:
    """Return the file of a list, with `~` expanded.

    A directory or a stream is refused at once, before anything reads it.
    """
    path = expanded_path("the price list", path)
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise CommandError(
            tr("{path} is a directory: name the file of a price list").format(path=path), Exit.USAGE
        )
    # Even if it is redirected from a file: failures are written beside the list.
    is_device = any(
        absolute_path("the price list", path).is_relative_to(place) for place in _DEVICES
    )
    is_there = os.path.exists(path)  # noqa: PTH110 - the same
    is_stream = is_device or (is_there and not path.is_file())
    if is_stream or (str(path) == "-" and not is_there):
        raise no_pipe(str(path))
    return path


def no_pipe(name: str) -> CommandError:
    """Return the error for a list that is not a file."""
    return CommandError(
        tr(
            "{name} is no file: a price list is read more than once, which a pipe "
            "cannot be; save it as a file, and name that"
        ).format(name=name),
        Exit.USAGE,
    )


def open_list(path: Path, options: ListOptions, shard: tuple[int, int] | None = None) -> PriceList:
    """Open a list. It looks at the whole file, so call it in a thread."""
    from propq_async.pricelist import PriceListError, read  # noqa: PLC0415 - not needed for --help

    path = list_file(path)
    try:
        return read(
            path,
            development_id=options.development,
            columns=pairs("--column", options.column),
            status_words=status_words(options.status_word),
            direction_words=pairs("--direction-word", options.direction_word),
            decimal=options.decimal,
            delimiter=options.delimiter,
            encoding=options.encoding,
            sheet=options.sheet,
            shard=shard,
            **({} if options.profile is None else {"profile": options.profile}),
        )
    except PriceListError as error:
        raise CommandError(str(error), Exit.USAGE) from error
