"""The page that shows a plan or a push: what is in it, and that lists cannot put markup there."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.ledger import Account
from propq_async.pricelist import Column, Plan, Push
from propq_async.pricelist import _html as module
from tests.helpers.lists import ENGLISH, unit, workbook
from tests.helpers.planning import House

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;</td><script>alert(2)</script>"

NAME = "<img src=x onerror=alert(1)></td><script>alert(2)</script>"


class Page(HTMLParser):
    """The elements of a page, and its text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.sections: dict[str, str] = {}
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style") and data.strip():
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def under(self, title: str) -> list[str]:
        """Return the texts of a section."""
        start = self.texts.index(title)
        return self.texts[start + 1 :]


async def pushed(house: House, *rows: list[str]) -> Push:
    made = await house.plan(*rows)
    async with pricelist.push(made, house.propq, house.ledger, accept="all") as push:
        async for _ in push:
            pass
    return push


async def test_a_plan_shows_old_and_new(house: House) -> None:
    await house.push(["4711", "A-101", "AVAILABLE", "200000", "N"])
    made = await house.plan(
        ["4711", "A-101", "SOLD", "100000", "S"], ["4711", "A-102", "AVAILABLE", "123456.5", "W"]
    )
    page = Page(pricelist.report(made))
    changes = page.under("Changes")
    assert changes[changes.index("A-101") - 1 :][:9] == [
        "4711", "A-101", "SOLD", "was AVAILABLE", "100,000 EUR", "was 200,000 EUR (-50.0%)", "S",
        "was N", "changed",
    ]  # fmt: skip
    assert changes[changes.index("A-102") - 1 :][:6] == [
        "4711", "A-102", "AVAILABLE", "123,456.50 EUR", "W", "new to us",
    ]  # fmt: skip
    assert "Something looks like a mistake: see below before it is sent." in page.texts
    assert page.text.index("Likely a mistake") < page.text.index("Changes")
    assert "price = price (D)" in page.text


async def test_a_plan_names_what_is_not_sent(house: House) -> None:
    await house.push(["4711", "A-101", "SOLD", "200000", "N"])
    made = await house.plan(["4711", "A-102", "SOLD", "much", "N"])
    page = Page(pricelist.report(made))
    assert "much" in page.under("Broken, and not sent")[0]
    assert page.under("No longer in the list")[0] == "4711 A-101"
    assert "Changes" not in page.texts


async def test_a_broken_row_alone_is_no_good_news(house: House) -> None:
    await house.push(["4711", "A-101", "SOLD", "200000", "N"])
    made = await house.plan(
        ["4711", "A-101", "SOLD", "200000", "N"], ["4711", "A-102", "SOLD", "much", "N"]
    )
    assert "Some rows cannot be sent: see below." in Page(pricelist.report(made)).texts


async def test_nothing_to_say(house: House) -> None:
    await house.push(["4711", "A-101", "SOLD", "200000", "N"])
    page = Page(pricelist.report(await house.plan(["4711", "A-101", "SOLD", "200000", "N"])))
    assert "Nothing looks wrong." in page.texts
    assert "Likely a mistake" not in page.texts


async def test_a_push_shows_what_became_of_each_row(house: House) -> None:
    house.emulator.fail_next(422, match={"UntName": "A-102"})
    push = await pushed(
        house,
        ["4711", "A-101", "SOLD", "200000", "N"],
        ["4711", "A-102", "SOLD", "200000", "N"],
    )
    page = Page(pricelist.report(push))
    assert "Not everything is applied: see below." in page.texts
    failed = page.under("Not applied")
    assert failed[4].endswith("list.csv, line 3")
    assert failed[5] == "4711 A-102"
    assert "422" in failed[6]
    changes = page.under("Changes")
    assert changes[changes.index("A-101") :].index("applied") < 7
    assert changes[changes.index("A-102") :].index("failed") < 7
    assert page.under("Confirmed before it was sent")


async def test_a_push_that_is_applied_says_so(house: House) -> None:
    push = await pushed(house, ["4711", "A-101", "SOLD", "200000", "N"])
    assert "Everything that was sent is applied." in Page(pricelist.report(push)).texts


async def test_a_lost_answer_may_have_been_applied(house: House) -> None:
    house.emulator.fail_next(500, times=5)
    push = await pushed(house, ["4711", "A-101", "SOLD", "200000", "N"])
    assert "yes" in Page(pricelist.report(push)).under("Not applied")


async def test_a_push_that_has_not_begun_is_not_sent(house: House) -> None:
    made = await house.plan(["4711", "A-101", "SOLD", "200000", "N"])
    push = pricelist.push(made, house.propq, house.ledger, accept="all")
    page = Page(pricelist.report(push))
    assert "It did not come to its end: the same push goes on from here." in page.texts
    assert "not sent" in page.under("Changes")


def test_each_sheet_has_its_columns(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", **{"Fase 1": [ENGLISH, unit()]})
    (table,) = pricelist.read(path).tables
    page = Page(pricelist.report(attrs.evolve(NOTHING, tables=[table])))
    (said,) = [text for text in page.under("Which column is which") if "Fase 1" in text]
    assert said.startswith("sheet Fase 1: ")


def test_a_column_without_a_heading_is_called_by_its_letter() -> None:
    assert str(Column(2, "", "C", True, "stated")) == "(C, hidden!)"  # noqa: FBT003 - as it is made


async def test_a_list_cannot_put_markup_on_the_page(house: House) -> None:
    house.emulator.fail_next(422, body={"message": HOSTILE})
    push = await pushed(house, ["4711", NAME, "SOLD", "200000", "N"])
    harmless = Page(pricelist.report(await house.plan(["4711", "A", "SOLD", "200000", "N"])))
    page = Page(pricelist.report(push))
    assert page.elements.count("script") == page.elements.count("style") == 1
    assert set(page.elements) <= {*harmless.elements, "small"}
    assert page.attributes <= harmless.attributes | {"data-value"}
    assert f"4711 {NAME}" in page.texts
    assert HOSTILE in page.text


@given(
    unit=st.tuples(st.text(max_size=30), st.text(max_size=30)),
    text=st.text(max_size=60),
    name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=30),
)
def test_no_text_becomes_an_element(unit: tuple[str, str], text: str, name: str) -> None:
    made = attrs.evolve(
        NOTHING,
        path=Path(name),
        remarks=[pricelist.Remark(Path(name), unit[0], 1, text)],
        warnings=[pricelist.PlanWarning(pricelist.WarningKind.PRICE, text)],
        missing=[unit],
    )
    page = pricelist.report(made)
    elements = Page(page).elements
    assert set(elements) <= ELEMENTS
    assert elements.count("script") == 1
    page.encode()


ELEMENTS = {
    *("html", "head", "meta", "title", "link", "style", "body", "header", "h1", "p", "dl", "div"),
    *("dt", "dd", "main", "section", "h2", "ul", "li", "script"),
}
NOTHING = Plan(
    path=Path("x.csv"), tables=[], account=Account("https://api.propq.com", 42), changes=[],
    unchanged=0, broken=[], repeated=0, remarks=[], warnings=[], missing=[], seen=[], totals={},
    generation=0, list_digest="",
)  # fmt: skip


async def test_of_very_many_rows_the_first_are_shown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS", 2)
    made = await house.plan(
        *(["4711", f"A-{number}", "SOLD", "200000", "N"] for number in range(101, 106))
    )
    page = Page(pricelist.report(made))
    assert "A-102" in page.texts
    assert "A-103" not in page.texts
    assert "And 3 more, which this page leaves out." in page.texts


async def test_the_page_loads_nothing_from_elsewhere(house: House) -> None:
    text = pricelist.report(await house.plan(["4711", "A-101", "SOLD", "200000", "N"]))
    assert "default-src 'none'" in text
    assert not {"src", "srcset", "action"} & Page(text).attributes
    assert Path(house.directory / "list.csv").name in text
