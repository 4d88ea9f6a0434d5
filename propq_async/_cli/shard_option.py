"""The option that says which part of a list a process pushes."""

from __future__ import annotations

import os
import re
from typing import Final

from propq_async._messages import joined, tr
from propq_async.pricelist import Plan

from .exit_codes import CommandError, Exit

__all__ = ["shard_named", "shard_to_push"]

# Kubernetes sets the first in each pod of an indexed job. The second is set in its manifest.
_INDEX: Final = "JOB_COMPLETION_INDEX"
_COUNT: Final = "JOB_COMPLETIONS"


def shard_to_push(text: str | None, kept: Plan | None) -> tuple[int, int] | None:
    """Return which part is pushed of a list, or of a plan that was kept."""
    shard = shard_named(text)
    if kept is None:
        return shard
    if shard not in (None, kept.shard):
        raise CommandError(
            tr("the plan is for another part of its list than this: make a plan for each part"),
            Exit.USAGE,
        )
    return kept.shard


def shard_named(text: str | None) -> tuple[int, int] | None:
    """Return the part that `--shard` names, or an indexed job; `None` for the whole list."""
    name = "--shard"
    if text is None:
        index, count = os.environ.get(_INDEX, ""), os.environ.get(_COUNT, "")
        if not index and not count:
            return None
        name = joined(tr(" and "), (_INDEX, _COUNT))
        if not index.isdecimal():
            raise CommandError(
                tr(
                    "{count_name} is {count!r} and {index_name} is {index!r}: the job must be an "
                    "indexed one (completionMode: Indexed); or say which part with --shard"
                ).format(count_name=_COUNT, count=count, index_name=_INDEX, index=index),
                Exit.USAGE,
            )
        text = f"{int(index) + 1}/{count}"
    found = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text.strip(), re.ASCII)
    number, shards = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= shards:
        raise CommandError(
            tr(
                "{name}: expected a number and how many there are, such as 2/5, not {text!r}"
            ).format(name=name, text=text),
            Exit.USAGE,
        )
    return number, shards
