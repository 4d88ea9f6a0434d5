"""What the server has acknowledged: an SQLite file that a price list is compared with.

The API cannot read units back, so this is the only record of what the server has. It must never
claim more than is certain, whatever is killed at whatever moment:

    unknown ──mark──▶ in doubt ──acknowledge──▶ acknowledged ──mark──▶ in doubt ...

A unit is marked in doubt, durably, before an update of it may be sent. An acknowledged update
clears the mark, and so does the caller that set it, if it is certain that nothing was sent. So if A
is acknowledged, B is sent and the process dies, the ledger says "A, in doubt", and A is sent again
although nobody ever saw B acknowledged.

It is not known whether the server distinguishes names that differ only by case or spaces. So a mark
of one marks all of these, and an acknowledgement of one leaves the others in doubt.
"""

from __future__ import annotations

from ._entries import Account, Entry, LedgerBusyError, LedgerError, Unit
from ._health import Health
from ._ledger import Ledger

__all__ = ["Account", "Entry", "Health", "Ledger", "LedgerBusyError", "LedgerError", "Unit"]
