"""Prices as people write them: `1.234.567,89 €`, `1,234,567.89`, `250000`, `250 000`.

A point or a comma may group digits or begin the decimals, and a flat must not be sold for a
thousandth because one was taken for the other. So:

- A price has at most two decimals, since nobody gives one in tenths of a cent. Three digits after
  the last separator are a group, or they are in doubt; where they can be no group (`250000.500`),
  and where there are more than three (`250.0000`), a group was most likely misread: that is an
  error.
- A text whose groups cannot be anything else (`1.234.567`), or whose decimals cannot (`1.234,50`,
  `199500.5`), is certain by itself, and it is evidence of how its column is written.
- `1.234` alone is in doubt. It is 1234 if the column has evidence that a point groups (a
  `1.234.567` or a `199,50`) and none to the contrary; then both readings of the column agree, and
  the other one (1.234) contradicts it. A column whose evidence says that a point begins decimals
  does not make it 1.234: that is where a `250.000` slips in among `199500.50`. It is an error that
  asks for the separator to be stated.
- If all prices of a column are in doubt with one separator, it groups, unless they would be no
  prices of flats: nobody writes tenths of a cent throughout.
- If they are in doubt with both separators, both group if all of them are then prices of flats.
- Once it is stated, texts that contradict it are errors, and so are three decimals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from typing import Final, Literal

import attrs

__all__ = [
    "ARITHMETIC",
    "IN_DOUBT",
    "TOO_FINE",
    "Decimals",
    "Doubt",
    "PriceStyle",
    "exact_price",
    "undressed",
]

Decimals = Literal[".", ","]

_OF_FLATS: Final = range(50_000, 10_000_000)
_OTHER: Final[dict[str, str]] = {".": ",", ",": "."}
_GROUP: Final = 3
_MAX_DECIMALS: Final = 2
TOO_LARGE: Final = 10**15
# No price is longer, and no amount of digits may keep the parser busy.
MAX_LENGTH: Final = 40
_BODY: Final = re.compile(r"[0-9]+(?:[.,' ][0-9]+)*", re.ASCII)
_SEPARATOR: Final = re.compile(r"[.,' ]")
# Both cases are spelled out, since to `re.IGNORECASE` a long s is an s as well.
_CURRENCY: Final = r"(?:€|[eE][uU][rR](?:[oO][sS]?)?\.?)"
# The dash stands for no cents, the apostrophe for a text, and the tax is not in the price.
_NO_CENTS: Final = r"(?:[.,]\s?[-\u2013\u2014]{1,2})"
_DRESS: Final = re.compile(
    rf"'?{_CURRENCY}?\s*(?P<body>[^\s€].*?)\s*(?P<whole>{_NO_CENTS})?\s*{_CURRENCY}?"
    r"(?:\s*\+\s*(?:[iI][vV][aA]|[vV][aA][tT]))?"
)
# No-break and thin spaces, and the apostrophes of keyboards and typesetters.
_SPACES: Final = str.maketrans("\u00a0\u2007\u2009\u202f\u2019", "    '")


ARITHMETIC: Final = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, capitals=1, clamp=0, traps=[]
)
"""For all that is computed with prices: the caller's context may round differently, or raise."""

_CENT: Final = Decimal("0.01")
# What a formula may be off by: 275000.00000000006 is 275000.
_OFF: Final = Decimal("0.000001")


class Doubt(Enum):
    """The types of `IN_DOUBT` and `TOO_FINE`."""

    IN_DOUBT = "IN_DOUBT"
    """A text that may be one price or another."""
    TOO_FINE = "TOO_FINE"
    """More than two decimals: a 1.234 is more likely a 1234 that was misread."""


IN_DOUBT: Final = Doubt.IN_DOUBT
TOO_FINE: Final = Doubt.TOO_FINE


def exact_price(value: float | Decimal) -> int | Decimal | Doubt | None:
    """Return the price that a number of a workbook or of JSON is.

    `TOO_FINE` if it has more than two decimals, `None` if it is no price.
    """
    if type(value) is float and value.is_integer():
        return int(value) if abs(value) < TOO_LARGE else None
    exact = Decimal(str(value))
    if not exact.is_finite() or exact.copy_abs() >= TOO_LARGE:
        return None
    cents = exact.quantize(_CENT, context=ARITHMETIC)
    if ARITHMETIC.subtract(exact, cents).copy_abs() > _OFF:
        return TOO_FINE
    return int(cents) if cents == int(cents) else cents.normalize(ARITHMETIC)


class _Kind(Enum):
    NONE = 0
    DOUBT = 1
    FINE = 2
    WHOLE = 3
    DECIMAL = 4


# All that may stand in a price and is no digit.
_UNDIGIT: Final = dict.fromkeys(
    map(
        ord,
        "\u00a0\u2007\u2009\u202f\u2019' .,\t\r\n€eurosEUROS-\u2013\u2014+ivatIVAT",
    )
)
_ALIKE: Final = str.maketrans("23456789", "11111111")


def _shape(text: str) -> str:
    """Return the text with every digit alike, but for zeros, which may not lead a group."""
    shape = text[: MAX_LENGTH + 1].translate(_ALIKE)
    return shape.replace("0", "1") if shape[:1] == "1" else shape


@attrs.frozen
class _Reading:
    """What a text can mean.

    `value` is the one thing that it can, `grouped` what it means if its only separator groups.
    `decimals` is the separator of decimals that it shows.
    """

    value: int | Decimal | Doubt | None = None
    grouped: int | None = None
    decimals: str | None = None
    separator: str = ""

    @property
    def mark(self) -> str | None:
        """Return the separator of decimals that it shows, or would if its only one groups."""
        return self.decimals or _OTHER.get(self.separator)


def undressed(text: str) -> str | None:
    """Return the digits and separators of a price, `None` if there is anything else."""
    body, _ = _undressed(text)
    return body


def _undressed(text: str) -> tuple[str | None, bool]:
    """Return the digits and separators of a price, and whether it says that it has no cents."""
    match = _DRESS.fullmatch(text.translate(_SPACES).strip()[: MAX_LENGTH + 1])
    if match is None or len(match["body"]) > MAX_LENGTH or not _BODY.fullmatch(match["body"]):
        return None, False
    return match["body"], match["whole"] is not None


def _is_grouped(groups: list[str], separators: list[str]) -> bool:
    return (
        len(set(separators)) <= 1
        and (not separators or (0 < len(groups[0]) <= _GROUP and groups[0][0] != "0"))
        and all(len(group) == _GROUP for group in groups[1:])
    )


def _parts(body: str) -> tuple[list[str], list[str]]:
    return _SEPARATOR.split(body), _SEPARATOR.findall(body)


def _read(text: str) -> _Reading | None:
    """Return what the text can mean, `None` if it is no price in any style."""
    body, is_whole = _undressed(text)
    if body is None:
        return None
    groups, separators = _parts(body)
    whole = int("".join(groups)) if _is_grouped(groups, separators) else None
    last = separators[-1] if separators else ""
    if is_whole or not separators:
        return None if whole is None else _Reading(value=whole, decimals=_OTHER.get(last))
    if whole is not None and (len(separators) > 1 or last not in _OTHER):
        return _Reading(value=whole, decimals=_OTHER.get(last))
    before = separators[:-1]
    if last not in _OTHER or last in before or not _is_grouped(groups[:-1], before):
        return None
    if whole is not None:
        return _Reading(grouped=whole, separator=last)
    return _with_decimals("".join(groups[:-1]), groups[-1], last)


def _are_of_flats(texts: Collection[str], *, all_of_them: bool = False) -> bool:
    """Return whether prices, most or all, are those of flats if their only separator groups."""
    grouped = sorted(one.grouped for one in map(_read, texts) if one is not None and one.grouped)
    if all_of_them:
        return all(one in _OF_FLATS for one in grouped)
    return bool(grouped) and grouped[len(grouped) // 2] in _OF_FLATS


def _with_decimals(whole: str, fraction: str, separator: str) -> _Reading:
    if len(fraction) > _MAX_DECIMALS:
        # What can be no price is no evidence, either.
        return _Reading(value=TOO_FINE)
    return _Reading(value=Decimal(f"{whole}.{fraction}"), decimals=separator)


def _read_stated(text: str, decimals: str) -> int | Decimal | Doubt | None:
    body, is_whole = _undressed(text)
    if body is None:
        return None
    if is_whole:
        return int(_SEPARATOR.sub("", body)) if _is_grouped(*_parts(body)) else None
    whole, _, fraction = body.partition(decimals)
    if decimals in fraction or (decimals in body and not fraction.isdigit()):
        return None
    if not _is_grouped(*_parts(whole)):
        return None
    if len(fraction) > _MAX_DECIMALS:
        return TOO_FINE
    digits = _SEPARATOR.sub("", whole)
    return Decimal(f"{digits}.{fraction}") if fraction else int(digits)


@attrs.define(eq=False)
class PriceStyle:
    """How the prices of a column are written.

    Args:
        stated: the separator of decimals that the user stated, `None` if none.
        shown: those that the column shows.
        groups: the separators that group digits, if that is both of them.
        against: for each separator a price of the column that would be misread if it grouped.
    """

    stated: Decimals | None = None
    shown: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    against: Mapping[str, str] = attrs.field(factory=dict)
    _shapes: dict[str, tuple[_Kind, str]] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, texts: Collection[str], stated: Decimals | None) -> PriceStyle:
        """Return the style of a column.

        If all of its prices have one separator, three digits behind it, and are those of flats if
        it groups, it does.
        """
        if stated is not None:
            return cls(stated)
        read = {shape: _read(shape) for shape in {_shape(text) for text in texts}}
        readings = {shape: one for shape, one in read.items() if one is not None}
        shown = {one.decimals for one in readings.values() if one.decimals}
        separators = {one.separator for one in readings.values()}
        if len(separators) == 1 and separators <= _OTHER.keys() and _are_of_flats(texts):
            # Nobody gives prices in tenths of a cent.
            shown = {_OTHER[separator] for separator in separators}
        elif separators == _OTHER.keys() and not shown and _are_of_flats(texts, all_of_them=True):
            # Some of them are written otherwise, and neither kind has tenths of a cent.
            return cls(None, groups=frozenset(separators))
        against: dict[str, str] = {}
        for separator in separators & _OTHER.keys():
            shapes = {shape for shape, one in readings.items() if one.mark == separator}
            if shapes:
                against[separator] = min(text for text in texts if _shape(text) in shapes)
        return cls(None, frozenset(shown), against=against)

    def contrary(self, text: str) -> str | None:
        """Return a price of the column that keeps a text in doubt, also if decimals are stated.

        `None` if there is none.
        """
        reading = _read(text)
        return None if reading is None else self.against.get(reading.separator)

    def read(self, text: str) -> int | Decimal | Doubt | None:
        """Return the price, or why it is none.

        `IN_DOUBT` if it may be one or another, `TOO_FINE` if it has more than two decimals, `None`
        if it is no price at all.
        """
        if len(text) <= MAX_LENGTH and text.isascii() and text.isdigit():
            return int(text)
        # What is written alike is read alike, and thousands of prices have few shapes.
        shape = _shape(text)
        known = self._shapes.get(shape)
        if known is None:
            known = self._shapes[shape] = self._kind(shape)
        kind, separator = known
        if kind is _Kind.NONE:
            return None
        if kind is _Kind.DOUBT:
            return IN_DOUBT
        if kind is _Kind.FINE:
            return TOO_FINE
        if kind is _Kind.WHOLE:
            return int(text.translate(_UNDIGIT))
        # The point of `eur.` begins no decimals.
        whole, _, fraction = text.rstrip().removesuffix(".").rpartition(separator)
        return Decimal(f"{whole.translate(_UNDIGIT)}.{fraction.translate(_UNDIGIT)}")

    def _kind(self, shape: str) -> tuple[_Kind, str]:
        if self.stated is not None:
            value = _read_stated(shape, self.stated)
            separator: str | None = self.stated
        else:
            reading = _read(shape)
            if reading is None:
                return _Kind.NONE, ""
            value, separator = reading.value, reading.decimals
            separates = reading.separator
            if value is None and (separates in self.groups or self.shown == {_OTHER[separates]}):
                value = reading.grouped
            if value is None:
                return _Kind.DOUBT, ""
        if value is None:
            return _Kind.NONE, ""
        if value is TOO_FINE:
            return _Kind.FINE, ""
        return (_Kind.DECIMAL, separator or "") if isinstance(value, Decimal) else (_Kind.WHOLE, "")
