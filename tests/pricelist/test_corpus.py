from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.corpus import Listed, check

from .corpus import LISTS
from .corpus.pending import PENDING

CASES = [
    pytest.param(
        one,
        id=one.name,
        marks=()
        if one.name not in PENDING
        else pytest.mark.xfail(reason=PENDING[one.name], strict=True),
    )
    for one in LISTS
]


@pytest.mark.parametrize("one", CASES)
def test_a_list_is_read_as_a_careful_person_would(one: Listed, tmp_path: Path) -> None:
    check(one, tmp_path)


def test_each_list_of_the_corpus_has_a_name_of_its_own() -> None:
    names = [one.name for one in LISTS]
    assert len(set(names)) == len(names)
    assert PENDING.keys() <= set(names)
