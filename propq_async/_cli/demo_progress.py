"""How far a demo has come."""

from __future__ import annotations

from typing import Final

import attrs

from propq_async.pricelist import Standing

from .phrases import and_more, are, counted, was

__all__ = ["DemoProgress"]

LISTED_FAILURES: Final = 10


@attrs.define
class DemoProgress:
    """What has become of the rows so far."""

    rows: int
    broken: int = 0
    standing: Standing = attrs.field(factory=lambda: Standing(0))
    reasons: list[str] = attrs.field(factory=list)
    seconds: float = 0.0

    @property
    def applied(self) -> int:
        return self.standing.applied

    @property
    def failed(self) -> int:
        return self.broken + self.standing.failed

    @property
    def done(self) -> int:
        return self.applied + self.failed

    @property
    def read(self) -> int:
        return self.done + self.standing.cut_off

    @property
    def shown(self) -> list[str]:
        """Return the reasons that are shown, and how many are not."""
        more = self.failed - len(self.reasons)
        return [*self.reasons, and_more(more)] if more else self.reasons

    def fail(self, reason: str) -> None:
        """Note why a row failed. Only the first few reasons are kept."""
        if len(self.reasons) < LISTED_FAILURES:
            self.reasons.append(reason)

    def where(self) -> str:
        """Return a sentence about the rows, for a demo that ends early."""
        cut_off, not_sent = self.standing.cut_off, self.rows - self.read
        return (
            f"{self.applied:,} of {counted(self.rows, 'row')} {are(self.applied)} applied, "
            f"{self.failed:,} failed, {cut_off:,} {was(cut_off)} in flight "
            f"({self.standing.cut_off_unsure:,} of them may have been applied), "
            f"{not_sent:,} {was(not_sent)} not sent"
        )

    def facts(self, state: dict[str, int] | None) -> dict[str, str]:
        """Return the figures, including the emulator's counters if there are any."""
        facts = {
            "rows done": f"{self.read:,}",
            "applied": f"{self.applied:,}",
            "failed": f"{self.failed:,}",
        }
        if state is not None:
            refused = state["calls"] - state["applied"]
            rate = state["calls"] / self.seconds
            facts |= {
                "token requests": f"{state['token_requests']:,}",
                "calls": f"{state['calls']:,} in {self.seconds:.1f} s: {rate:,.0f} a second",
                "of these refused": f"{refused:,}",
            }
        return facts

    def problem(self, state: dict[str, int] | None) -> str | None:
        """Return what went wrong. A row is applied only if the emulator says so, too."""
        rows = counted(self.rows, "row")
        if self.failed:
            return f"{self.failed:,} of {rows} {was(self.failed)} not applied"
        if state is None or state["applied"] < self.rows:
            applied = "nothing" if state is None else f"{state['applied']:,}"
            return (
                f"{rows} {was(self.rows)} acknowledged, but the server says that it has applied "
                f"{applied}"
            )
        return None
