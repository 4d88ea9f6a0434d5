"""The command `propq`; `python -m propq_async` does the same."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

_EXTRA = frozenset({"cyclopts", "rich"})


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        status = _run()
        _ignore_interrupts()
    except KeyboardInterrupt:
        _ignore_interrupts()
        # While all was still being imported; what comes later deals with it itself.
        sys.stderr.write("propq: interrupted\n")
        status = 130
    sys.exit(status)


def _ignore_interrupts() -> None:
    # All is said, and whoever presses Ctrl-C twice must not see how the interpreter ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run() -> int:
    try:
        import rich  # noqa: F401, PLC0415 - what is imported much later must not be missing then

        from .cli.app import run  # noqa: PLC0415 - what it needs may be missing
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
