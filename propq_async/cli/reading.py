"""How a price list is read: the options of the command line, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from propq_async import UnitStatus

from .ending import CommandError, Exit

if TYPE_CHECKING:
    from propq_async.pricelist import PriceList

__all__ = ["Reading", "again", "check_file", "no_pipe", "open_list", "pairs", "status_words"]

_DEVICES = ("/dev", "/proc")
Decimals = Literal[".", ","]
Words = Annotated[list[str], Parameter(negative="", show_default=False)]


@Parameter(name="*", group="How the list is read (what is not stated is recognised)")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """The options. Not attrs, since the command line reads its help from the annotations."""

    development: str | None = None
    "The development of all rows, where the list has no column for it."

    column: Words = field(default_factory=list)
    "Which column is which, such as --column name=Ref; again for each. Other sheets may differ."

    status_word: Words = field(default_factory=list)
    "What a word for a status means, such as --status-word 'Under contract=RESERVED'."

    direction_word: Words = field(default_factory=list)
    "What a word for a direction means, such as --direction-word 'Mar=S'."

    decimal: Decimals | None = None
    "What stands before the decimals of a price: . or ,"

    delimiter: str | None = None
    "What separates the columns of a CSV."

    encoding: str | None = None
    "The encoding of a text, such as cp1252."

    sheet: str | None = None
    "The one sheet of a workbook to read. Without it, all that have the columns and are not hidden."


def again(options: Reading, delimiter: str) -> Iterator[tuple[str, str]]:
    """Return the options that the list of what failed needs, too.

    It has the words and the columns of the list, and what separates them; but it is UTF-8, and has
    no sheets.
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
    if options.decimal is not None:
        yield "--decimal", options.decimal
    if options.delimiter == delimiter:
        yield "--delimiter", delimiter


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Read `KEY=VALUE` of an option that may come several times."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise CommandError(f"{option}: expected KEY=VALUE, not {text!r}", Exit.USAGE)
        found[key.strip()] = value.strip()
    return found


def status_words(texts: list[str]) -> dict[str, UnitStatus]:
    """Read what further words for a status mean."""
    from propq_async.pricelist.words import status_of  # noqa: PLC0415 - not needed for --help

    found: dict[str, UnitStatus] = {}
    for word, meaning in pairs("--status-word", texts).items():
        status = status_of(meaning, {})
        if status is None:
            names = ", ".join(one.name for one in UnitStatus)
            raise CommandError(
                f"--status-word: expected WORD=STATUS with one of {names}, not {meaning!r}",
                Exit.USAGE,
            )
        found[word] = status
    return found


def check_file(path: Path) -> None:
    """Refuse what is there and can be no list, before anything waits for its end."""
    if path.is_dir():
        raise CommandError(f"{path} is a directory: name the file of a price list", Exit.USAGE)
    # Also where it happens to lead to a file: failures are written beside the list.
    is_device = any(path.absolute().is_relative_to(place) for place in _DEVICES)
    is_stream = is_device or (path.exists() and not path.is_file())
    if is_stream or (str(path) == "-" and not path.exists()):
        raise no_pipe(str(path))


def no_pipe(name: str) -> CommandError:
    """Return the error that a list which is no file ends in."""
    return CommandError(
        f"{name} is no file: a price list is read more than once, which a pipe cannot be; save it "
        "as a file, and name that",
        Exit.USAGE,
    )


def open_list(path: Path, options: Reading) -> PriceList:
    """Open a list. It takes a look at the whole file: call it in a thread."""
    from propq_async.pricelist import PriceListError, read  # noqa: PLC0415 - not needed for --help

    check_file(path)
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
        )
    except PriceListError as error:
        raise CommandError(str(error), Exit.USAGE) from error
