"""The ledger as its users see it: asynchronous, with its database in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from propq_async._messages import tr
from propq_async._paths import absolute_path
from propq_async.models import UnitUpdate

from ._entries import Account, Entry, LedgerError, Marks, Unit
from ._health import Health
from ._memory import AccountMemory
from ._merging import StoredUnit
from ._open import OpenLedger, not_open

__all__ = ["Ledger"]


class Ledger(OpenLedger):
    """The ledger in a file or on a server; `async with Ledger(path) as ledger:`.

    All of its database runs in one thread of its own, so that the event loop never waits for a disk
    or a server. The ledger is made when something is first written. Reading changes nothing.

    Args:
        path: the file, or a database of PostgreSQL as `postgresql://user@host/database` (extra
            `postgres`); by default what the environment variable `PROPQ_LEDGER` names, or
            `ledger.sqlite3` in the user's data directory, which the commands use too. `~` is
            expanded, and a relative path is made absolute at once.
        clock: where the time comes from.

    Attributes:
        location: the file, or the URL of the server without its password.

    Raises:
        ConfigurationError: the path cannot name a file, the URL no database, or none is given and
            the user has no home directory.
    """

    def now(self) -> float:
        """Return the time of day by the ledger's clock, in seconds since the epoch."""
        return self._wall()

    async def entries(
        self, account: Account, development_ids: Iterable[str], source: str | None = None
    ) -> dict[Unit, Entry]:
        """Return what is known of the units of these developments, or last pushed from `source`.

        Args:
            account: the client, and the address of its API.
            development_ids: the developments.
            source: the absolute path of a list.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._records.entries, account, list(development_ids), source)

    async def generation(self, account: Account | None = None) -> int:
        """Return a number that changes with each change, and differs from ledger to ledger.

        Args:
            account: whose changes count. By default those of anybody do, as they always do in a
                file.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._records.generation, account)

    async def touched(
        self, account: Account, updates: Iterable[UnitUpdate], since: int
    ) -> list[Unit]:
        """Return which of these units, or of those alike to them, were marked since a generation.

        Args:
            account: the client, and the address of its API.
            updates: updates of the units.
            since: what `generation` returned.

        Raises:
            LedgerError: the ledger cannot be opened for writing.
        """
        return await self._run(self._records.touched, account, list(updates), since)

    async def is_outdated(self, account: Account, since: int) -> bool:
        """Return whether each plan of this generation is out of date, or from another ledger.

        Raises:
            LedgerError: the ledger cannot be opened for writing.
        """
        return await self._run(self._records.is_outdated, account, since)

    async def mark(self, account: Account, updates: Iterable[UnitUpdate]) -> Marks:
        """Mark units in doubt, before their updates may be sent. A mark survives a power cut.

        Args:
            account: the client, and the address of its API.
            updates: the updates that are about to be sent.

        Returns:
            The generation of the marks, and the units that were not in doubt before.

        Raises:
            LedgerError: nothing was marked.
        """
        return await self._run(self._records.mark, account, list(updates))

    async def unmark(
        self, account: Account, updates: Iterable[UnitUpdate], marked: Iterable[Unit]
    ) -> None:
        """Take back the marks of updates that were certainly not sent.

        Args:
            account: whose units they are.
            updates: the updates.
            marked: the `new` units of what `mark` has returned. What was in doubt before stays so.

        Raises:
            LedgerError: nothing was taken back.
        """
        await self._run(self._records.unmark, account, list(updates), list(marked))

    async def acknowledge(
        self,
        account: Account,
        updates: Iterable[UnitUpdate],
        source: str | None = None,
        until: Mapping[Unit, int] | None = None,
    ) -> None:
        """Note that the server has acknowledged these updates. It survives the process.

        Args:
            account: whose units they are.
            updates: the updates.
            source: the list that they come from.
            until: the generation of the mark of each unit. What somebody else has marked since
                stays in doubt, since nobody knows which of the two was applied last.

        Raises:
            LedgerError: nothing was noted.
        """
        generations = None if until is None else dict(until)
        await self._run(self._records.acknowledge, account, list(updates), source, generations)

    def of_account(self, base_url: str, client_id: int) -> AccountMemory:
        """Return what `AsyncPropQ(ledger=...)` notes its updates with."""
        return AccountMemory(partial(self._write, Account(base_url, client_id)), self._submit)

    def _write(self, account: Account, *what: Any) -> list[Marks]:
        return self._explain(self._records.write, account, *what)

    def _submit(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            raise not_open()
        self._thread.submit(job)

    async def note_missing(
        self, account: Account, units: Iterable[Unit], source: str | None = None
    ) -> None:
        """Note that the user knows that the list `source`, or no list, has these units.

        Those that were last seen in another list stay with that.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._records.note_missing, account, list(units), source)

    async def note_seen(self, account: Account, units: Iterable[Unit], source: str) -> None:
        """Note that these units are in the list `source`, although nothing of them was sent.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._records.note_seen, account, list(units), source)

    async def everything(self) -> dict[Account, dict[Unit, Entry]] | None:
        """Return what is known of all units of all accounts, `None` if there is no ledger.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._records.everything)

    async def named(
        self, account: Account, names: Iterable[str], development_id: str | None = None
    ) -> list[Unit]:
        """Return the units with one of these names, whatever their case and spaces.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._records.named, account, list(names), development_id)

    async def forget(self, account: Account, units: Iterable[Unit]) -> None:
        """Forget these units: to the next plan they are new.

        Raises:
            LedgerBusyError: a push is at work with the ledger.
            LedgerError: nothing was forgotten.
        """
        async with self.exclusive(account):
            await self._run(self._records.forget, account, list(units))

    async def merge(self, other: Ledger, accounts: Mapping[Account, Account] | None = None) -> int:
        """Add what another ledger knows. Of one unit the newer acknowledgement wins.

        What is in doubt in one of them stays in doubt.

        Args:
            other: the other ledger, which is only read; or this one, to give the memory of one
                account to another. It must be entered.
            accounts: which accounts are taken, and which ones here they are given to; by default
                each is taken as it is.

        Returns:
            How many units have changed here.

        Raises:
            LedgerBusyError: a push is at work with this ledger.
            LedgerError: one of them cannot be used, there is no other ledger, or it has none of the
                accounts.
        """
        # Before the lock, which makes a ledger that is not there.
        await other._stored_units(accounts)
        async with self.exclusive():
            found = await other._stored_units(accounts)
            given = {
                there if accounts is None else accounts[there]: found[there] for there in found
            }
            return await self._run(self._records.add, given)

    async def _stored_units(
        self, accounts: Iterable[Account] | None
    ) -> dict[Account, dict[Unit, StoredUnit]]:
        """Return what is known of these accounts, or of all."""
        known = await self._run(self._records.stored_units)
        if known is None:
            raise LedgerError(tr("there is no ledger {location}").format(location=self.location))
        for account in accounts or ():
            if account not in known:
                clients = ", ".join(f"{one.client_id} at {one.base_url}" for one in known)
                raise LedgerError(
                    tr(
                        "the ledger {location} knows no unit of client {client_id} at {base_url}, "
                        "but of: {clients}"
                    ).format(
                        location=self.location,
                        client_id=account.client_id,
                        base_url=account.base_url,
                        clients=clients or tr("nobody"),
                    )
                )
        return known if accounts is None else {account: known[account] for account in accounts}

    async def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the ledger as it is at this moment, also while a push is at work with it.

        Args:
            path: a file that does not exist. It is there only once it is whole.

        Raises:
            LedgerError: there is such a file, or no ledger, or one of them cannot be used.
        """
        await self._run(self._records.backup, absolute_path(tr("the copy"), path))

    async def check(self) -> Health:
        """Return whether the ledger is whole, and who may use it and who holds it.

        Raises:
            LedgerError: it cannot be read at all.
        """
        return await self._run(self._records.check)
