"""Directions in several languages: what an O is."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_PORTAL: Final = "a portal's export"
_OWN: Final = "a developer's own sheet"
_GERMAN: Final = "a German agent's sheet with English headings"

LISTS: Final = (
    Listed(
        name="O in a plain Spanish list",
        follows=f"{_OWN} in Spanish",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            1A;Vendido;254.200,00;O
            1B;Disponible;262.300,00;SO
            1C;Reservado;262.300,00;NO
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | SW
            1C | RESERVED | 262300 | NW
            """,
    ),
    Listed(
        name="N, S, E and O in a Spanish list without a word for a status",
        follows=f"{_OWN} in Spanish",
        write=text("""
            Vivienda;Situación;PVP;Orientación
            1A;Libre;254200;N
            1B;Libre;262300;S
            1C;Libre;262400;E
            1D;Libre;262500;O
            """),
        rows="""
            1A | AVAILABLE | 254200 | N
            1B | AVAILABLE | 262300 | S
            1C | AVAILABLE | 262400 | E
            1D | AVAILABLE | 262500 | W
            """,
    ),
    Listed(
        name="O below English headings beside Spanish states",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Orientation
            1A,Vendido,254200,O
            1B,Disponible,262300,S
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | S
            """,
    ),
    Listed(
        name="O beside E below English headings",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Orientation
            1A,Sold,254200,O
            1B,Available,262300,E
            1C,Available,262400,NO/SO
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | E
            1C | AVAILABLE | 262400 | NW SW
            """,
    ),
    Listed(
        name="O beside Oeste below English headings",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Orientation
            1A,Sold,254200,Oeste
            1B,Available,262300,O
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | W
            """,
    ),
    Listed(
        name="SO beside SE below English headings",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Facing
            1A,Sold,254200,SO
            1B,Available,262300,SE
            """),
        rows="""
            1A | SOLD | 254200 | SW
            1B | AVAILABLE | 262300 | SE
            """,
    ),
    Listed(
        name="O below English headings and nothing that settles it",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Orientation
            1A,Sold,254200,O
            1B,Available,262300,S
            1C,Available,262300,NO
            """),
        asks=("column Orientation", "'O'", "'NO'", "--direction-word O=W", "O=E"),
        answer={"direction_words": {"O": "E"}},
        rows="""
            1A | SOLD | 254200 | E
            1B | AVAILABLE | 262300 | S
            1C | AVAILABLE | 262300 | NE
            """,
    ),
    Listed(
        name="the same with the other answer",
        follows="an export of a CRM whose headings are English",
        write=text("""
            Unit,Status,Price,Orientation
            1A,Sold,254200,SO
            1B,Available,262300,N-O
            """),
        asks=("column Orientation", "'SO'", "'N-O'", "--direction-word O=W", "O=E"),
        answer={"direction_words": {"O": "W"}},
        rows="""
            1A | SOLD | 254200 | SW
            ! NW if it is one direction, N/W if it is two
            """,
    ),
    Listed(
        name="W and O in one column",
        follows=_GERMAN,
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;W
            1B;Available;262300;O
            1C;Available;262300;SO
            1D;Available;262300;NW
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | E
            1C | AVAILABLE | 262300 | SE
            1D | AVAILABLE | 262300 | NW
            """,
    ),
    Listed(
        name="O/W in one cell",
        follows=_GERMAN,
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;O/W
            1B;Available;262300;N/S
            """),
        rows="""
            1A | SOLD | 254200 | E W
            1B | AVAILABLE | 262300 | N S
            """,
    ),
    Listed(
        name="German words beside O",
        follows=_GERMAN,
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;West
            1B;Available;262300;Ost
            1C;Available;262300;O
            1D;Available;262300;NO
            1E;Available;262300;Südwest
            """),
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | E
            1C | AVAILABLE | 262300 | E
            1D | AVAILABLE | 262300 | NE
            1E | AVAILABLE | 262300 | SW
            """,
    ),
    Listed(
        name="Z beside O",
        follows="a Dutch agent's sheet with English headings",
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;Z
            1B;Available;262300;O
            1C;Available;262300;ZW
            """),
        rows="""
            1A | SOLD | 254200 | S
            1B | AVAILABLE | 262300 | E
            1C | AVAILABLE | 262300 | SW
            """,
    ),
    Listed(
        name="Swedish directions",
        follows="a Swedish agent's sheet with English headings",
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;Ö
            1B;Available;262300;SÖ
            1C;Available;262300;N
            """),
        rows="""
            1A | SOLD | 254200 | E
            1B | AVAILABLE | 262300 | SE
            1C | AVAILABLE | 262300 | N
            """,
    ),
    Listed(
        name="O in a list with German headings",
        follows="a German developer's sheet",
        write=text("""
            Wohnung;Zustand;Kaufpreis;Himmelsrichtung
            1A;verkauft;254200;O
            1B;frei;262300;S
            """),
        options={
            "columns": {
                "name": "Wohnung",
                "status": "Zustand",
                "price": "Kaufpreis",
                "directions": "Himmelsrichtung",
            },
            "status_words": {"verkauft": 4, "frei": 1},
        },
        rows="""
            1A | SOLD | 254200 | E
            1B | AVAILABLE | 262300 | S
            """,
    ),
    Listed(
        name="W and O below Spanish headings",
        follows=f"{_OWN} in Spanish, filled in by a German agent",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            1A;Vendido;254.200,00;W
            1B;Disponible;262.300,00;O
            """),
        asks=("column Orientación", "'O'", "'W'", "--direction-word O="),
        answer={"direction_words": {"O": "E"}},
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | E
            """,
    ),
    Listed(
        name="W and E beside O",
        follows=f"{_PORTAL} that several agents fill in",
        write=text("""
            Unit;Status;Price;Orientation
            1A;Sold;254200;W
            1B;Available;262300;O
            1C;Available;262300;E
            """),
        asks=("column Orientation", "'W'", "'E'", "--direction-word O="),
        answer={"direction_words": {"O": "W"}},
        rows="""
            1A | SOLD | 254200 | W
            1B | AVAILABLE | 262300 | W
            1C | AVAILABLE | 262300 | E
            """,
    ),
    Listed(
        name="a column that answers yes or no",
        follows=_PORTAL,
        write=text("""
            Unit,Status,Price,Facing
            1A,Sold,254200,No
            1B,Available,262300,Yes
            """),
        asks=("column Facing", "'No'", "'Yes'", "--column directions="),
    ),
    Listed(
        name="a column that only says no",
        follows=_PORTAL,
        write=text("""
            Unit,Status,Price,Facing
            1A,Sold,254200,No
            1B,Available,262300,No
            """),
        asks=("column Facing", "'No'"),
    ),
    Listed(
        name="a column that says sí or no",
        follows=f"{_OWN} in Spanish",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            1A;Vendido;254.200,00;Sí
            1B;Disponible;262.300,00;no
            """),
        asks=("column Orientación", "'no'", "'Sí'"),
    ),
    Listed(
        name="an address without a number",
        follows=f"{_OWN} in Spanish, with the address",
        write=text("""
            Vivienda;Estado;Precio;Dirección
            1A;Vendido;254.200,00;S/N
            1B;Disponible;262.300,00;S/N
            """),
        asks=("no column for directions", "Dirección", "--column directions="),
    ),
    Listed(
        name="an address beside the orientation",
        follows=f"{_OWN} in Spanish, with the address",
        write=text("""
            Vivienda;Dirección;Estado;Precio;Orientación
            1A;Calle Sol S/N;Vendido;254.200,00;S/N
            1B;S/N;Disponible;262.300,00;E/O
            """),
        rows="""
            1A | SOLD | 254200 | S N
            1B | AVAILABLE | 262300 | E W
            """,
    ),
    Listed(
        name="a workbook of two sheets in two languages",
        follows=f"{_OWN} with a sheet for each agent",
        write=book(
            Fase_1=[
                ("Vivienda", "Estado", "Precio", "Orientación"),
                ("1A", "Vendido", 254_200, "O"),
            ],
            Fase_2=[
                ("Unit", "Status", "Price", "Orientation"),
                ("2A", "Sold", 254_200, "O"),
                ("2B", "Available", 254_200, "W"),
            ],
        ),
        rows="""
            1A | SOLD | 254200 | W
            2A | SOLD | 254200 | E
            2B | AVAILABLE | 254200 | W
            """,
    ),
    Listed(
        name="O in JSON lines",
        follows="an export of a CRM, with the API's names",
        write=text(
            """
            {"UntName": "1A", "UntStatus": 4, "UntPrice": 254200, "UntDirections": ["N", "O"]}
            {"UntName": "1B", "UntStatus": 1, "UntPrice": 262300, "UntDirections": ["S"]}
            """,
            suffix=".jsonl",
        ),
        asks=("column UntDirections", "'O'", "--direction-word O=W"),
        answer={"direction_words": {"O": "W"}},
        rows="""
            1A | SOLD | 254200 | N W
            1B | AVAILABLE | 262300 | S
            """,
    ),
)
