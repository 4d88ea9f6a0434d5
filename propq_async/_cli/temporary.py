"""Temporary files, for which a container may have no directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from propq_async._messages import os_reason, tr

from .exit_codes import CommandError, Exit

__all__ = ["temporary"]


@contextmanager
def temporary() -> Iterator[None]:
    """Say what to do if the block cannot make a temporary file."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            tr(
                "no temporary directory can be made ({strerror}): name a directory that "
                "can be written to in TMPDIR"
            ).format(strerror=os_reason(error)),
            Exit.UNUSABLE,
        ) from error
