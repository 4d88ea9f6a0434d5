"""The units: what they were at a time, without a copy of all that they ever were."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async.testing import PropQEmulator, UnitValues
from propq_async.testing._inventory import HISTORY_LENGTH, Inventory
from propq_async.testing._views import Views

KEY = ("4711", "A-101")


def values(number: int) -> UnitValues:
    return UnitValues(4, float(number), ("S",))


@given(st.lists(st.integers(1, HISTORY_LENGTH), max_size=6))
def test_a_look_keeps_what_it_saw(steps: list[int]) -> None:
    """Whatever happens afterwards, also when old values are forgotten."""
    inventory = Inventory()
    inventory.add_unit(*KEY, 1, 0.0, ("N",))
    kept = deque([UnitValues(1, 0.0, ("N",))], maxlen=HISTORY_LENGTH)
    looks = []
    for number, step in enumerate(steps):
        for price in range(step):
            inventory.update(KEY, values(price + number))
            kept.append(values(price + number))
        (glance,) = inventory.glances()
        looks.append((glance, tuple(kept)))
        assert inventory.unit(*KEY).history == tuple(kept)
    for glance, history in looks:
        assert glance.unit().history == history
        assert (glance.now, glance.before) == (history[-1], history[-2])
        assert glance.updates == len(history) - 1


def test_the_units_are_a_mapping_of_one_moment() -> None:
    emulator = PropQEmulator()
    unit = emulator.add_unit(*KEY)
    before = emulator.units
    mistaken: Any = before
    emulator.add_unit("4711", "A-102")
    emulator._state.api.inventory.update(KEY, values(5))
    assert before == {KEY: unit}
    assert repr(before) == repr({KEY: unit})
    assert (list(before), len(before)) == ([KEY], 1)
    assert KEY in before
    assert ("4711", "A-102") not in before
    assert before != emulator.units
    with pytest.raises(KeyError, match=r"no unit 'A-101'; a key is \(development_id, name\)"):
        mistaken["A-101"]


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda emulator: len(emulator.units), id="len"),
        pytest.param(lambda emulator: KEY in emulator.units, id="in"),
        pytest.param(lambda emulator: emulator.units[KEY], id="one"),
        pytest.param(lambda emulator: emulator.unit(*KEY), id="unit"),
        pytest.param(lambda emulator: Views(emulator, emulator._state).changes({}), id="page"),
    ],
)
def test_a_look_copies_no_more_than_it_needs(look: Callable[[PropQEmulator], Any]) -> None:
    emulator = PropQEmulator()
    for number in range(100):
        emulator.add_unit("4711", f"A-{number}")
        for price in range(1000):
            emulator._state.api.inventory.update(("4711", f"A-{number}"), values(price))
    emulator.add_unit(*KEY)
    tracemalloc.start()
    try:
        look(emulator)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 1000 * 8 / 4  # a pointer for each value that they had would be 800 kB
