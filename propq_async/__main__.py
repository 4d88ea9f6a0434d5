"""The command `propq`; `python -m propq_async` does the same."""

from __future__ import annotations

import json
import signal
import sys

__all__ = ["main"]
_EXTRA = frozenset({"cyclopts", "rich"})
_OLDEST = (3, 11)


def main() -> None:
    """Run the command line, and exit with its status."""
    if sys.version_info < _OLDEST:
        # Nobody can install it there, but a copy of the files can be run.
        sys.exit(_too_old(sys.argv[1:]))
    try:
        status = _run()
        _ignore_interrupts()
    except KeyboardInterrupt:
        _ignore_interrupts()
        # During the imports. The commands handle it themselves.
        sys.stderr.write("propq: interrupted\n")
        status = 130
    sys.exit(status)


def _too_old(arguments: list[str]) -> int:
    """Say that this Python is too old, as `propq doctor --json` would if that is asked for."""
    oldest, this = (".".join(map(str, one)) for one in (_OLDEST, sys.version_info[:3]))
    text = f"Python {oldest} or later is needed, and this is {this}"
    if arguments[:1] == ["doctor"] and "--json" in arguments:
        finding = {"check": "versions", "state": "wrong", "text": text}
        sys.stdout.write(json.dumps({"ok": False, "checks": [finding]}, indent=2) + "\n")
    else:
        sys.stderr.write(f"propq: {text}\n")
    return 6


def _ignore_interrupts() -> None:
    # The work is done, and a second Ctrl-C must not show a traceback of the interpreter's end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run() -> int:
    try:
        import rich  # noqa: F401, PLC0415 - it is used later, but must be missed now

        from ._cli.app import run  # noqa: PLC0415 - its requirements may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"propq: the command line needs {error.name}, which is not installed; "
            "pip install 'propq-async[cli]'\n"
        )
        return 64
    return run(sys.argv[1:])


if __name__ == "__main__":
    main()
