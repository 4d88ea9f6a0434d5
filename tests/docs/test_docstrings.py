"""The examples in docstrings run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import propq_async
from propq_async import AsyncPropQ, TokenManager, UnitStatus, UnitUpdate, pricelist
from propq_async._client.units import Units
from propq_async.testing import PropQEmulator
from tests.helpers.pages import PRICES

SHOWN = (AsyncPropQ, TokenManager, Units.update_many, PropQEmulator, pricelist.read)


def example_of(shown: Any) -> str:
    text = inspect.getdoc(shown) or ""
    found = re.search(r"^Example::\n\n((?: {4}.*\n|\n)+)", text, re.MULTILINE)
    assert found, shown
    return textwrap.dedent(found[1])


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.__qualname__)
def test_the_example_runs(shown: Any, emulator: PropQEmulator) -> None:
    Path("prices.csv").write_text(PRICES, encoding="utf-8")
    code = compile(example_of(shown), shown.__qualname__, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        async with AsyncPropQ.from_env() as propq, propq.session() as session:
            names = {name: getattr(propq_async, name) for name in propq_async.__all__}
            names |= {"session": session, "PropQEmulator": PropQEmulator, "pricelist": pricelist}
            names["updates"] = [UnitUpdate("4711", "A-102", UnitStatus.SOLD, 1_000, ["N"])]
            # The examples name the real API, and credentials of nobody.
            names["Credentials"] = lambda *_: emulator.credentials
            url = emulator.url
            names["AsyncPropQ"] = partial(AsyncPropQ, base_url=url)
            names["TokenManager"] = partial(TokenManager, token_url=f"{url}/oauth/token")
            waited = FunctionType(code, names)()
            if inspect.iscoroutine(waited):
                await waited

    asyncio.run(run())
