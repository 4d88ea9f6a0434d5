"""All commands with their options and help. What a command needs is imported when it runs."""

from __future__ import annotations

from cyclopts import App

from propq_async import __version__
from propq_async._cli.guard_options import GuardOptions
from propq_async._cli.help import Help, HelpFormatter
from propq_async._cli.list_options import ListOptions

from ._doctor import doctor
from ._emulation import demo, emulate
from ._ledger import ledger
from ._login import accounts, login, logout
from ._plan import plan
from ._push import push
from ._setup import setup
from ._token import token
from ._update import update

__all__ = ["app", "spoken_help"]

app = App(
    name="propq",
    version=__version__,
    help="""The command line of propq-async, the client of the PropQ API of Resales Online.

    Try `propq demo` first.
    """,
    help_formatter=HelpFormatter(),
    result_action="return_value",
    # cyclopts would end without a message.
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command()
# In place of a docstring of another style.
app["--install-completion"].default_command.__doc__ = """Teach the commands to your shell.

Writes what the shell needs to the place where it looks for it. Start the shell again afterwards.

Args:
    shell: The shell. [default: the one that runs this command]
    output: The file to write. [default: where the shell looks for it]
"""
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
spoken_help = Help(app, ListOptions, GuardOptions)
