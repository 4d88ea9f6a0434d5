"""What users rely on: every public name, parameter, default, attribute and base class."""

from __future__ import annotations

from tests.helpers.public_api import FILE, describe


def test_nothing_that_users_rely_on_has_changed() -> None:
    """A line that is gone breaks users: keep the name, and deprecate it (see CONTRIBUTING.md)."""
    frozen = FILE.read_text(encoding="utf-8").splitlines()
    gone = sorted(set(frozen) - set(describe()))
    assert not gone, "this breaks users: " + "; ".join(gone)


def test_what_is_new_is_written_down() -> None:
    """A new line is a promise. Write it down: `python -m tests.helpers.public_api`."""
    frozen = FILE.read_text(encoding="utf-8").splitlines()
    new = sorted(set(describe()) - set(frozen))
    assert not new, "run `python -m tests.helpers.public_api` to promise: " + "; ".join(new)
