"""The options of `propq push`, and the command line that pushes what failed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import attrs

from propq_async._messages import tr
from propq_async._paths import is_url
from propq_async.config import CONCURRENCY, MAX_OUTAGE_SECONDS
from propq_async.ledger import Ledger
from propq_async.pricelist import PriceList
from propq_async.pricelist._planning import TRUST_HOURS
from propq_async.pricelist._saved_plan import Saved

from .account import named_on_command_line
from .exit_codes import CommandError, Exit
from .guard_options import GuardOptions
from .list_options import ListOptions, again
from .plan_file import reading_of

__all__ = ["PushOptions"]


@attrs.frozen(kw_only=True)
class PushOptions:
    """The options."""

    path: Path
    reading: ListOptions
    guards: GuardOptions
    ledger: str | None
    trust_hours: float
    everything: bool
    dry_run: bool
    yes: bool
    concurrency: int
    max_outage_seconds: float
    max_calls_per_second: float | None
    listed: int
    no_proxy: bool
    as_json: bool = False
    quiet: bool = False
    report: Path | None = None
    shard: str | None = None
    wait_seconds: float = 0.0

    def for_plan(self, saved: Saved) -> Self:
        """Return the options for a plan, which has all that is to be known about its list."""
        usual = GuardOptions(accept=self.guards.accept)
        if (
            self.reading != ListOptions()
            or self.guards != usual
            or self.trust_hours != TRUST_HOURS
            or self.everything
        ):
            raise CommandError(
                tr(
                    "{path} is a plan: how its list is read and compared was stated when it "
                    "was made; leave these options out, or make another plan"
                ).format(path=self.path),
                Exit.USAGE,
            )
        return attrs.evolve(self, path=saved.plan.path, reading=reading_of(saved, self.path))

    def again(self, failures: Path, prices: PriceList) -> str:
        """Return the command line that pushes what failed, once it is mended."""
        # Without --yes and --accept: what was confirmed were other rows.
        words = ["propq", "push", f"./{failures}" if str(failures)[0] == "-" else str(failures)]
        for option, value in (*again(self.reading, prices.delimiter), *self._own_options()):
            words += [option, value] if value[:1] != "-" else [f"{option}={value}"]
        words += ["--no-proxy"] * self.no_proxy
        return shlex.join(words)

    def _own_options(self) -> Iterator[tuple[str, str]]:
        yield from self.guards.again()
        if (account := named_on_command_line()) is not None:
            yield "--account", account
        if self.ledger is not None:
            # A URL may have a password, which nobody is to see.
            yield "--ledger", Ledger(self.ledger).location if is_url(self.ledger) else self.ledger
        if self.concurrency != CONCURRENCY:
            yield "--concurrency", str(self.concurrency)
        if self.max_calls_per_second is not None:
            yield "--max-calls-per-second", f"{self.max_calls_per_second:.15g}"
        if self.max_outage_seconds != MAX_OUTAGE_SECONDS:
            yield "--max-outage-seconds", f"{self.max_outage_seconds:.15g}"
