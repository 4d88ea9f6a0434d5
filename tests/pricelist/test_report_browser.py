"""The page of a plan as a browser shows it: sorted, on a narrow screen, and on paper."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from propq_async import UnitStatus, UnitUpdate, pricelist
from propq_async.pricelist import Change, Plan, Reason, Row
from tests.helpers.browser import Tab, browser, new_tab
from tests.helpers.planning import House


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browser(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture
async def tab(chromium: str) -> AsyncIterator[Tab]:
    async with new_tab(chromium) as tab:
        yield tab
        assert tab.errors() == []


async def a_plan(house: House, count: int) -> Plan:
    """Return a plan of so many rows, each with another price, and some that are broken."""
    await house.push(["4711", "A-101", "AVAILABLE", "200000", "N"])
    made = await house.plan(
        ["4711", "A-101", "SOLD", "100000", "S"], ["4711", "", "SOLD", "1", "N"]
    )
    (change,) = made.changes
    more = [
        Change(attrs.evolve(change.row, update=an_update(number), line=number), Reason.NEW, None)
        for number in range(3, count + 2)
    ]
    assert isinstance(change.row, Row)
    return attrs.evolve(made, changes=[change, *more])


def an_update(number: int) -> UnitUpdate:
    # A price whose text sorts otherwise than its value.
    price = Decimal(number * 7919 % 10_007 * 100 + 50)
    return UnitUpdate("4711", f"B-{number}", UnitStatus.HOLD, price, ["N", "E"])


async def open_page(tab: Tab, made: Plan, path: Path) -> None:
    await asyncio.to_thread(path.write_text, pricelist.report(made), encoding="utf-8")
    await tab.open(path.as_uri())
    await tab.until("document.readyState === 'complete' && !!document.querySelector('.rows')")


PRICES = """
[...document.querySelectorAll("table.rows")].find((table) => table.tBodies[0].rows.length > 4)
    .querySelectorAll("tbody td:nth-child(4)")
"""


@pytest.mark.parametrize("count", [5, pytest.param(5_000, marks=pytest.mark.campaign)])
async def test_a_click_sorts_by_value(house: House, tab: Tab, tmp_path: Path, count: int) -> None:
    await open_page(tab, await a_plan(house, count), tmp_path / "report.html")
    prices = f"[...({PRICES.strip()})].map((cell) => Number(cell.dataset.value))"
    found = await tab.run(prices)
    assert len(found) == count
    head = "section:has(td:nth-child(6)) th:nth-child(4) button"
    await tab.click(head)
    assert await tab.run(prices) == sorted(found)
    await tab.click(head)
    assert await tab.run(prices) == sorted(found, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1_280])
async def test_it_fits_the_screen(
    house: House, tab: Tab, tmp_path: Path, width: int, scheme: str
) -> None:
    await tab.send(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=800, deviceScaleFactor=1, mobile=width < 500,
    )  # fmt: skip
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    await tab.send("Emulation.setEmulatedMedia", features=features)
    await open_page(tab, await a_plan(house, 5), tmp_path / "report.html")
    assert await tab.run("document.documentElement.scrollWidth") <= width
    # The labels of a card on a narrow screen take the place of the headings.
    label = "getComputedStyle(document.querySelector('.rows td'), '::before').content"
    assert (await tab.run(label) != "none") == (width < 500)
    ground = await tab.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 28)" if scheme == "dark" else "rgb(246, 247, 249)")


async def test_it_prints(house: House, tab: Tab, tmp_path: Path) -> None:
    await open_page(tab, await a_plan(house, 100), tmp_path / "report.html")
    pdf = base64.b64decode((await tab.send("Page.printToPDF"))["data"])
    assert pdf.startswith(b"%PDF")
    # A hundred rows as cards, or cut off at a screen's height, would be many pages, or one.
    assert 3 <= pdf.count(b"/Type /Page\n") <= 8
