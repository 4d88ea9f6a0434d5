"""A push as one JSON document, for programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any

from propq_async import APIStatusError, PropQError
from propq_async.errors import APIError
from propq_async.pricelist import Plan, PushOutcome

from .exit_codes import CommandError, Exit, exit_of
from .plan_json import broken_json, dump, totals_json
from .push_summary import Summary
from .screen import report
from .streams import errors_out

__all__ = ["run_as_json"]


async def run_as_json(
    run: Callable[[], Awaitable[Exit]], result: Callable[[], tuple[Plan | None, Summary | None]]
) -> Exit:
    """Run a push with its texts on stderr, and write one document to stdout, however it ends."""
    status: Exit
    raised: CommandError | PropQError | None = None
    try:
        with redirect_stdout(errors_out()):
            status = await run()
    except CommandError as error:
        status, raised = error.status, error
    except PropQError as error:
        status, raised = exit_of(error), error
    document = _document(status, raised, *result())
    report(lambda screen: print(dump(document), file=screen.console.file, flush=True))
    if raised is not None:
        raise raised
    return status


def _document(
    status: Exit, raised: Exception | None, made: Plan | None, summary: Summary | None
) -> dict[str, Any]:
    document: dict[str, Any] = {"exit_status": status.value, "exit_meaning": status.meaning}
    if summary is not None:
        document |= {"message": summary.message, **_summary_json(summary)}
    else:
        document |= {"message": str(raised), "sent": 0}
    if made is not None:
        document |= {
            "list": str(made.path),
            "base_url": made.account.base_url,
            "client_id": made.account.client_id,
            "shard": made.shard,
            "rows": made.rows,
            "unchanged": made.unchanged,
            "repeated": made.repeated,
            "to_be_sent": len(made.changes),
            "broken": len(made.broken),
            "warnings": [{"kind": one.kind, "text": one.text} for one in made.warnings],
            "totals": totals_json(made),
        }
    return document


def _summary_json(summary: Summary) -> dict[str, Any]:
    standing, error = summary.standing, summary.stopped_by
    seconds = (datetime.now().astimezone() - summary.began).total_seconds()
    return {
        "ledger": summary.ledger,
        "began": summary.began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "applied": standing.applied,
        "failed": standing.failed,
        "failed_unsure": standing.unsure,
        "cut_off": standing.cut_off,
        "cut_off_unsure": standing.cut_off_unsure,
        "not_sent": standing.not_sent,
        "interrupted": summary.is_interrupted,
        "stopped_by": None if error is None else _error_json(error, summary),
        "failures": [
            *({"kind": "broken"} | broken_json(row) for row in summary.plan.broken),
            *(_outcome_json(outcome, summary) for outcome in summary.outcomes or ()),
        ],
        "failures_file": None if summary.failures is None else str(summary.failures),
        "failures_file_is_whole": summary.failures_error is None,
        "push_the_mended": summary.again or None,
    }


def _outcome_json(outcome: PushOutcome, summary: Summary) -> dict[str, Any]:
    change = outcome.change
    assert outcome.error is not None  # noqa: S101 - for the type checker
    return {
        "kind": "failed",
        "sheet": change.row.table.sheet,
        "line": change.row.line,
        "development_id": change.update.development_id,
        "name": change.update.name,
        **_error_json(outcome.error, summary),
    }


def _error_json(error: PropQError, summary: Summary) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "message": summary.explained(error),
        "status": error.status if isinstance(error, APIStatusError) else None,
        "attempts": error.attempts if isinstance(error, APIError) else None,
        "may_have_been_applied": error.may_have_been_applied,
    }
