"""Text files: their encoding, their lines, and cells that a spreadsheet keeps as they are."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import IO, Any, Final

import attrs

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .encodings import check_cp1252

__all__ = [
    "BrokenLine",
    "Record",
    "bare",
    "encoding_of",
    "inert",
    "is_inert",
    "is_named_workbook",
    "no_workbook",
    "open_text",
]

_SAMPLE_BYTES: Final = 4096
_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_BLOCK_BYTES: Final = 2**18
_MAY_BE_UTF8: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


# What a spreadsheet does not keep as it is: what begins a formula, and perhaps another program; and
# what is a number or a date to it, unless it writes it back alike. A few words may stand in these.
_PLAIN_NUMBER: Final = r"(?:0|[1-9][0-9]{0,14})\Z"
_WORDS_OF_NUMBERS: Final = (
    r"jan(?:uary)?|ene(?:ro)?|feb(?:ruary|rero)?|mar(?:ch|zo)?|apr(?:il)?|abr(?:il)?|mayo?|june?|"
    r"junio|july?|julio|aug(?:ust)?|ago(?:sto)?|sept?(?:ember|iembre)?|oct(?:ober|ubre)?|"
    r"nov(?:ember|iembre)?|dec(?:ember)?|dic(?:iembre)?|eur(?:os?)?|de|"
    r"(?<=[0-9])e(?=[-+]?[0-9])|(?<=[0-9] )[ap]m?\b|(?<=[0-9])[ap]m\b"
)
_NOT_KEPT: Final = (
    rf"(?:[=+\-@\t\r]|(?!{_PLAIN_NUMBER})(?=\D*[0-9])(?:[\W\d_]|{_WORDS_OF_NUMBERS})*+\Z)"
)
_CHANGES: Final = re.compile(f"'*{_NOT_KEPT}", re.IGNORECASE)
_INERT: Final = re.compile(f"'+{_NOT_KEPT}", re.IGNORECASE)


def inert(cell: str) -> str:
    """Return a cell of CSV so that a spreadsheet keeps it as it is: with an apostrophe before it.

    What begins with apostrophes already gets one more, so that `bare` returns each cell as it was.
    """
    return f"'{cell}" if _CHANGES.match(cell) else cell


def is_inert(cell: str) -> bool:
    """Return whether `bare` would take an apostrophe away."""
    return _INERT.match(cell) is not None


def bare(cell: str) -> str:
    """Return a cell without what `inert` has put before it."""
    return cell[1:] if is_inert(cell) else cell


@attrs.define(eq=False)
class Record:
    """A row, and the line that it begins in."""

    line: int
    cells: list[Any]


@attrs.frozen
class BrokenLine:
    """A line that is no row, as it stands, and what was expected."""

    line: int
    text: str
    expected: str


def encoding_of(path: Path, stated: str | None) -> str:
    """Return the encoding of a file: stated, or told by its bytes.

    A byte order mark tells, and that of UTF-8 whatever is stated: no text in another encoding
    begins like it, and a list of failures, which has it, is read with the options of its list.
    Without one it is UTF-8 if that reads every line. If not, it is cp1252, which reads nearly
    everything; unless other lines are UTF-8 beyond ASCII, which never happens by chance: then the
    file is UTF-8 with broken lines.

    Raises:
        PriceListError: there is no such encoding, or the file is no text, or is in another one.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if stated is not None and not sample.startswith(codecs.BOM_UTF8):
        try:
            name = codecs.lookup(stated).name
        except LookupError:
            raise PriceListError(
                tr(
                    "there is no encoding {stated!r}: state utf-8, cp1252 or another that "
                    "Python knows"
                ).format(stated=stated)
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        for encoding, zeros, others in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
            # Of a text in Latin letters, every second byte is one, and the others never are.
            if (
                not _CONTROL.search(sample[others::2])
                and sample[zeros::2].count(0) * 2 > len(sample) // 2
            ):
                return encoding
        if is_named_workbook(path):
            raise no_workbook(path)
        raise PriceListError(
            tr("{path} is no text file; expected CSV, XLSX or JSON lines").format(path=path)
        )
    with path.open("rb") as file:
        if _is_utf8(file):
            return "utf-8"
    check_cp1252(path)
    return "cp1252"


def is_named_workbook(path: Path) -> bool:
    """Return whether the name is that of a workbook."""
    return path.suffix.lower() in _WORKBOOKS


def no_workbook(path: Path) -> PriceListError:
    """Return the error for a file whose name alone is that of a workbook."""
    return PriceListError(
        tr(
            "{path} is not a workbook, or it is damaged: open it in Excel or LibreOffice and save "
            "it again as XLSX or CSV"
        ).format(path=path)
    )


def _is_utf8(file: IO[bytes]) -> bool:
    """Return whether every line is UTF-8, or one of them beyond ASCII is."""
    is_whole = True
    while lines := file.readlines(_BLOCK_BYTES):
        block = b"".join(lines)
        if block.isascii():
            continue
        if _are_utf8(block):
            return True
        is_whole = False
        if _MAY_BE_UTF8.search(block) and any(
            _are_utf8(line) for line in lines if not line.isascii()
        ):
            return True
    return is_whole


def _are_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a text so that bytes which are not in its encoding come out as lone surrogates."""
    # UTF-16 has no such way out.
    errors = "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return path.open(encoding=encoding, errors=errors, newline="")
