"""The options that limit calls, such as `--throttle 60/min`."""

from __future__ import annotations

import re
from typing import Final, Self

import attrs

from propq_async._messages import tr

from .exit_codes import CommandError, Exit
from .phrases import counted

__all__ = ["Rate"]

_UNITS: Final = {"": 1, "s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
_RATE: Final = re.compile(r"(?P<calls>[1-9][0-9]*)/(?P<count>[0-9.]*)(?P<unit>[a-z]*)")


@attrs.frozen
class Rate:
    """A number of calls per time."""

    calls: int
    per_seconds: float

    @classmethod
    def parse(cls, text: str, option: str = "--throttle") -> Self:
        """Read `60/min`, `10/s`, `300/2s` or `300/2` as the value of an option.

        Raises:
            CommandError: it is not a rate.
        """
        match = _RATE.fullmatch(text)
        problem = CommandError(
            tr(
                "{option}: expected calls per time such as 60/min, 10/s or 300/2s, not {text!r}"
            ).format(option=option, text=text),
            Exit.USAGE,
        )
        if match is None or match["unit"] not in _UNITS or text.endswith("/"):
            raise problem
        try:
            per_seconds = float(match["count"] or 1) * _UNITS[match["unit"]]
        except ValueError:
            raise problem from None
        if per_seconds <= 0:
            raise problem
        return cls(int(match["calls"]), per_seconds)

    def __str__(self) -> str:
        return f"at most {counted(self.calls, 'call')} in {self.per_seconds:g} s"
