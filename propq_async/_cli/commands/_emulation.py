"""`propq demo` and `propq emulate`: their options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from propq_async._cli.list_options import ListOptions
from propq_async._cli.rate_option import Rate

from ._types import READ_AS_FOUND, AtLeastOne, Command, Switch

__all__ = ["demo", "emulate"]


def demo(
    *,
    units: AtLeastOne = 3000,
    concurrency: AtLeastOne = 100,
    price_list: Path | None = None,
    throttle: str | None = None,
    clean: Switch = False,
) -> Command:
    """Push a price list to an emulator that misbehaves, and watch the client recover.

    Starts the emulator in a process of its own, writes a price list and pushes it over real HTTP.
    After a third of the rows the server revokes all access tokens; from half-way on it throttles.
    Nothing leaves this machine. The price list and the token file are kept until `propq demo
    --clean` removes them.

    The exit status is 0 only if every row was applied; 1 if some were not; 3 if it stopped early;
    130 after Ctrl-C.

    Args:
        units: How many units the price list has.
        concurrency: How many rows are in flight at most.
        price_list: Push this price list instead of one that is made up: a workbook, CSV,
            TSV or JSON lines.
        throttle: What the server allows from half-way on, such as 300/2s. [default: a tenth of
            the rows, at most 300, in 2 seconds]
        clean: Run nothing, but remove the folders of earlier runs from the temporary directory.
            A folder that a demo is using, or that has other files as well, is left.
    """
    from propq_async._cli.demo import Demo
    from propq_async._cli.demo import clean as clean_up

    if clean:
        return clean_up()
    return Demo(
        units=units, concurrency=concurrency, price_list=price_list, throttle=_rate(throttle)
    ).run()


def emulate(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    units: Path | None = None,
    reading: ListOptions = READ_AS_FOUND,
    throttle: str | None = None,
    token_lifetime_seconds: float = 2_592_000,
    latency_seconds: float = 0,
    token_latency_seconds: float = 0,
    throttle_tokens: str | None = None,
    token_error_style: Literal["message", "both", "description"] = "message",  # noqa: S107
    unknown_status: Literal[400, 404, 422] = 404,
    wrong_method_status: Literal[405, 419] = 419,
    success_body: Literal["echo", "empty", "message", "status"] = "echo",
    framework_version: Literal["12", "10", "8"] = "12",
    validation_style: Annotated[Literal["current", "older"] | None, Parameter(show=False)] = None,
    case_sensitive_names: bool = True,
    known_directions: str | None = None,
    quiet: Switch = False,
    credentials_from_env: Switch = False,
    end_with_stdin: Annotated[bool, Parameter(show=False, negative="")] = False,
) -> Command:
    """Run an emulator of the PropQ API until Ctrl-C, to test your own program against.

    Prints the environment variables that point a program to it, then each call as it comes. Client
    id and secret are made up; token file and ledger are in a directory that is removed at its end.
    Its address shows a page with units and calls that can make things go wrong; programs do the
    same with POST to /_emulator/fail_next and so on.

    Args:
        port: The port to listen at; 0 lets the system choose a free one.
        host: The loopback address to listen at.
        units: The price list of the units that it has: a workbook, CSV, TSV or JSON lines.
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
        framework_version: The version of Laravel whose texts and habits it has.
        validation_style: The older name of --framework-version.
        case_sensitive_names: Whether the name of a unit must match with its case.
        known_directions: The directions that are valid, such as "N S E W". [default: any]
        quiet: Print no line for each call.
        credentials_from_env: Use PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET instead of made-up
            credentials, and print no secret: programs then keep working after a restart.
        end_with_stdin: End when standard input does.
    """
    from propq_async._cli.emulate import Emulate

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
            "framework_version": framework_version,
            "validation_style": validation_style,
            "case_sensitive_names": case_sensitive_names,
            "known_directions": None if known_directions is None else known_directions.split(),
        },
    ).run()


def _rate(text: str | None, option: str = "--throttle") -> Rate | None:
    return None if text is None else Rate.parse(text, option)
