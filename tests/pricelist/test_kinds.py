"""The kinds of warnings, as users name them."""

from __future__ import annotations

import pytest

from propq_async import ConfigurationError
from propq_async.pricelist import WarningKind
from propq_async.pricelist._kinds import kinds_named


def test_each_kind_is_found_by_its_name() -> None:
    assert kinds_named([kind.value for kind in WarningKind]) == set(WarningKind)
    assert kinds_named("price, missing") == {WarningKind.PRICE, WarningKind.MISSING}
    assert kinds_named("all") == set(WarningKind)
    assert kinds_named([]) == set()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("prices", "price"),
        ("sold to available", "sold-to-available"),
        ("SOLD_TO_AVAILABLE", "sold-to-available"),
        ("unknown", "unknown-to-ledger"),
    ],
)
def test_an_unknown_kind_is_an_error_that_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"did you mean {near}\\?"):
        kinds_named(["missing", name])


def test_an_unknown_kind_that_is_near_to_none_gets_them_all() -> None:
    with pytest.raises(ConfigurationError) as caught:
        kinds_named(["xyz"])
    assert str(caught.value) == (
        "there is no kind of warning 'xyz'; there are price, below-floor, sold-to-available, "
        "most-change-status, missing, alike, unknown-to-ledger, hidden, directions and all"
    )
