"""`propq login`, `logout` and `accounts`, and which credentials the other commands use."""

from __future__ import annotations

import getpass
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from propq_async import Credentials
from propq_async._cli.exit_codes import CommandError, Exit
from propq_async._cli.login import _typed_secret
from propq_async._keyring import Entry, account_names, write_account
from propq_async._secret import SecretStr
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, in_dialogue, lines
from tests.helpers.lists import text_list
from tests.helpers.secrets import file_keyring
from tests.helpers.texts import spanish_only

ID, SECRET = b"Client id: ", b"Client secret (it is not shown): "


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    file_keyring(monkeypatch)


@pytest.fixture
def nowhere(emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch) -> PropQEmulator:
    """An emulator whose credentials are not in the environment."""
    monkeypatch.delenv("PROPQ_CLIENT_ID")
    monkeypatch.delenv("PROPQ_CLIENT_SECRET")
    return emulator


def keep(emulator: PropQEmulator, account: str, secret: str | None = None) -> None:
    credentials = emulator.credentials
    entry = Entry(credentials.client_id, SecretStr(secret or credentials.client_secret))
    write_account(account, entry)


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


# --- login ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_id_and_secret_are_asked_for_proved_and_kept(nowhere: PropQEmulator) -> None:
    secret = nowhere.credentials.client_secret
    status, seen = in_dialogue(
        "login", answers=[(ID, b"1\n"), (SECRET, secret.encode() + b"\n")], columns=200
    )
    assert status == Exit.DONE, seen
    # The terminal shows the id that is typed, and nothing of the secret.
    assert "Client id: 1\r\n" in seen
    assert secret not in seen
    lines(seen, "client 1 is kept as account 'default' in file PlaintextKeyring")
    assert nowhere.token_requests == 1
    assert Credentials.from_keyring().client_secret() == secret


@pytest.mark.usefixtures("store")
def test_login_asks_and_answers_in_spanish(
    nowhere: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As do the other commands about accounts."""
    secret = nowhere.credentials.client_secret
    spanish_id = b"Id de cliente: "
    spanish_secret = b"Secreto del cliente (no se muestra): "
    answers = [(spanish_id, b"1\n"), (spanish_secret, secret.encode() + b"\n")]
    status, seen = in_dialogue("login", "--lang", "es", answers=answers, columns=200)
    assert status == Exit.DONE, seen
    lines(seen, "el cliente 1 queda guardado como cuenta 'default' en")
    status, seen = in_dialogue("login", "--lang", "es", answers=[(spanish_id, b"uno\n")])
    assert status == Exit.USAGE
    assert "el id de cliente es un número" in seen
    pipe(monkeypatch, "otro\n")
    refused = propq("login", "--client-id", "1", "--secret-stdin", "--lang", "es")
    assert refused.status == Exit.UNUSABLE
    spanish_only(refused.err)
    for arguments in (["accounts"], ["logout"], ["accounts"], ["logout"]):
        heard = propq(*arguments, "--lang", "es")
        assert heard.out + heard.err
        spanish_only(heard.out + heard.err)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([(ID, b"one\n")], Exit.USAGE, "the client id is a number"),
        ([(ID, b"1\n"), (SECRET, b"\x04")], Exit.USAGE, "no secret was given; nothing was kept"),
        ([(ID, b"1\n"), (SECRET, b" x\n")], Exit.USAGE, "the secret has a blank before or behind"),
        ([(ID, b"\x03")], Exit.INTERRUPTED, "interrupted: nothing was kept"),
        ([(ID, b"1\n"), (SECRET, b"\x03")], Exit.INTERRUPTED, "interrupted: nothing was kept"),
        (
            [(ID, b"1\n"), (SECRET, signal.SIGTERM)],
            Exit.INTERRUPTED,
            "interrupted: nothing was kept",
        ),
    ],
    ids=["no number", "end of input", "blank", "Ctrl-C", "Ctrl-C at the secret", "SIGTERM"],
)
def test_what_is_no_answer_keeps_nothing(
    answers: list[tuple[bytes, bytes | signal.Signals]],
    status: Exit,
    said: str,
    nowhere: PropQEmulator,
) -> None:
    ended, seen = in_dialogue("login", answers=answers, columns=200)
    assert (ended, account_names()) == (status, [])
    assert said in seen
    assert nowhere.token_requests == 0


@pytest.mark.usefixtures("store")
def test_a_script_gives_the_secret_on_standard_input(
    nowhere: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = nowhere.credentials.client_secret
    pipe(monkeypatch, secret + "\n")
    said = propq("login", "--account", "costa", "--client-id", "1", "--secret-stdin")
    assert said.status == Exit.DONE, said.err
    assert "client 1 is kept as account 'costa'" in said.out
    assert secret not in said.out + said.err
    monkeypatch.setenv("PROPQ_CLIENT_ID", "1")
    monkeypatch.setenv("PROPQ_ACCOUNT", "sol")
    pipe(monkeypatch, secret + "\r\n")
    assert propq("login", "--secret-stdin").status == Exit.DONE
    assert account_names() == ["costa", "sol"]


@pytest.mark.usefixtures("store")
def test_what_is_wrong_is_not_kept(
    nowhere: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("login", "--client-id", "1", "--secret-stdin")
    pipe(monkeypatch, "mistyped\n")
    said = propq(*command)
    assert said.status == Exit.UNUSABLE
    assert "check the client id, and the secret as you gave it; nothing was kept" in said.err
    assert "mistyped" not in said.err
    pipe(monkeypatch, '"s3cret"\n')
    said = propq(*command)
    assert said.status == Exit.USAGE
    assert "the secret has quotes around it" in said.err
    assert "s3cret" not in said.err
    pipe(monkeypatch, "")
    assert propq(*command).status == Exit.USAGE
    pipe(monkeypatch, "x")
    assert propq("login", "--client-id", str(2**63), "--secret-stdin").status == Exit.UNUSABLE
    said = propq("login", "--secret-stdin")
    assert (said.status, account_names()) == (Exit.USAGE, [])
    assert "say whose secret it is with --client-id or PROPQ_CLIENT_ID" in said.err
    assert nowhere.token_requests == 1


@pytest.mark.usefixtures("store", "nowhere")
def test_without_a_terminal_nothing_is_asked(propq: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ([], ["--client-id", "1"]):
        pipe(monkeypatch, "1\nsecret\n")
        said = propq("login", *arguments)
        assert said.status == Exit.USAGE
        assert "there is no terminal to ask on: use --client-id and --secret-stdin" in said.err


@pytest.mark.usefixtures("store", "nowhere")
def test_the_secret_is_never_an_argument(propq: Any) -> None:
    for arguments in (["--secret", "s3cret"], ["s3cret"], ["--client-secret=s3cret"]):
        assert propq("login", *arguments).status == Exit.USAGE


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_that_would_show_the_secret_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as one of an editor, of which only a stream is left."""
    monkeypatch.setattr(getpass, "getpass", vars(getpass)["fallback_getpass"])
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(sys, name, _Terminal("s3cret\n"))
    with pytest.raises(CommandError, match="this terminal would show the secret") as caught:
        _typed_secret()
    assert caught.value.status == Exit.USAGE


@pytest.mark.usefixtures("nowhere")
def test_without_a_keyring_nobody_types_in_vain(propq: Any) -> None:
    for command in ("login", "logout", "accounts"):
        said = propq(command)
        assert said.status == Exit.UNUSABLE
        assert said.err.startswith("propq: this machine has no keyring that can be used; without")
        assert "PROPQ_CLIENT_SECRET_FILE" in said.err


# --- logout and accounts --------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_accounts_are_listed_and_removed(
    nowhere: PropQEmulator, propq: Any, tmp_path: Path
) -> None:
    none = propq("accounts")
    assert (none.status, none.out) == (
        Exit.ROWS_FAILED,
        "no accounts: `propq login` makes one\n",
    )
    assert json.loads(propq("accounts", "--json").out) == {"accounts": []}
    keep(nowhere, "default")
    keep(nowhere, "costa")
    said = propq("accounts")
    assert said.status == Exit.DONE
    lines(said.out, "^  costa    client 1$", "^  default  client 1$")
    assert json.loads(propq("accounts", "--json").out) == {
        "accounts": [{"account": name, "client_id": 1} for name in ("costa", "default")]
    }
    assert propq("token", "refresh", "--account", "costa").status == Exit.DONE
    assert list(tmp_path.rglob("token-*.json"))
    assert propq("logout", "--account", "costa").out == (
        "removed the account 'costa' from the keyring\n"
    )
    # With the token that was issued to it.
    assert not list(tmp_path.rglob("token-*.json"))
    gone = propq("logout", "--account", "costa")
    assert (gone.status, gone.err) == (
        Exit.ROWS_FAILED,
        "propq: the keyring has no account 'costa'\n",
    )
    assert account_names() == ["default"]


@pytest.mark.usefixtures("store")
def test_an_entry_that_others_removed_or_spoiled_is_told(
    nowhere: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring  # noqa: PLC0415 - after the fixture has chosen its backend

    keep(nowhere, "costa")
    keyring.delete_password("propq-async", "costa")
    lines(propq("accounts").out, "^  costa  removed or spoiled by others$")
    assert json.loads(propq("accounts", "--json").out) == {
        "accounts": [{"account": "costa", "client_id": None}]
    }
    keyring.set_password("propq-async", "costa", "something else")
    lines(propq("accounts").out, "^  costa  removed or spoiled by others$")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "memory:")
    assert propq("logout", "--account", "costa").status == Exit.DONE
    keep(nowhere, "costa")
    assert propq("logout", "--account", "costa").status == Exit.DONE
    assert account_names() == []


@pytest.mark.usefixtures("store")
def test_another_client_under_an_old_name_is_told(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_account("default", Entry(43, SecretStr("x")))
    pipe(monkeypatch, emulator.credentials.client_secret)
    said = propq("login", "--client-id", "1", "--secret-stdin")
    assert said.status == Exit.DONE
    assert "it was client 43 before" in said.out
    assert "the environment has credentials as well, and commands take those" in said.out


# --- which credentials a command uses -------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_the_option_goes_before_the_variables_and_the_default(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(emulator, "good")
    keep(emulator, "default", "wrong")
    # The environment goes before the default account,
    assert propq("token", "refresh").status == Exit.DONE
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong, too")
    assert "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET" in propq("token", "refresh").err
    # an account before the environment,
    assert propq("token", "refresh", "--account", "good").status == Exit.DONE
    monkeypatch.setenv("PROPQ_ACCOUNT", "good")
    assert propq("token", "refresh").status == Exit.DONE
    # the option before its variable,
    refused = propq("token", "refresh", "--account", "default")
    assert "the secret in the account 'default' of the keyring, which `propq login`" in refused.err
    # and the default account comes last.
    for name in ("PROPQ_ACCOUNT", "PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    assert "the secret in the account 'default'" in propq("token", "refresh").err
    keep(emulator, "default")
    assert propq("token", "refresh").status == Exit.DONE


@pytest.mark.usefixtures("store")
def test_the_profile_of_a_list_names_its_account(
    nowhere: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the account `default`, so that neither option nor environment is overruled."""
    text_list(Path("x.csv"), *LIST[:1])
    Path("propq.toml").write_text('account = "costa"\n[[list]]\nfile = "*.csv"\n')
    keep(nowhere, "default", "wrong")
    for command in (["plan", "x.csv"], ["push", "x.csv", FIRST]):
        said = propq(*command)
        assert said.status == Exit.UNUSABLE
        assert "the keyring has no account 'costa'" in said.err
    keep(nowhere, "costa")
    assert propq("plan", "x.csv").status == Exit.UNCONFIRMED
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    monkeypatch.setenv("PROPQ_CLIENT_ID", "1")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "memory:")
    assert "check PROPQ_CLIENT_ID" in propq("push", "x.csv", "--all").out
    assert propq("push", "x.csv", "--all", "--account", "costa").status == Exit.DONE


@pytest.mark.usefixtures("store")
def test_every_command_that_needs_credentials_takes_an_account(
    nowhere: PropQEmulator, propq: Any
) -> None:
    keep(nowhere, "costa")
    text_list(Path("x.csv"), *LIST[:1])
    name = LIST[0][1]
    update = ["update", "4711", name, "--status", "SOLD", "--price", "250000", "--directions", "N"]
    for arguments in (
        ["plan", "x.csv"],
        ["push", "x.csv", FIRST],
        update,
        ["token", "show"],
        ["token", "clear"],
        ["ledger", "forget", name, "--yes"],
        ["ledger", "import", "--from-client", "7"],
        ["doctor"],
    ):
        said = propq(*arguments, "--account", "costa")
        assert "account" not in said.err, (arguments, said.err)
        missing = propq(*arguments, "--account", "nobody")
        assert missing.status == Exit.UNUSABLE, (arguments, missing.out)
        assert "the keyring has no account 'nobody'" in missing.out + missing.err
    assert nowhere.applied == 2


@pytest.mark.usefixtures("store")
def test_the_command_that_pushes_what_failed_names_the_account(
    nowhere: PropQEmulator, propq: Any
) -> None:
    keep(nowhere, "costa")
    text_list(Path("x.csv"), LIST[0], "4711,unknown,SOLD,250000,N")
    said = propq("push", "x.csv", "--yes", "--account", "costa")
    assert said.out.splitlines()[-1].strip() == "propq push x.failed.csv --account costa"


@pytest.mark.parametrize("with_keyring", [True, False])
def test_without_credentials_all_ways_are_named(
    nowhere: PropQEmulator,
    propq: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    with_keyring: bool,
) -> None:
    if with_keyring:
        file_keyring(monkeypatch)
    why = "" if with_keyring else " (this machine has no keyring that can be used)"
    ways = (
        f"  - log in with `propq login`, which keeps them in the keyring{why}\n"
        "  - name an account with --account or PROPQ_ACCOUNT\n"
        "  - set PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET\n"
        "  - name files with them in PROPQ_CLIENT_ID_FILE and PROPQ_CLIENT_SECRET_FILE\n"
    )
    text_list(Path("x.csv"), LIST[0])
    purpose = " (a plan needs the client id, by which it finds what was pushed before)"
    for command, needed_for in ((("token", "show"), ""), (("plan", "x.csv"), purpose)):
        said = propq(*command)
        assert said.status == Exit.UNUSABLE
        assert said.err == f"propq: there are no credentials{needed_for}; do one of these:\n{ways}"
    assert nowhere.calls == nowhere.token_requests == 0
