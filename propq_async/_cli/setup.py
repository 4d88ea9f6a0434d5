"""`propq setup`: what is not certain of a price list is asked once, and written into a profile."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

import attrs

from propq_async._comparison import exact
from propq_async._messages import joined, os_reason, tr
from propq_async.pricelist import BrokenRow, Draft, PriceListError, Profile, Question, Row, setup
from propq_async.pricelist._money import money
from propq_async.pricelist._profile import PROFILE_NAME, find_profile
from propq_async.pricelist._profile_text import with_list
from propq_async.pricelist._profile_toml import parsed

from .exit_codes import CommandError, Exit
from .language import said, spoken
from .list_options import list_file
from .question import ask, ask_text, is_yes
from .screen import Screen
from .streams import errors_out

__all__ = ["SetupCommand"]

_STANDING: Final = tr("nothing was written")
# The answers that are no words of the list, nor of the API.
_WORDS: Final = {
    "ledger": tr("ledger"),
    "no": tr("no"),
    "none": tr("none"),
    "one": tr("one"),
    "read": tr("read"),
    "skip": tr("skip"),
    "two": tr("two"),
    "yes": tr("yes"),
}


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
            content = with_list(content, number, draft.text(target.parent, language=spoken()))
            # What is written must be read.
            parsed(target, content.encode())
        except PriceListError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        screen = Screen(errors_out())
        if is_asked:
            screen.lines(tr("The first rows as they would be sent"), _shown(draft))
            screen.lines(
                tr("For {target}").format(target=target),
                draft.text(target.parent, language=spoken()).splitlines(),
            )
            if draft.problem:
                screen.sentence(
                    tr("With this alone the list cannot be read: {problem}").format(
                        problem=draft.problem
                    ),
                    "bold red",
                )
            asked = (
                tr("Write this to {target}, to be completed later? [y/N] ")
                if draft.guessed or draft.problem
                else tr("Write this to {target}? [y/N] ")
            )
            if not ask(asked.format(target=target), _STANDING):
                raise CommandError(_STANDING, Exit.UNCONFIRMED)
        try:
            target.write_text(content, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                tr(
                    "cannot write the profile {path}: {strerror}; give access to {folder}, or "
                    "name another file with --profile"
                ).format(path=target, strerror=os_reason(error), folder=target.parent.absolute()),
                Exit.UNUSABLE,
            ) from error
        return _tell(draft, target, path)


def _tell(draft: Draft, target: Path, path: Path) -> Exit:
    screen = Screen()
    if not draft.guessed and not draft.problem:
        following = shlex.join(["propq", "plan", str(path)])
        screen.sentence(
            tr("{target} says how {path} is read. Next: {following}").format(
                target=target, path=path, following=following
            )
        )
        return Exit.DONE
    screen.sentence(
        tr("{target} is a draft: answer its questions, which begin with #").format(target=target)
    )
    texts = [question.text for question, _ in draft.guessed]
    screen.lines(tr("Not certain"), [*texts, *filter(None, [draft.problem])])
    return Exit.UNCONFIRMED


def _shown(draft: Draft) -> list[str]:
    return [
        tr("{place}: not sent, {what}").format(place=row.place, what=row.what)
        if isinstance(row, BrokenRow)
        else _of_row(row, draft.decimal, with_development=draft.stated.development is None)
        for row in draft.rows
    ]


def _of_row(row: Row, decimal: str | None, *, with_development: bool) -> str:
    update = row.update
    price, directions = money(exact(update.price), decimal), " ".join(update.directions)
    shown = joined("  ", (update.name, update.status.name, price, directions))
    if with_development:
        # Of a column or of sheets, which may be another one than was meant.
        shown = joined("  ", (update.development_id, shown))
    if not row.filled:
        return shown
    filled = (
        tr("{field} from {source}").format(field=field, source=source)
        for field, source in row.filled.items()
    )
    return joined("", (shown, "  (", joined(", ", filled), ")"))


def _ask(question: Question) -> str:
    """Ask a question on the terminal. A number is one of the choices."""
    screen = Screen(errors_out())
    screen.sentence("")
    if question.error:
        screen.sentence(question.error, "bold red")
    screen.sentence(question.text, "bold")
    for number, (_, shown) in enumerate(question.choices, 1):
        screen.sentence(joined("", (f"  {number}  ", shown)))
    default = f"[{_word(question.default)}] " if question.default else ""
    line = ask_text(f"{default}> ", _STANDING)
    if not line:
        raise CommandError(tr("no answer: {standing}").format(standing=_STANDING), Exit.UNCONFIRMED)
    answer = line.strip()
    if answer.isdecimal() and 0 < int(answer) <= len(question.choices):
        return question.choices[int(answer) - 1][0]
    meant = [choice for choice, _ in question.choices if choice in _WORDS]
    if "yes" in meant and is_yes(answer):
        return "yes"
    return next((choice for choice in meant if _word(choice) == answer.casefold()), answer)


def _word(answer: str) -> str:
    """Return an answer as a person types it."""
    return said(_WORDS.get(answer, answer))
