"""Lists of several blocks: headings that come again, that differ, or that stand far down."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_BLOCKS: Final = "a developer's own sheet with a block for each building"

LISTS: Final = (
    Listed(
        name="the same heading above each block",
        follows=_BLOCKS,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            A-101;Libre;254.200,00;Sur
            Vivienda;Estado;Precio;Orientación
            B-101;Vendido;262.300,00;Norte
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            B-101 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="a first block with another name for the unit",
        follows=f"{_BLOCKS}, headed otherwise",
        write=text("""
            Piso;Estado;Precio;Orientación
            1A;Libre;254.200,00;Sur
            1B;Vendido;262.300,00;Norte
            Vivienda;Estado;Precio;Orientación
            Casa 1;Libre;410.000,00;Sur
            """),
        asks=("line 1", "line 4", "Piso", "--column name="),
        answer={"columns": {"name": "Piso"}},
        rows="""
            1A | AVAILABLE | 254200 | S
            1B | SOLD | 262300 | N
            Casa 1 | AVAILABLE | 410000 | S
            """,
    ),
    Listed(
        name="rows without a heading above the first",
        follows=f"{_BLOCKS}, the first one cut from its heading",
        write=text("""
            A-101;Libre;254.200,00;Sur
            A-102;Vendido;262.300,00;Norte

            Vivienda;Estado;Precio;Orientación
            B-101;Libre;410.000,00;Sur
            """),
        asks=("line 1", "line 4"),
    ),
    Listed(
        name="a first block in a workbook",
        follows=f"{_BLOCKS}, headed otherwise",
        write=book(
            Lista=[
                ["Piso", "Estado", "Precio", "Orientación"],
                ["1A", "Libre", 254_200, "Sur"],
                [],
                ["Vivienda", "Estado", "Precio", "Orientación"],
                ["Casa 1", "Libre", 410_000, "Sur"],
            ]
        ),
        asks=("line 1", "line 4", "sheet Lista"),
    ),
    Listed(
        name="a second block with two known words",
        follows=f"{_BLOCKS}, commercial premises below the flats",
        write=text("""
            Vivienda;Estado;Orientación;Precio;m²
            A-101;Libre;Sur;254.200,00;82
            Local;PVP + IVA;Orientación;m²;Estado
            L-1;180.000,00;Sur;120;Libre
            L-2;190.000,00;Norte;125;Vendido
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! line 3 names others
            ! line 3 names others
            ! line 3 names others
            """,
    ),
    Listed(
        name="a second block whose columns are shifted",
        follows=f"{_BLOCKS}, the price elsewhere",
        write=text("""
            Vivienda;Estado;Precio;Orientación;m²
            A-101;Libre;254.200,00;Sur;82
            Local;Estado;m²;Orientación;PVP + IVA
            L-1;Libre;120;Sur;180.000,00
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! line 3 names others
            ! line 3 names others
            """,
    ),
    Listed(
        name="a second block in a workbook",
        follows=f"{_BLOCKS}, commercial premises below the flats",
        write=book(
            Lista=[
                ["Vivienda", "Estado", "Precio", "Orientación", "m²"],
                ["A-101", "Libre", 254_200, "Sur", 82],
                [],
                ["LOCALES"],
                ["Local", "Estado", "m²", "Orientación", "PVP + IVA"],
                ["L-1", "Libre", 120, "Sur", 180_000],
            ]
        ),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! column Estado
            ! line 5 names others
            ! line 5 names others
            """,
    ),
    Listed(
        name="a second block without any known word",
        follows=f"{_BLOCKS}, the second in German",
        write=text("""
            Vivienda;Estado;Precio;Orientación;m²
            A-101;Libre;254.200,00;Sur;82
            Einheit;Zustand;Fläche;Ausrichtung;Kaufpreis
            L-1;Libre;120;Sur;180.000,00
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! line 3 names others
            ! line 3 names others
            """,
    ),
    Listed(
        name="group headings between units",
        follows=f"{_BLOCKS}, a line for each floor",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            PLANTA BAJA;;;
            A-001;Libre;254.200,00;Sur
            PLANTA PRIMERA;;;
            A-101;Vendido;262.300,00;Norte
            TOTAL;;516.500,00;
            """),
        rows="""
            A-001 | AVAILABLE | 254200 | S
            A-101 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="a row of words is one unit",
        follows="a developer's own sheet, prices on request",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            Ático;Vendido;consultar;Sur
            A-101;Vendido;262.300,00;Norte
            """),
        rows="""
            ! consultar
            A-101 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="a table that begins at line 34 of a text",
        follows="a developer's own sheet below the terms of sale",
        write=text(
            "Condiciones de venta;;;\n" * 33
            + "Vivienda;Estado;Precio;Orientación\nA-101;Libre;254.200,00;Sur\n"
        ),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="two tables side by side",
        follows="a developer's own sheet, two buildings side by side",
        write=text("""
            Vivienda;Estado;Precio;Orientación;;Vivienda;Estado;Precio;Orientación
            A-101;Libre;254.200,00;Sur;;B-101;Vendido;262.300,00;Norte
            """),
        asks=("Vivienda (A", "Vivienda (F", "A-101", "B-101", "--column name="),
    ),
    Listed(
        name="a second table beside, headed otherwise",
        follows="a developer's own sheet, garages beside the flats",
        write=text("""
            Vivienda;Estado;Precio;Orientación;;Garaje;PVP garaje
            A-101;Libre;254.200,00;Sur;;G-1;18.000,00
            """),
        asks=("Precio (C", "PVP garaje (G", "--column price="),
        answer={"columns": {"price": "Precio"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="a list without a heading",
        follows="a developer's own sheet, cut from its heading",
        write=text("""
            A-101;Libre;254.200,00;Sur
            A-102;Vendido;262.300,00;Norte
            """),
        asks=("no column for", "--column"),
    ),
    Listed(
        name="a heading that is repeated at each page",
        follows="a PDF turned into a sheet: page numbers between rows",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            A-101;Libre;254.200,00;Sur
            Página 1 de 2;;;
            Vivienda;Estado;Precio;Orientación
            A-102;Vendido;262.300,00;Norte
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! column Estado
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="a heading over two lines of a cell",
        follows="a developer's own sheet, headings with line breaks",
        write=book(
            Lista=[
                ["Nº\nVivienda", "Estado", "Precio\n(€)", "Orientación"],
                ["A-101", "Libre", 254_200, "Sur"],
            ]
        ),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="a second heading row in English",
        follows="a developer's own sheet in two languages",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            Unit;Status;Price;Orientation
            A-101;Libre;254.200,00;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="a second heading row that moves the price",
        follows="a developer's own sheet in two languages, one of them wrong",
        write=text("""
            Vivienda;Estado;Precio;Total;Orientación
            Unit;Status;Deposit;Price;Orientation
            A-101;Libre;6.000,00;254.200,00;Sur
            """),
        asks=("Precio (C", "Total (D", "Deposit", "--column price="),
        answer={"columns": {"price": "Total"}},
        rows="""
            ! line 2 names others
            ! line 2 names others
            """,
    ),
)
