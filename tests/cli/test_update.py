"""`propq update`: one unit."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.commands import on_a_terminal, started
from tests.helpers.lists import text_list, unit


def test_one_unit(emulator: PropQEmulator, propq: Any) -> None:
    values = ["--status", "vendido", "--price", "199.500,50 €", "--directions", "Norte-Sur"]
    said = propq("update", "4711", "A-101", *values)
    assert (said.status, said.err) == (Exit.DONE, "")
    assert said.out == "applied: A-101 of 4711 is SOLD, 199,500.50 EUR, N S\n"
    assert emulator.unit("4711", "A-101").price == 199_500.5
    # The ledger knows of it.
    text_list(Path("x.csv"), unit("A-101", "199500.50"))
    assert propq("plan", "x.csv").status == Exit.DONE
    unknown = propq("update", "4711", "B", *values)
    assert (unknown.status, unknown.out) == (Exit.ROWS_FAILED, "")
    assert "must match exactly" in unknown.err
    words = ["--directions", "NNE,N", "--accept", "directions"]
    odd = propq("update", "4711", "A-101", *values[:4], *words)
    assert odd.out.endswith("NNE N\n")
    german = propq("update", "4711", "A-101", *values[:4], "--directions", "N,O")
    assert german.status == Exit.USAGE
    assert "W where an O is west, and E where it is east" in german.err
    words = ["--directions", "Mar, Norte-Sur, S/W", "--yes"]
    several = propq("update", "4711", "A-101", *values[:4], *words)
    assert several.out.endswith(", Mar N S W\n")
    emulator.fail_next(500, times=9)
    assert propq("update", "4711", "A-101", *values).status == Exit.STOPPED


def test_what_is_likely_a_mistake_needs_a_yes(emulator: PropQEmulator, propq: Any) -> None:
    def update(status: str, price: str, directions: str, *options: str) -> Any:
        values = ["--status", status, "--price", price, "--directions", directions]
        return propq("update", "4711", "A-101", *values, *options)

    assert update("SOLD", "245000", "N").out.endswith("is SOLD, 245,000 EUR, N\n")
    assert update("SOLD", "245000", "N", "--lang=es").out.endswith("queda SOLD, 245.000 EUR, N\n")
    said = update("Libre", "1", "S")
    assert (said.status, emulator.unit("4711", "A-101").price) == (Exit.UNCONFIRMED, 245_000)
    assert "4711 A-101 was SOLD and is AVAILABLE now" in said.out
    assert "changes its price by -100.0%: 245,000 EUR -> 1 EUR" in said.out
    assert "4711 A-101 costs 1 EUR: less than 1,000 EUR" in said.out
    spanish = update("SOLD", "199500,5", "N", "--max-change=1", "--lang", "es").out
    assert "245.000 EUR -> 199.500,50 EUR" in spanish
    assert said.err == (
        "propq: nothing was sent, since the above needs a yes: if it is meant, add --accept "
        "sold-to-available,price,below-floor\n"
    )
    unknown = update("SOLD", "245000", "mar,SS")
    assert "mar, SS: no direction that is known, and sent as it is written" in unknown.out
    assert unknown.status == Exit.UNCONFIRMED
    # A yes to one kind is none to the others, and the limits can be stated.
    assert update("SOLD", "100", "N", "--accept", "price").status == Exit.UNCONFIRMED
    assert update("SOLD", "100", "N", "--accept", "price,below-floor").status == Exit.DONE
    assert update("SOLD", "105", "N").status == Exit.DONE
    assert update("SOLD", "147", "N", "--max-change", "41").status == Exit.DONE
    assert update("AVAILABLE", "150", "N", "--yes").status == Exit.DONE
    assert update("SOLD", "150", "N", "--accept", "prize").status == Exit.USAGE
    assert emulator.unit("4711", "A-101").status == 1


def test_a_terminal_is_asked_about_an_update(emulator: PropQEmulator) -> None:
    values = ["--status", "SOLD", "--price", "5", "--directions", "N"]
    status, seen = on_a_terminal("update", "4711", "A-101", *values, keys=b"n\n")
    assert (status, emulator.calls) == (Exit.UNCONFIRMED, 0)
    assert "4711 A-101 costs 5 EUR: less than 1,000 EUR" in seen.replace("\r\n   ", " ")
    status, seen = on_a_terminal("update", "4711", "A-101", *values, keys=b"y\n")
    assert (status, emulator.applied) == (Exit.DONE, 1)
    assert "Send it all the same? [y/N]" in seen


VALUES = ["--status", "SOLD", "--price", "260000", "--directions", "N"]


@pytest.mark.parametrize(
    ("path", "standing"),
    [
        ("/oauth/token", "nothing was sent"),
        (
            "/v1/developments/4711/units/update-by-name",
            "the update may have been applied; the same command sets the values again",
        ),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_update_says_what_became_of_it(
    number: signal.Signals, path: str, standing: str, emulator: PropQEmulator
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        asked.set()
        return not ended.wait(60)

    emulator.fail_next(503, path=path, match=hold)
    with started("update", "4711", "A-101", *VALUES) as process:
        assert asked.wait(60)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    ended.set()
    assert (process.returncode, out) == (Exit.INTERRUPTED, "")
    assert err == f"propq: interrupted: {standing}\n"


def test_an_update_interrupted_too_late_is_told_as_applied(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await real(*arguments)

    real = Ledger.acknowledge
    monkeypatch.setattr(Ledger, "acknowledge", interrupt)
    said = propq("update", "4711", "A-101", *VALUES)
    assert (said.status, said.err) == (
        Exit.INTERRUPTED,
        "propq: interrupted: the update is applied\n",
    )
    assert emulator.unit("4711", "A-101").price == 260_000
    text_list(Path("x.csv"), unit("A-101", 260_000, directions="N"))
    assert propq("plan", "x.csv").status == Exit.DONE
