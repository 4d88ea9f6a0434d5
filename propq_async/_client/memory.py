"""What remembers the updates of a client: the ledger, which the client itself does not know."""

from __future__ import annotations

from typing import Protocol

from propq_async.models import UnitUpdate


class Mark(Protocol):
    """A unit that is marked as in doubt, since an update of it may be sent."""

    async def written(self) -> None:
        """Wait until it is durable, or raise a `LedgerError`."""
        ...

    async def acknowledge(self) -> None:
        """Note that the server has acknowledged the update, or raise a `LedgerError`."""
        ...

    def take_back(self) -> None:
        """Note, sooner or later, that the update was certainly not applied."""
        ...


class AccountMemory(Protocol):
    """What remembers the updates of one account."""

    def mark(self, update: UnitUpdate, /) -> Mark:
        """Begin to mark the unit of an update."""
        ...


class UnitMemory(Protocol):
    """What remembers the updates of any account."""

    def of_account(self, base_url: str, client_id: int, /) -> AccountMemory:
        """Return what remembers the updates of this one."""
        ...
