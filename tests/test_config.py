from __future__ import annotations

import math
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import Clock, ConfigurationError, RetryPolicy
from propq_async._paths import absolute_path, expanded_path
from propq_async._settings import (
    base_url_from_env,
    check_at_least,
    check_base_url,
    ledger_from_env,
    token_file_from_env,
)
from propq_async.config import BASE_URL, DEFAULT_FILE, INHERIT, DefaultFile, Inherit
from tests.helpers.proxies import PASSWORD


def test_the_delays_double_up_to_the_longest() -> None:
    policy = RetryPolicy()
    delays = [policy.delay_seconds(retry, lambda: 1.0) for retry in range(1, 10)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert [policy.delay_seconds(retry, lambda: 0.5) for retry in (1, 4, 9)] == [0.125, 1.0, 10.0]
    assert policy.delay_seconds(3, lambda: 0.0) == 0.0


@given(
    base=st.floats(0, 1e300),
    longest=st.floats(0, 1e300),
    retry=st.integers(1, 10**6),
    drawn=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_always_finite_and_within_its_bounds(
    base: float, longest: float, retry: int, drawn: float
) -> None:
    policy = RetryPolicy(base_delay_seconds=base, max_delay_seconds=longest)
    assert 0 <= policy.delay_seconds(retry, lambda: drawn) <= longest


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("attempts", 0, "at least 1, not 0"),
        ("attempts", -1, "at least 1"),
        ("attempts", 2.0, "an integer, not 2.0"),
        ("attempts", "5", "an integer, not '5'"),
        ("attempts", True, "an integer, not True"),
        ("attempts", math.nan, "an integer"),
        *(
            (setting, value, words)
            for setting in (
                "base_delay_seconds",
                "max_delay_seconds",
                "max_retry_after_seconds",
                "max_wait_seconds",
                "total_timeout_seconds",
                "retry_budget",
            )
            for value, words in (
                (-0.1, "-0.1"),
                (math.nan, "not nan"),
                (-math.inf, "not -inf"),
                ("1", "a number, not '1'"),
                (False, "a number, not False"),
            )
        ),
        ("base_delay_seconds", None, "a number, not None"),
        ("base_delay_seconds", math.inf, "finite"),
        ("retry_budget", math.inf, "finite"),
        ("max_delay_seconds", math.inf, "finite"),
        ("max_delay_seconds", 10**400, "finite"),
        ("total_timeout_seconds", math.inf, "finite"),
        ("total_timeout_seconds", 0, "above 0, not 0"),
    ],
)
def test_a_retry_policy_that_cannot_work_is_refused_by_name(
    setting: str, value: Any, words: str
) -> None:
    settings: dict[str, Any] = {setting: value}
    with pytest.raises(ConfigurationError, match=rf"^{setting} must be ") as refused:
        RetryPolicy(**settings)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"attempts": 1},
        {"base_delay_seconds": 0, "max_delay_seconds": 0},
        {"max_retry_after_seconds": 0},
        {"max_retry_after_seconds": math.inf},
        {"max_wait_seconds": 0},
        {"max_wait_seconds": math.inf},
        {"total_timeout_seconds": 0.001},
        {"retry_unacknowledged": False},
        {"retry_budget": 0},
        {"retry_budget": None},
    ],
)
def test_a_retry_policy_at_its_limits_is_accepted(settings: dict[str, Any]) -> None:
    policy = RetryPolicy(**settings)
    assert attrs.asdict(policy).items() >= settings.items()
    assert hash(policy) == hash(RetryPolicy(**settings))


def test_settings_are_frozen() -> None:
    for frozen, name in ((RetryPolicy(), "attempts"), (Clock(), "wall")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(frozen, name, 1)


def test_at_least_and_above_differ_in_the_bound_itself() -> None:
    check_at_least("x", 1, 1)
    check_at_least("x", math.inf, 1)
    check_at_least("x", 1.1, 1, exclusive=True, finite=True)
    with pytest.raises(ConfigurationError, match="x must be above 1, not 1"):
        check_at_least("x", 1, 1, exclusive=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (BASE_URL, BASE_URL),
        ("https://api.propq.com/", BASE_URL),
        ("https://api.propq.com/base//", "https://api.propq.com/base"),
        ("HTTPS://API.PropQ.com:8443", "HTTPS://API.PropQ.com:8443"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444/x"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost", "http://localhost"),
        ("http://LocalHost:8080/", "http://LocalHost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.255.255.254", "http://127.255.255.254"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[0:0:0:0:0:0:0:1]"),
    ],
)
def test_a_base_url_is_https_or_loopback(url: str, expected: str) -> None:
    assert check_base_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://api.propq.com",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[::2]",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.1",
        "http://2130706433",
        "http://notlocalhost",
    ],
)
def test_plain_http_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with https://") as refused:
        check_base_url(url)
    assert repr(url) in str(refused.value)


@pytest.mark.parametrize("path", ["/a/../b", "/..", "/./a", "/%2E%2e/a", "/a/%2e"])
def test_a_base_url_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r'^base_url must have no segment "\."'):
        check_base_url(BASE_URL + path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "api.propq.com",
        "//api.propq.com",
        "/v1",
        "https://",
        "https:///v1",
        "https://:443",
        "https:api.propq.com",
        "ftp://api.propq.com",
        "file:///etc/passwd",
        "https://api.propq.com:port",
        "https://api.propq.com:99999",
        "https://api.propq.com:-1",
        "https://[::1",
        "https://[api]",
        "https://api.propq.com\n",
        "https://api.\tpropq.com",
        " https://api.propq.com",
        "https://api.propq.com /v1",
        "https://api\u00a0.propq.com",
        "http://localhost\\.example.com",
        "https://api.propq.com/\x00",
        "https://api\u2100.propq.com",
        None,
        443,
        b"https://api.propq.com",
    ],
)
def test_what_is_no_url_is_refused_and_shown(url: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_base_url(url)
    assert str(refused.value) == f"base_url must look like {BASE_URL}, not {url!r}"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.propq.com?",
        "https://api.propq.com/?a=b",
        "https://api.propq.com#",
        "https://api.propq.com/#top",
        "https://me@api.propq.com",
        "https://@api.propq.com",
        "https://me:hunter2@api.propq.com",
        "http://me:hunter2@localhost",
        "http://127.0.0.1:80@evil.example",
    ],
)
def test_user_query_and_fragment_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no user, no query and no fragment") as refused:
        check_base_url(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://me:hunter2@h", "https://me:hun@nter2@h:x", "hunter2@"])
def test_a_password_in_what_is_no_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="token_url must look like") as refused:
        check_base_url(url, name="token_url")
    shown = str(refused.value).partition("not ")[2]
    assert not [part for part in ("hun", "nter2") if part in shown]


@given(st.text(max_size=30).map("https://".__add__) | st.text(max_size=30))
def test_any_text_is_a_base_url_or_refused_with_our_error(text: str) -> None:
    try:
        accepted = check_base_url(text)
    except ConfigurationError:
        return
    assert not set(accepted) & set("?#@ \n\t\\")
    assert not accepted.endswith("/")


@pytest.mark.parametrize(
    ("read", "name"),
    [(base_url_from_env, "PROPQ_BASE_URL"), (token_file_from_env, "PROPQ_TOKEN_FILE")],
)
def test_a_blank_variable_is_none_at_all(
    read: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read() is None
    for blank in ("", "  \n"):
        monkeypatch.setenv(name, blank)
        assert read() is None
    monkeypatch.setenv(name, " https://x ")
    assert read() == "https://x"


@pytest.mark.parametrize(
    "url",
    [
        f"https://alice:{PASSWORD}@api.propq.com",
        f"https://alice:Pr0xy#{PASSWORD}@api.propq.com",
        f"https://alice:12#{PASSWORD}@api.propq.com",
        f"https://alice:12/{PASSWORD}@api.propq.com",
        f"http://alice:12/{PASSWORD}@api.propq.com",
        f"https://alice:12/../{PASSWORD}@api.propq.com",
        f"alice:{PASSWORD}@api.propq.com",
        f"https://alice:{PASSWORD}@api.propq.com:99999",
    ],
)
@pytest.mark.parametrize("name", ["base_url", "token_url"])
def test_a_password_in_a_base_url_is_refused_and_not_shown(url: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must") as caught:
        check_base_url(url, name=name)
    assert PASSWORD not in str(caught.value)


def test_a_path_is_expanded_and_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert absolute_path("x", "~/l.sqlite3") == tmp_path / "home" / "l.sqlite3"
    assert absolute_path("x", "l.sqlite3") == tmp_path / "l.sqlite3"
    assert absolute_path("x", Path("a~/ b")) == tmp_path / "a~" / " b"
    assert expanded_path("x", "~/l.sqlite3") == tmp_path / "home" / "l.sqlite3"
    assert expanded_path("x", "l.sqlite3") == Path("l.sqlite3")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "it is blank"),
        ("  ", "it is blank"),
        ("a/", "it is a directory: name a file in it"),
        ("a\0b", "it has a null character"),
        (b"a", "it is no text"),
        ("~nobody-like-that/x", "no user here has this home directory: write the path without ~"),
    ],
)
def test_a_path_that_can_name_no_file_is_refused(value: Any, why: str) -> None:
    for read in (absolute_path, expanded_path):
        with pytest.raises(ConfigurationError) as caught:
            read("the setting", value)
        assert str(caught.value).startswith(f"the setting must name a file, not {value!r}: {why}")


@given(st.text())
def test_any_path_is_absolute_or_refused_with_our_error(value: str) -> None:
    with suppress(ConfigurationError):
        assert absolute_path("x", value).is_absolute()


@pytest.mark.skipif(sys.platform == "win32", reason="keeps the working directory of a process")
def test_a_relative_path_in_a_directory_that_is_gone_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="x must name a file, not 'l': the working dir"):
        absolute_path("x", Path("l"))
    monkeypatch.chdir(tmp_path)


def test_a_blank_ledger_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ledger_from_env() is None
    monkeypatch.setenv("PROPQ_LEDGER", "")
    assert ledger_from_env() is None
    monkeypatch.setenv("PROPQ_LEDGER", " ~/l ")
    assert ledger_from_env() == "~/l"
    monkeypatch.setenv("PROPQ_LEDGER", "  ")
    with pytest.raises(ConfigurationError, match="PROPQ_LEDGER must name a file, not '  ': it is"):
        ledger_from_env()


def test_the_markers_print_as_what_they_are() -> None:
    assert INHERIT is Inherit.INHERIT
    assert DEFAULT_FILE is DefaultFile.DEFAULT_FILE
    assert "INHERIT" in repr(INHERIT)
    assert "DEFAULT_FILE" in repr(DEFAULT_FILE)
