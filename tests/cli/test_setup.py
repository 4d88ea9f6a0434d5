"""`propq setup`: on a terminal, and where nobody can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, lines, talk_on_a_terminal
from tests.helpers.lists import ENGLISH, text_list, unit

ROWS = (unit("A-101", "1.500", status="Señalizado"), unit("A-102", "1.600"))


def test_from_first_sight_to_pushed_without_an_option(emulator: PropQEmulator, propq: Any) -> None:
    path = text_list(Path("precios_01.csv"), *(row[1:] for row in ROWS), header=ENGLISH[1:])
    status, said = talk_on_a_terminal("setup", str(path), answers=["", "9", "3", "4711", "", "y"])
    assert status == Exit.DONE
    lines(
        said,
        r"How is the price '1\.500' \(2 rows: 2, 3\) meant\?",
        r"^expected AVAILABLE, HOLD, SOLD, RESERVED$",
        r"  - A-101  SOLD  1\.500 EUR  N S",
        r'  - file = "precios\*\.csv"',
        r"propq\.toml says how precios_01\.csv is read\. Next: propq plan precios_01\.csv",
    )
    assert propq("push", "precios_01.csv", f"{FIRST},below-floor").status == Exit.DONE
    assert emulator.unit("4711", "A-101").price == 1_500
    plan = propq("plan", "precios_01.csv")
    lines(plan.out, r"^as the profile .*propq\.toml says$")
    # So is the list of the next week, by the same profile.
    rows = (unit("A-101", "1.450", status="Señalizado"), *ROWS[1:])
    text_list(Path("precios_02.csv"), *(row[1:] for row in rows), header=ENGLISH[1:])
    assert propq("push", "precios_02.csv").status == Exit.DONE
    assert emulator.unit("4711", "A-101").price == 1_450
    # One that has another name says why it is not.
    Path("precios_02.csv").rename("tarifa.csv")
    said = propq("push", "tarifa.csv")
    assert said.status == Exit.USAGE
    assert "is for 'precios*.csv', which 'tarifa.csv' does not fit" in " ".join(said.err.split())


def test_nothing_is_written_without_a_yes(emulator: PropQEmulator) -> None:
    path = text_list(Path("x.csv"), unit())
    status, said = talk_on_a_terminal("setup", str(path), answers=["", "n"])
    assert (status, Path("propq.toml").exists()) == (Exit.UNCONFIRMED, False)
    assert "nothing was written" in said
    status, said = talk_on_a_terminal("setup", str(path), answers=["\x04"])
    assert (status, Path("propq.toml").exists()) == (Exit.UNCONFIRMED, False)
    assert "no answer: nothing was written" in said
    assert emulator.calls == 0


def test_without_a_terminal_a_draft_is_written(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *ROWS)
    said = propq("setup", "x.csv")
    assert said.status == Exit.UNCONFIRMED
    lines(
        said.out,
        r"^propq\.toml is a draft: answer its questions, which begin with #$",
        r"^  - What does 'Señalizado' mean \(row 2\)\?$",
    )
    text = Path("propq.toml").read_text(encoding="utf-8")
    assert '# status_words."Señalizado" = "RESERVED"' in text
    for command in ("plan", "push"):
        said = propq(command, "x.csv", FIRST)
        lines(said.out, r"^  propq setup x\.csv asks all of this at once, and keeps the answers$")
    # What is stated stays, and is asked no more.
    Path("propq.toml").write_text(
        '# ours\naccount = "default"\n\n' + text.replace('# status_words."S', 'status_words."S'),
        encoding="utf-8",
    )
    assert propq("setup", "x.csv").status == Exit.UNCONFIRMED
    again = Path("propq.toml").read_text(encoding="utf-8")
    assert again.startswith('# ours\naccount = "default"\n\n[[list]]\n')
    assert "What does 'Señalizado' mean" not in again
    assert 'status_words."Señalizado" = "RESERVED"' in again
    assert emulator.calls == 0


def test_what_is_filled_is_said_to_be(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), unit("A-101")[:4], header=ENGLISH[:4])
    Path("propq.toml").write_text('[[list]]\nfile = "x.csv"\nfill.directions = ["S", "W"]\n')
    status, said = talk_on_a_terminal("setup", "x.csv", answers=["y"])
    assert status == Exit.DONE
    lines(said, r"^  - 4711  A-101 .* EUR  S W  \(directions from ")
    assert emulator.calls == 0


def test_a_list_that_is_certain_needs_no_answer(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit())
    assert propq("setup", "x.csv", "--profile", "other.toml").status == Exit.DONE
    assert propq("plan", "x.csv", "--profile", "other.toml").status == Exit.UNCONFIRMED
    assert emulator.calls == 0


@pytest.mark.usefixtures("emulator")
def test_a_profile_that_is_broken_is_not_overwritten(propq: Any) -> None:
    text_list(Path("x.csv"), unit())
    Path("propq.toml").write_text("acount = 1", encoding="utf-8")
    said = propq("setup", "x.csv")
    assert (said.status, "did you mean account?" in said.err) == (Exit.USAGE, True)
    assert Path("propq.toml").read_text(encoding="utf-8") == "acount = 1"


@pytest.mark.usefixtures("emulator")
def test_a_profile_that_cannot_be_written_is_named(propq: Any) -> None:
    path = text_list(Path("x.csv"), unit())
    said = propq("setup", str(path), "--profile", "nowhere/propq.toml")
    assert said.status == Exit.UNUSABLE
    assert said.err == (
        "propq: cannot write the profile nowhere/propq.toml: No such file or directory; give "
        f"access to {Path('nowhere').absolute()}, or name another file with --profile\n"
    )


def test_what_cannot_work_is_told_before_it_is_written(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *(row[:4] for row in ROWS), header=ENGLISH[:4])
    status, said = talk_on_a_terminal("setup", "x.csv", answers=["", "", "y"])
    assert (status, Path("propq.toml").exists()) == (Exit.UNCONFIRMED, True)
    lines(
        said,
        r"^With this alone the list cannot be read: x\.csv: no column for directions;",
        r"Write this to propq\.toml, to be completed later\? \[y/N\]",
    )
    assert emulator.calls == 0


def test_what_setup_does_not_ask_about_is_to_be_corrected(
    emulator: PropQEmulator, propq: Any
) -> None:
    rows = [unit("A", "1.500,00", status="Señalizado"), unit("", "1.600,00"), unit("B", "")]
    text_list(Path("x.csv"), *rows, delimiter=";")
    for command, file in (("plan", "x"), ("push", "x.failed")):
        said = propq(command, "x.csv", FIRST)
        text = " ".join(said.out.split())
        assert "propq setup x.csv asks about the words and the empty cells, and keeps" in text
        assert f"; correct the other rows in {file}.csv" in text
    # Without the row that has no name, setup asks about all that is wrong.
    text_list(Path("x.csv"), rows[0], rows[2], delimiter=";")
    assert "propq setup x.csv asks all of this at once" in propq("plan", "x.csv").out
    assert emulator.calls == 0


def test_a_development_that_a_column_has_is_shown(emulator: PropQEmulator) -> None:
    header = ["Fase", "Etapa", *ENGLISH[1:]]
    text_list(Path("x.csv"), ["1", "6100", *unit("A")[1:]], header=header)
    status, said = talk_on_a_terminal("setup", "x.csv", answers=["2", "", "y"])
    assert status == Exit.DONE
    lines(said, r"^  2  Etapa \(B\): '6100'$", r"^  - 6100  A  SOLD  ")
    assert emulator.calls == 0
