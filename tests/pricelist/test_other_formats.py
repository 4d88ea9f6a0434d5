"""Files whose name says something else: read, or called what they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, PriceListError, Row
from propq_async.pricelist._reading import json_arrays, markup
from tests.helpers.lists import ENGLISH, good, unit, workbook
from tests.helpers.ole import SIGNATURE

ROW = dict(zip(ENGLISH, ["4711", "A-101", "SOLD", 250_000, ["N"]], strict=True))
OTHER = {**ROW, "name": "A-102"}
HEAD = "<tr><th>Vivienda</th><th>Estado</th><th>Precio</th><th>Orientación</th></tr>"
UNIT = "<tr><td>A-101</td><td>Vendido</td><td>254.200,00 &euro;</td><td>N<br>S</td></tr>"


def _refused(path: Path, **options: Any) -> str:
    with pytest.raises(PriceListError) as caught:
        list(pricelist.read(path, **options))
    return str(caught.value).replace(str(path), "FILE")


# --- JSON arrays ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW, OTHER]),
        json.dumps([ROW, OTHER], indent=2),
        json.dumps({"data": [ROW, OTHER]}),
        json.dumps({"count": 2, "units": [ROW, OTHER], "next": None}, indent=1),
    ],
)
def test_an_array_of_json_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert [one.name for one in good(path)] == ["A-101", "A-102"]


def test_the_lines_of_an_array_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    lines = ["[", json.dumps(ROW) + ",", "", json.dumps({**ROW, "status": "?"}) + ",", "7 ]"]
    path.write_text("\n".join(lines))
    read = list(pricelist.read(path))
    assert [row.line for row in read] == [2, 4, 5]
    assert [isinstance(row, Row) for row in read] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps([ROW])[:-2], "FILE, line 1: this is no JSON: Expecting ',' delimiter"),
        (json.dumps([ROW]) + "x", "FILE, line 1: expected one array of JSON objects up to the end"),
        (json.dumps({"a": [ROW], "b": [ROW]}), "expected one array of JSON objects up to the end"),
        (
            json.dumps([ROW])[:-1] + '\n{"a": 1}]',
            "expected one array of JSON objects up to the end",
        ),
        ('[{"a": 1,\n"a": 2}]', "FILE, line 1: this is no JSON: 'a' stands in it twice"),
        ("[[1, 2]]", "expected JSON lines"),
    ],
)
def test_what_is_no_array_of_objects_is_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert said in _refused(path)


def test_an_array_is_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_arrays, "_HEAD", 10)
    monkeypatch.setattr(json_arrays, "_MOST", 10)
    path = tmp_path / "x.json"
    path.write_text(json.dumps([ROW]))
    assert "FILE is too large for one JSON array" in _refused(path)


# --- damaged workbooks ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.xlsx", "x.XLS", "x.ods"])
@pytest.mark.parametrize("content", [b"\0\1\2" * 100, b"Error 500: no such export\n"])
def test_a_workbook_in_name_only_is_told(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert _refused(path).startswith("FILE is not a workbook, or it is damaged: open it in Excel")
    # Text with the columns of a list is read, whatever it is called.
    path.write_text(",".join(ENGLISH) + "\n4711,A-101,SOLD,250000,N\n")
    assert len(good(path)) == 1


def test_a_workbook_that_is_cut_off_is_told(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", List=[ENGLISH, unit()])
    path.write_bytes(path.read_bytes()[:-100])
    assert _refused(path).startswith(
        "FILE cannot be read as a workbook: File is not a zip file; it may"
    )
    path.write_bytes(b"")
    assert _refused(path) == "FILE is empty: see what went wrong when it was made"


# --- HTML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"<table>{HEAD}{UNIT}</table>",
        f"<html><head><meta charset='utf-8'></head><body><table></table><table>{HEAD}{UNIT}",
        f"<?xml version='1.0'?>\n<!DOCTYPE html><p>Precios</p><table>{HEAD}{UNIT}</table>",
        f"<table><tr><td>LISTA</td></tr>{HEAD}{UNIT}</table><table><tr><td>IVA</td></tr></table>",
        f"<table><td colspan='2'>x</td>{HEAD}{UNIT}<tr></tr></table></table></td>text",
    ],
)
def test_html_that_is_called_a_workbook_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    path.write_text(text, encoding="utf-8")
    (update,) = good(path, development_id="4711")
    assert (update.name, update.price, update.directions) == ("A-101", 254_200, ("N", "S"))


def test_a_cell_of_html_reaches_down(tmp_path: Path) -> None:
    """As merged cells do: what they say is of each row."""
    path = tmp_path / "x.xls"
    rows = (
        "<tr><td>A-101<td rowspan=3>Vendido<td>254.200,00<td rowspan='2'>Sur"
        "<tr><td>A-102<td>262.300,00"
        "<tr><td>A-103<td colspan=x>262.300,00<td>Norte"
    )
    path.write_text(f"<table>{HEAD}{rows}</table>", encoding="cp1252")
    found = [(one.name, one.status.name, *one.directions) for one in good(path, development_id="1")]
    assert found == [("A-101", "SOLD", "S"), ("A-102", "SOLD", "S"), ("A-103", "SOLD", "N")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"<table>{HEAD}{UNIT}</table>" * 2, "a web page with 2 tables that may be price lists"),
        ("<html><body>Hola</body></html>", "a web page with 0 tables that may be price lists"),
        (f"<table><tr><td><table>{HEAD}</table></td></tr></table>", "tables within tables"),
        ("<table><tr><td>Hola</td></tr></table>", "no column for"),
    ],
)
def test_html_that_is_not_certain_is_asked_about(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_text(text, encoding="utf-8")
    assert said in _refused(path)


def test_html_is_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "_MOST_BYTES", 10)
    path = tmp_path / "x.html"
    path.write_text(f"<table>{HEAD}", encoding="utf-8")
    assert "FILE is too large for a web page" in _refused(path)


# --- texts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    text = "Vivienda\tEstado\tPrecio (€)\tOrientación\r\nÁtico 1\tVendido\t254.200,00\tSur\r\n"
    path.write_bytes(text.encode(encoding))
    assert [one.name for one in good(path, development_id="1")] == ["Ático 1"]


def test_what_tells_excel_the_separator_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"sep=;\r\nVivienda;Estado;Precio;Orient\nA;Vendido;5,50;S\r\rB;Libre;6,50;N")
    assert [one.name for one in good(path, development_id="1")] == ["A", "B"]


# --- what is not read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%PDF-1.7\n", "FILE is a PDF"),
        (b"{\\rtf1", "FILE is a document (RTF)"),
        (b"\x89PNG\r\n", "FILE is a picture"),
        (b"\x1f\x8b\x08", "FILE is a compressed file (GZIP)"),
        (
            SIGNATURE + "EncryptedPackage".encode("utf-16-le"),
            "FILE is a workbook with a password: open it and save it without one",
        ),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            "FILE is a workbook as XML, as Excel 2003 has it",
        ),
        (b"\xef\xbb\xbf<root><kyero><feed_version>3", "FILE is XML, such as the feed of a portal"),
    ],
)
def test_what_a_file_is_that_is_not_read_is_told(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(content)
    assert said in _refused(path)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("content.xml", "FILE is an OpenDocument file, and no spreadsheet"),
        ("xl/workbook.bin", "FILE is a binary workbook (XLSB)"),
        ("word/document.xml", "FILE is a document (DOCX)"),
        ("Index/Document.iwa", "FILE is a list of Apple Numbers"),
        ("precios.csv", "FILE is an archive (ZIP) and no workbook: unpack it first"),
    ],
)
def test_what_an_archive_is_that_is_not_read_is_told(part: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(part, "")
    assert said in _refused(path)


@pytest.mark.campaign
@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice")
def test_files_of_libreoffice_are_read_or_named(tmp_path: Path) -> None:
    """Converted from one workbook, in each format in which it may be kept."""
    rows = [unit("A-101", 254_200, directions="N"), unit("A-102", 262_300, directions="S")]
    source = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *rows])
    expected = good(source)
    said = {
        "ods": "",
        "fods": "XML",
        "xls": "",
        "html": "",
        "csv": "",
        "xlsx": "",
    }
    for suffix, fragment in said.items():
        target = tmp_path / suffix
        profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
        command = ["soffice", profile, "--headless", "--convert-to", suffix, "--outdir"]
        subprocess.run([*command, target, source], check=True, capture_output=True, timeout=120)
        path = target / f"x.{suffix}"
        if fragment:
            assert fragment in _refused(path)
        else:
            assert good(path) == expected


def test_an_item_that_is_no_unit_is_a_broken_row(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([ROW, {**ROW, "price": {"a": 1}}]))
    assert [isinstance(row, BrokenRow) for row in pricelist.read(path)] == [False, True]
