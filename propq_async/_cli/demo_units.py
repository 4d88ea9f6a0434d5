"""The units that a demo makes up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from propq_async import Direction, UnitStatus, UnitUpdate

__all__ = ["make_units"]

_SIDES: Final = (
    (Direction.S,),
    (Direction.S, Direction.E),
    (Direction.SW,),
    (Direction.N, Direction.W),
)


def make_units(count: int) -> Iterator[UnitUpdate]:
    """Make up so many units, in developments of 500: five buildings of ten floors."""
    states = tuple(UnitStatus)
    for number in range(count):
        development, place = divmod(number, 500)
        yield UnitUpdate(
            development_id=str(4711 + development),
            name=f"{'ABCDE'[place // 100]}-{place // 10 % 10 + 1}{place % 10 + 1:02}",
            status=states[number % len(states)],
            price=150_000 + number * 7919 % 700 * 500,
            directions=_SIDES[number // 3 % len(_SIDES)],
        )
