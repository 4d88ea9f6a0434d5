"""The folders that demos leave, and `propq demo --clean`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from propq_async._cli.app import run
from propq_async._cli.demo_folder import demo_folder, in_use, remove_earlier
from propq_async._cli.exit_codes import Exit
from tests.helpers.commands import propq, read_until

pytestmark = pytest.mark.usefixtures("temporary_directory")

SMALL = ["demo", "--units", "30", "--concurrency", "4", "--throttle", "10/1s"]
# Half-way it comes to a stop, and stays there.
STUCK = ["demo", "--units", "60", "--concurrency", "8", "--throttle", "1/20s"]


def test_what_earlier_demos_left_is_removed_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--clean"]) == Exit.DONE
    assert capsys.readouterr().out == "        no earlier demo has left anything\n"
    for _ in range(2):
        assert run(SMALL) == Exit.DONE
    out = capsys.readouterr().out
    assert out.count(" to remove them    propq demo --clean\n") == 2
    folders = sorted(tmp_path.glob("propq-demo-*"))
    assert len(folders) == 2
    assert run(["demo", "--clean"]) == Exit.DONE
    said = capsys.readouterr().out
    assert said == "".join(f"        removed {folder}\n" for folder in folders)
    assert not list(tmp_path.glob("propq-demo-*"))


def test_a_folder_that_a_demo_is_using_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own, and one of an earlier demo that has its price list."""
    assert run(SMALL) == Exit.DONE
    (earlier,) = tmp_path.glob("propq-demo-*")
    price_list = ["--price-list", str(earlier / "prices.csv")]
    with propq("demo", *price_list, *STUCK[3:]) as process:
        read_until(process, "warning: the server asks to wait")
        folders = sorted(tmp_path.glob("propq-demo-*"))
        capsys.readouterr()
        assert run(["demo", "--clean"]) == Exit.DONE
        said = capsys.readouterr().out
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert said == "".join(f"        left {folder}: a demo is using it\n" for folder in folders)
    assert len(folders) == 2
    # The end of a process, whatever it was, ends its use.
    assert run(["demo", "--clean"]) == Exit.DONE
    assert not list(tmp_path.glob("propq-demo-*"))


def test_a_demo_of_its_own_price_list_needs_no_second_lock(tmp_path: Path) -> None:
    with demo_folder() as folder, in_use(folder):
        assert list(remove_earlier()) == [(folder, "a demo is using it")]
    with in_use(folder), in_use(tmp_path):
        assert list(remove_earlier()) == [(folder, "a demo is using it")]
    assert list(remove_earlier()) == [(folder, None)]


def test_only_what_is_surely_of_a_demo_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demo_folder() as theirs, demo_folder() as ours:
        pass
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("about.txt", "prices.csv"):
        (elsewhere / name).write_text("of somebody")
    (tmp_path / "propq-demo-link").symlink_to(elsewhere)
    (tmp_path / "propq-demo-file").write_text("no folder")
    (tmp_path / "propq-demo-unmarked").mkdir()
    (tmp_path / "propq-demo-unmarked" / "prices.csv").write_text("of somebody")
    (tmp_path / "propq-demo-odd" / "about.txt").mkdir(parents=True)
    (theirs / "notes.txt").write_text("of somebody")
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
        assert list(remove_earlier()) == []
    assert sorted(tmp_path.rglob("*")) == before
    (ours / "prices.csv").symlink_to(elsewhere / "prices.csv")
    assert dict(remove_earlier()) == {
        theirs: "it has notes.txt, which is not of the demo",
        ours: None,
    }
    left = [path for path in before if ours not in (path, path.parent)]
    assert sorted(tmp_path.rglob("*")) == left


def test_a_folder_that_cannot_be_removed_is_told() -> None:
    with demo_folder() as folder:
        pass
    (folder / "token.json").mkdir()  # which no unlink removes
    ((found, why),) = remove_earlier()
    assert found == folder
    assert why is not None
    assert why.startswith(("Is a directory", "Operation not permitted"))
