"""Nothing that a frame of the package holds shows a secret: trackers of errors keep it all."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from propq_async._secret import SecretBytes, SecretDict, SecretStr

SECRET = "the-s3cret"
# What the caller has passed in the clear, the caller's own frame shows as well.
SOURCES = "function,coroutine,file"
GIVEN = ["credentials.py", "__init__", "client_secret"]


@pytest.mark.parametrize(
    ("transport", "sources"), [("fast", "none"), ("plain", "none"), ("fast", SOURCES)]
)
def test_no_variable_of_any_frame_shows_token_or_secret(
    token_file: Path, transport: str, sources: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.helpers.frames", token_file, transport, sources],
        cwd=Path(__file__).parent.parent,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(ended.stdout)
    assert found["seen"] > 1_000
    # So it would see others, too.
    assert found["shown"] == ([GIVEN] if sources == "none" else [])


@pytest.mark.parametrize(
    "hidden", [SecretStr(SECRET), SecretBytes(SECRET.encode()), SecretDict({"x": SECRET})]
)
def test_what_is_hidden_does_not_show_and_is_what_it_is(hidden: Any) -> None:
    assert SECRET not in f"{hidden!r}{[hidden]}"
    (kind,) = {str, bytes, dict} & set(type(hidden).__mro__)
    assert kind(hidden) == hidden
    assert type(kind(hidden)) is kind
    copied = pickle.loads(pickle.dumps(hidden))
    assert copied == hidden
    assert type(copied) is type(hidden)
