"""What a file is that is no price list that can be read, and what to do about it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final

from propq_async.pricelist._problems import PriceListError

__all__ = ["check_readable"]

_OLE: Final = b"\xd0\xcf\x11\xe0"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_SAVE: Final = "open it in Excel or LibreOffice and save it as XLSX or CSV"
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?a-zA-Z!]")
_IS_EXCEL: Final = b"urn:schemas-microsoft-com:office:spreadsheet"
_EXCEL_XML: Final = f"a workbook as XML, as Excel 2003 has it: {_SAVE}"
_OTHER_XML: Final = "XML, such as the feed of a portal: export the list as XLSX or CSV"
_BEGINNINGS: Final = (
    (
        b"%PDF",
        "a PDF, from which a table cannot be read with certainty: ask for the workbook or CSV",
    ),
    (b"{\\rtf", f"a document (RTF): {_SAVE}"),
    (b"\x89PNG", "a picture: ask for the workbook or CSV"),
    (b"\xff\xd8\xff", "a picture: ask for the workbook or CSV"),
    (b"\x1f\x8b", "a compressed file (GZIP): unpack it first"),
    (b"7z\xbc\xaf", "an archive (7z): unpack it first"),
    (b"Rar!", "an archive (RAR): unpack it first"),
)
_PARTS: Final = (
    ("content.xml", f"an OpenDocument file (such as ODS): {_SAVE}"),
    ("xl/workbook.bin", f"a binary workbook (XLSB): {_SAVE}"),
    ("word/document.xml", f"a document (DOCX): {_SAVE}"),
    ("Index/Document.iwa", "a list of Apple Numbers: export it as XLSX or CSV"),
)


def check_readable(path: Path, start: bytes) -> None:
    """Refuse a file of a kind that is not read, by what it begins with.

    Raises:
        PriceListError: it is one; the message says what it is and what to do.
        OSError: it cannot be read.
    """
    for beginning, what in _BEGINNINGS:
        if start.startswith(beginning):
            raise PriceListError(f"{path} is {what}")
    if _XML.match(start):
        raise PriceListError(f"{path} is {_EXCEL_XML if _IS_EXCEL in start else _OTHER_XML}")
    if start.startswith(_OLE):
        if _ENCRYPTED in path.read_bytes():
            raise PriceListError(
                f"{path} is a workbook with a password: open it and save it without one"
            )
        raise PriceListError(f"{path} is a workbook of Excel 97 to 2003 (XLS): {_SAVE}")
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path)


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as file:
            names = set(file.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        # The workbook's own check says what is wrong with it.
        return
    for part, what in _PARTS:
        if part in names:
            raise PriceListError(f"{path} is {what}")
    if "xl/workbook.xml" not in names:
        raise PriceListError(f"{path} is an archive (ZIP) and no workbook: unpack it first")
