"""`propq doctor`: its options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from propq_async._cli.account import choose

from ._types import Account, Command, Flag, Place

__all__ = ["doctor"]


def doctor(
    *,
    account: Account = None,
    ledger: Place | None = None,
    no_proxy: Flag = False,
    json: Flag = False,
) -> Command:
    """Check everything that a push needs, and say what is wrong and what to do.

    It looks at credentials, base URL, proxy, TLS, the secret itself (by fetching a token that is
    not kept), this computer's clock, and at token and ledger with their rights. It prints no
    secret, so that its output can be mailed. The exit status is 0 only if all is well, and 3 if
    only the server or the network failed.

    Args:
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        no_proxy: Use no proxy, whatever HTTPS_PROXY says.
        json: Print it as JSON.
    """
    from propq_async._cli.doctor import doctor

    choose(account)
    return doctor(ledger=ledger, no_proxy=no_proxy, as_json=json)
