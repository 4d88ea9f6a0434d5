"""Notes behind a word for a status: `Vendido (escriturado)`, `Reservado - Sr. X`, `Vendido*`.

A note counts for nothing only if it cannot turn the word: a date, a person, or a word that says how
it was sold or reserved. What is available or blocked may be so for a time only, or for some, and
any note may say that.
"""

from __future__ import annotations

import re
from typing import Final

from propq_async.models import UnitStatus

from .folding import fold

__all__ = ["is_harmless", "with_note"]

_WITH_NOTE: Final = re.compile(
    r"(?P<word>[^\W\d_]+)"
    r"(?:\s*\((?P<within>[^()]+)\)|\s+[-\u2013\u2014]\s+(?P<behind>[^()]+)|,\s+(?P<after>[^()]+)"
    r"|\s*(?P<stars>\*{1,3})|\s+(?P<date>[0-9][0-9./-]{3,9}))"
)
_STARS: Final = re.compile(r"\*+")
_DATE: Final = r"(?:[0-9]{1,2} [0-9]{1,2} (?:[0-9]{2}|[0-9]{4})|[0-9]{4} [0-9]{2} [0-9]{2})"
_HOW: Final = {
    UnitStatus.SOLD: re.compile(
        rf"(?:{_DATE}|(?:escriturad[oa]|escritura(?: publica)?|contrato(?: privado)?|notaria"
        rf"|firmad[oa]|entregad[oa]|arras|completed|exchanged)(?: {_DATE})?)"
    ),
    UnitStatus.RESERVED: re.compile(
        rf"(?:{_DATE}|(?:con |with )?(?:senal|paga y senal|arras|contrato de (?:arras|reserva)"
        rf"|deposito|deposit(?: paid)?)(?: {_DATE})?)"
    ),
}
_TITLE: Final = r"(?:sr|sra|sres|srs|dña|don|doña|mr|mrs|ms|herr|frau|fam|familia|family)"
_PERSON: Final = re.compile(
    rf"(?i:{_TITLE})\.?(?: (?:de|del|de la|van|von|y))?(?: [^\W\d_a-zà-ÿ][^\W\d_]*\.?){{1,3}}"
)
# In capitals these look like names.
_NO_NAME: Final = re.compile(
    r"\b(?:cancel|anul|caid|desist|libr|pend|hasta|baja|vuel|ex\b|no\b|sin\b|dispon|vend|reserv|bloq"
    r"|avail|sold|fell|withdr|off\b|lost|perd|rechaz|devol|deneg|renunc|out\b|pull|open|free|frei)"
)


def with_note(text: str) -> tuple[str, str]:
    """Return a word and the note behind it, two empty texts if there is none."""
    match = _WITH_NOTE.fullmatch(text.strip())
    if match is None:
        return "", ""
    word, *notes = match.groups()
    return word, next(filter(None, notes)).strip()


def is_harmless(note: str, status: UnitStatus) -> bool:
    """Return whether a note behind a word for a status cannot mean another one."""
    how = _HOW.get(status)
    if how is None:
        return False
    folded = fold(note)
    is_person = _PERSON.fullmatch(note) is not None and _NO_NAME.search(folded) is None
    return _STARS.fullmatch(note) is not None or how.fullmatch(folded) is not None or is_person
