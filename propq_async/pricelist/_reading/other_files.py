"""What a file is that is no price list that can be read, and what to do about it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .ole import OLE
from .unpacking import is_spreadsheet

__all__ = ["check_readable", "has_password"]

_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_SAVE: Final = tr("open it in Excel or LibreOffice and save it as XLSX or CSV")
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?a-zA-Z!]")
_IS_EXCEL: Final = b"urn:schemas-microsoft-com:office:spreadsheet"
_EXCEL_XML: Final = tr("a workbook as XML, as Excel 2003 has it: {save}").format(save=_SAVE)
_OTHER_XML: Final = tr("XML, such as the feed of a portal: export the list as XLSX or CSV")
_BEGINNINGS: Final = (
    (
        b"%PDF",
        tr("a PDF, from which a table cannot be read with certainty: ask for the workbook or CSV"),
    ),
    (b"{\\rtf", tr("a document (RTF): {save}").format(save=_SAVE)),
    (b"\x89PNG", tr("a picture: ask for the workbook or CSV")),
    (b"\xff\xd8\xff", tr("a picture: ask for the workbook or CSV")),
    (b"\x1f\x8b", tr("a compressed file (GZIP): unpack it first")),
    (b"7z\xbc\xaf", tr("an archive (7z): unpack it first")),
    (b"Rar!", tr("an archive (RAR): unpack it first")),
)
_PARTS: Final = (
    ("content.xml", tr("an OpenDocument file, and no spreadsheet: {save}").format(save=_SAVE)),
    ("xl/workbook.bin", tr("a binary workbook (XLSB): {save}").format(save=_SAVE)),
    ("word/document.xml", tr("a document (DOCX): {save}").format(save=_SAVE)),
    ("Index/Document.iwa", tr("a list of Apple Numbers: export it as XLSX or CSV")),
)


def check_readable(path: Path, start: bytes) -> None:
    """Refuse a file of a kind that is not read, by what it begins with.

    Raises:
        PriceListError: it is one; the message says what it is and what to do.
        OSError: it cannot be read.
    """
    if not start:
        raise PriceListError(
            tr("{path} is empty: see what went wrong when it was made").format(path=path)
        )
    for beginning, what in _BEGINNINGS:
        if start.startswith(beginning):
            raise PriceListError(tr("{path} is {what}").format(path=path, what=what))
    if _XML.match(start):
        raise PriceListError(
            tr("{path} is {what}").format(
                path=path, what=_EXCEL_XML if _IS_EXCEL in start else _OTHER_XML
            )
        )
    if start.startswith(OLE) and _ENCRYPTED in path.read_bytes():
        raise has_password(path)
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path)


def has_password(path: Path) -> PriceListError:
    """Return the error for a workbook that is encrypted."""
    return PriceListError(
        tr("{path} is a workbook with a password: open it and save it without one").format(
            path=path
        )
    )


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as file:
            names = set(file.namelist())
            if is_spreadsheet(file):
                return
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        # The workbook's own check says what is wrong with it.
        return
    for part, what in _PARTS:
        if part in names:
            raise PriceListError(tr("{path} is {what}").format(path=path, what=what))
    if "xl/workbook.xml" not in names:
        raise PriceListError(
            tr("{path} is an archive (ZIP) and no workbook: unpack it first").format(path=path)
        )
