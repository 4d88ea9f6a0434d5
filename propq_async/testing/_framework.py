"""What differs between the versions of Laravel, as far as an API shows it.

Version 8 was compared with the Debian package `php-laravel-framework` (8.83). What is said of the
later versions comes from their public sources, at the tags v10.48 and v12.0 of `laravel/framework`;
each field names the file.
"""

from __future__ import annotations

from typing import Final, Literal

import attrs

__all__ = ["FRAMEWORKS", "Framework", "FrameworkVersion"]

FrameworkVersion = Literal["8", "10", "12"]

# What PHP's trim() removes.
_ASCII: Final = " \n\r\t\v\0"
# PCRE's \s and three invisible characters.
_INVISIBLE_10: Final = "\ufeff\u200b\u200e"
# `Str::INVISIBLE_CHARACTERS`.
_INVISIBLE_12: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0"
    + "".join(
        chr(code)
        for first, last in (
            (0x2000, 0x200F),
            (0x2060, 0x2064),
            (0x206A, 0x206F),
            (0x1D173, 0x1D17A),
            (0x1D159, 0x1D159),
            (0xE0020, 0xE0020),
        )
        for code in range(first, last + 1)
    )
)
_WHITE_SPACE: Final = _ASCII + "".join(
    # The four separators are white space to Python, and not to PCRE.
    char
    for char in map(chr, range(0x3001))
    if char.isspace() and not "\x1c" <= char < " "
)


@attrs.frozen
class Framework:
    """One version of the framework."""

    names_route: bool
    """Whether a 404 and a 405 name the route (Routing/AbstractRouteCollection.php)."""

    must_be: str
    """How a text of the validator begins (Translation/lang/en/validation.php, of the skeleton)."""

    summarizes: bool
    """Whether the message of a 422 has the first error (Validation/ValidationException.php)."""

    compares_numbers: bool
    """Whether "01" is in the list 1,2,4,8 (Validation/Concerns/ValidatesAttributes.php)."""

    trimmed: str
    """What is trimmed from strings (Http/Middleware/TrimStrings.php, since 11 Support/Str.php)."""

    throttles_first: bool
    """Whether the throttle counts a call before its token is checked. It was seen on a server of
    version 12 with the `throttleApi()` of its skeleton."""

    checks_path: bool
    """Whether a path that is no UTF-8 is refused (Http/Middleware/ValidatePathEncoding.php)."""

    bad_override: tuple[int, str]
    """The answer to a method override that is no word (Foundation/Exceptions/Handler.php)."""

    reads_any_token_body: bool
    """Whether the token endpoint takes JSON and multipart beside a form. It was seen on a server of
    version 12 with Passport 12.3."""


FRAMEWORKS: Final[dict[FrameworkVersion, Framework]] = {
    "8": Framework(
        names_route=False,
        must_be="must be",
        summarizes=False,
        compares_numbers=True,
        trimmed=_ASCII,
        throttles_first=False,
        checks_path=False,
        bad_override=(404, "Bad hostname provided."),
        reads_any_token_body=False,
    ),
    "10": Framework(
        names_route=True,
        must_be="field must be",
        summarizes=True,
        compares_numbers=True,
        trimmed=_WHITE_SPACE + _INVISIBLE_10,
        throttles_first=False,
        checks_path=False,
        bad_override=(404, "Bad hostname provided."),
        reads_any_token_body=False,
    ),
    "12": Framework(
        names_route=True,
        must_be="field must be",
        summarizes=True,
        compares_numbers=False,
        trimmed=_WHITE_SPACE + _INVISIBLE_10 + _INVISIBLE_12,
        throttles_first=True,
        checks_path=True,
        bad_override=(400, "Bad request."),
        reads_any_token_body=True,
    ),
}
