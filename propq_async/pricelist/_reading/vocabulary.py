"""The words of price lists in each language: columns, states, directions.

This is the one table. A word is written without case and accents, and means the same in all
languages: a test compares them. An O alone, and SO and NO, are west in some languages and east in
others: `east_or_west` settles these.

To add a language, or a word, write it here. What `propq setup` proposes for words that are not here
is in `pricelist/_guesses.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

__all__ = ["LANGUAGES", "Language"]

Words = Mapping[str, str]
"""Words with commas between them, by what they mean."""


@attrs.frozen
class Language:
    """The words of a language.

    Args:
        columns: the headings of columns, by field.
        states: by the name of the status.
        directions: by direction.
        o_is: what an O is, `None` where no direction begins with it.
    """

    columns: Words
    states: Words
    directions: Words
    o_is: Literal["E", "W"] | None


LANGUAGES: Final[Mapping[str, Language]] = {
    "English": Language(
        columns={
            "development_id": "development id, development, dev id, development code, "
            "id development, developmentid, project, project id",
            "name": "name, unit, unit name, unit ref, unit reference, untname, unt name, "
            "name of unit, unit no, unit number, ref, reference",
            "status": "status, state, unit status, untstatus, unt status, availability",
            "price": "price, list price, unit price, untprice, unt price",
            "directions": "directions, direction, untdirections, unt directions, orientation, "
            "orientations, facing, aspect, orient",
        },
        states={
            "AVAILABLE": "1, available, for sale",
            "HOLD": "2, hold, on hold, blocked, not available, unavailable",
            "SOLD": "4, sold, sold out",
            "RESERVED": "8, reserved",
        },
        directions={
            "N": "n, north",
            "NE": "ne, northeast",
            "E": "e, east",
            "SE": "se, southeast",
            "S": "s, south",
            "SW": "sw, southwest",
            "W": "w, west",
            "NW": "nw, northwest",
        },
        o_is=None,
    ),
    "Spanish": Language(
        columns={
            "development_id": "promocion, id promocion, promocion id, id de la promocion, "
            "codigo promocion, codigo de promocion, prom, id prom, proyecto, id proyecto",
            "name": "nombre, unidad, nombre unidad, nombre de la unidad, nombre de unidad, "
            "vivienda, nombre vivienda, nombre de la vivienda, no vivienda, n o vivienda, "
            "numero vivienda, numero de vivienda, viv, no viv, inmueble, ref, referencia",
            "status": "estado, estatus, situacion, sit, disponibilidad",
            "price": "precio, pvp, p v p, precio venta, precio de venta, importe",
            "directions": "orientacion, orientaciones, orient",
        },
        states={
            "AVAILABLE": "disponible, libre, en venta",
            "HOLD": "bloqueado, bloqueada, no disponible",
            "SOLD": "vendido, vendida",
            "RESERVED": "reserva, reservado, reservada",
        },
        directions={
            "N": "n, norte",
            "NE": "ne, noreste, nordeste, nor este",
            "E": "e, este, levante",
            "SE": "se, sureste, sudeste, sud este",
            "S": "s, sur, mediodia",
            "SW": "suroeste, sudoeste, sud oeste",
            "W": "oeste, poniente",
            "NW": "noroeste, nor oeste",
        },
        o_is="W",
    ),
    "Catalan": Language(
        columns={
            "development_id": "promocio, id promocio, codi promocio, projecte",
            "name": "nom, unitat, habitatge, num habitatge, immoble",
            "status": "estat, situacio, disponibilitat",
            "price": "preu, preu de venda, preu venda, pvp",
            "directions": "orientacio, orientacions",
        },
        states={
            "AVAILABLE": "disponible, lliure, en venda",
            "HOLD": "bloquejat, bloquejada, no disponible",
            "SOLD": "venut, venuda",
            "RESERVED": "reservat, reservada",
        },
        directions={
            "N": "n, nord",
            "NE": "ne, nordest",
            "E": "e, est, llevant",
            "SE": "se, sudest",
            "S": "s, sud, migdia",
            "SW": "sudoest",
            "W": "oest, ponent",
            "NW": "nordoest",
        },
        o_is="W",
    ),
    "Portuguese": Language(
        columns={
            "development_id": "empreendimento, id empreendimento, projeto, projecto",
            "name": "nome, fracao, fraccao, unidade, habitacao",
            "status": "estado, situacao, disponibilidade",
            "price": "preco, preco de venda, preco venda, pvp",
            "directions": "orientacao, orientacoes, exposicao, exposicao solar",
        },
        states={
            "AVAILABLE": "disponivel, livre, a venda",
            "HOLD": "bloqueado, bloqueada, indisponivel, nao disponivel",
            "SOLD": "vendido, vendida",
            "RESERVED": "reserva, reservado, reservada",
        },
        directions={
            "N": "n, norte",
            "NE": "ne, nordeste",
            "E": "e, este, leste, nascente",
            "SE": "se, sudeste",
            "S": "s, sul",
            "SW": "sudoeste",
            "W": "oeste, poente",
            "NW": "noroeste",
        },
        o_is="W",
    ),
    "French": Language(
        columns={
            "development_id": "programme, id programme, projet",
            "name": "lot, no lot, n o lot, numero de lot, logement, reference",
            "status": "statut, disponibilite",
            "price": "prix, prix de vente",
            "directions": "orientation, orientations, exposition",
        },
        states={
            "AVAILABLE": "disponible, libre, a vendre, en vente",
            "HOLD": "bloque, bloquee, indisponible, non disponible",
            "SOLD": "vendu, vendue",
            "RESERVED": "reserve, reservee",
        },
        directions={
            "N": "n, nord",
            "NE": "ne",
            "E": "e, est",
            "SE": "se",
            "S": "s, sud",
            "W": "ouest",
        },
        o_is="W",
    ),
    "Italian": Language(
        columns={
            "development_id": "progetto, id progetto",
            "name": "nome, unita, unita immobiliare, alloggio, riferimento",
            "status": "stato, disponibilita",
            "price": "prezzo, prezzo di vendita",
            "directions": "orientamento, esposizione",
        },
        states={
            "AVAILABLE": "disponibile, libero, libera, in vendita",
            "HOLD": "bloccato, bloccata, non disponibile",
            "SOLD": "venduto, venduta",
            "RESERVED": "riservato, riservata",
        },
        directions={
            "N": "n, nord",
            "NE": "ne, nordest",
            "E": "e, est",
            "SE": "se, sudest",
            "S": "s, sud",
            "SW": "sudovest",
            "W": "ovest",
            "NW": "nordovest",
        },
        o_is="W",
    ),
    "German": Language(
        columns={
            "development_id": "projekt, projekt id, projektnummer, bauvorhaben",
            "name": "wohnung, wohnungsnummer, wohnungsnr, whg, whg nr, einheit, referenz",
            "status": "status, verfugbarkeit",
            "price": "preis, kaufpreis, verkaufspreis, listenpreis",
            "directions": "ausrichtung, himmelsrichtung, orientierung",
        },
        states={
            "AVAILABLE": "verfugbar, frei, zu verkaufen",
            "HOLD": "gesperrt, blockiert, nicht verfugbar",
            "SOLD": "verkauft",
            "RESERVED": "reserviert",
        },
        directions={
            "N": "n, nord, norden",
            "NE": "nordost, nordosten",
            "E": "ost, osten",
            "SE": "sudost, sudosten",
            "S": "s, sud, suden",
            "SW": "sw, sudwest, sudwesten",
            "W": "w, west, westen",
            "NW": "nw, nordwest, nordwesten",
        },
        o_is="E",
    ),
    "Dutch": Language(
        columns={
            "development_id": "project, project id, projectnummer",
            "name": "woning, woningnummer, woningnr, bouwnummer, bouwnr, eenheid, referentie",
            "status": "status, beschikbaarheid",
            "price": "prijs, koopprijs, vraagprijs, verkoopprijs",
            "directions": "orientatie, windrichting",
        },
        states={
            "AVAILABLE": "beschikbaar, vrij, te koop",
            "HOLD": "geblokkeerd, niet beschikbaar",
            "SOLD": "verkocht",
            "RESERVED": "gereserveerd",
        },
        directions={
            "N": "n, noord, noorden",
            "NE": "noordoost, noordoosten",
            "E": "oost, oosten",
            "SE": "zo, zuidoost, zuidoosten",
            "S": "z, zuid, zuiden",
            "SW": "zw, zuidwest, zuidwesten",
            "W": "w, west, westen",
            "NW": "nw, noordwest, noordwesten",
        },
        o_is="E",
    ),
    "Swedish": Language(
        columns={
            "development_id": "projekt, projekt id, projektnummer",
            "name": "lagenhet, lagenhetsnummer, lgh, lgh nr, bostad, referens",
            "status": "status, tillganglighet",
            "price": "pris, forsaljningspris",
            "directions": "vaderstreck, orientering",
        },
        states={
            "AVAILABLE": "ledig, tillganglig, till salu",
            "HOLD": "sparrad, blockerad, ej tillganglig",
            "SOLD": "sald, salt",
            "RESERVED": "reserverad, reserverat",
        },
        directions={
            "N": "n, norr",
            "NE": "n\u00f6, nordost",
            "E": "\u00f6, ost, \u00f6st, \u00f6ster",
            "SE": "s\u00f6, sydost",
            "S": "s, syd, s\u00f6der",
            "SW": "sv, sydvast",
            "W": "v, vast, vaster",
            "NW": "nv, nordvast",
        },
        o_is="E",
    ),
    "Norwegian": Language(
        columns={
            "development_id": "prosjekt, prosjekt id, prosjektnummer",
            "name": "leilighet, leilighetsnummer, leilighetsnr, leil nr, bolig, bolignummer, "
            "bolignr, enhet, referanse",
            "status": "status, tilgjengelighet",
            "price": "pris, salgspris",
            "directions": "himmelretning, orientering",
        },
        states={
            "AVAILABLE": "ledig, tilgjengelig, til salgs",
            "HOLD": "sperret, blokkert, ikke tilgjengelig",
            "SOLD": "solgt",
            "RESERVED": "reservert",
        },
        directions={
            "N": "n, nord",
            "NE": "n\u00f8, nord\u00f8st",
            "E": "\u00f8, \u00f8st",
            "SE": "s\u00f8, s\u00f8r\u00f8st",
            "S": "s, s\u00f8r",
            "SW": "sv, s\u00f8rvest",
            "W": "v, vest",
            "NW": "nv, nordvest",
        },
        o_is="E",
    ),
}
