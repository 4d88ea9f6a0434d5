"""What `propq doctor` finds, one line for each thing."""

from __future__ import annotations

from typing import Final, Literal

import attrs

from propq_async._messages import tr

from .exit_codes import Exit

__all__ = ["CHECKS", "Finding", "ok", "unknown", "wrong"]


CHECKS: Final = {
    "versions": tr("versions"),
    "credentials": tr("credentials"),
    "base URL": tr("base URL"),
    "proxy": tr("proxy"),
    "token endpoint": tr("token endpoint"),
    "TLS": tr("TLS"),
    "secret": tr("secret"),
    "clock": tr("clock"),
    "token": tr("token"),
    "ledger": tr("ledger"),
}
"""What is looked at, and what people call it."""


@attrs.frozen
class Finding:
    """One thing that can be wrong, whether it is, and what to do.

    `status` is the exit status of a command that this alone stops.
    """

    check: str
    state: Literal["ok", "wrong", "not checked"]
    text: str
    status: Exit = Exit.UNUSABLE


def ok(check: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check, "ok", text)


def wrong(check: str, text: str, status: Exit = Exit.UNUSABLE) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(check, "wrong", text, status)


def unknown(check: str, text: str) -> Finding:
    """Return why something could not be checked."""
    return Finding(check, "not checked", text)
