"""A plan in a file, to be sent later: exactly that, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from propq_async._messages import os_reason, tr
from propq_async.models import UnitStatus, UnitUpdate
from propq_async.pricelist._reading.price_list import digest_of
from propq_async.pricelist._reading.rows import BrokenRow

from ._planning import Plan
from ._problems import PriceListError, Table
from ._profile import Profile

__all__ = ["Saved", "is_plan", "load", "load_plan", "save_plan"]

VERSION: Final = 1
_ANOTHER: Final = tr("nothing was sent; make another plan")
_START: Final = re.compile(rb'\s*\{\s*"propq_plan"\s*:')
_START_BYTES: Final = 100


@attrs.frozen(eq=False)
class Saved:
    """A plan that was saved.

    Args:
        plan: the plan.
        reading: what was saved with it, which says how its list is read.
    """

    plan: Plan
    reading: Mapping[str, Any]


def save_plan(
    plan: Plan, path: str | os.PathLike[str], *, reading: Mapping[str, Any] | None = None
) -> None:
    """Save a plan as JSON, so that exactly that can be pushed later. See `load_plan`.

    Args:
        plan: the plan.
        path: the file. A plan that is there is replaced, and nothing else is.
        reading: plain values that say how the list is read, for whoever opens it again.

    Raises:
        PriceListError: there is something else at this path.
        OSError: it cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() and (is_plan(path) or not path.stat().st_size)):
        raise PriceListError(
            tr("{path} is there, and is no plan: name another file").format(path=path)
        )
    tables: list[Table] = []
    converter = _converter(tables)
    content = {"plan": converter.unstructure(plan), "reading": dict(reading or {})}
    # Once all rows are converted, and not before.
    fields = make_dict_unstructure_fn(Table, converter)
    content["tables"] = [fields(table) for table in tables]
    text = json.dumps({"propq_plan": VERSION, "sha256": _digest(content), **content})
    path.write_text(text + "\n", encoding="ascii")


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Load a plan that was saved, for `push`, which refuses it if the ledger has changed since.

    Raises:
        PriceListError: it is no such plan, or was edited; or its list was edited, moved or removed
            since the plan was made.
    """
    return load(Path(path)).plan


def load(path: Path) -> Saved:
    """Load a plan with what was saved beside it. The errors are those of `load_plan`."""
    content = _content(path)
    try:
        saved = _structured(content)
    except Exception:  # noqa: BLE001 - whatever it is, another version has written it
        raise _of_another_version(path) from None
    plan = saved.plan
    try:
        is_same = digest_of(plan.path) == plan.list_digest
    except OSError as error:
        raise PriceListError(
            tr(
                "cannot read {list}, of which the plan {path} was made: {strerror}; {another}"
            ).format(list=plan.path, path=path, strerror=os_reason(error), another=_ANOTHER)
        ) from error
    if not is_same:
        raise PriceListError(
            tr("{list} was edited since the plan {path} was made of it: {another}").format(
                list=plan.path, path=path, another=_ANOTHER
            )
        )
    if plan.profile is not None and Profile.load(plan.profile).digest != plan.profile_digest:
        raise PriceListError(
            tr("the profile {profile} was edited since the plan {path} was made: {another}").format(
                profile=plan.profile, path=path, another=_ANOTHER
            )
        )
    return saved


def _content(path: Path) -> dict[str, Any]:
    """Return what the file has, which is as it was written."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise PriceListError(
            tr("cannot read {path}: {strerror}").format(path=path, strerror=os_reason(error))
        ) from error
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "propq_plan" not in content:
        raise PriceListError(
            tr("{path} is no plan that propq has saved, or not the whole of it").format(path=path)
        )
    if content.pop("propq_plan") != VERSION:
        raise _of_another_version(path)
    if content.pop("sha256", None) != _digest(content):
        raise PriceListError(
            tr("{path} was edited since the plan was made: {another}").format(
                path=path, another=_ANOTHER
            )
        )
    return content


def _of_another_version(path: Path) -> PriceListError:
    return PriceListError(
        tr("{path} was made by another version of propq-async: {another}").format(
            path=path, another=_ANOTHER
        )
    )


def _structured(content: Mapping[str, Any]) -> Saved:
    tables: list[Table] = []
    converter = _converter(tables)
    table = make_dict_structure_fn(Table, converter)
    tables += [table(fields, Table) for fields in content["tables"]]
    return Saved(converter.structure(content["plan"], Plan), content["reading"])


def is_plan(path: Path) -> bool:
    """Return whether a file looks like a plan that was saved."""
    with path.open("rb") as file:
        return _START.match(file.read(_START_BYTES)) is not None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _converter(tables: list[Table]) -> Converter:
    """Return what converts a plan. Its rows have the numbers of their tables."""
    numbers: dict[Table, int] = {}

    def number(table: Table) -> int:
        if table not in numbers:
            numbers[table] = len(numbers)
            tables.append(table)
        return numbers[table]

    converter = Converter()
    converter.register_unstructure_hook(Table, number)
    converter.register_structure_hook(Table, lambda value, _: tables[value])
    # From wherever it is loaded.
    converter.register_unstructure_hook(Path, lambda path: str(path.absolute()))
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(value))
    converter.register_unstructure_hook(UnitStatus, lambda status: status.name)
    converter.register_structure_hook(UnitStatus, lambda value, _: UnitStatus[value])
    converter.register_unstructure_hook(UnitUpdate, _from_update)
    converter.register_structure_hook(UnitUpdate, _to_update)
    # What another row says of its unit is told in its problems.
    rival = override(omit=True)
    converter.register_unstructure_hook(
        BrokenRow, make_dict_unstructure_fn(BrokenRow, converter, rival=rival)
    )
    converter.register_structure_hook(
        BrokenRow, make_dict_structure_fn(BrokenRow, converter, rival=rival)
    )
    return converter


def _from_update(update: UnitUpdate) -> dict[str, Any]:
    price = update.price
    return {
        "development_id": update.development_id,
        "name": update.name,
        "status": update.status.name,
        # A number stays one, and is read back equal.
        "price": str(price) if isinstance(price, Decimal) else price,
        "directions": list(update.directions),
    }


def _to_update(value: Mapping[str, Any], _: object) -> UnitUpdate:
    price = value["price"]
    return UnitUpdate(
        value["development_id"],
        value["name"],
        UnitStatus[value["status"]],
        Decimal(price) if isinstance(price, str) else price,
        tuple(value["directions"]),
    )
