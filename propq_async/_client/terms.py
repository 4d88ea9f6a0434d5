"""What an answer is judged by, and what the verdict says."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from enum import Enum, auto

import attrs

from propq_async.retry import RetryPolicy


class Meaning(Enum):
    """What an answer says of the server, the token and the call."""

    WAIT = auto()
    TOKEN = auto()
    FINAL = auto()
    DEAD = auto()
    FUTILE = auto()
    OVERLOAD = auto()
    OWN = auto()
    OUTAGE = auto()


@attrs.frozen(eq=False, repr=False)
class Terms:
    """What the caller allows.

    `is_repeatable`: whether the call may be made again when its answer was lost. `seconds_left`:
    what remains of the total timeout. `random`: a source of [0, 1) for the delay of a retry.
    """

    policy: RetryPolicy
    is_repeatable: bool
    is_batch_row: bool
    seconds_left: float = math.inf
    random: Callable[[], float] = random.random


@attrs.frozen(eq=False, repr=False)
class Others:
    """What other calls show: whether it is this call that fails, or the server.

    `got_through`: whether one of them did since this attempt began. `ever_got_through`: whether any
    call ever did. `row_is_suspect`: whether, if no other call can tell, a row that breaks the
    server is more likely to blame than the server. `are_overloads_of_calls`:
    whether a 503 is the call's own, since the server takes all others. `all_break_down`: whether
    calls of several developments got a 500, and nobody got through. `prove_credentials`: whether
    one of them got through with the token that was refused to this call, or with a newer one.
    """

    got_through: bool
    ever_got_through: bool
    row_is_suspect: bool = False
    prove_credentials: bool = False
    all_break_down: bool = False
    are_overloads_of_calls: bool = False


@attrs.frozen
class Verdict:
    """What follows from an answer: the call fails, or is tried again after `wait_seconds`.

    `counts`: whether the attempt counts for the `RetryPolicy`. `is_limit`: whether the wait is
    because the server counts calls, and not because it is down.
    """

    meaning: Meaning
    wait_seconds: float = 0.0
    fails: bool = attrs.field(default=False, kw_only=True)
    counts: bool = attrs.field(default=False, kw_only=True)
    is_limit: bool = attrs.field(default=False, kw_only=True)
