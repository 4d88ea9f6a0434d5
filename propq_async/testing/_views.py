"""What another process can read of the emulator, as values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ._inventory import Glance
from ._limiter import Limiter
from ._settings import Settings
from ._state import State

__all__ = ["Views"]


def _unit(glance: Glance) -> dict[str, Any]:
    (development_id, name), now, before = glance.key, glance.now, glance.before
    return {
        "development_id": development_id,
        "name": name,
        "status": now.status,
        "price": now.price,
        "directions": now.directions,
        "updates": glance.updates,
        "before": before and {"status": before.status, "price": before.price},
    }


def _limits(limiter: Limiter | None) -> dict[str, Any] | None:
    if limiter is None:
        return None
    return {"calls": limiter.calls, "per_seconds": limiter.per_seconds}


@attrs.define
class Views:
    """The views of one emulator. The caller holds the lock of the state."""

    _settings: Settings
    _state: State

    def units(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the units that have changed after a revision."""
        return [_unit(glance) for glance in self._state.api.inventory.glances(since)]

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the logged requests with a number above this one."""
        return [
            {"number": number, **attrs.asdict(entry, recurse=False)}
            for number, entry in self._state.request_log.numbered(since)
        ]

    def state(self) -> dict[str, Any]:
        """Return counters, throttles and switches."""
        state, api = self._state, self._state.api
        return {
            "token_requests": state.token_requests,
            "calls": state.calls,
            "applied": api.inventory.updates,
            "units": len(api.inventory),
            "faults": len(state.faults),
            "throttle": _limits(api.limiter),
            "throttle_tokens": _limits(api.token_limiter),
            "maintenance": api.maintenance is not None,
            "switches": self._settings.switches,
        }

    def changes(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return what is new since an earlier answer, whose `now` is repeated in the query.

        Raises:
            ValueError: the query cannot be the `now` of an answer.
        """
        run, state = self._state.run_id, self._state
        now = {"units": state.api.inventory.revision, "requests": state.request_log.length}
        since = dict.fromkeys(now, 0)
        for name, text in query.items():
            if name == "run":
                continue
            if name not in now or not text.isdecimal():
                raise ValueError(f"expected run, {', '.join(now)}, not {name}={text!r}")
            since[name] = int(text)
        is_whole = query.get("run") != run
        if is_whole:
            since = dict.fromkeys(now, 0)
        return {
            "now": {"run": run, **now},
            "whole": is_whole,
            "state": self.state(),
            "units": self.units(since["units"]),
            "requests": self.requests(since["requests"]),
        }
