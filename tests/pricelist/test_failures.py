"""A list of failures says of each row what the list says of it, until it is mended."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from propq_async import UnitStatus, UnitUpdate, pricelist
from propq_async.pricelist import BrokenRow, Failures, PriceList, PriceListError, Row
from propq_async.pricelist._reading.text import bare, encoding_of, open_text
from propq_async.pricelist._reading.word_lookup import FIELDS
from tests.helpers.lists import (
    ENGLISH,
    SPANISH,
    SmallFile,
    json_lines,
    text_list,
    unit,
    workbook,
)

ANSWER = "POST /units: 404 Not found\nsecond line, with a comma"


def _said(prices: PriceList, rows: Iterable[Row | BrokenRow]) -> list[Any]:
    """Return what a list says of each row: the update, or which fields are broken."""
    fields: dict[tuple[int, str], str] = {}
    for found, _ in prices.sources:
        for field, place in found.columns.items():
            fields[id(found.table), found.table.header[place]] = field
    said: list[Any] = []
    for row in rows:
        if isinstance(row, Row):
            said.append(row.update)
        elif not any(map(str.strip, row.cells)):
            # All of it is of a wrong type, which only a cell without a column can say.
            said.append({None})
        else:
            said.append({one.column and fields[id(row.table), one.column] for one in row.problems})
    return said


def _fail(prices: PriceList, rows: Iterable[Row | BrokenRow], path: Path | None) -> Path:
    with Failures(prices, path) as failures:
        for row in rows:
            failures.add(row, row.what if isinstance(row, BrokenRow) else ANSWER)
    assert failures.path is not None
    assert failures.error is None
    return failures.path


def _table(path: Path, delimiter: str) -> list[list[str]]:
    with open_text(path, encoding_of(path, None)) as file:
        return list(csv.reader(file, delimiter=delimiter))


def _check(
    path: Path, options: dict[str, Any], refused: int = -1
) -> tuple[PriceList, list[Row | BrokenRow], list[list[str]]]:
    """Check that the failures, and the failures of these, say what the list says.

    What fails are the broken rows, and of the others those whose bit is set in `refused`.
    """
    prices = pricelist.read(path, **options)
    rows = list(prices)
    # By place, since a remark makes another object of a row.
    rivals = {
        (row.rival.table, row.rival.line)
        for row in rows
        if isinstance(row, BrokenRow) and row.rival is not None
    }
    rows = [
        row
        for number, row in enumerate(rows)
        if isinstance(row, BrokenRow) or (row.table, row.line) in rivals or refused >> number & 1
    ]
    said = _said(prices, rows)
    if not rows:
        return prices, [], [[]]
    first = pricelist.read(_fail(prices, rows, path.with_name("first.csv")), **options)
    assert _said(first, first) == said
    assert first.is_part
    second = pricelist.read(_fail(first, first, path.with_name("second.csv")), **options)
    assert _said(second, second) == said
    written, again = (_table(one.path, prices.delimiter) for one in (first, second))
    assert written[0][0] == "propq_problem"
    # The reason may count the columns of this file.
    assert [row[1:] for row in written] == [row[1:] for row in again]
    # What a spreadsheet would not keep as it is has an apostrophe before it.
    return prices, rows, [[bare(cell) for cell in row] for row in written]


# --- random lists -------------------------------------------------------------------------------

CELLS = {
    "development_id": st.sampled_from(["4711", " 4711", "12", "", "\udce1"]),
    "name": st.sampled_from(
        ["A-101", "A-102", "a-101", " B", "C\nD", 'E"F', "Ático", "", "\u200b", "\udce1", "G;H",
         "1", "A-103", "A-104", "A-105", "A-106", "A-107"]
    ),
    "status": st.sampled_from(["SOLD", "Disponible", "4", "?", "", "sold?"]),
    "price": st.sampled_from(
        ["250000", "250.000", "250,000", "1.234.567", "1,234,567", "199500.50", "199500,5", "99",
         "250", "1.5", "250.0000", "1.234,56", "POA", "", "0", "250 000 €", "1.234 eur."]
    ),
    "directions": st.sampled_from(["N", "N S", "S-W", "Norte, Sur", "N\nS", "?", "", "O"]),
}  # fmt: skip
PLAIN = dict(zip(FIELDS, ["4711", "Z-1", "SOLD", "300000", "N"], strict=True))
NOTES = st.sampled_from(["", "", "x", "120", "000", 'say "so"', "two\nlines", "a, b; c", " ", "ñ"])
NAMES = {
    "development_id": st.sampled_from(["development_id", "ID Promoción"]),
    "name": st.sampled_from(["name", "Vivienda"]),
    "status": st.sampled_from(["status", "ESTADO"]),
    "price": st.sampled_from(["price", "Precio\n(€)", " PVP "]),
    "directions": st.sampled_from(["directions", "Orientación"]),
}
EXTRA = st.sampled_from(["", "", "Notas", "Notas", "m2", "propq_notes"])
DECIMAL = st.sampled_from([None, None, ".", ","])
# A list asks about these as a whole.
ANSWERS = {
    "status_words": {"3": UnitStatus.HOLD, **{str(int(one)): one for one in UnitStatus}},
    "direction_words": {"O": "W"},
}


@st.composite
def _header(draw: st.DrawFn, *, has_development: bool) -> list[tuple[str, str]]:
    """Draw the columns: the field of each, or nothing, and its name."""
    fields = FIELDS if has_development else FIELDS[1:]
    columns = [(field, draw(NAMES[field])) for field in fields]
    columns += [("", draw(EXTRA)) for _ in range(draw(st.integers(0, 3)))]
    drawn = draw(st.permutations(columns))
    # Right of a name, a column without one may be meant as well.
    return sorted(drawn, key=lambda column: bool(column[1]))


def _row(draw: st.DrawFn, columns: Sequence[tuple[str, str]]) -> list[str]:
    return [draw(CELLS.get(field, NOTES)) for field, _ in columns]


@st.composite
def _text(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    has_development = draw(st.booleans())
    columns = draw(_header(has_development=has_development))
    delimiter = draw(st.sampled_from(",;\t|:#"))
    options: dict[str, Any] = {"decimal": draw(DECIMAL), **ANSWERS}
    if not has_development or draw(st.booleans()):
        options["development_id"] = "4711"
    lines: list[list[str]] = [[name for _, name in columns]]
    # What stands right below a heading without a unit's name may belong to it.
    lines.append([PLAIN.get(field, "") for field, _ in columns])
    for _ in range(draw(st.integers(1, 8))):
        row = _row(draw, columns)
        defect = draw(st.sampled_from(["", "", "", "short", "long", "stray", "twice", "head"]))
        if defect == "short":
            row = row[: draw(st.integers(1, len(row) - 1))]
        elif defect == "long":
            row += draw(st.lists(NOTES, min_size=1, max_size=3))
        elif defect == "head":
            row = list(draw(st.permutations([name for _, name in columns])))
        elif defect == "stray":
            row.insert(draw(st.integers(0, len(row))), draw(NOTES))
        lines += [row, row] if defect == "twice" else [row]
    text = _as_csv(lines, delimiter, has_stray_quote=draw(st.booleans()))
    if delimiter == ":":
        text = "sep=:\r\n" + text
    elif delimiter == "#":
        options["delimiter"] = "#"
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    if encoding == "cp1252":
        options["encoding"] = "cp1252"
    return _encoded(text, encoding), options


def _encoded(text: str, encoding: str) -> bytes:
    """Return a text without what an encoding does not have."""
    if encoding == "utf-16":
        text = text.replace("\udce1", "")
    elif encoding == "cp1252":
        text = text.replace("\u200b", "").replace("\udce1", "\udc81")
    return text.encode(encoding, "surrogateescape")


def _as_csv(lines: list[list[str]], delimiter: str, *, has_stray_quote: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows(lines)
    if has_stray_quote:
        text.write(delimiter.join(["4711", '"A-1', "SOLD", "5"]) + "\r\n")
        writer.writerows(lines[1:2])
    return text.getvalue()


@settings(deadline=None, max_examples=50)
@given(drawn=_text(), refused=st.integers(0, 255))
def test_what_a_text_says_its_failures_say(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[bytes, dict[str, Any]], refused: int
) -> None:
    content, options = drawn
    path = tmp_path_factory.mktemp("list") / "x.csv"
    path.write_bytes(content)
    prices, rows, written = _check(path, options, refused)
    # Each row is there as it was, but for prices that the rest of the column made certain.
    added = len(written[0]) - 1 - len(prices.tables[0].header)
    ((found, _),) = prices.sources
    for row, cells in zip(rows, written[1:], strict=True):
        wanted, at_price = list(row.cells), found.columns["price"]
        kept = cells[1 + added :]
        if len(wanted) == len(found.table.header) and wanted[at_price] != kept[at_price]:
            kept[at_price] = wanted[at_price]
            assert "." in wanted[at_price] or "," in wanted[at_price]
        assert kept == wanted


TYPED: dict[str, st.SearchStrategy[Any]] = {
    "development_id": st.one_of(CELLS["development_id"], st.sampled_from([4711, True, 4711.0])),
    "name": st.one_of(CELLS["name"], st.sampled_from([101, 1.5, True])),
    "status": st.one_of(CELLS["status"], st.sampled_from([4, 8.0, True, 3])),
    "price": st.one_of(
        CELLS["price"],
        st.sampled_from([250_000, 250, 1.234, 199_500.5, 0.125, 275_000.000_000_000_06, True, -5]),
        st.sampled_from([12.345, 1e300, 10**16, 0, 99.99]),
    ),
    "directions": CELLS["directions"],
}
UNNAMED = st.one_of(NOTES, st.sampled_from([120, 85.5, True]))
DAY = dt.date(2026, 2, 1)


def _cells_of(draw: st.DrawFn, columns: Sequence[tuple[str, str]], more: dict[str, Any]) -> Any:
    return [
        draw(st.one_of(TYPED.get(field, UNNAMED), more.get(field, st.none())))
        for field, _ in columns
    ]


@st.composite
def _sheets(draw: st.DrawFn) -> tuple[dict[str, list[list[Any]]], dict[str, Any]]:
    options: dict[str, Any] = {"decimal": draw(DECIMAL), **ANSWERS}
    is_stated = draw(st.booleans())
    if is_stated:
        options["development_id"] = "4711"
    more = dict.fromkeys(FIELDS, st.sampled_from([None, DAY]))
    sheets: dict[str, list[list[Any]]] = {}
    for number in range(draw(st.integers(1, 3))):
        columns = draw(_header(has_development=not is_stated or draw(st.booleans())))
        rows = [_cells_of(draw, columns, more) for _ in range(draw(st.integers(1, 4)))]
        plain = [(PLAIN | {"name": f"Z-{number}"}).get(field) for field, _ in columns]
        sheets[f"S{number}"] = [[name for _, name in columns], plain, *rows]
    return sheets, options


def _without_surrogates(cell: Any) -> Any:
    # XML has none.
    return cell.replace("\udce1", "\u200b") if isinstance(cell, str) else cell


@settings(deadline=None, max_examples=60)
@given(drawn=_sheets())
@example(
    drawn=(
        {"S0": [["price", "", "directions", "status", "name"], [None, None, None, "", True]]},
        {"development_id": "4711"},
    )
)
def test_what_sheets_say_their_failures_say(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[dict[str, list[list[Any]]], dict[str, Any]],
) -> None:
    sheets, options = drawn
    clean = {
        name: [[_without_surrogates(cell) for cell in row] for row in rows]
        for name, rows in sheets.items()
    }
    path = workbook(tmp_path_factory.mktemp("list") / "x.xlsx", **clean)
    asked = ""
    try:
        list(pricelist.read(path, **options))
    except PriceListError as error:
        asked = str(error)
    if asked:
        # Which of these sheets counts. There are no failures before that is stated.
        assert "have the same units" in asked
        return
    prices, rows, written = _check(path, options)
    # Whatever stands in a column that is not read is there.
    for row, cells in zip(rows, written[1:], strict=True):
        if isinstance(row, BrokenRow) and not any(map(str.strip, row.cells)):
            # All of it is of a wrong type: that is all that is there.
            values = [problem.value for problem in row.problems if problem.value]
            assert values
            assert cells[-1] == " ".join(values)
            continue
        columns = next(found.columns for found, _ in prices.sources if found.table is row.table)
        unread = [cell for at, cell in enumerate(row.cells) if at not in columns.values()]
        assert not [cell for cell in unread if " ".join(cell.splitlines()) not in cells]
    if rows:
        failed = path.with_name("x.failed.xlsx")
        assert _fail(prices, rows, None) == failed
        again = pricelist.read(failed, **options)
        assert again.is_part
        assert _updates(again) == _updates(rows)
        assert _fail(again, again, None) == path.with_name("x.failed-2.xlsx")
        assert _updates(pricelist.read(path.with_name("x.failed-2.xlsx"), **options)) == _updates(
            rows
        )


def _updates(rows: Iterable[Row | BrokenRow]) -> list[UnitUpdate | None]:
    """Return what each row says, `None` for a broken one."""
    return [row.update if isinstance(row, Row) else None for row in rows]


@st.composite
def _objects(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    options: dict[str, Any] = {"decimal": draw(DECIMAL), **ANSWERS}
    if draw(st.booleans()):
        options["development_id"] = "4711"
    more = {
        "development_id": st.sampled_from([["4711"], {}]),
        "name": st.sampled_from([["A"], {"a": 1}, "\ud800"]),
        "price": st.sampled_from([[250_000], {}]),
        "directions": st.sampled_from([["N", "S"], ["N", ""], ["?"], [], ["S-W"], [["N"]]]),
    }
    columns = [(field, field) for field in FIELDS] + [("", "m2"), ("", "")]
    lines = [json.dumps(dict.fromkeys([*ENGLISH, "m2"], "x"))]
    for _ in range(draw(st.integers(1, 6))):
        names = [name for _, name in columns]
        whole = dict(zip(names, _cells_of(draw, columns, more), strict=True))
        left_out = draw(st.sets(st.sampled_from(names), max_size=2))
        text = json.dumps({key: one for key, one in whole.items() if key not in left_out})
        lines.append(draw(st.sampled_from([text, text, text, text[:-1], "[1]", '"x'])))
    return lines, options


@settings(deadline=None, max_examples=50)
@given(drawn=_objects())
def test_what_json_lines_say_their_failures_say(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[str], dict[str, Any]]
) -> None:
    lines, options = drawn
    path = tmp_path_factory.mktemp("list") / "x.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    _, rows, written = _check(path, options)
    for row, cells in zip(rows, written[1:], strict=True):
        if len(row.cells) == 1:
            assert row.cells[0] in cells


# --- what the lists of people have --------------------------------------------------------------


def test_directions_are_as_certain_as_their_sheet_was(tmp_path: Path) -> None:
    """An O is west in one sheet and east in another one, and the failures are one sheet."""
    path = workbook(
        tmp_path / "x.xlsx",
        Fase1=[SPANISH, unit("1A", directions="SO"), unit("1B", "?", directions="N, O")],
        Fase2=[ENGLISH, unit("2A", directions="O/W"), unit("2B", directions="S-O")],
    )
    prices = pricelist.read(path)
    rows = list(prices)
    again = list(pricelist.read(_fail(prices, rows, None)))
    assert [row.cells[4] for row in again] == ["SW", "N, W", "E/W", "S-O"]
    assert _updates(again) == _updates(rows)
    assert [type(row) for row in again] == [Row, BrokenRow, Row, BrokenRow]


@pytest.mark.parametrize(
    "names",
    [["101.0", "102.0"], ["1.0", "1.1"], ["101.0", "A-1"], ['="02-ene"', '="0""1"'], ["#N/D", ""]],
)
def test_names_are_as_certain_as_their_column_was(names: list[str], tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", *map(unit, names))
    prices = pricelist.read(path)
    for row in prices:
        again = list(pricelist.read(_fail(prices, [row], None)))
        assert _updates(again) == _updates([row])


def test_failures_are_as_certain_as_their_column_was(tmp_path: Path) -> None:
    """What was in doubt stays in doubt."""
    # 250.000 is in doubt because of 99.50, which does not fail.
    rows = [unit("A", "99.50"), unit("B", "250.000"), unit("C", "99,50", status="?")]
    path = text_list(tmp_path / "x.csv", *rows, delimiter=";")
    _, kept, written = _check(path, {}, 0)
    assert [row[4] for row in written[1:]] == ["250.000", "99,50"]
    assert len(kept) == 2
    rows = [unit("A", "99,50"), unit("B", "250.000"), unit("C", "250.000", status="?")]
    _, _, written = _check(text_list(path, *rows, delimiter=";"), {}, 2)
    assert [row[4] for row in written[1:]] == ["250.000,00", "250.000,00"]


def test_the_failures_of_other_formats_open_where_the_list_was_made(tmp_path: Path) -> None:
    """Where commas stand before decimals, a spreadsheet separates columns by semicolons."""
    objects = [dict(zip(ENGLISH, unit("A", price), strict=True)) for price in ("9,50", "9.000,00")]
    path = json_lines(tmp_path / "x.jsonl", *objects)
    prices = pricelist.read(path)
    failed = _fail(prices, prices, None)
    assert failed.read_text(encoding="utf-8-sig").startswith("propq_problem;development_id;name;")
    assert _updates(pricelist.read(failed)) == _updates(prices)


def test_a_number_of_a_workbook_stays_the_same_price(tmp_path: Path) -> None:
    """Whatever separator of decimals is stated."""
    rows = [unit("A", 250), unit("B", 199_500.5), unit("C", 1.234), unit("D", "1.234", status="?")]
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *rows])
    for decimal, prices in {
        None: ["250.00", "199500.5", "1.2340", "1.234"],
        ".": ["250.00", "199500.5", "1.2340", "1.234"],
        ",": ["250,00", "199500,5", "1,2340", "1.234,00"],
    }.items():
        _, _, written = _check(path, {"decimal": decimal})
        assert [row[4] for row in written[1:]] == prices


def test_failures_may_come_back_in_another_form(
    tmp_path: Path,
) -> None:
    """As a workbook, or with the columns moved."""
    header = ("name", "propq_problem", *ENGLISH[2:], "development_id")
    row = ["A-101", "why", "SOLD", 250_000, "N S", "4711"]
    book = pricelist.read(workbook(tmp_path / "x.xlsx", S=[header, row]))
    text = pricelist.read(text_list(tmp_path / "x.csv", row, header=header))
    objects = json_lines(tmp_path / "x.jsonl", dict(zip(header, row, strict=True)))
    for prices in (book, text, pricelist.read(objects)):
        assert prices.is_part
        assert "propq_problem" not in prices.tables[0].header
        # A workbook is gone through again and again.
        for _ in range(2):
            (read,) = prices
            assert isinstance(read, Row)
            assert (read.update.name, read.update.price) == ("A-101", 250_000)
            assert "why" not in read.cells


def test_a_row_with_nothing_but_a_date_is_no_empty_row(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, ["", DAY, None, None, None]])
    _, _, written = _check(path, {})
    assert written[1][1:] == ["2026-02-01"]


TEXTS = ["=cmd|' /C calc'!A0", '=HYPERLINK("http://x")', "+1", "-B", "@SUM(1)", "'=1", "''-2"]
TEXTS += ["'", "'A", "007", "'007", "1-2", "1E5", "2/1", "10 A", "may-5", "1234567890123456", "1B"]


def _list_of_texts(path: Path) -> Path:
    header = (*ENGLISH, "=notes")
    rows = [[*unit(text), text] for text in TEXTS]
    if path.suffix == ".csv":
        return text_list(path, *rows, header=header)
    if path.suffix == ".jsonl":
        return json_lines(path, *(dict(zip(header, row, strict=True)) for row in rows))
    book = openpyxl.Workbook()
    sheet = book.create_sheet("S", 0)
    for line, row in enumerate([header, *rows], 1):
        for column, cell in enumerate(row, 1):
            sheet.cell(line, column).value = cell
            # openpyxl takes what begins with = for a formula.
            sheet.cell(line, column).data_type = "s" if isinstance(cell, str) else "n"
    book.save(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_text_becomes_no_formula_number_or_date(tmp_path: Path, kind: str) -> None:
    """A spreadsheet that opens the failures and saves them again changes nothing in them."""
    prices = pricelist.read(_list_of_texts(tmp_path / f"x.{kind}"))
    first = pricelist.read(_fail(prices, prices, tmp_path / "first.csv"))
    second = pricelist.read(_fail(first, first, tmp_path / "second.csv"))
    for again in (first, second):
        assert [row.update.name for row in again if isinstance(row, Row)] == TEXTS
        assert [row.cells[-1] for row in again] == TEXTS
        assert again.tables[0].header[-1] == "=notes"
        written = {cell for row in _table(again.path, ",") for cell in row}
        assert not [cell for cell in written if cell[:1] in ("=", "+", "-", "@")]
        assert not written & {"007", "1-2", "1E5", "2/1", "10 A", "may-5", "1234567890123456"}
        # What is certain to be kept has nothing before it.
        assert {"1B", "'A", "4711", "250000", "N S"} <= written


def test_the_failures_of_a_workbook_are_a_workbook_of_texts(tmp_path: Path) -> None:
    prices = pricelist.read(_list_of_texts(tmp_path / "x.xlsx"))
    first = pricelist.read(_fail(prices, prices, None))
    second = pricelist.read(_fail(first, first, None))
    for again, name in ((first, "x.failed.xlsx"), (second, "x.failed-2.xlsx")):
        assert again.path == tmp_path / name
        assert _updates(again) == _updates(prices)
        assert [row.cells[-1] for row in again] == TEXTS
        sheet = openpyxl.load_workbook(again.path)["failed"]
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}
        # An apostrophe stands only before those that began with one.
        assert [cell.value for cell in sheet["B"][1:]] == ["4711"] * len(TEXTS)
        doubled = {text: f"'{text}" for text in ("'=1", "''-2", "'007")}
        assert [cell.value for cell in sheet["C"][1:]] == [doubled.get(one, one) for one in TEXTS]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "x.failed-2.xlsx", "x.failed.xlsx", "x.xlsx",
    ]  # fmt: skip


def test_until_the_end_the_failures_of_a_workbook_are_csv(tmp_path: Path) -> None:
    """So they are there if the process is killed, and say the same."""
    prices = pricelist.read(_list_of_texts(tmp_path / "x.xlsx"))
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why")
        assert failures.path == tmp_path / "x.failed.csv"
        assert _updates(pricelist.read(failures.path)) == _updates(prices)
        # Nobody else takes the name of the workbook to come, nor does it take another's.
        with Failures(prices) as others:
            others.add(row, "why")
            (tmp_path / "x.failed-3.xlsx").touch()
            with Failures(prices) as more:
                more.add(row, "why")
    assert others.path == tmp_path / "x.failed-2.xlsx"
    assert more.path == tmp_path / "x.failed-4.xlsx"
    assert failures.path == tmp_path / "x.failed.xlsx"
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("obstacle", ["no XlsxWriter", "long text", "no such character", "disk"])
def test_where_no_workbook_can_be_written_the_csv_stays(
    tmp_path: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = pricelist.read(workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit("A"), unit("B")]))
    notes = {"long text": "x" * 32_768, "no such character": "\ufffe"}.get(obstacle, "")
    with Failures(prices) as failures:
        for row in prices:
            assert isinstance(row, Row)
            update = attrs.evolve(row.update, name=row.update.name + notes)
            cells = tuple(cell + notes if cell in "AB" else cell for cell in row.cells)
            failures.add(attrs.evolve(row, update=update, cells=cells), "why")
        if obstacle == "no XlsxWriter":
            monkeypatch.setitem(sys.modules, "xlsxwriter.exceptions", None)
        elif obstacle == "disk":
            # What cannot be written there cannot be replaced, either.
            (tmp_path / "x.failed.xlsx").mkdir()
    assert failures.error is None
    assert failures.path == tmp_path / "x.failed.csv"
    names = [f"{name}{notes}" for name in "AB"]
    again = pricelist.read(failures.path)
    assert [row.update.name for row in again if isinstance(row, Row)] == names
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".propq")]


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
@pytest.mark.parametrize("limit", [600, 3_000])
def test_where_a_disk_has_no_room_for_the_workbook_the_csv_stays(
    tmp_path: Path, limit: int
) -> None:
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *(unit(f"A-{n}") for n in range(10))])
    script = """
import resource, sys
from propq_async import pricelist
prices = pricelist.read(sys.argv[1])
rows = list(prices)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
with pricelist.Failures(prices) as failures:
    for row in rows:
        failures.add(row, "why")
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(failures.path, failures.error, failures.missing)
"""
    arguments = [sys.executable, "-W", "error", "-c", script, str(path), str(limit)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    failed = tmp_path / "x.failed.csv"
    assert done.stdout == f"{failed} None 0\n"
    assert not done.stderr
    assert _updates(pricelist.read(failed)) == _updates(pricelist.read(path))
    assert {one.name for one in tmp_path.iterdir()} == {"x.xlsx", "x.failed.csv"}


def test_failures_that_a_drive_refuses_at_the_end_stay_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    prices = pricelist.read(workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit("A")]))
    monkeypatch.setattr(os, "fsync", fsync)
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why")
    assert failures.path == tmp_path / "x.failed.csv"
    assert failures.error is not None
    assert failures.error.errno == errno.EDQUOT


def test_a_row_that_was_mended_by_deleting_it_is_none(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "x.csv", ["why", "", "", "", "", ""], header=("propq_problem", *ENGLISH)
    )
    assert list(pricelist.read(path)) == []


def test_a_line_that_was_mended_badly_is_broken_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",".join(["propq_problem", *ENGLISH]) + '\nwhy,4711,"A,SOLD,5,N\n')
    (row,) = pricelist.read(path)
    assert isinstance(row, BrokenRow)
    assert row.cells == ('why,4711,"A,SOLD,5,N',)


@pytest.mark.parametrize(
    ("encoding", "why", "kept"),
    [
        ("cp1252", "no está bien", "cp1252"),
        ("utf-16", "no está bien", "utf-16"),
        ("utf-16-le", "no está bien", "utf-16-le"),
        ("utf-8", "no está bien", "utf-8-sig"),
        # It has no place for an arrow.
        ("cp1252", "N → S", "utf-8-sig"),
    ],
)
def test_failures_are_in_the_encoding_of_their_list(
    tmp_path: Path, encoding: str, why: str, kept: str
) -> None:
    rows = [unit("Ático 1"), unit("Señorío")]
    path = text_list(tmp_path / "precios.csv", *rows, encoding=encoding, delimiter=";")
    prices = pricelist.read(path)
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, why)
    assert failures.path is not None
    text = failures.path.read_bytes().decode(kept)
    assert text.startswith("propq_problem;development_id;name;")
    assert f"{why};4711;Ático 1;" in text
    read = list(pricelist.read(failures.path))
    assert [row.update.name for row in read if isinstance(row, Row)] == ["Ático 1", "Señorío"]
    assert {one.name for one in tmp_path.iterdir()} == {"precios.csv", "precios.failed.csv"}


def test_failures_that_would_be_read_in_another_encoding_stay_utf_8(tmp_path: Path) -> None:
    # With an accent beside it that is no UTF-8, the list is cp1252; without it, all is UTF-8.
    rows = [[*unit("A"), "Ã¡"], [*unit("Ático"), ""]]
    path = text_list(tmp_path / "x.csv", *rows, header=(*ENGLISH, "notes"), encoding="cp1252")
    prices = pricelist.read(path, encoding="cp1252")
    failed = _fail(prices, list(prices)[:1], None)
    assert "Ã¡" in failed.read_text("utf-8-sig")
    (row,) = pricelist.read(failed, encoding="cp1252")
    assert row.cells[-1] == "Ã¡"


def test_failures_that_go_to_no_file_are_written_once(tmp_path: Path) -> None:
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit("Ático"), encoding="cp1252"))
    assert _fail(prices, prices, Path(os.devnull)) == Path(os.devnull)
    assert Path(os.devnull).is_char_device()


def test_a_disk_that_fails_at_the_end_leaves_failures_in_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = text_list(tmp_path / "x.csv", unit("Ático"), encoding="cp1252")
    prices = pricelist.read(path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Failures(prices) as failures:
        failures.add(next(iter(prices)), "no")
        monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    assert failures.error is None
    assert failures.path is not None
    assert "Ático" in failures.path.read_text("utf-8-sig")


def test_a_byte_order_mark_counts_more_than_the_options(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("Ático"), encoding="cp1252")
    prices = pricelist.read(path, encoding="cp1252")
    with Failures(prices) as failures:
        failures.add(next(iter(prices)), "→")
    assert failures.path is not None
    (row,) = pricelist.read(failures.path, encoding="cp1252")
    assert isinstance(row, Row)
    assert row.update.name == "Ático"


def test_notes_over_several_lines_are_no_stray_quotes(tmp_path: Path) -> None:
    header = (*ENGLISH, "notes")
    rows = [[*unit("A"), "one\ntwo, three\n"], [*unit("B"), ""]]
    path = text_list(tmp_path / "x.csv", *rows, header=header)
    assert [row.line for row in pricelist.read(path) if isinstance(row, Row)] == [2, 5]
    # That of another row ends the quote.
    path.write_text(",".join(header) + '\n1,A,SOLD,5,N,"x\n1,B,SOLD,5,N,y"\n1,C,SOLD,5,N,\n')
    first, *others = pricelist.read(path)
    assert isinstance(first, BrokenRow)
    assert first.cells == ('1,A,SOLD,5,N,"x',)
    assert [row.update.name for row in others if isinstance(row, Row)] == ["B", "C"]


# --- the file ---------------------------------------------------------------------------------


def test_failures_are_a_list_that_can_be_pushed(tmp_path: Path) -> None:
    path = tmp_path / "precios.csv"
    path.write_bytes(
        "Vivienda;Estado;Precio;Orientación;Notas\n"
        'Ático;Vendido;250.000;N;"a; b"\n'
        "B;Vendido;1.234.567,50;N;\n"
        "C;?;1,5;N;\n"
        'D;"Vendido;1;N;\n'
        "E;Vendido;199.500;Sur;\n".encode("cp1252")
    )
    prices = pricelist.read(path, development_id="4711")
    with Failures(prices) as failures:
        assert failures.path is None
        for row in prices:
            failures.add(row, "why")
    assert failures.path == tmp_path / "precios.failed.csv"
    written = failures.path.read_text("cp1252").splitlines()
    assert written[0] == "propq_problem;development_id;Vivienda;Estado;Precio;Orientación;Notas"
    assert written[1] == 'why;4711;Ático;Vendido;\'250.000,00;N;"a; b"'
    assert written[2] == "why;4711;B;Vendido;'1.234.567,50;N;"
    assert written[3] == "why;4711;C;?;'1,5;N;"
    again = pricelist.read(failures.path)
    assert again.is_part
    assert not prices.is_part
    rows = [row.update for row in prices if isinstance(row, Row)]
    assert [row.update for row in again if isinstance(row, Row)] == rows
    # One that is there may be being mended. The failures of failures are no other list's.
    with Failures(prices) as others, Failures(again) as more:
        for row in prices:
            others.add(row, "why now")
        for row in again:
            more.add(row, "why")
    assert others.path == tmp_path / "precios.failed-2.csv"
    assert more.path == tmp_path / "precios.failed-3.csv"
    assert more.path.read_text("cp1252").count("propq_problem") == 1


def test_failures_of_several_sheets(tmp_path: Path) -> None:
    rows = [["4711", "B", "SOLD", 0.125, "N"], ["4711", "C", "SOLD", 199_500.5, "N"]]
    other = ("name", "price", "status", "directions", "development_id", "extra")
    path = workbook(
        tmp_path / "x.xlsx",
        S1=[ENGLISH, *rows],
        S2=[other, ["A", 5, "SOLD", "N", "4711", "y"]],
    )
    prices = pricelist.read(path)
    with Failures(prices, tmp_path / "mine.csv") as failures:
        for row in prices:
            failures.add(row, "why")
    assert failures.path == tmp_path / "mine.csv"
    with failures.path.open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.reader(file))
    assert written == [
        ["propq_problem", *ENGLISH, "extra"],
        # As it was, and no more of a price than before.
        ["why", "4711", "B", "SOLD", "'0.125", "N", ""],
        ["why", "4711", "C", "SOLD", "'199500.5", "N", ""],
        ["why", "4711", "A", "SOLD", "'5.00", "N", "y"],
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_failures_on_a_full_disk_are_told_at_once(tmp_path: Path) -> None:
    """And not at the end, where that would hide what became of the push."""
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit(), unit("B", "?")))
    with Failures(prices, Path("/dev/full")) as failures:
        for row in prices:
            with pytest.raises(OSError, match="No space left"):
                failures.add(row, "why")


def test_without_a_row_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where nothing fails, nor where the disk has no room for the first row."""
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit()))
    (row,) = prices
    with Failures(prices) as failures:
        pass
    assert (failures.path, failures.error, failures.missing) == (None, None, 0)
    with Failures(prices) as failures:
        with monkeypatch.context() as patch:
            patch.setattr(io, "FileIO", SmallFile)
            for missing in (1, 2):
                with pytest.raises(OSError, match="No space left"):
                    failures.add(row, "why")
                assert (failures.path, failures.missing) == (None, missing)
        assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
        # There is room again.
        failures.add(row, "why")
    assert failures.path == tmp_path / "x.failed.csv"
    assert len(list(pricelist.read(failures.path))) == 1
    # What tells that it is not whole.
    assert failures.error is not None
    assert failures.missing == 2


def test_failures_are_there_at_once(tmp_path: Path) -> None:
    """A push may be killed before its end."""
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit("B", "?")))
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why")
            assert failures.path is not None
            assert failures.path.read_text("utf-8-sig").splitlines()[1] == "why,4711,B,SOLD,?,N S"


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
@pytest.mark.parametrize("row_limit", [0, 1, 20])
def test_failures_on_a_disk_that_runs_full_end_with_a_whole_row(
    tmp_path: Path, row_limit: int
) -> None:
    """A row that was cut off could be read with another price."""
    path = text_list(tmp_path / "x.csv", *[unit(f"T-{n}", 250_130 + n) for n in range(40)])
    listed = [row.update for row in pricelist.read(path) if isinstance(row, Row)]
    failed = tmp_path / "x.failed.csv"
    script = """
import resource, sys
from propq_async import pricelist
path, *limits = sys.argv[1:]
for limit in limits:
    prices = pricelist.read(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    with pricelist.Failures(prices) as failures:
        for row in prices:
            try:
                failures.add(row, "why")
            except OSError:
                pass
    print(failures.missing, failures.error and failures.error.strerror, failures.path)
    if failures.path:
        failures.path.rename(path + limit)
"""
    limits = [str(65 + row_limit * 32 + cut) for cut in range(0, 31, 5)]
    arguments = [sys.executable, "-c", script, str(path), *limits]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    for limit, line in zip(limits, said.splitlines(), strict=True):
        kept_file = Path(f"{path}{limit}")
        if not kept_file.exists():
            assert line == "40 File too large None"
            continue
        assert kept_file.read_bytes().endswith(b",N S\r\n")
        kept_file.rename(failed)
        kept = [row.update for row in pricelist.read(failed) if isinstance(row, Row)]
        assert kept == listed[: len(kept)]
        assert line == f"{40 - len(kept)} File too large {failed}"
        failed.unlink()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_failures_that_were_cut_off_are_not_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.failed.csv"
    header = ",".join(["propq_problem", *ENGLISH])
    whole = f"{header}\r\nwhy,4711,A,SOLD,250130,N\r\nwhy,4711,B,SOLD,250130,N\r\n"
    path.write_bytes(whole.encode(encoding))
    assert len(list(pricelist.read(path))) == 2
    for length in range(len(whole) - 25, len(whole) - 1):
        path.write_bytes(whole[:length].encode(encoding))
        with pytest.raises(PriceListError, match="does not end with a line break: its last row"):
            pricelist.read(path)
    # Many lists that people make end so.
    lines = whole.replace("propq_problem", "notes").encode(encoding)
    path.write_bytes(lines.decode(encoding).rstrip().encode(encoding))
    assert len(list(pricelist.read(path))) == 2


def test_directions_that_their_column_tells_say_the_same_alone(tmp_path: Path) -> None:
    rows = [unit("A", directions="N-S"), unit("B", directions="S-E"), unit("C", directions="S")]
    path = text_list(tmp_path / "x.csv", *rows)
    _, found, _ = _check(path, {}, refused=0b010)
    assert [row.update.directions for row in found if isinstance(row, Row)] == [("S", "E")]


@pytest.mark.parametrize("name", ["x.csv", "x.xlsx"])
def test_failures_that_are_there_already_are_not_written_twice(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "x.csv":
        text_list(path, unit("A", "?"), unit("B"), encoding="cp1252")
    else:
        workbook(path, List=[ENGLISH, unit("A", "?"), unit("B")])
    prices = pricelist.read(path)

    def failed(reason: str) -> tuple[str, str | None]:
        with Failures(prices) as failures:
            assert failures.kept is None
            for row in prices:
                failures.add(row, reason)
        assert failures.path is not None
        return failures.path.name, failures.kept and failures.kept.name

    suffix = path.suffix
    assert failed("why") == (f"x.failed{suffix}", None)
    assert failed("why") == (f"x.failed{suffix}", None)
    # What may have been corrected stays as it is, and so does what says something else.
    assert failed("what") == (f"x.failed-2{suffix}", f"x.failed{suffix}")
    for _ in range(2):
        assert failed("what") == (f"x.failed-2{suffix}", f"x.failed{suffix}")
    (tmp_path / f"x.failed{suffix}").write_bytes(b"corrected")
    assert failed("why") == (f"x.failed-3{suffix}", f"x.failed{suffix}")
    assert (tmp_path / f"x.failed{suffix}").read_bytes() == b"corrected"
    assert len(list(tmp_path.iterdir())) == 4
    assert _own(tmp_path / "own.csv", prices) is None


def _own(path: Path, prices: PriceList) -> Path | None:
    with Failures(prices, path) as failures:
        failures.add(next(iter(prices)), "why")
    return failures.kept
