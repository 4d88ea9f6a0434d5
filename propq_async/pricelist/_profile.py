"""Profiles: what is stated of price lists once, in `propq.toml`, and not on each command line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Self

import attrs

from propq_async._messages import os_reason, tr

from ._problems import PriceListError
from ._profile_toml import parsed
from ._profile_values import ListProfile

__all__ = ["PROFILE_NAME", "Profile", "find_profile", "profile_of"]

PROFILE_NAME: Final = "propq.toml"
_FAILED: Final = ".failed"


@attrs.frozen(kw_only=True)
class Profile:
    """A profile: what is stated of the price lists of a folder, in a file beside them.

    Args:
        path: the file.
        lists: what is stated of which lists. The first glob that fits a list counts.
        account: the account whose credentials are used, `None` for the usual one.
        digest: the SHA-256 of the file, in hexadecimal digits.
    """

    path: Path
    lists: Sequence[ListProfile]
    account: str | None = None
    digest: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a profile.

        Raises:
            PriceListError: it cannot be read, or states what there is not. The message says where.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PriceListError(
                tr("cannot read the profile {path}: {strerror}").format(
                    path=path, strerror=os_reason(error)
                )
            ) from error
        account, lists = parsed(path, content)
        digest = hashlib.sha256(content).hexdigest()
        return cls(path=path, lists=lists, account=account, digest=digest)

    def for_list(self, path: str | os.PathLike[str]) -> ListProfile | None:
        """Return what is stated of a list, `None` if no glob fits it.

        What failed of a list is read as the list is, whatever its format.
        """
        absolute = Path(path).absolute()
        base = self.path.absolute().parent
        relative = Path(os.path.relpath(absolute, base))
        failed_of = None
        if _FAILED in absolute.name:
            failed_of = relative.with_name(absolute.name.partition(_FAILED)[0])
        for one in self.lists:
            glob = one.file.casefold().split("/")
            if failed_of is None:
                if _fits(glob, _folded(relative)):
                    return one
            # Its format may be another one, and what failed of several sheets is in one.
            elif _fits([*glob[:-1], Path(glob[-1]).stem], _folded(failed_of)):
                return attrs.evolve(one, sheets=None)
        return None


def find_profile(path: str | os.PathLike[str]) -> Path | None:
    """Return the `propq.toml` beside a list or in the nearest of the folders above it."""
    for directory in Path(path).absolute().parents:
        candidate = directory / PROFILE_NAME
        with suppress(OSError):
            if candidate.is_file():
                return candidate
    return None


def profile_of(
    path: str | os.PathLike[str], profile: Profile | str | os.PathLike[str] | None
) -> Profile | None:
    """Return a profile, loaded if need be, once it is certain that it says something of a list.

    Raises:
        PriceListError: it cannot be read, or none of its globs fits the list.
    """
    if profile is None:
        return None
    if not isinstance(profile, Profile):
        profile = Profile.load(profile)
    if profile.for_list(path) is None:
        globs = ", ".join(repr(one.file) for one in profile.lists) or tr("nothing")
        raise PriceListError(
            tr(
                "{profile} states nothing of {path}: it is for {globs}; add a [[list]] "
                "whose file fits"
            ).format(profile=profile.path, path=path, globs=globs)
        )
    return profile


def _folded(path: Path) -> list[str]:
    return [part.casefold() for part in path.parts]


def _fits(glob: Sequence[str], parts: Sequence[str]) -> bool:
    if not glob:
        return not parts
    if glob[0] == "**":
        return any(_fits(glob[1:], parts[at:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], glob[0]) and _fits(glob[1:], parts[1:])
