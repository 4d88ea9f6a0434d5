"""Names and ids: what other programs have made of them.

A name is the only key that the server knows a unit by, so what was meant must go out, and not what
a program made of it. Where one meaning is left it is read, with a remark; where two are, or where
the name is lost (`2,00E+01`, `#N/D`), the row is broken. What is written `="02-ene"` is what stands
between the quotes: spreadsheets leave it alone, and so do we.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Final

import attrs

from propq_async._messages import joined, tr
from propq_async._update_values import INVISIBLE

__all__ = ["Key", "KeyStyle", "explicit", "key_alone"]


@attrs.frozen
class Key:
    """A name or an id.

    Args:
        text: what it is, nothing if that is not certain.
        remark: what was changed in it, if anything.
        expected: what was expected instead of it, if anything.
    """

    text: str
    remark: str = ""
    expected: str = ""


# What differs in its last digits only is read alike, as long as there is no point in it.
_DIGITS: Final = "0123456789"
_MANY: Final = 10_000
_MONTHS: Final = (
    r"(?:jan|ene|feb|mar|apr|abr|may|jun|jul|aug|ago|sept?|oct|okt|nov|dec|dic|dez|mai|"
    r"janv|f[eé]vr|avr|juin|juil|ao[uû]t|d[eé]c)"
)
_EXPLICIT: Final = re.compile(r'="((?:[^"]|"")*)"', re.DOTALL)
_QUOTED: Final = re.compile(r'"[^"]*"')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
# The second half of the controls is what bytes become in a wrong encoding.
_UNDECODED: Final = re.compile("[\x80-\x9f\ufffd]")
_ERROR: Final = re.compile(r"#(?:N/?[ADV]|N/DISP|#+|[¡¿]?[^\W\d_/]+(?:/0)?[!?])", re.IGNORECASE)
_MADE_BY_SPREADSHEET: Final = re.compile(
    r"[0-9](?:[.,][0-9]+)?E[+-][0-9]+"
    rf"|[0-9]{{1,2}}[-/. ]{_MONTHS}\.?(?:[-/. ][0-9]{{2,4}})?"
    rf"|{_MONTHS}\.?[-/ ][0-9]{{2,4}}"
    r"|[0-9]{1,2}([-/.])[0-9]{1,2}\1(?:[0-9]{4})(?: [0-9:]+)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+)?",
    re.IGNORECASE,
)
_WITH_DECIMAL: Final = re.compile(r"([0-9]+)\.0+", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)

# What looks like another sign, and is never meant where names are typed.
_ALIKE: Final = {
    "\u00a0": (" ", tr("a no-break space")),
    "\u202f": (" ", tr("a narrow no-break space")),
    "\u2007": (" ", tr("a figure space")),
    "\u2010": ("-", tr("a hyphen that is no hyphen-minus, U+2010")),
    "\u2011": ("-", tr("a no-break hyphen, U+2011")),
    "\u00ad": ("", tr("a soft hyphen")),
    "\u200b": ("", tr("a space of no width")),
    "\u200e": ("", tr("a mark of direction")),
    "\u200f": ("", tr("a mark of direction")),
    "\u2060": ("", tr("a word joiner")),
    "\ufeff": ("", tr("a byte order mark")),
}
_IS_ALIKE: Final = re.compile(f"[{''.join(_ALIKE)}]")
_REPLACED: Final = str.maketrans({sign: new for sign, (new, _) in _ALIKE.items()})

# The letters of Cyrillic and Greek that look like Latin ones, and those.
_FOREIGN: Final = "АВЕКМНОРСТУХаеорсухІіЈјЅѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"  # noqa: RUF001 - they do
_LATIN: Final = str.maketrans(_FOREIGN, "ABEKMHOPCTYXaeopcyxIiJjSsABEZHIKMNOPTYXo")
_IS_FOREIGN: Final = re.compile("[\u0370-\u052f]")
_WORD: Final = re.compile(r"[^\W\d_]+")

_WRITE_TEXT: Final = tr("in the list that it comes from, make the column text")


def explicit(text: str) -> str | None:
    """Return what stands in `="..."`, `None` if it is not written so."""
    match = _EXPLICIT.fullmatch(text.strip())
    return None if match is None else match[1].replace('""', '"')


def key_alone(cell: str, key: str) -> str:
    """Return the text of a name that is read so without its column and whatever wrote it."""
    if KeyStyle(None, is_csv=True).read(cell).text == key:
        return cell
    quoted = key.replace('"', '""')
    return f'="{quoted}"'


@attrs.define(eq=False, slots=False)
class KeyStyle:
    """How the names, or the ids, of a column are written.

    Args:
        texts: gives all texts of the column. It is asked only where one of them is odd, and `None`
            where they say nothing about each other.
        is_csv: whether a spreadsheet may have written numbers and dates as it shows them.
    """

    _texts: Callable[[], Iterable[str]] | None = attrs.field(alias="texts")
    _is_csv: bool = attrs.field(alias="is_csv")
    # Of plain names: what stands before the last digits, and how long the names are.
    _plain: dict[str, set[int]] = attrs.field(factory=dict, init=False)

    def is_plain(self, cell: str) -> bool:
        """Return whether a name is known to be what was meant. It is true of most, and quick."""
        return len(cell) in self._plain.get(cell.rstrip(_DIGITS), ())

    def are_plain(self, cells: Iterable[str]) -> list[bool]:
        """Return of each of several names whether `is_plain` is true of it."""
        known = self._plain.get
        return [len(cell) in known(cell.rstrip(_DIGITS), ()) for cell in cells]

    def read(self, cell: str) -> Key:
        """Return the name, or what was meant with it."""
        key = self._meant(cell)
        # A byte that is not in the encoding cannot be printed.
        is_certain = key == Key(cell) and cell.isprintable() and "." not in cell
        is_seen = cell.isascii() or INVISIBLE.isdisjoint(cell)
        if cell and is_certain and is_seen and len(self._plain) < _MANY:
            self._plain.setdefault(cell.rstrip(_DIGITS), set()).add(len(cell))
        return key

    def _meant(self, cell: str) -> Key:
        stated = explicit(cell)
        if stated is not None:
            return Key(
                stated.strip(),
                tr("{cell!r} is read as {text!r}").format(cell=cell.strip(), text=stated.strip()),
            )
        text, remark = cell.strip(), ""
        if _IS_ALIKE.search(text):
            signs = sorted({_ALIKE[sign][1] for sign in _IS_ALIKE.findall(text)})
            text, remark = (
                text.translate(_REPLACED).strip(),
                tr("without {names}").format(names=joined(tr(" and "), signs)),
            )
        if self._is_csv and _QUOTED.fullmatch(text) and cell[:1] == " ":
            text, remark = text[1:-1].strip(), tr("without the quotes around it")
        expected = self._expected(text)
        if expected:
            return Key("", expected=expected)
        if _WITH_DECIMAL.fullmatch(text):
            return self._without_decimal(text)
        if _IS_FOREIGN.search(text):
            return self._in_one_alphabet(text)
        return Key(
            text,
            tr("{cell!r} is read as {text!r}, {remark}").format(cell=cell, text=text, remark=remark)
            if remark
            else "",
        )

    def _expected(self, text: str) -> str:
        """Return what was expected, if the text cannot be a name."""
        if _CONTROL.search(text):
            return tr("a name in one line, and without characters that cannot be seen")
        if _QUOTED.fullmatch(text):
            return tr("a name without quotes around it")
        if _ERROR.fullmatch(text):
            return tr("a name: this is an error of a spreadsheet")
        if self._is_csv and _MADE_BY_SPREADSHEET.fullmatch(text):
            return tr(
                "a name: a spreadsheet has taken it for a number or a date; {advice}, "
                'or write ="{text}" if this is the name'
            ).format(advice=_WRITE_TEXT, text=text)
        if _UNDECODED.search(text) or _is_decoded_twice(text):
            return tr("a name: this is text in another encoding; export the list as UTF-8 again")
        return ""

    def _without_decimal(self, text: str) -> Key:
        """Read `101.0`, as programs write numbers in a column in which one cell is empty."""
        whole = text.partition(".")[0]
        if self._has_decimals:
            return Key(text)
        if self._are_all_whole:
            return Key(
                whole,
                tr("{text!r} is read as {whole!r}, as all of the column are whole").format(
                    text=text, whole=whole
                ),
            )
        return Key(
            "",
            expected=tr(
                '{whole}, or ="{text}" if this is the name: not all here are numbers'
            ).format(whole=whole, text=text),
        )

    def _in_one_alphabet(self, text: str) -> Key:
        is_mixed = _is_mixed(text)
        latin = text.translate(_LATIN)
        names = sorted(
            {unicodedata.name(one).split()[0].title() for one in _IS_FOREIGN.findall(text)}
        )
        kind = joined(tr(" and "), names)
        if self._has_latin and not _IS_FOREIGN.search(latin):
            return Key(
                latin,
                tr("{text!r} is read as {latin!r}, since others have no {kind} letters").format(
                    text=text, latin=latin, kind=kind
                ),
            )
        if is_mixed:
            return Key(
                "",
                expected=tr("a name whose words have no {kind} letters among Latin ones").format(
                    kind=kind
                ),
            )
        return Key(text)

    @cached_property
    def _others(self) -> list[str]:
        return [text.strip() for text in self._texts() if text.strip()] if self._texts else []

    @cached_property
    def _are_all_whole(self) -> bool:
        return bool(self._others) and all(map(_WITH_DECIMAL.fullmatch, self._others))

    @cached_property
    def _has_decimals(self) -> bool:
        """Return whether the column has floors and doors, such as 1.0 and 1.1."""
        decimals = map(_DECIMAL.fullmatch, self._others)
        return any(one is not None and not _WITH_DECIMAL.fullmatch(one[0]) for one in decimals)

    @cached_property
    def _has_latin(self) -> bool:
        return any(text.isascii() and _WORD.search(text) for text in self._others)


def _is_mixed(text: str) -> bool:
    """Return whether a word of the text has letters of several alphabets."""
    return any(
        _IS_FOREIGN.search(word) and not all(map(_IS_FOREIGN.match, word))
        for word in _WORD.findall(text)
    )


def _is_decoded_twice(text: str) -> bool:
    """Return whether the text is UTF-8 that was taken for cp1252, such as `Ãtico`."""
    if text.isascii():
        return False
    try:
        text.encode("cp1252").decode()
    except ValueError:
        return False
    return True
