"""`propq setup`: what is not certain of a price list is asked once, and written into a profile."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

import attrs

from propq_async._comparison import exact
from propq_async.pricelist import BrokenRow, Draft, PriceListError, Profile, Question, Row, setup
from propq_async.pricelist._money import money
from propq_async.pricelist._profile import PROFILE_NAME, find_profile
from propq_async.pricelist._profile_text import with_list
from propq_async.pricelist._profile_toml import parsed

from .exit_codes import CommandError, Exit
from .list_options import list_file
from .question import ask, ask_text
from .screen import Screen
from .streams import errors_out

__all__ = ["SetupCommand"]

_STANDING: Final = "nothing was written"


@attrs.frozen(kw_only=True)
class SetupCommand:
    """The command with its options."""

    path: Path
    profile: Path | None

    async def run(self) -> Exit:
        """Ask, and write the profile."""
        path = list_file(self.path)
        target = self.profile or find_profile(path) or path.with_name(PROFILE_NAME)
        is_asked = sys.stdin.isatty() and sys.stderr.isatty()
        try:
            content, number, start = "", None, None
            if target.exists():
                profile = Profile.load(target)
                content = target.read_text(encoding="utf-8-sig")
                start = profile.for_list(path)
                number = None if start is None else list(profile.lists).index(start)
            draft = setup(path, _ask if is_asked else None, start=start)
            content = with_list(content, number, draft.text(target.parent))
            # What is written must be read.
            parsed(target, content.encode())
        except PriceListError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        screen = Screen(errors_out())
        if is_asked:
            screen.lines("The first rows as they would be sent", _shown(draft))
            screen.lines(f"For {target}", draft.text(target.parent).splitlines())
            if not ask(f"Write this to {target}? [y/N] ", _STANDING):
                raise CommandError(_STANDING, Exit.UNCONFIRMED)
        try:
            target.write_text(content, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"cannot write the profile {target}: {error.strerror}; give access to "
                f"{target.parent.absolute()}, or name another file with --profile",
                Exit.UNUSABLE,
            ) from error
        return _tell(draft, target, path)


def _tell(draft: Draft, target: Path, path: Path) -> Exit:
    screen = Screen()
    if not draft.guessed and not draft.problem:
        following = shlex.join(["propq", "plan", str(path)])
        screen.sentence(f"{target} says how {path} is read. Next: {following}")
        return Exit.DONE
    screen.sentence(f"{target} is a draft: answer its questions, which begin with #")
    texts = [question.text for question, _ in draft.guessed]
    screen.lines("Not certain", [*texts, *filter(None, [draft.problem])])
    return Exit.UNCONFIRMED


def _shown(draft: Draft) -> list[str]:
    return [
        f"{row.place}: not sent, {row.what}"
        if isinstance(row, BrokenRow)
        else _of_row(row, draft.decimal)
        for row in draft.rows
    ]


def _of_row(row: Row, decimal: str) -> str:
    update = row.update
    price, directions = money(exact(update.price), decimal), " ".join(update.directions)
    filled = ", ".join(f"{field} from {source}" for field, source in row.filled.items())
    shown = f"{update.name}  {update.status.name}  {price}  {directions}"
    return f"{shown}  ({filled})" if filled else shown


def _ask(question: Question) -> str:
    """Ask a question on the terminal. A number is one of the choices."""
    screen = Screen(errors_out())
    screen.sentence("")
    if question.error:
        screen.sentence(question.error, "bold red")
    screen.sentence(question.text, "bold")
    for number, (_, shown) in enumerate(question.choices, 1):
        screen.sentence(f"  {number}  {shown}")
    default = f"[{question.default}] " if question.default else ""
    line = ask_text(f"{default}> ", _STANDING)
    if not line:
        raise CommandError(f"no answer: {_STANDING}", Exit.UNCONFIRMED)
    answer = line.strip()
    if answer.isdecimal() and 0 < int(answer) <= len(question.choices):
        return question.choices[int(answer) - 1][0]
    return answer
