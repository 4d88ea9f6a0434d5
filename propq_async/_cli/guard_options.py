"""The options that say what needs a yes, and to what there is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from propq_async import ConfigurationError
from propq_async._messages import tr

from .exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from propq_async.pricelist import Plan, PlanWarning

__all__ = ["GuardOptions", "accepting"]

_MAX_CHANGE_PERCENT = 20
_NotNegative = Annotated[float, Parameter(validator=Number(gte=0, lt=math.inf))]


@Parameter(name="*", group=tr("What needs a yes"))
# Not attrs, since cyclopts reads the annotations.
@dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """What needs a yes.

    Args:
        accept: Say yes to these kinds of warnings, with commas between them: price, below-floor,
            sold-to-available, most-change-status, missing, alike, unknown-to-ledger, hidden,
            directions.
        max_change: By how many percent a price may move without a yes.
        min_price: The lowest price in euro that needs no yes. [default: that of the profile, or
            1000]
    """

    accept: Annotated[list[str], Parameter(negative="", show_default=False)] = field(
        default_factory=list
    )
    max_change: _NotNegative = _MAX_CHANGE_PERCENT
    min_price: _NotNegative | None = None

    @property
    def limits(self) -> dict[str, Any]:
        """Return the arguments of `pricelist.plan`."""
        return {"max_change": self.max_change / 100, "min_price": self.min_price}

    def check(self) -> None:
        """Refuse a kind that does not exist, before anything is read."""
        from propq_async.pricelist._kinds import kinds_named  # noqa: PLC0415 - not needed for --help

        try:
            kinds_named(self._kinds)
        except ConfigurationError as error:
            raise CommandError(tr("--accept: {error}").format(error=error), Exit.USAGE) from error

    def unaccepted(self, made: Plan) -> list[PlanWarning]:
        """Return the warnings of a plan that still need a yes."""
        return self.unaccepted_of(made.warnings)

    def unaccepted_of(self, warnings: Sequence[PlanWarning]) -> list[PlanWarning]:
        """Return those of the warnings that still need a yes."""
        from propq_async.pricelist._plan_warning import unaccepted  # noqa: PLC0415 - as above

        return unaccepted(warnings, self._kinds)

    @property
    def _kinds(self) -> list[str]:
        return [kind for text in self.accept for kind in text.split(",")]

    def again(self) -> Iterator[tuple[str, str]]:
        """Return the options that the failures file needs too: accepted were other rows."""
        if self.max_change != _MAX_CHANGE_PERCENT:
            yield "--max-change", f"{self.max_change:.15g}"
        if self.min_price is not None:
            yield "--min-price", f"{self.min_price:.15g}"


def accepting(warnings: Sequence[PlanWarning]) -> str:
    """Return the option that says yes to these warnings and to no others."""
    return "--accept " + ",".join(dict.fromkeys(one.kind for one in warnings))
