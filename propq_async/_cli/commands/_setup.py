"""`propq setup`: its options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from pathlib import Path

from ._types import Command

__all__ = ["setup"]


def setup(path: Path, /, *, profile: Path | None = None) -> Command:
    """Look at a price list, ask what is not certain, and keep the answers in propq.toml.

    Each question has a best guess, which Return takes. The first rows are shown as they would be
    sent, and nothing is written without a yes. From then on `propq push FILE` needs no options.
    Without a terminal, a draft is written that has the questions as comments.

    Args:
        path: The price list: a workbook, CSV, TSV or JSON lines.
        profile: The profile to write. [default: the propq.toml beside the list or above it]
    """
    from propq_async._cli.setup import SetupCommand

    return SetupCommand(path=path, profile=profile).run()
