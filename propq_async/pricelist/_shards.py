"""Which part of a list is whose, so that many processes push one list together."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

from propq_async._comparison import alike
from propq_async._messages import tr
from propq_async.ledger import Unit

from ._problems import PriceListError

__all__ = ["Shard", "checked", "is_in", "shard_of"]

Shard: TypeAlias = tuple[int, int]
"""The number of a part, from 1 on, and how many parts there are."""

_BYTES: Final = 8


def shard_of(unit: Unit, shards: int) -> int:
    """Return the number of the part that a unit is in.

    It is the same on every machine, in every version, and for all names that the server may take
    for one: two processes never send the same unit.
    """
    development_id, name = unit
    text = f"{development_id}\0{alike(name)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:_BYTES]) % shards + 1


def is_in(shard: Shard | None, unit: Unit | None) -> bool:
    """Return whether a unit is in a part. A row that names none is in the first."""
    if shard is None:
        return True
    number, shards = shard
    return number == (1 if unit is None else shard_of(unit, shards))


def checked(shard: Shard | None) -> Shard | None:
    """Return a part that can be.

    Raises:
        PriceListError: there is no such part.
    """
    if shard is not None:
        number, shards = shard
        if not 1 <= number <= shards:
            raise PriceListError(
                tr(
                    "a shard is a number from 1 on and how many there are, as (2, 5), not {shard!r}"
                ).format(shard=shard)
            )
    return shard
