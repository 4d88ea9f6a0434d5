"""The languages that texts for people can be said in: English, or a catalogue of `gettext`.

A catalogue is read as it is kept, a `.po` file, so that nothing has to be built.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any, Final

from ._messages import Message

ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "es")
# In the order of gettext.
_VARIABLES: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_LINE: Final = re.compile(r'(?:(msgid|msgid_plural|msgstr(?:\[[01]\])?)\s+)?(".*")')
# Spanish groups digits by points, and has a comma before decimals.
_SWAPPED: Final = str.maketrans(",.", ".,")

Entry = Mapping[str, str]
"""An entry of a catalogue: its texts by keyword."""


class Language(Formatter):
    """Says texts in a language. What its catalogue does not have, it says in English.

    Args:
        name: its code, such as `es`.
        texts: each text in English with what it is in this language: in the singular and the
            plural, which are the same if there is no plural.
    """

    def __init__(self, name: str, texts: Mapping[str, tuple[str, str]]) -> None:
        self.name = name
        self._texts = texts

    def said(self, text: str) -> str:
        if not isinstance(text, Message) or self.name == ENGLISH:
            return text
        english = text.template, text.template if text.many is None else text.many
        template = self._texts.get(text.template, english)[text.number != 1]
        if not text.values:
            return template
        if isinstance(text.values, Mapping):
            return self.vformat(template, (), text.values)
        return self.vformat(template, text.values, {})

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value in a text, which may be a text itself, or a number."""
        if isinstance(value, str):
            value = self.said(value)
        text = format(value, format_spec)
        is_number = "," in format_spec or format_spec.endswith(("f", "%"))
        return text.translate(_SWAPPED) if is_number else text


@cache
def language(name: str) -> Language:
    """Return a language of `LANGUAGES`."""
    if name == ENGLISH:
        return Language(name, {})
    file = resources.files("propq_async").joinpath("locale", f"{name}.po")
    texts = {}
    for entry in entries_of(file.read_text(encoding="utf-8")):
        one = entry.get("msgstr") or entry.get("msgstr[0]", "")
        texts[entry["msgid"]] = one, entry.get("msgstr[1]", one)
    return Language(name, texts)


def entries_of(catalogue: str) -> Iterator[Entry]:
    """Return the entries of the text of a catalogue, without its head."""
    entry: dict[str, str] = {}
    keyword = ""
    for line in [*catalogue.splitlines(), 'msgid ""']:
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        keyword = found[1] or keyword
        if found[1] == "msgid":
            if entry.get("msgid"):
                yield entry
            entry = {}
        entry[keyword] = entry.get(keyword, "") + ast.literal_eval(found[2])


def language_of(environ: Mapping[str, str]) -> str:
    """Return the language that an environment asks for, as gettext reads it."""
    stated = next((text for name in _VARIABLES if (text := environ.get(name))), "")
    for locale in stated.split(":"):
        code = re.split(r"[_.@-]", locale)[0].lower()
        if code in LANGUAGES:
            return code
        if code in ("c", "posix"):
            break
    return ENGLISH
