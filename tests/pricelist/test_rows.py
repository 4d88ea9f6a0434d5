from __future__ import annotations

import re
from pathlib import Path

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, Row
from tests.helpers.lists import (
    ENGLISH,
    broken,
    good,
    remarks,
    text_list,
    unit,
)


def test_all_problems_of_a_row_come_out_with_their_place(tmp_path: Path) -> None:
    rows = [unit(), ["", " ", "gone", "1,5,5", "?"], unit("B", 0), unit("\u200b")]
    path = text_list(tmp_path / "x.csv", *rows)
    row = list(pricelist.read(path))[1]
    assert isinstance(row, BrokenRow)
    assert [(one.line, one.column, one.value) for one in row.problems] == [
        (3, "name", " "),
        (3, "development_id", ""),
        (3, "status", "gone"),
        (3, "price", "1,5,5"),
        (3, "directions", "?"),
    ]
    assert row.cells == ("", " ", "gone", "1,5,5", "?")
    assert str(row.problems[0]) == f"{path}, line 3, column name is empty; expected a text"
    assert "line 4, column price: found '0'; expected a price above zero" in broken(path)[1]
    assert "; expected a text" in broken(path)[2]


def test_a_broken_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = [
        ",".join(ENGLISH),
        '1,"A\nB",SOLD,5,N',
        '1,"C,SOLD,5,N',
        "1,D,SOLD,5,N",
        "1,E,SOLD,5",
        '1,"F"G,SOLD,5,N',
        "1,H,SOLD,5,N,,",
        '1,"I,SOLD,5,N',
        '1,J",SOLD,5,N',
        '1,"K,SOLD,5,N',
        *(f"1,L{number},SOLD,5,N" for number in range(40)),
        '1,"M,SOLD,5,N',
    ]
    path.write_text("\n".join(lines))
    rows = list(pricelist.read(path))
    names = [row.update.name for row in rows if isinstance(row, Row)]
    assert names == ["D", "H", 'J"', *(f"L{number}" for number in range(40))]
    found = broken(path)
    assert [int(re.findall(r"line (\d+)", text)[0]) for text in found] == [2, 4, 6, 7, 9, 11, 52]
    assert "expected 5 columns separated by commas, not 4" in found[2]
    assert "','" in found[3]
    assert "found '1,\"I,SOLD,5,N'; expected a field in quotes to end in the line" in found[4]
    assert "expected a closing quotation mark: one is opened here" in found[5]


def test_a_line_in_another_encoding_is_told_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = ["1,Ático,SOLD,5,N", "1,Sótano,SOLD,5,N"]
    path.write_bytes(
        b"\n".join([",".join(ENGLISH).encode(), rows[0].encode(), rows[1].encode("cp1252")])
    )
    (problem,) = broken(path)
    assert problem.startswith(
        "line 3, column name: found 'S\\xf3tano'; expected text in utf-8, or its --encoding stated"
    )
    path.write_bytes("\n".join([",".join(ENGLISH), *rows]).encode("cp1252"))
    assert [one.name for one in good(path)] == ["Ático", "Sótano"]
    # A byte that cp1252 does not have.
    path.write_bytes(b"\n".join([",".join(ENGLISH).encode(), b"1,\x81\xff,SOLD,5,N"]))
    (problem,) = broken(path)
    assert "expected text in cp1252" in problem


def test_duplicates_twins_and_spaces_are_pointed_out(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "x.csv",
        unit("A-101"),
        unit("A-101"),
        unit("A-101", 1),
        unit("a - 101"),
        unit(" B", development=" 4711"),
        unit("A-101", development="2"),
    )
    assert broken(path) == [
        "line 4, expected one row for each unit: A-101 has other values in line 2"
    ]
    assert remarks(path) == [
        "line 3: A-101 is in line 2 already",
        "line 5: 'a - 101' differs from 'A-101' in line 2 only by case or spaces",
        "line 6: column name: ' B' has space around it, and goes without",
        "line 6: column development_id: ' 4711' has space around it, and goes without",
    ]


def test_an_id_that_the_api_cannot_take_is_told_with_the_reason(tmp_path: Path) -> None:
    (problem,) = broken(text_list(tmp_path / "x.csv", unit(development="..")))
    assert "column development_id: found '..'; expected a value that the API takes" in problem
    assert "it would name another path" in problem


def test_rows_under_names_that_are_alike_are_told_apart(tmp_path: Path) -> None:
    rows = [unit("A-1"), unit("a-1"), unit("a-1"), unit("a-1", 0), unit("A -1", 0), unit("A-1", 0)]
    path = text_list(tmp_path / "x.csv", *rows)
    read = list(pricelist.read(path))
    assert [isinstance(row, Row) for row in read] == [True, True, True, False, False, False]
    said = [str(one) for row in read[:3] if isinstance(row, Row) for one in row.remarks]
    assert [text.partition(": ")[2] for text in said] == [
        "'a-1' differs from 'A-1' in line 2 only by case or spaces",
        "a-1 is in line 3 already",
    ]
    rivals = [row.rival and row.rival.line for row in read if isinstance(row, BrokenRow)]
    assert rivals == [3, None, 2]


def test_a_line_without_its_name_says_nothing_of_the_others(tmp_path: Path) -> None:
    """Whether `1.0` was a number is a matter of all names, and the last line has none."""
    path = tmp_path / "list.csv"
    names = ["1.0", "1-3"]
    lines = [
        "Development,Price,Status,Directions,Name",
        *(f"4711,1000,SOLD,N,{one}" for one in names),
    ]
    path.write_text("\n".join([*lines, "4711,1000,SOLD,N"]))
    odd, plain, short = pricelist.read(path)
    assert "expected 1, or" in str(odd)
    assert isinstance(plain, Row)
    assert "expected 5 columns separated by commas, not 4" in str(short)
