"""The text of a profile: what is in it, or what is wrong with it and where."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from propq_async._messages import joined, tr
from propq_async.models import UnitStatus

from ._problems import PriceListError
from ._profile_values import Fill, ListProfile
from ._template import Template, is_template

__all__ = ["COLUMNS", "parsed"]

# From 0, which anything is, to 1.
_NEAR: Final = 0.5
COLUMNS: Final = ("development_id", "name", "status", "price", "directions")
_FILLED: Final = ("status", "price", "directions")
_TOP: Final = ("account", "list")

_Reader = Callable[[str, Any], Any]


def parsed(path: Path, content: bytes) -> tuple[str | None, list[ListProfile]]:
    """Return the account and the lists of a profile.

    Raises:
        PriceListError: the text is no profile. The message says what to change.
    """
    try:
        top = tomllib.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise PriceListError(
            tr("{path} is no text in UTF-8: save it as that").format(path=path)
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise PriceListError(
            tr("{path} is no TOML: {error}").format(path=path, error=error)
        ) from error
    _check_keys(f"{path}", top, _TOP)
    account = top.get("account")
    if account is not None:
        _text(tr("{path}: account").format(path=path), account)
    lists = top.get("list", [])
    if not isinstance(lists, list) or not all(isinstance(one, dict) for one in lists):
        raise PriceListError(
            tr("{path}: a list begins with [[list]], in two pairs of brackets").format(path=path)
        )
    return account, [_list(path, number, one) for number, one in enumerate(lists, 1)]


def _list(path: Path, number: int, table: Mapping[str, Any]) -> ListProfile:
    where = tr("{path}, list {number}").format(path=path, number=number)
    if isinstance(table.get("file"), str):
        where += f" ({table['file']})"
    _check_keys(where, table, (*_READERS, "fill"))
    if "development" in table and "development_id" in table:
        raise PriceListError(
            tr(
                "{where}: development is the id of all rows, and development_id the column "
                "that has it: state one of them"
            ).format(where=where)
        )
    values = {
        key: _READERS[key](joined(": ", (where, key)), value)
        for key, value in table.items()
        if key in _READERS
    }
    values["columns"] = {field: values.pop(field) for field in COLUMNS if field in values}
    fill = _table(tr("{where}: fill").format(where=where), table.get("fill", {}))
    _check_keys(tr("{where}, fill").format(where=where), fill, _FILLED)
    values["fill"] = {
        field: _fill(
            tr("{where}, fill: {field}").format(where=where, field=field), field, value, path.parent
        )
        for field, value in fill.items()
    }
    return ListProfile(**values)


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a key that says nothing, most likely a misspelt one."""
    known = list(known)
    for key in table:
        if key not in known:
            near = get_close_matches(key.casefold().replace("-", "_"), known, 1, _NEAR)
            meant = (
                tr("did you mean {near}? There are").format(near=near[0])
                if near
                else tr("there are")
            )
            raise PriceListError(
                tr("{where}: there is no key {key!r}; {meant} {names}").format(
                    where=where, key=key, meant=meant, names=", ".join(known)
                )
            )


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PriceListError(
            tr('{where} must be a text, such as "4711", not {value!r}').format(
                where=where, value=value
            )
        )
    return value


def _texts(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise PriceListError(
            tr('{where} must be a list of texts, such as ["TOTAL*"], not {value!r}').format(
                where=where, value=value
            )
        )
    return tuple(_text(where, one) for one in value)


def _name(where: str, value: object) -> str:
    text = _text(where, value)
    if is_template(text):
        try:
            Template.parse(text)
        except PriceListError as error:
            raise PriceListError(joined(": ", (where, str(error)))) from error
    return text


def _column(where: str, value: object) -> str:
    text = _text(where, value)
    if is_template(text):
        raise PriceListError(
            tr(
                "{where}: only the name, and directions that are marks, have several columns"
            ).format(where=where)
        )
    return text


def _character(where: str, value: object) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise PriceListError(
            tr("{where} must be one character, not {value!r}").format(where=where, value=value)
        )
    return value


def _one_of(*choices: str) -> _Reader:
    def read(where: str, value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            either = joined(tr(" or "), (f'"{one}"' for one in choices))
            raise PriceListError(
                tr("{where} must be {either}, not {value!r}").format(
                    where=where, either=either, value=value
                )
            )
        return value

    return read


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        name = where.rpartition(" ")[2]
        raise PriceListError(
            tr("{where} must be a table, which begins with [list.{name}]").format(
                where=where, name=name
            )
        )
    return value


def _sheets(where: str, value: object) -> dict[str, str | None]:
    if isinstance(value, list):
        return dict.fromkeys(_texts(where, value))
    if not isinstance(value, dict):
        raise PriceListError(
            tr(
                '{where} must name sheets with their developments, such as {{ "Fase 1" = '
                '"4711" }}, or sheets alone, such as ["Fase 1"], not {value!r}'
            ).format(where=where, value=value)
        )
    return {sheet: _text(joined(", ", (where, sheet)), one) for sheet, one in value.items()}


def _words(meaning: _Reader) -> _Reader:
    def read(where: str, value: object) -> dict[str, Any]:
        return {
            word: meaning(joined(", ", (where, word)), one)
            for word, one in _table(where, value).items()
        }

    return read


def _status(where: str, value: object) -> UnitStatus:
    if isinstance(value, str) and value.upper() in UnitStatus.__members__:
        return UnitStatus[value.upper()]
    names = ", ".join(one.name for one in UnitStatus)
    raise PriceListError(
        tr("{where} must be one of {names}, not {value!r}").format(
            where=where, names=names, value=value
        )
    )


def _number(where: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PriceListError(
            tr("{where} must be a number, not {value!r}").format(where=where, value=value)
        )
    number = Decimal(value)
    if not number.is_finite() or number < 0:
        raise PriceListError(
            tr("{where} must be a number that is not negative, not {value}").format(
                where=where, value=value
            )
        )
    return number


def _fill(where: str, field: str, value: object, folder: Path) -> Fill:
    if value == "ledger":
        return Fill("ledger")
    if field == "price" and not isinstance(value, str):
        return Fill("value", _number(where, value))
    if field == "directions" and isinstance(value, list):
        return Fill("value", _texts(where, value))
    if isinstance(value, str) and value.upper() in UnitStatus.__members__:
        if field == "status":
            return Fill("value", UnitStatus[value.upper()])
    elif isinstance(value, str) and value.strip():
        return Fill(folder / value)
    shapes = {
        "status": tr('a status, such as "AVAILABLE"'),
        "price": tr("a number, such as 250000"),
        "directions": tr('a list, such as ["S"]'),
    }
    raise PriceListError(
        tr('{where} must be "ledger", the name of a file, or {shapes}, not {value!r}').format(
            where=where, shapes=shapes[field], value=value
        )
    )


_READERS: Final[Mapping[str, _Reader]] = {
    "file": _text,
    "development": _text,
    "sheets": _sheets,
    "development_id": _column,
    "name": _name,
    "status": _column,
    "price": _column,
    "directions": _name,
    "decimal": _one_of(".", ","),
    "delimiter": _character,
    "encoding": _text,
    "compass_pairs": _one_of("one", "two"),
    "hidden_rows": _one_of("skip", "read"),
    "min_price": _number,
    "not_units": _texts,
    "status_words": _words(_status),
    "direction_words": _words(_text),
}
