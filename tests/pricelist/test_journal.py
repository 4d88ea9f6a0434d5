from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from propq_async.pricelist._journal import Journal, sync
from tests.helpers.lists import SmallFile


@pytest.fixture(autouse=True)
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "FileIO", SmallFile)


def test_entries_are_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, is_new=True)
    assert journal.is_empty
    journal.append(b"first\n")
    assert path.read_bytes() == b"first\n"
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            journal.append(b"second\n")
        assert path.read_bytes() == b"first\n"
    assert not journal.is_empty
    assert not journal.is_gone
    journal.close()


def test_a_new_file_without_an_entry_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, is_new=True)
    with pytest.raises(OSError, match="No space left"):
        journal.append(b"longer than ten\n")
    assert journal.is_gone
    assert not path.exists()
    journal.close()


def test_a_file_that_was_named_stays_without_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"what was there before")
    journal = Journal(path, is_new=False)
    with pytest.raises(OSError, match="No space left"):
        journal.append(b"longer than ten\n")
    assert not journal.is_gone
    assert path.read_bytes() == b""
    journal.close()


def test_a_new_file_takes_nobody_elses_place(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    with pytest.raises(FileExistsError):
        Journal(path, is_new=True)


def test_a_disk_that_refuses_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = errno.EDQUOT

    def fsync(_: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(tmp_path / "journal", is_new=True)
    with pytest.raises(OSError, match="quota"):
        journal.close()
    assert journal.is_gone
    # What is no file of a disk cannot be waited for.
    error = errno.EINVAL
    with (tmp_path / "journal").open("wb") as file:
        sync(file)
