from __future__ import annotations

import re
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async.pricelist._reading.formats import is_of_euro, shown
from propq_async.pricelist._reading.sheet_facts import CellStyle, SheetFacts, WorkbookFacts
from propq_async.pricelist._reading.unpacking import unpacked
from tests.helpers.lists import ENGLISH, good, remarks, unit, workbook


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("0", 5, "5"),
        ("0", 0.4, "0"),
        ("#", 0, ""),
        ("000", 5, "005"),
        ("???", 5, "5"),
        ("0.00", 1.1, "1.10"),
        ("0.0#", 1.1, "1.1"),
        ("#,##0.00", 1234567.5, "1,234,567.50"),
        ("#,##0", 2.5, "3"),
        ('"A-"000', 101, "A-101"),
        ("000-000", 101202, "101-202"),
        ("\\B00", 7, "B07"),
        ("[$£-809]#,##0", 215000, "£215,000"),
        ("[Red]0", 5, "5"),
        ("0%", 0.95, "95%"),
        ('#,##0,"k"', 250000, "250k"),
        ('_-* #,##0.00\\ "€"_-;\\-* #,##0.00', 5, "5.00 €"),
        ("0.", 5, "5."),
        ("#.#", 5, "5."),
        ("#,##0#", 1234, "1,234"),
        ("0;0", 5, "5"),
    ],
)
def test_a_format_shows_a_number(code: str, value: float, text: str) -> None:
    found = shown(code, value)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize("code", ["0.00E+00", "# ?/?", "dd/mm/yyyy", '"x"', "[>5]0", "", "0.0.0x"])
def test_formats_that_are_not_for_plain_numbers_are_not_followed(code: str) -> None:
    assert shown(code, 5) is None
    assert not is_of_euro(code)


@pytest.mark.parametrize("code", ["0", "#,##0.00", '#,##0\\ "€"', "[$€-C0A] 0", "0 [$EUR]"])
def test_formats_of_euro_are_known(code: str) -> None:
    assert is_of_euro(code)


@pytest.mark.parametrize("code", ["0%", "0,", "£0", '0".000 €"', "00-00"])
def test_formats_that_say_more_are_known(code: str) -> None:
    assert not is_of_euro(code)


@given(value=st.decimals(0, 10**9, places=2))
def test_a_plain_format_shows_the_number_itself(value: Decimal) -> None:
    found = shown("#,##0.00", float(value))
    assert found is not None
    assert Decimal(found.text.replace(",", "")) == value == found.amount


def test_cells_are_found_however_they_are_written() -> None:
    style = CellStyle("0", is_struck=False)
    common = b'<row r="3" hidden="1"><c r="B3" s="0" t="n"><v>1</v></c><c r="AA3"/></row>'
    others = [
        common.replace(b" s=", b" t='n' s="),
        common.replace(b'r="B3" s="0"', b's="0" r="B3"'),
        common.replace(b"<c ", b"<x:c ").replace(b"<row", b"<x:row"),
        common.replace(b'"', b"'"),
        common.replace(b"<c ", b"<c\n").replace(b'hidden="1"', b'hidden="true"'),
    ]
    for content in [common, *others]:
        facts = SheetFacts(content, [style])
        assert facts.styled([1, 26], [0]) == {3: [(1, style)]}
        assert facts.styled([1], []) == facts.styled([26], [0]) == {}
        assert facts.hidden_rows == {3}
    assert not SheetFacts(common.replace(b'"1"', b'"0"'), []).hidden_rows


_ATTRIBUTES = st.lists(
    st.sampled_from([" hidden='1'", ' hidden = "true"', " hidden='0'", " ht='9'", ' xhidden="1"']),
    max_size=3,
).map("".join)


@given(
    tags=st.lists(
        st.tuples(
            st.sampled_from(["<row", "<x:row", "<col", "<rows", "row"]),
            _ATTRIBUTES,
            st.sampled_from([" r='%d'", ' r = "%d"', " spans='%d'"]),
            _ATTRIBUTES,
            st.sampled_from([">", "/>", "><t>hidden='1'</t>"]),
        ),
        max_size=5,
    )
)
def test_hidden_rows_are_those_whose_tag_says_so(tags: list[tuple[str, ...]]) -> None:
    content = "".join("".join(tag) % n for n, tag in enumerate(tags, 1)).encode()
    is_hidden = re.compile(rb"<(?:x:)?row(?= )([^>]*)")
    says = [one for one in is_hidden.findall(content) if re.search(rb" hidden ?= ?.(1|true)", one)]
    numbers = [re.search(rb" r ?= ?.([0-9]+)", one) for one in says]
    assert SheetFacts(content, []).hidden_rows == {int(one[1]) for one in numbers if one}


def test_a_workbook_without_styles_has_no_facts_and_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", List=[ENGLISH, unit()])
    bare = tmp_path / "bare.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bare, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".rels"):
                content = re.sub(rb"<Relationship [^>]*styles[^>]*>", b"", content)
            if name != "xl/styles.xml":
                new.writestr(name, content)
    facts = WorkbookFacts(unpacked(bare))
    assert facts.styles == []
    assert facts.sheet("List") is None
    assert not facts.are_any
    assert len(good(bare)) == 1
    assert not remarks(bare)


def test_a_workbook_whose_relations_are_missing_has_no_facts() -> None:
    assert WorkbookFacts({"xl/workbook.xml": b"<workbook/>"}).sheet("List") is None
