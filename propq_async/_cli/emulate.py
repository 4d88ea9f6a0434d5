"""`propq emulate`: the emulator in the foreground."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from propq_async.credentials import Credentials
from propq_async.pricelist import BrokenRow
from propq_async.testing import PropQEmulator, RecordedRequest

from .exit_codes import CommandError, Exit
from .list_options import ListOptions, open_list
from .phrases import counted, was
from .rate_option import Rate
from .signals import on_interrupt
from .streams import complain, errors_out, printable
from .temporary import temporary

__all__ = ["EXPORT", "Emulate"]

EXPORT = "export "
LONGEST_BODY = 200


@attrs.frozen(kw_only=True)
class Emulate:
    """The command with its options."""

    host: str
    port: int
    units: Path | None
    reading: ListOptions
    throttle: Rate | None
    throttle_tokens: Rate | None
    quiet: bool
    end_with_stdin: bool
    credentials_from_env: bool
    switches: dict[str, Any]

    async def run(self) -> Exit:
        """Serve until Ctrl-C, SIGTERM or, with `--end-with-stdin`, the end of standard input."""
        settings = dict(self.switches)
        if self.credentials_from_env:
            settings["credentials"] = _fixed(Credentials.from_env())
        try:
            emulator = PropQEmulator(host=self.host, port=self.port, **settings)
            if self.throttle is not None:
                emulator.throttle(self.throttle.calls, self.throttle.per_seconds)
            if self.throttle_tokens is not None:
                tokens = self.throttle_tokens
                emulator.throttle_tokens(tokens.calls, tokens.per_seconds)
        except ValueError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        if self.units is not None:
            _add_units(emulator, self.units, self.reading)
        end = asyncio.Event()
        with on_interrupt(end.set), _directory() as directory:
            await self._listen(emulator)
            try:
                self._announce(emulator, Path(directory))
                if not self.quiet:
                    emulator.on_request = _log
                if self.end_with_stdin:
                    _at_end_of_stdin(end.set)
                await end.wait()
            finally:
                await emulator.close()
        _note(
            f"ended after {counted(emulator.token_requests, 'token request')} and "
            f"{counted(emulator.calls, 'call')}; {counted(emulator.applied, 'update')} "
            f"{was(emulator.applied)} applied"
        )
        return Exit.DONE

    async def _listen(self, emulator: PropQEmulator) -> None:
        try:
            await emulator.start()
        except OSError as error:
            raise CommandError(
                f"cannot listen at port {self.port} of {self.host}: {os.strerror(error.errno or 0)}"
                "; choose another --port, or leave it out and get a free one",
                Exit.STOPPED,
            ) from error

    def _announce(self, emulator: PropQEmulator, directory: Path) -> None:
        count = len(emulator.units)
        pace = f", {self.throttle}" if self.throttle else ""
        _note(
            f"PropQ emulator at {emulator.url} with {counted(count, 'unit')}{pace}; Ctrl-C ends it"
        )
        if not count:
            remedy = "name a price list with --units FILE"
            if self.units is not None:
                remedy = f"no row of {printable(str(self.units))} could be read; mend it"
            _note(
                f"without units every update is a {emulator.unknown_status}: {remedy}, or add one "
                "on the page"
            )
        # Tokens and ledger must not outlive the server: the next one at this address has neither.
        variables = {
            "PROPQ_BASE_URL": emulator.url,
            "PROPQ_TOKEN_FILE": str(directory / "token.json"),
            "PROPQ_LEDGER": str(directory / "ledger.sqlite3"),
            "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
        }
        if not self.credentials_from_env:
            # The emulator made this secret up for this run.
            variables["PROPQ_CLIENT_SECRET"] = emulator.credentials.client_secret
        lines = [f"{EXPORT}{name}={shlex.quote(value)}\n" for name, value in variables.items()]
        sys.stdout.write("".join(lines))
        sys.stdout.flush()
        _note(f"watch and disturb it at {emulator.url}/")


def _directory() -> TemporaryDirectory[str]:
    # Another program may still have a file open there.
    with temporary():
        return TemporaryDirectory(prefix="propq-emulate-", ignore_cleanup_errors=True)


def _note(text: str) -> None:
    # On stderr, since stdout is for the variables only.
    print(text, file=errors_out(), flush=True)


def _log(request: RecordedRequest) -> None:
    at = datetime.fromtimestamp(request.timestamp).astimezone()
    body = (
        ""
        if request.body is None
        else " " + _shortened(json.dumps(request.body, ensure_ascii=False))
    )
    line = f"{at:%H:%M:%S} {request.status or 'drop'} {request.method} {request.path}{body}"
    _note(printable(line))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_BODY else text[: LONGEST_BODY - 3] + "..."


def _fixed(credentials: Credentials) -> Credentials:
    """Return credentials whose secret is not in a file, since an emulator has one secret."""
    if isinstance(credentials.client_secret, str):
        return credentials
    return Credentials(credentials.client_id, credentials.client_secret())


def _add_units(emulator: PropQEmulator, path: Path, reading: ListOptions) -> None:
    for row in open_list(path, reading):
        if isinstance(row, BrokenRow):
            complain(f"left out: {row}")
            continue
        unit = row.update
        emulator.add_unit(
            unit.development_id,
            unit.name,
            status=unit.status,
            price=float(unit.price),
            directions=unit.directions,
        )


def _at_end_of_stdin(act: Callable[[], None]) -> None:
    """Call `act` in the running event loop when standard input ends."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        # Not sys.stdin: this thread would hold its lock when the interpreter exits.
        while os.read(0, 1024):
            pass
        with suppress(RuntimeError):  # the loop has ended for another reason
            loop.call_soon_threadsafe(act)

    threading.Thread(target=wait, daemon=True).start()
