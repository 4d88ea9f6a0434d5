"""The commands and their options. What a command needs is imported when it runs."""
# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter, Token, UnknownOptionError
from cyclopts.validators import Number

from propq_async import PropQError, __version__

from . import lists
from .ending import CommandError, Exit
from .rate import Rate
from .reading import Reading, no_pipe

__all__ = ["app", "run"]

DEBUG = "--debug"


_READ_AS_FOUND = Reading()
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]

app = App(
    name="propq",
    version=__version__,
    help="""The command line of propq-async, the client of the PropQ API of Resales Online.

    Try `propq demo` first. With `--debug`, any command shows the traceback of an error.
    """,
    result_action="return_value",
    # Or it would end without a word.
    suppress_keyboard_interrupt=False,
)
lists.register(app)
app.register_install_completion_command()


@app.command
def demo(
    *,
    units: AtLeastOne = 3000,
    concurrency: AtLeastOne = 100,
    price_list: Path | None = None,
    throttle: str | None = None,
) -> Coroutine[Any, Any, Exit]:
    """Push a price list to an emulator that misbehaves, and watch the client recover.

    Starts the emulator in a process of its own, writes a price list and pushes it over real HTTP.
    After a third of the rows the server revokes all access tokens; from half-way on it throttles.
    Nothing leaves this machine. The price list and the token file are kept to be looked at.

    The exit status is 0 only if every row was applied; 1 if some were not; 3 if it had to stop;
    130 after Ctrl-C.

    Args:
        units: How many units the price list has.
        concurrency: How many rows are under way at the most.
        price_list: Push this price list instead of one that is made up: CSV, TSV, XLSX or JSON
            lines.
        throttle: What the server allows from half-way on, such as 300/2s. [default: a tenth of
            the rows, at most 300, in 2 seconds]
    """
    from .demo import Demo

    return Demo(
        units=units, concurrency=concurrency, price_list=price_list, throttle=_rate(throttle)
    ).run()


@app.command
def emulate(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    units: Path | None = None,
    reading: Reading = _READ_AS_FOUND,
    throttle: str | None = None,
    token_lifetime_seconds: float = 2_592_000,
    latency_seconds: float = 0,
    token_latency_seconds: float = 0,
    throttle_tokens: str | None = None,
    token_error_style: Literal["message", "both", "description"] = "message",  # noqa: S107
    unknown_status: Literal[400, 404, 422] = 404,
    wrong_method_status: Literal[405, 419] = 419,
    success_body: Literal["echo", "empty", "message", "status"] = "echo",
    validation_style: Literal["current", "older"] = "current",
    case_sensitive_names: bool = True,
    known_directions: str | None = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    credentials_from_env: Annotated[bool, Parameter(negative="")] = False,
    end_with_stdin: Annotated[bool, Parameter(show=False, negative="")] = False,
) -> Coroutine[Any, Any, Exit]:
    """Run an emulator of the PropQ API until Ctrl-C, to test your own program against.

    Prints the environment variables that lead a program to it, then each call as it comes. Client
    id and secret are made up; token file and ledger are in a directory that ends with it. At its
    address is a page that shows units and calls and makes things go wrong; programs do the same
    with POST to /_emulator/fail_next and so on.

    Args:
        port: The port to listen at; 0 lets the system choose a free one.
        host: The loopback address to listen at.
        units: The price list of the units that it has: CSV, TSV, XLSX or JSON lines.
        reading: How that is read.
        throttle: The calls that it allows, such as 60/min, 10/s or 300/2s. [default: any number]
        token_lifetime_seconds: How long its access tokens live.
        latency_seconds: How long each call waits before it is dealt with.
        token_latency_seconds: The same for token requests.
        throttle_tokens: The token requests that it allows, as for --throttle. [default: any number]
        token_error_style: How the token endpoint words its errors: in `message`, in
            `error_description`, or in both.
        unknown_status: What an unknown development or unit gets.
        wrong_method_status: What a wrong HTTP method gets.
        success_body: What a successful update is answered with.
        validation_style: The texts of a 422: those of the framework now, or of its version 8.
        case_sensitive_names: Whether the name of a unit must match with its case.
        known_directions: The directions that are valid, such as "N S E W". [default: any]
        quiet: Print no line for each call.
        credentials_from_env: Take those in PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET instead of made
            up ones, and print no secret: then a restart leaves the programs' credentials valid.
        end_with_stdin: End when standard input does.
    """
    from .emulate import Emulate

    return Emulate(
        host=host,
        port=port,
        units=units,
        reading=reading,
        throttle=_rate(throttle),
        throttle_tokens=_rate(throttle_tokens, "--throttle-tokens"),
        quiet=quiet,
        end_with_stdin=end_with_stdin,
        credentials_from_env=credentials_from_env,
        switches={
            "token_lifetime_seconds": token_lifetime_seconds,
            "latency_seconds": latency_seconds,
            "token_latency_seconds": token_latency_seconds,
            "token_error_style": token_error_style,
            "unknown_status": unknown_status,
            "wrong_method_status": wrong_method_status,
            "success_body": success_body,
            "validation_style": validation_style,
            "case_sensitive_names": case_sensitive_names,
            "known_directions": None if known_directions is None else known_directions.split(),
        },
    ).run()


def _rate(text: str | None, option: str = "--throttle") -> Rate | None:
    return None if text is None else Rate.parse(text, option)


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments, and return its exit status."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not know is shown escaped, and is no error.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return _run([argument for argument in arguments if argument != DEBUG])
    except KeyboardInterrupt:
        return _complain("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output wants no more of it, and nothing is left to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - a user wants a sentence
        if DEBUG in arguments:
            traceback.print_exc()
        return _explain(error)


def _open_closed_streams() -> None:
    """Let what the shell has closed (`>&-`) lead to nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, nowhere)


def _run(arguments: list[str]) -> int:
    command = app(arguments, exit_on_error=False, print_error=False, backend="asyncio")
    if not asyncio.iscoroutine(command):
        return Exit.DONE
    status: Exit = asyncio.run(command)
    return status


def _explain(error: Exception) -> Exit:
    match error:
        case UnknownOptionError(token=Token(value="-")):
            # As one names standard input elsewhere.
            return _explain(no_pipe("-"))
        case CycloptsError():
            command = " ".join(("propq", *(error.command_chain or ())))
            return _complain(f"{error}\nTry '{command} --help'.", Exit.USAGE)
        case CommandError():
            return _complain(str(error), error.status)
        case PropQError():
            return _complain(str(error), Exit.STOPPED)
        case OSError():
            what = error.strerror or str(error)
            named = "" if error.filename is None else f": {error.filename}"
            return _complain(what + named, Exit.STOPPED)
        case _:
            what = f"{type(error).__name__}: {error}"
            return _complain(f"this is a bug of propq: {what} ({DEBUG} shows where)", Exit.BUG)


def _complain(message: str, status: Exit) -> Exit:
    from .output import complain

    complain(message)
    return status
