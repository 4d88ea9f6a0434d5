"""Each place for the secret that the guide shows, tried as far as that is possible here.

What Docker, Kubernetes, systemd and GitHub do is done by the tests, from what stands in the guide:
they mount files, set variables and start a command.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from propq_async import AsyncPropQ
from propq_async._cli.app import run as cli
from propq_async.testing import PropQEmulator
from tests.helpers.commands import in_dialogue
from tests.helpers.pages import DOCS, PRICES, Block, block, blocks, execute
from tests.helpers.secrets import SecretOnDisk, file_keyring, rotate

Run = Callable[..., str]
PAGE = DOCS / "how-to" / "keeping-the-secret.md"


def captioned(caption: str) -> str:
    (found,) = [one.text for one in blocks(PAGE) if one.caption == caption]
    return found


def from_yaml(text: str) -> Any:
    # It comes with what the tests need otherwise, and has no types.
    return import_module("yaml").safe_load(text)


@pytest.fixture
def secret(emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the secret, which is not in the environment."""
    monkeypatch.delenv("PROPQ_CLIENT_ID")
    monkeypatch.delenv("PROPQ_CLIENT_SECRET")
    Path("prices.csv").write_text(PRICES.replace("4711,No such unit,HOLD,180000,N\n", ""))
    return str(emulator.credentials.client_secret)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(text: str, environment: dict[str, str] | None = None) -> str:
        """Run a command of ours, and return what it says."""
        words = shlex.split(text)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            while "=" in words[0]:
                patch.setenv(*words.pop(0).split("=", 1))
            assert words.pop(0) == "propq"
            capsys.readouterr()
            status = cli(words)
        said = capsys.readouterr()
        assert status == 0, said
        return said.out

    return command


def commands(mark: str) -> Iterator[str]:
    """Yield the commands of the console block with this mark, without what they print."""
    for line in block(PAGE, mark, "console").splitlines():
        if line.startswith("$ "):
            yield line[2:]


def test_on_a_laptop(secret: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    file_keyring(monkeypatch)
    install, login, doctor = commands("propq login")
    assert install == "pip install 'propq-async[cli,keyring]'"
    shown = block(PAGE, "propq login", "console").partition("$ propq login\n")[2].splitlines()
    questions = [line.encode() for line in shown[:2]]
    answers = [(questions[0].removesuffix(b"1"), b"1\n"), (questions[1], secret.encode() + b"\n")]
    status, seen = in_dialogue(*shlex.split(login)[1:], answers=answers, columns=200)
    assert status == 0, seen
    assert shown[2].removesuffix(" ...") in seen
    assert "All is well." in run(doctor)
    propq = execute(block(PAGE, "from_keyring"), PAGE)["propq"]
    assert isinstance(propq, AsyncPropQ)
    assert propq.client_id == 1


def test_in_a_file(secret: str, run: Run) -> None:
    make, use = commands("install -m 600")
    subprocess.run(shlex.split(make), input=f"{secret}\n", text=True, check=True)
    assert Path("secret").stat().st_mode & 0o777 == 0o600
    assert "All is well." in run(use)


def test_in_docker(secret: str, run: Run, tmp_path: Path) -> None:
    compose = from_yaml(captioned("compose.yaml"))
    service = compose["services"]["push"]
    (name,) = service["secrets"]
    source = Path(compose["secrets"][name]["file"])
    source.touch(0o600)
    source.write_text(secret + "\n")
    # What Compose mounts, and the volume.
    run_secrets = tmp_path / "run-secrets"
    run_secrets.mkdir()
    (run_secrets / name).symlink_to(source.absolute())
    (volume,) = [one.partition(":")[2] for one in service["volumes"]]
    environment = {
        variable: value.replace("/run/secrets", str(run_secrets)).replace(volume, str(tmp_path))
        for variable, value in service["environment"].items()
    }
    assert str(run_secrets / name) in environment.values()
    assert "Everything that was sent is applied." in run(service["command"], environment)
    assert (tmp_path / "token.json").exists()
    assert (tmp_path / "ledger.sqlite3").exists()


async def test_in_kubernetes(
    secret: str, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pod = from_yaml(captioned("propq.yaml"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    assert (volume["name"], volume["secret"]) == (mount["name"], {"secretName": "propq"})
    environment = {one["name"]: one["value"] for one in container["env"]}
    # What the kubelet mounts, with the key as the name of the file.
    disk = SecretOnDisk(tmp_path, secret)
    file = Path(environment["PROPQ_CLIENT_SECRET_FILE"])
    assert file.parent == Path(mount["mountPath"])
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"create secret generic propq --from-file={file.name}=secret`" in text
    for name, value in environment.items():
        monkeypatch.setenv(name, str(disk.path) if value == str(file) else value)
    async with AsyncPropQ.from_env(token_store=None) as propq:
        await propq.tokens.get_token()
        # The secret is rotated while the pod runs.
        disk.replace("another")
        rotate(emulator, "another")
        await propq.tokens.refresh()
    assert emulator.token_requests == 2


def test_under_systemd(secret: str, run: Run, tmp_path: Path) -> None:
    unit = captioned("propq-push.service")
    if shutil.which("systemd-analyze"):
        checked = tmp_path / "propq-push.service"
        checked.write_text(unit.replace("/opt/propq/bin/propq", sys.executable))
        said = subprocess.run(
            ["systemd-analyze", "verify", str(checked)], capture_output=True, text=True, check=False
        )
        assert (said.returncode, said.stderr) == (0, "")
    lines = [line.partition("=") for line in unit.splitlines() if "=" in line]
    settings = {name: value for name, _, value in lines if name != "Environment"}
    # What systemd makes for the service, and the directories that it stands for.
    credential, _, source = settings["LoadCredential"].partition(":")
    assert source == "/etc/propq/client-secret"
    credentials, state = tmp_path / "credentials", tmp_path / "state" / settings["StateDirectory"]
    credentials.mkdir(0o700)
    state.mkdir(parents=True)
    (credentials / credential).touch(0o400)
    (credentials / credential).write_text(secret + "\n")
    variables = [value.partition("=") for name, _, value in lines if name == "Environment"]
    environment = {
        name: value.replace("%d", str(credentials)).replace("%S", str(state.parent))
        for name, _, value in variables
    }
    command = settings["ExecStart"].replace("/opt/propq/bin/", "").replace("/srv/", "")
    assert "Everything that was sent is applied." in run(command, environment)
    assert {one.name for one in state.iterdir()} >= {"token.json", "ledger.sqlite3"}


def test_in_github_actions(secret: str, run: Run) -> None:
    workflow = from_yaml(captioned("push.yaml"))
    (job,) = workflow["jobs"].values()
    *before, push = job["steps"]
    # Only the last step sees the secret.
    assert not any("env" in step for step in before)
    assert "env" not in job
    known = {"vars.PROPQ_CLIENT_ID": "1", "secrets.PROPQ_CLIENT_SECRET": secret}
    environment = {
        name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], value)
        for name, value in push["env"].items()
    }
    assert secret not in captioned("push.yaml")
    assert "Everything that was sent is applied." in run(push["run"], environment)


async def test_in_a_vault(
    secret: str, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    del tmp_path
    asked = []

    async def read(request: web.Request) -> web.Response:
        asked.append(request.headers["X-Vault-Token"])
        return web.json_response({"data": {"data": {"client_secret": secret}, "metadata": {}}})

    app = web.Application()
    app.router.add_get("/v1/secret/data/propq", read)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0]
        monkeypatch.setenv("VAULT_ADDR", f"http://{host}:{port}")
        monkeypatch.setenv("VAULT_TOKEN", "of-the-vault")
        monkeypatch.setenv("PROPQ_CLIENT_ID", "1")
        # It brings its own loop.
        await asyncio.to_thread(execute, block(PAGE, "secret_in_vault"), PAGE)
    finally:
        await runner.cleanup()
    assert asked == ["of-the-vault"]
    assert emulator.token_requests == 1
    assert re.fullmatch(r"a token until \d{4}\n", capsys.readouterr().out)


def test_no_block_of_the_page_is_forgotten() -> None:
    def known(one: Block) -> bool:
        marks = ("propq login", "install -m 600", "from_keyring", "secret_in_vault", "a token unt")
        return one.caption is not None or any(mark in one.text for mark in marks)

    assert all(map(known, blocks(PAGE)))
    assert len(blocks(PAGE)) == 9
