"""Paths and bodies of requests."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from propq_async._settings import has_dot_segment
from propq_async._update_values import json_number
from propq_async.models import UnitStatus, UnitUpdate

_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

# The function that the encoder uses for strings, in C if that is available.
_quoted: Final = json.encoder.encode_basestring_ascii
# By the number itself, since that is faster than to write it.
_numbers: Final = [*map(str, range(max(UnitStatus) + 1))]
# Each with its JSON, since many units have the same directions.
_directions: Final[dict[tuple[str, ...], str]] = {}
MOST_DIRECTIONS: Final = 256

UPDATE_ROUTE: Final = "/v1/developments/{development_id}/units/update-by-name"


def update_path(development_id: str) -> str:
    """Return the path of `update-by-name`. The id may have any characters."""
    return UPDATE_ROUTE.format(development_id=quote(development_id, safe=""))


# Characters that a path has unescaped (RFC 3986 section 3.3), and "%", which begins an escape.
_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;="
_BARE_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_ENCODE_IT: Final = 'percent-encode what stands between two "/": urllib.parse.quote(name, safe="")'


def request_path(path: str) -> str:
    """Return a caller's path as it is sent, with spaces and non-ASCII characters encoded.

    Raises:
        ValueError: the path would lead elsewhere. The message says what to write instead.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(f'the path must begin with one "/", as in "/v1/...", not {path!r}')
    if "?" in path:
        raise ValueError(
            f"the path must have no query, as {path!r} has: give it as params={{...}}; or, if the "
            f'"?" belongs to a name, {_ENCODE_IT}'
        )
    if "#" in path:
        raise ValueError(
            f"the path must have no fragment, as {path!r} has: it would not be sent; {_ENCODE_IT}"
        )
    if "\\" in path or not path.isprintable():
        raise ValueError(
            "the path must have no backslash, no control character and no invisible one, as "
            f"{path!r} has: {_ENCODE_IT}"
        )
    if _BARE_PERCENT.search(path):
        raise ValueError(
            f'the path must have no "%" that begins no escape, as {path!r} has: {_ENCODE_IT}'
        )
    if has_dot_segment(path):
        raise ValueError(
            f'the path must have no segment "." or "..", as {path!r} has: it would lead to another '
            "path; write the one that is meant"
        )
    return quote(path, safe=_PATH_CHARACTERS)


def dump_update(update: UnitUpdate) -> bytes:
    # Written by hand, since the encoder takes six times as long.
    directions = _directions.get(update.directions) or _write_directions(update.directions)
    price = update.price if type(update.price) is int else json_number(update.price)
    text = (
        f'{{"UntName":{_quoted(update.name)},"UntStatus":{_numbers[update.status]},'
        f'"UntPrice":{price!r},"UntDirections":[{directions}]}}'
    )
    return text.encode()


def _write_directions(directions: tuple[str, ...]) -> str:
    text = ",".join(map(_quoted, directions))
    if len(_directions) < MOST_DIRECTIONS:
        _directions[directions] = text
    return text


@cache
def _converter() -> Any:
    # Imported here, since updates do not need it, and a script would wait for it.
    from cattrs import Converter  # noqa: PLC0415

    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook(UnitUpdate, lambda update: json.loads(dump_update(update)))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_unstructure_hook(Decimal, json_number)
    return converter


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON: plain values, attrs objects, enums, `Decimal`s and `datetime`s.

    A `Decimal` is sent as a double, which keeps at least 15 digits.

    Raises:
        TypeError: a value in it cannot be written in JSON.
        ValueError: NaN or infinity, which cannot be written in JSON.
    """
    return _encode(_converter().unstructure(value)).encode()
