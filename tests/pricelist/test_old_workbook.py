"""Workbooks of Excel 97 to 2003 (XLS): read as those in XLSX are, with all that they show."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, PriceListError, Row
from propq_async.pricelist._reading.biff import BiffBook
from propq_async.pricelist._reading.ole import workbook_stream
from tests.helpers.ole import EOF, SECTOR, SIGNATURE, bof, book, container, record

# LibreOffice has written both, from one workbook.
WORKBOOKS = Path(__file__).parent / "workbooks"
_ROW, _COLUMN, _MERGED, _NUMBER, _MULRK = 0x0208, 0x007D, 0x00E5, 0x0203, 0x00BD
_FONT, _FORMAT, _XF, _FILEPASS = 0x0031, 0x041E, 0x00E0, 0x002F


def _said(path: Path, **options: Any) -> list[Any]:
    read = pricelist.read(path, development_id="4711", **options)
    return [
        (row.line, row.what)
        if isinstance(row, BrokenRow)
        else (row.line, row.update, [one.text for one in row.remarks])
        for row in read
    ]


def test_what_excel_97_has_is_read_as_what_excel_has_now() -> None:
    old, new = (WORKBOOKS / f"libreoffice.{suffix}" for suffix in ("xls", "xlsx"))
    said = _said(old)
    assert said == _said(new)
    prices = pricelist.read(old, development_id="4711")
    assert prices.tables[0].sheet == "Señorío 1"
    assert prices.skipped_sheets == {"Oculta": "it is hidden or a chart"}
    # A hidden column, a merged status, a hidden row, a name as it is shown, another currency, a
    # formula with its value, an error, and a price that is struck through.
    assert prices.tables[0].not_read == ["Notas"]
    rows = [row for row in prices if isinstance(row, Row)]
    assert [row.update.name for row in rows] == ["A-101", "A-102", "A-103", "007", "A-106", "A-108"]
    assert [row.update.status.name for row in rows[:3]] == ["SOLD", "SOLD", "AVAILABLE"]
    assert "hidden" in rows[2].remarks[0].text
    assert rows[4].update.price == 508_401
    assert "struck through" in rows[5].remarks[0].text
    problems = [row.what for row in prices if isinstance(row, BrokenRow)]
    assert "another currency" in problems[0]
    assert problems[1].startswith("column Precio is empty")


# --- the file system in it --------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 3 * SECTOR * 128), seed=st.integers(0, 255))
def test_a_stream_comes_out_as_it_went_in(size: int, seed: int) -> None:
    stream = bytes((seed + number // 7) % 256 for number in range(size))
    assert workbook_stream(container(stream)) == stream


def test_a_stream_may_be_longer_than_the_header_can_say() -> None:
    # 109 sectors of the table are in the header, and each of the others' lists has 127.
    stream = bytes(range(256)) * (2 * SECTOR * 64 * (109 + 128) // 256)
    assert workbook_stream(container(stream)) == stream


def _looped() -> bytes:
    """Return a file whose directory is followed by itself."""
    content = bytearray(container(b"x"))
    # Behind the header: the directory, the stream, the table of small ones, and the table.
    struct.pack_into("<I", content, 4 * SECTOR, 0)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (container(b"x", name="Book"), "it is no workbook of Excel 97 or later"),
        (SIGNATURE, "unpack_from requires"),
        (_looped(), "a chain of sectors has no end"),
        (container(b"x" * 5000)[:1200], "list index out of range"),
        (container(book(record(0x0809, "HHI", 0x0500, 5, 0))), "it is of Excel 95 or older"),
    ],
)
def test_what_is_broken_is_told(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(content)
    with pytest.raises(PriceListError, match="cannot be read as a workbook: ") as refused:
        pricelist.read(path)
    assert why in str(refused.value)


@pytest.mark.parametrize("part", range(1, 14))
def test_a_file_that_was_cut_off_is_not_read(part: int, tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    content = (WORKBOOKS / "libreoffice.xls").read_bytes()
    path.write_bytes(content[: len(content) * part // 14])
    with pytest.raises(PriceListError):
        list(pricelist.read(path, development_id="4711"))


def test_a_list_of_sectors_without_an_end_is_told() -> None:
    content = bytearray(container(bytes(8_000_000)))
    (first,) = struct.unpack_from("<I", content, 68)
    # The last number of the first list says where the next one is.
    struct.pack_into("<I", content, (first + 2) * SECTOR - 4, first)
    with pytest.raises(ValueError, match="a chain of sectors has no end"):
        workbook_stream(bytes(content))


# --- its records ------------------------------------------------------------------------------


def test_records_say_what_is_hidden_merged_and_how_cells_look() -> None:
    fonts = [record(_FONT, "HH", 200, 8 * (number == 4)) for number in range(5)]
    dollars = "[$$-409]#,##0"
    formats = record(_FORMAT, "HHB", 164, len(dollars), 0, text=dollars.encode())
    wide = record(_FORMAT, "HHB", 165, 1, 1, text="0".encode("utf-16-le"))
    # There is no font 4: the fifth one is number 5.
    styles = [record(_XF, "HH", *one) for one in ((0, 0), (5, 164), (0, 165), (0, 49), (9, 4))]
    chart = [bof(), record(_ROW, "HHHHHHI", 7, 0, 0, 0, 0, 0, 0x20), EOF]
    sheet = [
        record(_ROW, "HHHHHHI", 2, 0, 1, 255, 0, 0, 0x20),
        record(_ROW, "HHHHHHI", 3, 0, 1, 255, 0, 0, 0),
        record(_COLUMN, "HHHHH", 1, 2, 100, 0, 1),
        record(_COLUMN, "HHHHH", 3, 3, 100, 0, 0),
        record(_MERGED, "HHHHHHHHH", 2, 1, 3, 0, 0, 1, 1, 0, 2),
        record(_NUMBER, "HHHQ", 4, 3, 1, 0),
        record(_MULRK, "HHHIHIH", 5, 1, 0, 0, 2, 0, 2),
        *chart,
    ]
    made = BiffBook(book(*fonts, formats, wide, *styles, Hoja=sheet))
    (found,) = made.sheets.values()
    assert (found.hidden_rows, found.hidden_columns) == ({3}, {1, 2})
    assert (found.merged(0), found.merged(1)) == ([range(2, 5)], [])
    assert (found.rows, found.columns, found.last_cell) == (6, 4, "R6C4")
    codes = ["General", dollars, "0", "General", "#,##0.00"]
    assert [one.code for one in found.styles] == codes
    assert [one.is_struck for one in found.styles] == [False, True, False, False, False]
    assert found.styled([3], [1, 2]) == {5: [(3, found.styles[1])]}
    assert found.styled([1, 2], [0, 2]) == {6: [(1, found.styles[0]), (2, found.styles[2])]}


def test_a_password_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(container(book(record(_FILEPASS, "H", 1), Hoja=[])))
    with pytest.raises(PriceListError, match="is a workbook with a password"):
        pricelist.read(path)


def test_a_cell_far_outside_is_told_before_there_is_room_for_all(tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(container(book(Hoja=[record(_NUMBER, "HHHQ", 65_535, 255, 0, 0)])))
    with pytest.raises(PriceListError, match="row 65,536 and column 256") as refused:
        pricelist.read(path)
    assert "more than 10,000,000 cells" in str(refused.value)
