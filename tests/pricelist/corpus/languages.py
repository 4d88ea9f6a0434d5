"""Lists in German, French, Dutch, Swedish, Italian and Portuguese.

Their words are not ours yet: a person who knows the language would read them, and the list asks.
"""

from __future__ import annotations

from typing import Final

from propq_async import UnitStatus
from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]


def _columns(name: str, status: str, price: str, directions: str) -> dict[str, str]:
    return {"name": name, "status": status, "price": price, "directions": directions}


LISTS: Final = (
    Listed(
        name="de plain",
        follows="a German developer's sheet",
        write=text("""
            Wohnung;Status;Kaufpreis;Ausrichtung
            W1;frei;254.200,00 €;Süd
            W2;verkauft;262.300,00 €;Nord
            """),
        rows="""
            W1 | AVAILABLE | 254200 | S
            W2 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="de with an English price",
        follows="a German developer's sheet for buyers abroad",
        write=text("""
            Unit;Status;Price;Kaufpreis;Orientation
            W1;Available;240.000,00;254.200,00;S
            """),
        asks=("Price (C", "Kaufpreis (D", "240.000,00", "254.200,00", "--column price="),
        answer={"columns": {"price": "Kaufpreis"}},
        rows="W1 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="de price by area",
        follows="a German developer's sheet",
        write=text("""
            Unit;Status;Price;Preis pro m²;Orientation
            W1;Available;254.200,00;3.100,00;S
            """),
        rows="W1 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="de thousands",
        follows="a German bank's form",
        write=text("""
            Unit;Status;Price (T€);Orientation
            W1;Available;254,2;S
            """),
        asks=("no column for price", "Price (T€) (C", "--column price="),
    ),
    Listed(
        name="fr plain",
        follows="a French developer's grid of prices",
        write=text("""
            Lot;Statut;Prix TTC;Exposition
            101;Libre;254 200,00 €;Sud
            """),
        asks=("no column for", "Prix TTC", "--column"),
        answer={
            "columns": {"price": "Prix TTC"},
        },
        rows="101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="fr two taxes",
        follows="a French developer's grid of prices, two rates of VAT",
        write=text("""
            Ref;Status;Prix TTC 20%;Prix TTC 5,5%;Orientation
            101;Available;254 200,00 €;223 400,00 €;S
            """),
        asks=("Prix TTC 20% (C", "Prix TTC 5,5% (D", "--column price="),
        answer={"columns": {"price": "Prix TTC 20%"}},
        rows="101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="fr a price beside the price",
        follows="a French portal's export",
        write=text("""
            Reference;Status;Price;Prix promotionnel;Orientation
            101;Available;254200;245000;S
            """),
        asks=("Price (C", "Prix promotionnel (D", "--column price="),
        answer={"columns": {"price": "Prix promotionnel"}},
        rows="101 | AVAILABLE | 245000 | S",
    ),
    Listed(
        name="nl plain",
        follows="a Dutch developer's list of plots",
        write=text("""
            Bouwnummer;Status;Koopsom v.o.n.;Ligging
            1;verkocht;€ 254.200,00;Zuid
            """),
        asks=("no column for", "--column"),
        answer={
            "columns": _columns("Bouwnummer", "Status", "Koopsom v.o.n.", "Ligging"),
        },
        rows="1 | SOLD | 254200 | S",
    ),
    Listed(
        name="nl asking price beside",
        follows="a Dutch agent's list",
        write=text("""
            Ref;Status;Price;Vraagprijs;Orientation
            1;Available;240000;254200;S
            """),
        asks=("Price (C", "Vraagprijs (D", "--column price="),
        answer={"columns": {"price": "Vraagprijs"}},
        rows="1 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="sv plain",
        follows="a Swedish developer's list",
        write=text("""
            Lägenhet;Status;Pris;Väderstreck
            1001;Såld;254 200;S
            """),
        rows="1001 | SOLD | 254200 | S",
    ),
    Listed(
        name="sv crowns",
        follows="a Swedish agent's list",
        write=text("""
            Unit;Status;Price (kr);Orientation
            1001;Available;2542000;S
            """),
        asks=("no column for price", "Price (kr) (C", "--column price="),
    ),
    Listed(
        name="it plain",
        follows="an Italian developer's list",
        write=text("""
            Unità;Stato;Prezzo;Esposizione
            A1;Venduto;254.200,00;Sud
            """),
        rows="A1 | SOLD | 254200 | S",
    ),
    Listed(
        name="pt plain",
        follows="a Portuguese developer's list",
        write=text("""
            Fração;Estado;Preço;Exposição
            A;Vendido;254.200,00;Sul
            """),
        rows="A | SOLD | 254200 | S",
    ),
    Listed(
        name="ca plain",
        follows="a Catalan developer's list",
        write=text("""
            Habitatge;Estat;Preu;Orientació
            1r A;Lliure;254.200,00;Nord-Oest
            1r B;Venut;262.300,00;SO
            1r C;Reservada;262.300,00;Est/Sud
            """),
        rows="""
            ! NW if it is one direction, N/W if it is two
            1r B | SOLD | 262300 | SW
            1r C | RESERVED | 262300 | E S
            """,
    ),
    Listed(
        name="no plain",
        follows="a Norwegian agent's list",
        write=text("""
            Leilighetsnr;Status;Pris (€);Himmelretning
            H0101;Solgt;254 200;Sør
            H0102;Ledig;262 300;SØ
            H0103;Reservert;262 300;V
            """),
        rows="""
            H0101 | SOLD | 254200 | S
            H0102 | AVAILABLE | 262300 | SE
            H0103 | RESERVED | 262300 | W
            """,
    ),
    Listed(
        name="nl an O in a list in Dutch",
        follows="a Dutch agent's list",
        write=text("""
            Bouwnummer;Beschikbaarheid;Prijs;Windrichting
            1;Vrij;254.200,00;O
            2;Onder optie;254.200,00;NO
            """),
        rows="""
            1 | AVAILABLE | 254200 | E
            ! --status-word
            """,
    ),
    Listed(
        name="fr an O in a list in French",
        follows="a French developer's grid of prices",
        write=text("""
            Lot;Statut;Prix HT;Exposition
            101;Vendu;254 200,00 €;O
            """),
        asks=("no column for price", "Prix HT"),
        answer={"columns": {"price": "Prix HT"}},
        rows="101 | SOLD | 254200 | W",
    ),
    Listed(
        name="an O below words of two families",
        follows="an agent's list in two languages",
        write=text("""
            Wohnung;Estado;Precio;Ausrichtung
            101;Vendido;254200;O
            """),
        asks=("an O may be west", "or east", "--direction-word O=W"),
        answer={"direction_words": {"O": "E"}},
        rows="101 | SOLD | 254200 | E",
    ),
    Listed(
        name="de heading of two rows",
        follows="a German developer's sheet, prices below one heading",
        write=book(
            Liste=[
                ["Unit", "Status", "Orientation", "Kaufpreis", None],
                [None, None, None, "netto", "brutto"],
                ["W1", "Available", "S", 254_200, 302_498],
            ]
        ),
        asks=("Kaufpreis netto", "Kaufpreis brutto", "--column price="),
        answer={"columns": {"price": "Kaufpreis brutto"}},
        rows="W1 | AVAILABLE | 302498 | S",
    ),
    Listed(
        name="es and en in one heading",
        follows="a Spanish developer's sheet in two languages",
        write=text("""
            Vivienda / Unit;Estado / Status;Precio / Price;Orientación / Orientation
            A-101;Vendido / Sold;254.200,00;Sur
            """),
        asks=("no column for", "Vivienda / Unit (A", "--column name="),
        answer={
            "columns": _columns(
                "Vivienda / Unit", "Estado / Status", "Precio / Price", "Orientación / Orientation"
            ),
            "status_words": {"Vendido / Sold": UnitStatus.SOLD},
        },
        rows="A-101 | SOLD | 254200 | S",
    ),
)
