"""The languages: which one is spoken, and whether its catalogue has all texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from propq_async._languages import LANGUAGES, entries_of, language, language_of
from tests.helpers.texts import as_entry, catalogue, main, marked, places, translated

CATALOGUES = [name for name in LANGUAGES if name != "en"]


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_has_all_texts_and_no_others(name: str) -> None:
    used, known = marked(), translated(name)
    assert len(used) > 500
    assert [as_entry(text, used[text]) for text in used.keys() - known.keys()] == []
    assert known.keys() - used.keys() == set()


@pytest.mark.parametrize("name", CATALOGUES)
def test_each_text_is_translated_with_the_same_places(name: str) -> None:
    for (one, many), texts in translated(name).items():
        assert len(texts) == (1 if many is None else 2), one
        for text in texts:
            assert text.strip(), one
            # A text that is a part of another one keeps the spaces around it.
            assert (text[:1] == " ", text[-1:] == " ") == (one[:1] == " ", one[-1:] == " "), one
            assert places(text) == places(one) == places(many or one), one


@pytest.mark.parametrize("name", CATALOGUES)
def test_no_entry_comes_twice(name: str) -> None:
    texts = [entry["msgid"] for entry in entries_of(catalogue(name))]
    assert len(set(texts)) == len(texts)


def test_a_language_is_read_once() -> None:
    assert language("es") is language("es")
    assert language("en").said("price") == "price"


def test_an_entry_may_have_several_lines_and_comments() -> None:
    text = """
# A note.
msgid ""
msgstr ""
"Language: es\\n"

#: a.py
msgid "a "
"b\\n"
msgstr ""
"á \\"b\\"\\n"

msgid "{count} row"
msgid_plural "{count} rows"
msgstr[0] "{count} fila"
msgstr[1] "{count} filas"
"""
    assert list(entries_of(text)) == [
        {"msgid": "a b\n", "msgstr": 'á "b"\n'},
        {
            "msgid": "{count} row",
            "msgid_plural": "{count} rows",
            "msgstr[0]": "{count} fila",
            "msgstr[1]": "{count} filas",
        },
    ]
    assert list(entries_of(as_entry(("a\n", "b"), "a.py"))) == [
        {"msgid": "a\n", "msgid_plural": "b", "msgstr[0]": "", "msgstr[1]": ""}
    ]


@pytest.mark.parametrize(
    ("environ", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "es_ES@euro"}, "es"),
        ({"LANG": "ES"}, "es"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "es_ES.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_MESSAGES": "en_GB.UTF-8", "LC_ALL": "es_ES.UTF-8"}, "es"),
        ({"LC_ALL": "C", "LANG": "es_ES.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "es_ES.UTF-8"}, "es"),
        ({"LANGUAGE": "ca:es:en", "LANG": "ca_ES.UTF-8"}, "es"),
        ({"LANGUAGE": "C.UTF-8:es"}, "en"),
    ],
)
def test_the_environment_says_which_language(environ: dict[str, str], spoken: str) -> None:
    assert language_of(environ) == spoken


def test_english_needs_no_catalogue() -> None:
    code = (
        "import sys; from propq_async import pricelist; from propq_async._languages import "
        "language; print('gettext' in sys.modules, language.cache_info().currsize)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False 0\n"


def test_who_adds_a_text_is_told_what_to_add(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("tests.helpers.texts.translated", lambda: {("gone", None): ("ido",)})
    main()
    said = capsys.readouterr().out
    assert '#: pricelist/_problems.py\nmsgid "hidden!"\nmsgstr ""\n' in said
    assert "# unused: gone\n" in said
