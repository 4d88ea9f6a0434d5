"""What the heading of a column says: which field it names for certain, or which it may be about.

A heading names a field for certain if it is one of the known words and no sign beside it says more:
`Precio (€)` does, `Price (£)`, `± Precio` and `Precio (%)` do not. A heading that only contains a
word for a field, in any language that is listed here, may be about it: `Precio rebajado`,
`Situación venta`, `Kaufpreis`. To miss one of these means that the other column is read without a
question, so that a word too many is better than one too few.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .word_lookup import COLUMNS, fold

__all__ = ["field_in", "field_of", "is_of_id", "is_with_tax", "is_without_tax"]

_PRICE: Final = "price"
# All signs that may stand beside a price in euro. Letters are compared as words.
_SAYS_MORE: Final = re.compile(r"""[^\w\s€.,:;()\[\]/'"*º°–-]""")  # noqa: RUF001 - a dash
_EURO: Final = re.compile(r" (?:(?:in|en) )?(?:eur|euros?)\b| (?:in|en)$")
_TAX: Final = r"(?:iva|igic|vat|tax|taxes|btw|mwst|ust|tva|moms|mva|impuestos)"
_WITHOUT_TAX: Final = re.compile(
    rf"\b(?:sin|s|excl|exc|excluding|ex|without|exkl|exklusive|zzgl|ohne|hors|sans|senza|sem|sense"
    rf"|uten|utan) (?:el )?{_TAX}\b|\b{_TAX} (?:no incluid[oa]|excluid[oa]|excl|aparte|excluded)\b"
)
_WITH_TAX: Final = re.compile(
    rf"\b(?:con|c|inc|incl|including|mas|with|inkl|inklusive|mit|met|avec|com|amb|med)"
    rf" (?:el )?{_TAX}\b"
    rf"|\b{_TAX} (?:incluid[oa]|incl|inc|included)\b|\bttc\b"
)
_PLUS_TAX: Final = re.compile(rf"\+\s*{_TAX}\b", re.IGNORECASE)

# In order: `PVP vivienda` is about a price, `Nombre promoción` about a development.
_CONTAINS: Final = {
    _PRICE: re.compile(
        r"(?:price|precio|preis|prijs|prezzo|preco)|\bpvp\w*|\bp v p\b|pris(?:et)?\b"
        r"|\bprix\b|\bpreu\b|\b(?:importe|amount|betrag|montant|bedrag|belopp|importo)s?\b"
        r"|koopsom|\b(?:total|valor|value|oferta|offer|tarifa|rebajado|contado)\b"
        r"|\b(?:con|sin|inc|incl|mas) iva\b"
    ),
    "status": re.compile(
        r"(?:estado|estatus|status)|state\b(?<!estate)|\bsitua[ctz]i?on\w*|\bsit\b"
        r"|\b(?:disponibilidad|availability|verfugbarkeit|disponibilite|disponibilita)\b"
        r"|\b(?:vendid|reservad|bloquead)[oa]s?\b|\b(?:libre|disponible|sold|reserved|available)\b"
        r"|\b(?:zustand|statut|stato|etat|beschikbaarheid|situacao|disponibilidade)\b"
    ),
    "directions": re.compile(
        r"(?:orient|direction)|\b(?:facing|aspect|ausrichtung|exposition)\b"
        r"|\b(?:himmelsrichtung|esposizione|exposicao|vaderstreck|ligging)\b"
    ),
    "development_id": re.compile(
        r"(?:development|promocion|proyecto|projekt)|\bprojects?\b|\bprom\b"
        r"|\b(?:project|dev) ?id\b|\b(?:programme|empreendimento|progetto)\b"
    ),
    "name": re.compile(
        r"(?:name|nombre|apellido|vivienda|inmueble|wohnung|einheit|lagenhet)\b|\bapellidos\b"
        r"|\b(?:unit|unidad|viv|lot|logement|bouwnummer|unita|fracao|objekt)\b|\bunit(?:no|id)\b"
        r"|(?:ref|reference|referencia|referenz)\b|^(?:n|no|n o|num|numero|nr|number|nummer)$"
    ),
}
# What is beside a field's word and makes the heading one of something else for certain.
_OF_OTHER: Final = re.compile(
    r"\b(?:tipo|tipologia|type|typology|typ|fecha|date|datum|m2|m 2|sqm|sqft|sq|superficie|surface"
    r"|area|size|metros?|flache|catastral|cadastral)\b"
)
_OF_ID: Final = re.compile(r"\b(?:id|cod|codigo|code|ref|referencia|reference|num|numero|no|nr)\b")


@lru_cache(maxsize=1024)
def field_of(heading: str) -> str | None:
    """Return the field that a heading names for certain."""
    word = fold(heading)
    if is_without_tax(heading):
        word = " ".join(_WITHOUT_TAX.sub(" ", word).split())
    field = COLUMNS.get(word)
    if field is None and COLUMNS.get(_EURO.sub("", word)) == _PRICE:
        field = _PRICE
    return None if field == _PRICE and _SAYS_MORE.search(heading) else field


@lru_cache(maxsize=1024)
def field_in(heading: str) -> str | None:
    """Return the field that a heading may be about."""
    word = fold(heading)
    if not word or _OF_OTHER.search(word):
        return None
    for field, words in _CONTAINS.items():
        if words.search(word):
            return field
    return None


def is_without_tax(heading: str) -> bool:
    """Return whether a heading says that no tax is in its prices."""
    return _WITHOUT_TAX.search(fold(heading)) is not None


def is_with_tax(heading: str) -> bool:
    """Return whether a heading says that tax is in its prices."""
    return _WITH_TAX.search(fold(heading)) is not None or _PLUS_TAX.search(heading) is not None


def is_of_id(heading: str) -> bool:
    """Return whether a heading says that its column has ids, or codes."""
    return _OF_ID.search(fold(heading)) is not None
