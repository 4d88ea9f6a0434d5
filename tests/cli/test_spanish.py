"""The commands in Spanish: what they print, what they are answered, and what stays English."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App, CycloptsError

from propq_async._cli.commands import app
from propq_async._cli.exit_codes import Exit
from propq_async._cli.language import choose_language, said, spoken
from propq_async._cli.screen import Screen
from propq_async._cli.usage import usage_error
from propq_async._messages import tr
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, lines, talk_on_a_terminal
from tests.helpers.lists import SPANISH, text_list, unit, workbook
from tests.helpers.texts import in_the_help, spanish_only

FAULTS = (
    unit("A-101", 300_000, "Vendido"),
    unit("A-102", 10, "Disponible"),
    unit("A-103", "", "Vendido"),
    unit("A-104", 250_000, "Señalizado"),
    unit("A-105", 250_000, "Señalizado"),
    unit("A-106", "1.5.0", "Libre"),
    unit("A-107", 250_000, "Libre", directions="Mar"),
    unit("A-108", 250_000, "Libre", directions="N O S"),
    unit("A-109 ", 250_000),
    unit("a-109", 250_000),
    unit("A-110", 250_000),
    unit("A-110", 260_000),
    unit("A-111", 250_000),
    unit("A-111", 250_000),
    unit("A-112", 250_000, "Libre", directions=""),
    unit("Z-999", 250_000),
    ["4711", "A-113", "Libre"],
    ["", "TOTAL", "", "250000", ""],
    ["* Precios sujetos a cambios", "", "", "", ""],
)


def faults(name: str = "precios.csv") -> Path:
    return text_list(Path(name), *FAULTS, header=SPANISH)


def test_a_list_with_faults_is_told_in_spanish(emulator: PropQEmulator, propq: Any) -> None:
    del emulator  # it has made the directory
    text_list(Path("antes.csv"), unit("A-101"), unit("A-120", status="AVAILABLE"))
    assert propq("push", "antes.csv", FIRST).status == Exit.DONE
    faults()
    plan = propq("plan", "precios.csv", "--lang", "es", "--all", "--trust-hours=0")
    assert plan.status == Exit.UNCONFIRMED
    spanish_only(plan.out + plan.err)
    lines(
        plan.out,
        r"^precios\.csv: 1\d filas \(utf-8, columnas separadas por comas",
        r"^para el cliente 1 de http",
        r"^  con errores +\d+$",
        r"^Con errores, y no se envían$",
        r"'Señalizado' \(2 filas: 5, 6\): ¿qué significa\? --status-word Señalizado=RESERVED",
        r"línea 4, la columna Precio \(€\) está vacía; se esperaba un precio mayor que cero",
        r"precios\.csv, línea 16, la columna Orientación está vacía; se esperaba al menos una",
        r"^No son unidades\n  - precios\.csv, línea 19: un total: TOTAL 250000$",
        r"^Probablemente un error$",
        r"4711 A-102 cuesta 10 EUR: menos de 1\.000 EUR$",
        r"4711  A-101  SOLD  250\.000 EUR -> 300\.000 EUR \(\+20,0 %\)",
    )
    push = propq("push", "precios.csv", "--lang=es", "--yes", "--report", "informe.html")
    assert push.status == Exit.ROWS_FAILED
    spanish_only(push.out)
    lines(
        push.out,
        r"^Envío a PropQ de precios\.csv$",
        r"404 .* - compruebe el id de la promoción y el nombre de la unidad",
        r"filas no se han aplicado: corrija precios\.failed\.csv y envíelo:$",
    )
    # The column is read back by its name, and its reasons are for people.
    failures = Path("precios.failed.csv").read_text(encoding="utf-8-sig")
    assert failures.startswith("propq_problem,Promoción")
    assert "se esperaba un precio mayor que cero" in failures
    page = Path("informe.html").read_text(encoding="utf-8")
    assert '<html lang="es">' in page
    shown = re.sub(r"(?s)<style>.*</style>|<script>.*</script>|<[^>]*>", "\n", page)
    spanish_only(shown)
    assert "No todo está aplicado: véase abajo." in shown


def test_prices_follow_the_list_or_else_the_language(emulator: PropQEmulator, propq: Any) -> None:
    """In a workbook prices are numbers, which have no style of their own."""
    whole = workbook(Path("numeros.xlsx"), Lista=[SPANISH, unit("A-101", 239_000)])
    marked = text_list(Path("marcas.csv"), unit("A-102", "239,000.50"), header=SPANISH)
    for language, shown in (("es", r"239\.000 EUR"), ("en", "239,000 EUR")):
        plan = propq("plan", str(whole), "--lang", language, "--report", f"{language}.html").out
        lines(plan, rf"^  SOLD .* {shown}$", rf"^  4711  A-101  SOLD  {shown}")
        assert re.search(shown, Path(f"{language}.html").read_text(encoding="utf-8"))
        lines(
            propq("plan", str(marked), "--lang", language).out,
            r"^  4711  A-102  SOLD  239,000\.50 EUR",
        )
    lines(propq("push", str(whole), FIRST, "--lang", "es").out, r"^  SOLD .* 239\.000 EUR$")
    assert emulator.calls == 1


def test_a_log_is_english_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    choose_language(["--lang=es"], {})
    try:
        with Screen().client_log(logging.WARNING):
            logging.getLogger("propq_async").warning("token request %d failed", 1)
    finally:
        choose_language([], {})
    assert capsys.readouterr().out == "client  warning: token request 1 failed\n"


def test_machines_are_told_in_english(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults()
    english = json.loads(propq("plan", "precios.csv", "--json").out)
    monkeypatch.setenv("LANGUAGE", "es")
    spanish = json.loads(propq("plan", "precios.csv", "--json").out)
    assert spanish == english
    assert "a price above zero" in json.dumps(spanish)
    assert emulator.calls == 0


def test_setup_asks_and_is_answered_in_spanish(emulator: PropQEmulator, propq: Any) -> None:
    rows = [unit("A-101", "1.500", status="Señalizado")[1:], ["Planta alta", "", "", ""]]
    path = text_list(Path("precios.csv"), *rows, header=SPANISH[1:])
    status, heard = talk_on_a_terminal(
        "setup", str(path), "--lang", "es", answers=["", "", "", "4711", "", "sí"]
    )
    assert status == Exit.DONE, heard
    spanish_only(
        "\n".join(line for line in heard.splitlines() if " = " not in line and "[[" not in line)
    )
    lines(
        heard,
        r"¿Cómo hay que leer el precio '1\.500' \(fila 2\)\?",
        r"¿Qué significa 'Señalizado' \(fila 2\)\?",
        r"¿Escribir esto en .*propq\.toml\? \[s/N\]",
        r"propq\.toml dice cómo se lee precios\.csv",
    )
    assert propq("plan", "precios.csv").status == Exit.UNCONFIRMED
    assert emulator.calls == 0


def test_the_words_of_answers_are_spanish(emulator: PropQEmulator) -> None:
    del emulator
    text_list(Path("x.csv"), unit("A-1", ""), unit("A-2"), ["", "Garajes", "", "", ""])
    status, heard = talk_on_a_terminal(
        "setup", "x.csv", "--lang", "es", answers=["no", "nada", "", "s"]
    )
    assert "[registro] >" in heard
    assert status == Exit.DONE, heard
    assert 'not_units = ["Garajes"]' in Path("propq.toml").read_text(encoding="utf-8")
    status, heard = talk_on_a_terminal(
        "setup",
        "x.csv",
        "--lang",
        "es",
        "--profile",
        "y.toml",
        answers=["si", "registro", "nada", "nada", "", "s"],
    )
    assert status == Exit.DONE, heard
    assert 'price = "ledger"' in Path("y.toml").read_text(encoding="utf-8")


def test_a_draft_asks_in_spanish(emulator: PropQEmulator, propq: Any) -> None:
    del emulator
    text_list(Path("x.csv"), unit(status="Señalizado"))
    heard = propq("setup", "x.csv", "--lang", "es")
    spanish_only(heard.out)
    draft = Path("propq.toml").read_text(encoding="utf-8")
    lines(
        draft, r"^# No es seguro: conteste a esto", r"^# ¿Qué significa 'Señalizado' \(fila 2\)\?$"
    )


def test_each_other_command_speaks_spanish(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit("A-101"))
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    for arguments in (
        ["update", "4711", "A-101", "--status=SOLD", "--price=1", "--directions=N"],
        ["update", "4711", "A-101", "--status=?", "--price=1", "--directions=N"],
        ["update", "4711", "A-102", "--status=SOLD", "--price=250000", "--directions=N"],
        ["ledger", "show"],
        ["ledger", "check"],
        ["ledger", "show", "nadie"],
        ["ledger", "forget", "A-101"],
        ["ledger", "import"],
        ["token", "show"],
        ["token", "refresh"],
        ["token", "clear"],
        ["accounts"],
        ["logout"],
        ["doctor"],
        ["plan", "no.csv"],
        ["push", "x.csv", "--accept=nada"],
        ["push", "x.csv"],
    ):
        heard = propq(*arguments, "--lang", "es")
        spanish_only(heard.out + heard.err)
        assert re.search("[áéíóúñ]|No |no |en |de ", heard.out + heard.err), arguments
    assert emulator.calls == 2


@pytest.mark.usefixtures("_wide")
def test_the_help_of_every_command_is_spanish(propq: Any) -> None:
    english = {text.replace("`", "") for text, _ in in_the_help() if len(text) > 20}
    pages = [*_pages(app, [])]
    assert len(pages) > 20
    for page in pages:
        heard = propq(*page, "--help", "--lang", "es")
        assert (heard.status, heard.err) == (Exit.DONE, "")
        # The names of commands and of what can be chosen are no words.
        spanish_only(re.sub(r"\[a elegir: [^]]*]|(?m:^│ [\w-]+ |^Uso: .*)", "", heard.out))
        shown = " ".join(heard.out.split())
        assert [text for text in english if text in shown] == [], page
        assert "--lang es" in shown
        assert "Usage" not in shown
    # It goes back to what it was.
    assert "Usage: propq push [OPTIONS] PATH" in propq("push", "--help", "--lang=en").out


@pytest.mark.parametrize(
    ("arguments", "english", "spanish"),
    [
        (["push"], "PATH is missing", "falta ARCHIVO"),
        (["update", "1", "A", "--price=1"], "--status is missing", "falta --status"),
        (["plan", "x", "--column"], "--column needs a value", "--column necesita un valor"),
        (["push", "x", "--foo"], "there is no option --foo", "no existe la opción --foo"),
        (
            ["plan", "x", "--develpment=1"],
            "there is no option --develpment (is --development meant?)",
            "no existe la opción --develpment (¿quizá --development?)",
        ),
        (
            ["token", "shw"],
            "there is no command 'shw' (is show meant?); there are show, refresh, clear",
            "no existe el comando 'shw' (¿quizá show?); hay show, refresh, clear",
        ),
        (["push", "a", "b"], "unexpected argument 'b'", "argumento inesperado 'b'"),
        (
            ["push", "a", "--list=1", "--list=1"],
            "--list is stated twice",
            "--list se indica dos veces",
        ),
        (
            ["push", "a", "--list=-1"],
            "--list: '-1' is too low, or out of bounds",
            "--list: '-1' es demasiado bajo o está fuera de los límites",
        ),
        (
            ["push", "a", "--list=x"],
            "--list: expected a number, not 'x'",
            "--list: se esperaba un número, no 'x'",
        ),
        (
            ["emulate", "--unknown-status=1"],
            "--unknown-status: expected one of 400 404 422, not '1'",
            "--unknown-status: se esperaba uno de 400 404 422, no '1'",
        ),
    ],
)
def test_wrong_usage_is_told_in_both_languages(
    propq: Any, arguments: list[str], english: str, spanish: str
) -> None:
    for language, text, more in (("en", english, "Try"), ("es", spanish, "Pruebe")):
        heard = propq(*arguments, "--lang", language)
        assert (heard.status, heard.out) == (Exit.USAGE, "")
        assert heard.err.startswith(f"propq: {text}\n  {more} 'propq")


def test_what_else_cyclopts_says_is_told_as_it_is() -> None:
    assert usage_error(CycloptsError(msg="odd")) == "odd\nTry 'propq --help'."


@pytest.fixture
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no text be broken into lines."""
    monkeypatch.setenv("COLUMNS", "1000")


def _pages(app: App, names: list[str]) -> Iterator[list[str]]:
    yield names
    for name in app:
        if name not in {"--help", "-h", "--version"}:
            yield from _pages(app[name], [*names, name])


def test_the_language_is_chosen_once_for_all() -> None:
    environ = {"LANG": "es_ES.UTF-8"}
    assert choose_language(["plan", "x.csv"], environ) == ["plan", "x.csv"]
    assert (spoken(), said(tr("yes"))) == ("es", "sí")
    # An option wins, wherever it stands; behind -- there are no options.
    assert choose_language(["--lang=en", "plan", "--", "--lang", "es"], environ) == [
        "plan",
        "--",
        "--lang",
        "es",
    ]
    assert (spoken(), said(tr("yes"))) == ("en", "yes")
    assert choose_language(["plan", "--lang", "es", "x.csv"], {}) == ["plan", "x.csv"]
    assert spoken() == "es"
    assert choose_language([], {}) == []
    assert spoken() == "en"


@pytest.mark.parametrize("arguments", [["--lang", "fr"], ["--lang="], ["--lang"]])
def test_no_other_language_is_spoken(propq: Any, arguments: list[str]) -> None:
    heard = propq("plan", *arguments)
    assert heard.status == Exit.USAGE
    lines(heard.err, r"^propq: --lang: expected en or es, not '(fr|)'$")
