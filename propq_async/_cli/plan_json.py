"""A plan as plain values, for programs."""

from __future__ import annotations

import json
from typing import Any

from propq_async import UnitStatus
from propq_async.ledger import Entry
from propq_async.pricelist import BrokenRow, Change, Plan, Table

__all__ = ["broken_json", "dump", "plan_json", "totals_json"]


def plan_json(made: Plan) -> dict[str, Any]:
    """Return a plan as plain values."""
    return {
        "list": str(made.path),
        "base_url": made.account.base_url,
        "client_id": made.account.client_id,
        "shard": made.shard,
        "rows": made.rows,
        "unchanged": made.unchanged,
        "repeated": made.repeated,
        **_read(made.tables[0]),
        "tables": [{"sheet": one.sheet, "line": one.line, **_read(one)} for one in made.tables],
        "changes": [_change_json(change) for change in made.changes],
        "broken": [broken_json(row) for row in made.broken],
        "profile": None if made.profile is None else str(made.profile),
        "not_units": [str(remark) for remark in made.not_units],
        "remarks": [str(remark) for remark in made.remarks],
        "warnings": [{"kind": one.kind, "text": one.text} for one in made.warnings],
        "missing": [
            {"development_id": development_id, "name": name}
            for development_id, name in made.missing
        ],
        "totals": totals_json(made),
    }


def broken_json(row: BrokenRow) -> dict[str, Any]:
    """Return a broken row as plain values."""
    return {
        "sheet": row.table.sheet,
        "line": row.line,
        "development_id": None if row.unit is None else row.unit[0],
        "name": None if row.unit is None else row.unit[1],
        "problems": [
            {"column": one.column, "value": one.value, "expected": one.expected}
            for one in row.problems
        ],
    }


def totals_json(made: Plan) -> dict[str, Any]:
    """Return units and value by status as plain values."""
    return {
        status.name: {"units": total.units, "value": total.value}
        for status, total in made.totals.items()
    }


def dump(document: dict[str, Any]) -> str:
    """Return plain values as a JSON document."""
    # ASCII only: a name may contain control characters for a terminal.
    return json.dumps(document, indent=2, default=float)


def _read(table: Table) -> dict[str, Any]:
    """Return which columns are read, and which are not."""
    return {
        "columns": {
            field: {
                "heading": column.heading,
                "letter": column.letter,
                "hidden": column.is_hidden,
                "settled_by": column.settled_by,
            }
            for field, column in table.columns.items()
        },
        "not_read": table.not_read,
    }


def _change_json(change: Change) -> dict[str, Any]:
    update, before = change.update, change.before
    moved = change.price_change
    return {
        "sheet": change.row.table.sheet,
        "line": change.row.line,
        "development_id": update.development_id,
        "name": update.name,
        "reason": change.reason,
        "status": update.status.name,
        "price": update.price,
        "directions": list(update.directions),
        "filled": dict(change.row.filled),
        "before": None if before is None or before.status is None else _entry_json(before),
        "price_change_percent": None if moved is None else moved * 100,
    }


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "status": None if entry.status is None else UnitStatus(entry.status).name,
        "price": entry.price,
        "directions": list(entry.directions),
    }
