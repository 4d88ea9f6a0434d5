"""A list of failures says of each row what the list says of it, until it is mended."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, Failures, PriceList, Row
from propq_async.pricelist.words import FIELDS
from tests.lists import ENGLISH, json_lines, text_list, unit, workbook

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


def _fail(prices: PriceList, rows: Iterable[Row | BrokenRow], path: Path) -> Path:
    with Failures(prices, path) as failures:
        for row in rows:
            failures.add(row, row.what if isinstance(row, BrokenRow) else ANSWER)
    return path


def _table(path: Path, delimiter: str) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def _check(
    path: Path, options: dict[str, Any], refused: int = -1
) -> tuple[PriceList, list[Row | BrokenRow], list[list[str]]]:
    """Check that the failures, and the failures of these, say what the list says.

    What fails are the broken rows, and of the others those whose bit is set in `refused`.
    """
    prices = pricelist.read(path, **options)
    rows = list(prices)
    rivals = {id(row.rival) for row in rows if isinstance(row, BrokenRow)}
    rows = [
        row
        for number, row in enumerate(rows)
        if isinstance(row, BrokenRow) or id(row) in rivals or refused >> number & 1
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
    return prices, rows, written


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


@st.composite
def _header(draw: st.DrawFn, *, has_development: bool) -> list[tuple[str, str]]:
    """Draw the columns: the field of each, or nothing, and its name."""
    fields = FIELDS if has_development else FIELDS[1:]
    columns = [(field, draw(NAMES[field])) for field in fields]
    columns += [("", draw(EXTRA)) for _ in range(draw(st.integers(0, 3)))]
    return draw(st.permutations(columns))


def _row(draw: st.DrawFn, columns: Sequence[tuple[str, str]]) -> list[str]:
    return [draw(CELLS.get(field, NOTES)) for field, _ in columns]


@st.composite
def _text(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    has_development = draw(st.booleans())
    columns = draw(_header(has_development=has_development))
    delimiter = draw(st.sampled_from(",;\t|:#"))
    options: dict[str, Any] = {"decimal": draw(DECIMAL)}
    if not has_development or draw(st.booleans()):
        options["development_id"] = "4711"
    lines: list[list[str]] = [[name for _, name in columns]]
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
    text = _as_csv(lines, delimiter, torn=draw(st.booleans()))
    if delimiter == ":":
        text = "sep=:\r\n" + text
    elif delimiter == "#":
        options["delimiter"] = "#"
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]))
    if encoding == "cp1252":
        options["encoding"] = "cp1252"
        # What it does not have.
        text = text.replace("\u200b", "").replace("\udce1", "\udc81")
    return text.encode(encoding, "surrogateescape"), options


def _as_csv(lines: list[list[str]], delimiter: str, *, torn: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows(lines)
    if torn:
        text.write(delimiter.join(["4711", '"A-1', "SOLD", "5"]) + "\r\n")
        writer.writerows(lines[1:2])
    return text.getvalue()


@settings(deadline=None, max_examples=200)
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
    options: dict[str, Any] = {"decimal": draw(DECIMAL)}
    is_stated = draw(st.booleans())
    if is_stated:
        options["development_id"] = "4711"
    more = dict.fromkeys(FIELDS, st.sampled_from([None, DAY]))
    sheets: dict[str, list[list[Any]]] = {}
    for number in range(draw(st.integers(1, 3))):
        columns = draw(_header(has_development=not is_stated or draw(st.booleans())))
        rows = [_cells_of(draw, columns, more) for _ in range(draw(st.integers(1, 4)))]
        sheets[f"S{number}"] = [[name for _, name in columns], *rows]
    return sheets, options


def _without_surrogates(cell: Any) -> Any:
    # XML has none.
    return cell.replace("\udce1", "\u200b") if isinstance(cell, str) else cell


@settings(deadline=None, max_examples=200)
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


@st.composite
def _objects(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    options: dict[str, Any] = {"decimal": draw(DECIMAL)}
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


@settings(deadline=None, max_examples=200)
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


def test_what_was_certain_by_its_column_is_certain_and_what_was_not_is_not(tmp_path: Path) -> None:
    # 250.000 is in doubt because of 99.50, which does not fail.
    rows = [unit("A", "99.50"), unit("B", "250.000"), unit("C", "99,50", status="?")]
    path = text_list(tmp_path / "x.csv", *rows, delimiter=";")
    _, kept, written = _check(path, {}, 0)
    assert [row[4] for row in written[1:]] == ["250.000", "99,50"]
    assert len(kept) == 2
    rows = [unit("A", "99,50"), unit("B", "250.000"), unit("C", "250.000", status="?")]
    _, _, written = _check(text_list(path, *rows, delimiter=";"), {}, 2)
    assert [row[4] for row in written[1:]] == ["250000", "250000"]


def test_a_number_of_a_workbook_is_the_same_price_whatever_is_stated(tmp_path: Path) -> None:
    rows = [unit("A", 250), unit("B", 199_500.5), unit("C", 1.234), unit("D", "1.234", status="?")]
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *rows])
    for decimal, prices in {
        None: ["250.00", "199500.5", "1.2340", "1.234"],
        ".": ["250.00", "199500.5", "1.2340", "1.234"],
        ",": ["250,00", "199500,5", "1,2340", "1234"],
    }.items():
        _, _, written = _check(path, {"decimal": decimal})
        assert [row[4] for row in written[1:]] == prices


def test_a_list_of_failures_may_come_back_as_a_workbook_or_with_its_columns_moved(
    tmp_path: Path,
) -> None:
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


def test_a_byte_order_mark_of_utf_8_is_believed_whatever_is_stated(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("Ático"), encoding="cp1252")
    prices = pricelist.read(path, encoding="cp1252")
    failed = _fail(prices, prices, tmp_path / "y.csv")
    (row,) = pricelist.read(failed, encoding="cp1252")
    assert isinstance(row, Row)
    assert row.update.name == "Ático"


def test_notes_over_several_lines_at_the_end_of_a_row_are_no_stray_quotes(tmp_path: Path) -> None:
    header = (*ENGLISH, "notes")
    rows = [[*unit("A"), "one\ntwo, three\n"], [*unit("B"), ""]]
    path = text_list(tmp_path / "x.csv", *rows, header=header)
    assert [row.line for row in pricelist.read(path) if isinstance(row, Row)] == [2, 5]
    # That of another row ends the quote.
    path.write_text(",".join(header) + '\n1,A,SOLD,5,N,"x\n1,B,SOLD,5,N,y"\n1,C,SOLD,5,N,\n')
    torn, *others = pricelist.read(path)
    assert isinstance(torn, BrokenRow)
    assert torn.cells == ('1,A,SOLD,5,N,"x',)
    assert [row.update.name for row in others if isinstance(row, Row)] == ["B", "C"]
