"""What a number format of a workbook shows of a number: `#,##0.00 €`, `"A-"000`, `[$£-809]#,##0`.

The text is that of the file format itself, with a point before decimals, whatever the language of
the spreadsheet.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

import attrs

from .numbers import ARITHMETIC

__all__ = ["BUILT_IN", "EURO", "GENERAL", "Shown", "is_of_euro", "shown"]

GENERAL: Final = "General"
BUILT_IN: Final = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    37: "#,##0",
    38: "#,##0",
    39: "#,##0.00",
    40: "#,##0.00",
    41: "#,##0",
    42: "#,##0",
    43: "#,##0.00",
    44: "#,##0.00",
    48: "##0.0E+0",
}
"""Those that files do not spell out, without the currency of whoever looks at them."""

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]'
    r"|\[(?:Black|Blue|Cyan|Green|Magenta|Red|White|Yellow|Color ?[0-9]+)\]"
    r"|(?P<digit>[0#?])|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<plain>[-+() $€£¥:])"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_SECTION: Final = re.compile(r'(?:"[^"]*"|\\.|[^;"\\])*', re.DOTALL)
EURO: Final = re.compile(r"[-\s]*(?:€|eur|euros?)?[-\s]*", re.IGNORECASE)
_GROUP: Final = 3


@attrs.frozen
class Shown:
    """What is shown of a number.

    Args:
        text: all of it.
        amount: the number in it.
        before: what stands before that, and in it.
        after: what stands after that.
        is_grouped: whether its digits may be grouped.
    """

    text: str
    amount: Decimal
    before: str
    after: str
    is_grouped: bool


@attrs.define
class _Section:
    """The part of a format that is for numbers above zero."""

    parts: list[tuple[str, str]] = attrs.field(factory=list)
    decimals: int = 0
    least_decimals: int = 0
    is_grouped: bool = False
    thousands: int = 0
    percents: int = 0


@lru_cache(maxsize=256)
def _section(code: str) -> _Section | None:
    """Return what a format is made of, `None` if it is not for plain numbers."""
    section = _Section()
    commas = 0
    has_point = False
    for match in _TOKEN.finditer((_SECTION.match(code) or [""])[0]):
        kind, text = match.lastgroup, match[match.lastgroup or 0]
        if kind == "other":
            return None
        if kind == "digit":
            section.is_grouped |= commas > 0
            commas = 0
            section.decimals += has_point
            section.least_decimals = (
                section.decimals if has_point and text == "0" else section.least_decimals
            )
            if not has_point:
                section.parts.append(("digit", text))
        elif kind == "comma":
            commas += 1
        elif kind == "point" and not has_point:
            has_point = True
            section.parts.append(("point", ""))
        elif kind is not None:
            section.percents += kind == "percent"
            section.parts.append(("text", text))
    section.thousands = commas
    return section if any(kind == "digit" for kind, _ in section.parts) else None


def is_of_euro(code: str) -> bool:
    """Return whether a format shows plain numbers, or euro."""
    section = _section(code)
    if section is None or section.thousands or section.percents:
        return False
    kinds = [kind for kind, _ in section.parts]
    within = kinds[kinds.index("digit") : len(kinds) - kinds[::-1].index("digit")]
    texts = "".join(text for kind, text in section.parts if kind == "text")
    return "text" not in within and EURO.fullmatch(texts) is not None


def shown(code: str, value: float) -> Shown | None:
    """Return what is shown of a number that is not negative, `None` if that is not known."""
    section = _section(code)
    if section is None:
        return None
    kinds = [kind for kind, _ in section.parts]
    factor = Decimal(100) ** section.percents / Decimal(1000) ** section.thousands
    exact = ARITHMETIC.multiply(Decimal(str(value)), factor)
    amount = exact.quantize(Decimal(1).scaleb(-section.decimals), ROUND_HALF_UP, ARITHMETIC)
    whole, _, fraction = f"{amount:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(section.least_decimals, "0")
    texts = _filled(section, whole.lstrip("0"), kinds.count("digit"))
    at_last = max(index for index, kind in enumerate(kinds) if kind != "text")
    if "point" in kinds:
        texts[kinds.index("point")] = f".{fraction}"
    before = "".join(one for kind, one in section.parts[:at_last] if kind == "text")
    after = "".join(one for _, one in section.parts[at_last + 1 :])
    return Shown("".join(texts).strip(), amount, before.strip(), after.strip(), section.is_grouped)


def _filled(section: _Section, whole: str, places: int) -> list[str]:
    """Return the parts of a section with the digits of a number in their places."""
    texts = [text if kind == "text" else "" for kind, text in section.parts]
    written = 0
    for index in range(len(texts) - 1, -1, -1):
        kind, place = section.parts[index]
        if kind != "digit":
            continue
        places -= 1
        taken = whole if places == 0 else whole[-1:]
        whole = "" if places == 0 else whole[:-1]
        filler = {"0": "0", "?": " "}.get(place, "")
        for digit in reversed(taken or filler):
            is_new_group = section.is_grouped and written and written % _GROUP == 0
            texts[index] = digit + ("," if is_new_group else "") + texts[index]
            written += 1
    return texts
