"""What the signatures of several commands share."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, Final, TypeAlias

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from propq_async._cli.exit_codes import Exit
from propq_async._cli.guard_options import GuardOptions
from propq_async._cli.list_options import ListOptions
from propq_async._paths import is_url
from propq_async._secret import SecretStr

__all__ = [
    "AS_USUAL",
    "READ_AS_FOUND",
    "Account",
    "AtLeastOne",
    "Command",
    "Count",
    "Flag",
    "NotNegative",
    "Place",
    "Switch",
]

Account: TypeAlias = str | None
Command: TypeAlias = Coroutine[Any, Any, Exit]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="")]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]
Count = Annotated[int, Parameter(validator=Number(gte=0))]
NotNegative = Annotated[float, Parameter(validator=Number(gte=0, lt=math.inf))]


def _place(_: object, tokens: Sequence[Token]) -> str:
    """Return where a ledger is. A URL may have a password, which no frame is to show."""
    (token,) = tokens
    return SecretStr(token.value) if is_url(token.value) else token.value


Place = Annotated[str, Parameter(converter=_place)]
READ_AS_FOUND: Final = ListOptions()
AS_USUAL: Final = GuardOptions()
