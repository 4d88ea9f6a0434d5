"""What each HTTP status says: of the call, of the server, and of what may have been applied.

This table is the only place where that is decided, and docs/reference/statuses.md has to show it.
"""

from __future__ import annotations

from enum import Enum, auto
from http import HTTPStatus
from typing import Final

import attrs

from propq_async._messages import tr


class Kind(Enum):
    """What an answer is a sign of."""

    REFUSAL = auto()
    """The server is at work, and does not take this call."""
    TOKEN = auto()
    """The token is not valid."""
    LIMIT = auto()
    """The server wants everybody to wait."""
    UNAVAILABLE = auto()
    """A limit if it says how long to wait or takes other calls. Otherwise an outage."""
    BREAKDOWN = auto()
    """The server broke down over this call; it is an outage if it breaks down over all."""
    OUTAGE = auto()
    """The server is away, or cannot be reached through what stands before it."""
    DETOUR = auto()
    """The call was sent elsewhere; it is an outage if all calls are."""
    HOPELESS = auto()
    """No call can succeed until somebody changes something."""


@attrs.frozen(eq=False, repr=False)
class StatusRule:
    """What some statuses say.

    `may_have_been_applied`: whether the call may have taken effect. `is_answer_lost`: a gateway
    says that it got no answer from the server behind it, which may have received the call. `advice`
    is for the user, if the error has no better one.
    """

    statuses: tuple[int, ...]
    kind: Kind
    source: str
    may_have_been_applied: bool = False
    is_answer_lost: bool = False
    advice: str = ""


RULES: Final = (
    StatusRule(
        (301, 308),
        Kind.HOPELESS,
        "RFC 9110 sections 15.4.2, 15.4.9",
        advice=tr(
            "the API has moved, or answers under another name: set the base URL to the Location "
            "that the answer names"
        ),
    ),
    StatusRule((302, 303, 307), Kind.DETOUR, "RFC 9110 sections 15.4.3, 15.4.4, 15.4.8"),
    StatusRule((401,), Kind.TOKEN, "RFC 9110 section 15.5.2"),
    StatusRule((407,), Kind.HOPELESS, "RFC 9110 section 15.5.8"),
    StatusRule((408,), Kind.OUTAGE, "RFC 9110 section 15.5.9"),
    StatusRule((425,), Kind.OUTAGE, "RFC 8470 section 5.2"),
    StatusRule((429,), Kind.LIMIT, "RFC 6585 section 4"),
    StatusRule((500,), Kind.BREAKDOWN, "RFC 9110 section 15.6.1", may_have_been_applied=True),
    StatusRule(
        (501, 505, 506, 510),
        Kind.REFUSAL,
        "RFC 9110 sections 15.6.2, 15.6.6; RFC 2295; RFC 2774",
        may_have_been_applied=True,
    ),
    StatusRule(
        (502, 504),
        Kind.OUTAGE,
        "RFC 9110 sections 15.6.3, 15.6.5",
        may_have_been_applied=True,
        is_answer_lost=True,
    ),
    StatusRule((503,), Kind.UNAVAILABLE, "RFC 9110 section 15.6.4; nginx `limit_req_status`"),
    StatusRule(
        (507, 508, 509),
        Kind.OUTAGE,
        "RFC 4918 section 11.5; CloudLinux and cPanel: a limit of the site",
        may_have_been_applied=True,
    ),
    StatusRule(
        (511,),
        Kind.HOPELESS,
        "RFC 6585 section 6",
        may_have_been_applied=True,
        advice=tr("this network wants a login before it lets anything through: log in to it"),
    ),
    StatusRule(
        (520, 522, 524),
        Kind.OUTAGE,
        "Cloudflare, 5xx errors",
        may_have_been_applied=True,
        is_answer_lost=True,
    ),
    StatusRule(
        (521, 523, 525, 526, 527, 528, 529, 530),
        Kind.OUTAGE,
        "Cloudflare, 5xx errors",
        may_have_been_applied=True,
    ),
)

# An unknown status is the first one of its class (RFC 9110 section 15).
_OTHER: Final = StatusRule((), Kind.REFUSAL, "RFC 9110 section 15")
_OTHER_INTERIM: Final = attrs.evolve(_OTHER, may_have_been_applied=True)
_OTHER_SERVER_ERROR: Final = attrs.evolve(_OTHER, kind=Kind.BREAKDOWN, may_have_been_applied=True)

_BY_STATUS: Final = {status: rule for rule in RULES for status in rule.statuses}


def rule_of(status: int) -> StatusRule:
    """Return what a status other than 2xx says."""
    rule = _BY_STATUS.get(status)
    if rule is not None:
        return rule
    if status < HTTPStatus.OK:
        return _OTHER_INTERIM
    return _OTHER if status < HTTPStatus.INTERNAL_SERVER_ERROR else _OTHER_SERVER_ERROR
