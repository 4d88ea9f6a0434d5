"""All commands with their options and help. What a command needs is imported when it runs."""

from __future__ import annotations

from cyclopts import App

from propq_async import __version__
from propq_async._cli.exit_codes import table

from ._doctor import doctor
from ._emulation import demo, emulate
from ._ledger import ledger
from ._login import accounts, login, logout
from ._plan import plan
from ._push import push
from ._setup import setup
from ._token import token
from ._update import update

__all__ = ["app"]

app = App(
    name="propq",
    version=__version__,
    help="""The command line of propq-async, the client of the PropQ API of Resales Online.

    Try `propq demo` first. With `--debug`, any command shows the traceback of an error.
    """,
    help_epilogue=table(),
    result_action="return_value",
    # cyclopts would end without a message.
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()
for _command in (
    setup,
    plan,
    push,
    update,
    login,
    logout,
    accounts,
    doctor,
    token,
    ledger,
    demo,
    emulate,
):
    app.command(_command)
