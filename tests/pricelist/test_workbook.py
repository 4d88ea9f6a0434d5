from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine
from hypothesis import example, given
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import Failures, PriceListError, Row
from propq_async.pricelist._reading.cells import text_of
from propq_async.pricelist._reading.unpacking import (
    _cells_at_most,
    _extent,
    _has_prefix,
    unpacked,
)
from propq_async.pricelist._reading.word_lookup import (
    FIELDS,
)
from tests.helpers.lists import (
    ENGLISH,
    SPANISH,
    broken,
    good,
    text_list,
    unit,
    workbook,
)
from tests.helpers.support import an_update


def test_sheets_with_a_header_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    workbook(
        path,
        Fase1=[["Lista"], [], SPANISH, ["4711", "A-101", "Vendido", 250_000, "N S"]],
        Notas=[["nothing", "here"]],
        Fase2=[ENGLISH, ["4712", 101, 4, 199_500.5, "SW"], [None] * 5],
        Vieja=[ENGLISH, unit(price=1)],
    )
    book = openpyxl.load_workbook(path)
    book["Vieja"].sheet_state = "hidden"
    book.save(path)
    prices = pricelist.read(path)
    assert prices.skipped_sheets == {
        "Notas": "it has no columns of a price list",
        "Vieja": "it is hidden or a chart",
    }
    assert prices.read_as == "workbook, sheet Fase1, Fase2"
    assert prices.delimiter == ","
    assert good(path) == [
        an_update(),
        an_update("101", 199_500.5, development_id="4712", directions=["SW"]),
    ]
    assert [row.line for row in prices] == [4, 2]
    assert [table.sheet for table in prices.tables] == ["Fase1", "Fase2"]
    (old,) = good(path, sheet="Vieja")
    assert old.price == 1
    others = pricelist.read(path, sheet="Vieja").skipped_sheets
    assert others == dict.fromkeys(
        ["Fase1", "Notas", "Fase2"], "it is none of those that are stated"
    )
    with pytest.raises(PriceListError, match="has no sheet 'X'; it has 'Fase1', 'Notas'"):
        pricelist.read(path, sheet="X")
    with pytest.raises(PriceListError, match="sheet Notas: no column for development_id, name"):
        pricelist.read(path, sheet="Notas")


CARA = ("Promoción", "Vivienda", "Estado", "PVP", "Cara")
SOME = "; if that sheet is no price list, hide it, or name the one to be read: --sheet NAME"


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize(
    ("header", "options", "problem"),
    [
        (CARA, {}, "no column for directions; .* found Promoción, Vivienda, Estado, PVP, Cara"),
        (("Vivienda", "", "Precio"), {}, "no column for development_id, status, directions; "),
        (("Vivienda", "PVP"), {"development_id": "4711"}, "no column for status, directions; "),
        (
            (*CARA[:4], "Orientación", "Precio"),
            {},
            "line 2: more than one column for price: PVP .D.: '5', ",
        ),
        # What is stated is in the other sheet, and here is nothing like it.
        (
            CARA,
            {"columns": {"directions": "directions"}},
            "no column 'directions' for directions, ",
        ),
    ],
)
def test_a_sheet_with_some_of_the_columns_is_not_passed_over(
    header: tuple[str, ...],
    options: dict[str, Any],
    problem: str,
    at_the_end: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    whole = {"Fase 2": [ENGLISH, unit()]}
    some = {"Fase 1": [["Lista"], header, ["4711", "A", "Vendido", 5, "N", 6]]}
    path = workbook(tmp_path / "x.xlsx", **(whole | some if at_the_end else some | whole))
    with pytest.raises(PriceListError, match=f"sheet Fase 1.*{problem}.*{SOME}$"):
        pricelist.read(path, **options)
    assert len(good(path, sheet="Fase 2", **options)) == 1
    with pytest.raises(PriceListError, match=f"sheet Fase 1.*{problem}") as caught:
        pricelist.read(path, sheet="Fase 1", **options)
    assert SOME not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "options"),
    [(("Estado", "Total"), {}), (("Promoción", "PVP"), {"development_id": "4711"})],
)
def test_one_word_of_a_price_list_makes_no_sheet_one(
    header: tuple[str, ...], options: dict[str, Any], tmp_path: Path
) -> None:
    path = workbook(tmp_path / "x.xlsx", Fase=[ENGLISH, unit()], Totales=[header, ["x", 1]])
    assert len(good(path, **options)) == 1
    assert list(pricelist.read(path, **options).skipped_sheets) == ["Totales"]


def test_another_sheet_may_name_a_stated_column_otherwise(tmp_path: Path) -> None:
    other = ("Promoción", "Vivienda", "Estado", "PVP", "Orientación", "Vista")
    path = workbook(
        tmp_path / "x.xlsx",
        Fase1=[CARA, ["4711", "A", "Vendido", 5, "N"], ["4711", "X", "?", 5, "N"]],
        Fase2=[other, ["4711", "B", "Vendido", 6, "S", "mar"], ["4711", "Y", "?", 6, "S", "mar"]],
    )
    options: dict[str, Any] = {"columns": {"directions": "CARA"}}
    prices = pricelist.read(path, **options)
    rows = list(prices)
    assert [row.update for row in rows if isinstance(row, Row)] == [
        an_update("A", 5, directions=["N"]),
        an_update("B", 6, directions=["S"]),
    ]
    # What failed of both is read with the same option.
    with Failures(prices) as failures:
        for row in rows:
            failures.add(row, "why")
    assert failures.path is not None
    failed = list(pricelist.read(failures.path, **options))
    assert [row.update for row in failed if isinstance(row, Row)] == [
        an_update("A", 5, directions=["N"]),
        an_update("B", 6, directions=["S"]),
    ]
    assert len(failed) == len(rows)


@pytest.mark.parametrize("sheets", [1, 2])
def test_a_column_that_no_sheet_has_is_misspelt(sheets: int, tmp_path: Path) -> None:
    whole = {f"Fase {number}": [ENGLISH, unit(str(number))] for number in range(sheets)}
    path = workbook(tmp_path / "x.xlsx", **whole)
    said = "no column 'Preico'"
    for field in FIELDS:
        with pytest.raises(
            PriceListError, match=f"sheet Fase 0: the list has {said} for {field}, as"
        ):
            pricelist.read(path, columns={field: "Preico"})
    # With a development stated, none is needed, and what is stated stands.
    (update, *_) = good(path, development_id="9", columns={"development_id": "Preico"})
    assert update.development_id == "9"


@pytest.mark.parametrize(
    "header",
    [
        ("ID Promoción", "Nº vivienda", "Situación", "PVP", "Orient."),
        ("Prom.", "Viv.", "Estado", "P.V.P.", "Orient"),
        ("ID Prom.", "N.º vivienda", "ESTADO", "Precio", "ORIENT."),
        ("Promoción", "Nº viv.", "Estado", "Precio", "Orient."),
    ],
)
def test_columns_are_known_by_their_short_names(header: tuple[str, ...], tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(), header=header, delimiter=";")
    assert good(path) == [an_update()]


@pytest.mark.parametrize(
    "header",
    [("PVP", "Precio"), ("PVP", "PVP con IVA"), ("PVP con IVA",)],
)
def test_which_price_is_meant_is_asked_for(header: tuple[str, ...], tmp_path: Path) -> None:
    columns = ("Promoción", "Vivienda", "Estado", "Orient.", *header)
    row = ["4711", "A", "Vendido", "N", *[5] * len(header)]
    path = text_list(tmp_path / "x.csv", row, header=columns)
    with pytest.raises(
        PriceListError,
        match=r"column for price.*--column price=NAME($|; found .*price may be P)",
    ):
        pricelist.read(path)
    assert good(path, columns={"price": header[0]}) == [an_update("A", 5, directions=["N"])]


def test_cells_that_a_spreadsheet_has_changed(tmp_path: Path) -> None:
    day = dt.date(2026, 2, 1)
    rows: list[list[Any]] = [
        ["4711", day, "SOLD", 275_000.000_000_000_06, "N"],
        ["4711", True, True, day, "N"],
        ["4711", "A", "SOLD", 250_000 * 1.1 + 0.0000000001, "N"],
        ["4711", "B", "SOLD", "1.234.567 €", "N"],
        ["4711", "A", "SOLD", 5, "N"],
    ]
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *rows])
    found = broken(path)
    assert found[0].startswith(
        "sheet S, line 2, column name: found '2026-02-01'; expected text: this cell is a date"
    )
    assert found[1].count("expected") == 3
    assert "in line 4" in found[2]
    prices = [row.update.price for row in pricelist.read(path) if isinstance(row, Row)]
    assert prices == [275_000, 1_234_567]
    assert text_of(None) == ""


def test_a_workbook_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(
        PriceListError, match=r"cannot be read as a workbook: .*; it may be damaged"
    ):
        pricelist.read(path)
    workbook(path, S=[ENGLISH, unit()])
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["xl/worksheets/sheet1.xml"] = b"<worksheet><sheetData><row><c r='?"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(PriceListError, match="cannot be read as a workbook"):
        pricelist.read(path)
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart")
    assert book.active is not None
    book.active.sheet_state = "hidden"
    book.save(path)
    with pytest.raises(PriceListError, match="has no sheet that is not hidden"):
        pricelist.read(path)


def _with_sheet(path: Path, content: bytes, compresslevel: int | None = None) -> Path:
    workbook(path, S=[ENGLISH, unit()])
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["xl/worksheets/sheet1.xml"] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=compresslevel) as file:
        for name, one in parts.items():
            file.writestr(name, one)
    return path


SHEET = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s'
)
FAR_CELLS = [
    b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
    b"<row r='1'><c r = 'A1'><v>1</v></c></row><row r='9'><c\nr='xfd9000'><v>1</v></c></row>",
    b'<row><c><v>1</v></c></row><row r="1048576"><c r="A1"/><c r="ZZ9"><v>1</v></c></row>',
    b'<row><c t="n"r="XFD1048576"><v>1</v></c></row>',
    b'<row><c r="XFD0000001048576"><v>1</v></c></row>',
    b'<row r="9"><c r="A9" r="XFD1048576"><v>1</v></c></row>',
    b"<row>" + b"<c/>" * 20_000 + b"<c><v>1</v></c></row>" + b"<row><c><v>1</v></c></row>" * 600,
]


@pytest.mark.parametrize("rows", FAR_CELLS)
def test_a_stray_cell_far_outside_is_told_before_memory_runs_out(
    tmp_path: Path, rows: bytes
) -> None:
    path = _with_sheet(tmp_path / "x.xlsx", SHEET % rows + b"</sheetData></worksheet>")
    with pytest.raises(PriceListError, match="delete the rows and columns outside of the list"):
        pricelist.read(path)


def test_a_list_with_a_cell_that_is_not_so_far_outside_is_read(tmp_path: Path) -> None:
    rows = [[*unit(f"A-{number}"), *[None] * 700, " "] for number in range(10)]
    path = workbook(tmp_path / "x.xlsx", S=[[*ENGLISH, *[None] * 701], *rows])
    assert len(good(path)) == 10


@pytest.mark.parametrize("is_honest", [True, False])
def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, *, is_honest: bool
) -> None:
    """Also where its directory says that it is small."""
    path = _with_sheet(tmp_path / "x.xlsx", SHEET % (b" " * 140 * 2**20))
    if not is_honest:
        content = path.read_bytes()
        with zipfile.ZipFile(path) as file:
            size = file.getinfo("xl/worksheets/sheet1.xml").file_size
        lie = (1000).to_bytes(4, "little")
        path.write_bytes(content.replace(size.to_bytes(4, "little"), lie))
    with pytest.raises(PriceListError, match="unpacked it has more than 128 MiB"):
        pricelist.read(path)


@pytest.mark.parametrize("name", ["content.xml", "xl/workbook.bin"])
def test_another_format_of_workbooks_is_told_to_be_saved_as_xlsx(tmp_path: Path, name: str) -> None:
    """Their cells may be repeated a million times in a few bytes."""
    path = workbook(tmp_path / "x.ods", S=[ENGLISH, unit()])
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"")
    with pytest.raises(PriceListError, match="save it as XLSX or CSV"):
        pricelist.read(path)
    with pytest.raises(PriceListError, match="is no XLSX workbook: save it as XLSX or CSV"):
        unpacked(path)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")
@pytest.mark.parametrize(
    "kind",
    ["far", "under an earlier name", "in another archive", "deflated", "many sheets"],
)
def test_no_workbook_takes_more_than_so_much_memory(tmp_path: Path, kind: str) -> None:
    """In a process that would be killed or run out of memory otherwise, which nobody can catch."""
    path = tmp_path / "x.xlsx"
    far = SHEET % FAR_CELLS[0] + b"</sheetData></worksheet>"
    if kind == "far":
        _with_sheet(path, far)
    elif kind == "under an earlier name":
        _with_sheet(path, far)
        small = workbook(tmp_path / "y.xlsx", S=[ENGLISH, unit()])
        with zipfile.ZipFile(small) as file:
            sheet = file.read("xl/worksheets/sheet1.xml")
        with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("xl/worksheets/sheet1.xml", sheet)
    elif kind == "in another archive":
        archive = workbook(tmp_path / "y.xlsx", S=[ENGLISH, unit()]).read_bytes()
        # Whichever of the two is read.
        path.write_bytes(_with_sheet(path, far).read_bytes() + archive)
        assert len(list(pricelist.read(path))) == 1
        path.write_bytes(archive + _with_sheet(path, far).read_bytes())
    elif kind == "deflated":
        _with_sheet(path, SHEET % (b" " * 2**29), compresslevel=1)
    else:
        book = openpyxl.Workbook()
        for _ in range(40):
            book.create_sheet().cell(9000, 702).value = 1
        book.save(path)
    said = _read_with_little_memory(path)
    assert said == ("1 row" if kind == "under an earlier name" else "PriceListError")


def _read_with_little_memory(path: Path) -> str:
    script = """
import resource, sys
from propq_async import pricelist
import python_calamine
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
limit = used + 400 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(len(list(pricelist.read(sys.argv[1]))), "row")
except pricelist.PriceListError:
    print("PriceListError")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def test_many_sheets_that_are_each_small_are_read(tmp_path: Path) -> None:
    """A quick look cannot tell how many rows each of them has."""
    sheets = {f"S{n}": [ENGLISH, unit(f"A-{n}")] for n in range(20)}
    assert len(good(workbook(tmp_path / "x.xlsx", **sheets))) == 20


@pytest.mark.parametrize("content", [b"<x:c r='A1'/>", b'<c t="n" r="A1"/>', b'<c r="AA1"/>'])
def test_cells_that_are_written_otherwise_are_counted_one_by_one(
    tmp_path: Path, content: bytes
) -> None:
    far = content.replace(b"A1", b"XFD1048576")
    for cells, is_refused in ((content, False), (far, True)):
        path = _with_sheet(tmp_path / "x.xlsx", SHEET % cells + b"</sheetData></worksheet>")
        with pytest.raises(PriceListError) as caught:
            pricelist.read(path)
        assert ("delete the rows and columns outside" in str(caught.value)) is is_refused


@pytest.mark.parametrize("value", [-1e300, 1e18])
def test_a_date_that_no_calendar_has_is_told(
    tmp_path: Path, value: float, capfd: pytest.CaptureFixture[str]
) -> None:
    """What reads workbooks ends in a panic for one of these, which is no `Exception`."""
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, [*unit("A", 5), value]])
    book = openpyxl.load_workbook(path)
    book["S"]["F2"].number_format = "[h]:mm:ss" if value > 0 else "h:mm"
    book.save(path)
    with pytest.raises(PriceListError, match=r"x\.xlsx cannot be read as a workbook: "):
        list(pricelist.read(path))
    capfd.readouterr()


def test_what_ends_the_process_is_no_fault_of_the_workbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit()])
    monkeypatch.setattr(python_calamine, "load_workbook", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pricelist.read(path)


def test_without_the_extra_the_message_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit()])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(PriceListError) as caught:
        pricelist.read(path)
    assert str(caught.value) == (
        f"reading {path} needs python-calamine, which is not installed; "
        "pip install 'propq-async[xlsx]'"
    )


def test_sheets_of_one_development_ask_only_which_counts(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "x.xlsx",
        Enero=[ENGLISH, unit("A-101"), unit("A-102")],
        Febrero=[ENGLISH, unit("A-101", 260_000), unit("A-102")],
    )
    with pytest.raises(PriceListError) as caught:
        pricelist.read(path)
    assert str(caught.value) == (
        f"{path}: the sheets Enero and Febrero have the same units (A-101, A-102); if only one "
        "counts, name it (--sheet NAME) or hide the others"
    )
    assert len(good(path, sheet="Febrero")) == 2


@given(
    cells=st.lists(
        st.tuples(
            st.sampled_from(["<c r=", "<c  r=", "<c t='n' r=", "<x:c r=", "<row r="]),
            st.sampled_from("'\""),
            st.sampled_from(["A", "z", "Z", "AA", "XFD", ""]),
            st.sampled_from([1, 9, 99_999, 299_999, 300_000, 1_048_576]),
        ),
        max_size=6,
    )
)
@example(cells=[("<c r=", "'", "A", 1), ("<c r=", "'", "", 1), ("<row r=", "'", "A", 1)])
@example(cells=[("<c r=", '"', "Z", 1), ("<row r=", "'", "", 1_048_576)])
def test_a_quick_look_never_counts_too_few_cells(cells: list[tuple[str, str, str, int]]) -> None:
    """What a row says of its place moves no cell that says its own."""

    def content(tags: list[tuple[str, str, str, int]]) -> bytes:
        return "".join(f"{tag}{at}{column}{row}{at}/>" for tag, at, column, row in tags).encode()

    rows, columns, _ = _extent(re.sub(rb"<row [^>]*>", b"<row/>", content(cells)))
    counted = any(column for tag, _, column, _ in cells if tag != "<row r=")
    assert _cells_at_most(content(cells)) >= (rows * columns if counted else 0)


@pytest.mark.parametrize(
    ("content", "has"),
    [
        (b"", False),
        (b"<a xmlns:b='http://d'>", False),
        (b"<a:b><x:c>", True),
        (b":" * 10_001, False),
        (b":" * 10_001 + b"c", True),
        (b"c:", False),
    ],
)
def test_a_prefix_before_a_cell_is_found(content: bytes, *, has: bool) -> None:
    assert _has_prefix(content) is has
