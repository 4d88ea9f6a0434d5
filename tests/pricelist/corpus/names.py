"""Names and ids that other programs have changed."""
# ruff: noqa: RUF001 - letters that look like others are what some of these lists are about

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_EXCEL: Final = "a CSV that a spreadsheet has written"
_PANDAS: Final = "a CSV that pandas has written"
_PASTED: Final = "a developer's own sheet, pasted from a document"
_OTHER: Final = "a CSV in an encoding of another system"

LISTS: Final = (
    Listed(
        name="names that are kept from a spreadsheet",
        follows="a portal's export for spreadsheets",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            ="0101";Vendido;254.200,00;S
            ="0102";Disponible;254.200,00;S
            """),
        rows="""
            0101 | SOLD | 254200 | S
            0102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="every cell kept from a spreadsheet",
        follows="a portal's export for spreadsheets",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            ="0101";="Vendido";254.200,00;="N/S"
            """),
        rows="0101 | SOLD | 254200 | N S",
    ),
    Listed(
        name="spaces before quotes",
        follows="a CSV written by hand",
        write=text("""
            Status, Unit, Price, Orientation
            SOLD, "A-101", 254200, S
            AVAILABLE, "A-102", 254200, S
            """),
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="a name in quotes twice",
        follows="a CSV that two programs have quoted",
        write=text('''
            Unit,Status,Price,Orientation
            """A-101""",Sold,254200,S
            '''),
        rows="! quotes",
    ),
    Listed(
        name="whole numbers with a decimal",
        follows=_PANDAS,
        write=text("""
            Cód. promoción,Unit,Status,Price,Orientation
            4711.0,101.0,Sold,254200,S
            4711.0,102.0,Available,254200,S
            """),
        options={"development_id": None, "columns": {"development_id": "Cód. promoción"}},
        rows="""
            101 | SOLD | 254200 | S
            102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="names with a point",
        follows="a developer's own sheet: floor and door",
        write=text("""
            Unit,Status,Price,Orientation
            1.0,Sold,254200,S
            1.1,Available,254200,S
            2.0,Available,254200,S
            """),
        rows="""
            1.0 | SOLD | 254200 | S
            1.1 | AVAILABLE | 254200 | S
            2.0 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="a decimal beside other names",
        follows=_PANDAS,
        write=text("""
            Unit,Status,Price,Orientation
            101.0,Sold,254200,S
            A-102,Available,254200,S
            """),
        rows="""
            ! 101
            A-102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="errors of a spreadsheet",
        follows=_EXCEL,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            #N/D;Vendido;254.200,00;S
            #¡REF!;Disponible;254.200,00;S
            #REF!;Disponible;254.200,00;S
            #N/A;Disponible;254.200,00;S
            ####;Disponible;254.200,00;S
            #12;Disponible;254.200,00;S
            """),
        rows="""
            ! error of a spreadsheet
            ! error of a spreadsheet
            ! error of a spreadsheet
            ! error of a spreadsheet
            ! error of a spreadsheet
            #12 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="an error as text in a workbook",
        follows="a workbook with a broken look-up",
        write=book(
            Lista=[
                ("Vivienda", "Estado", "Precio", "Orientación"),
                ("#N/D", "Vendido", 254_200, "S"),
                ("02-ene", "Vendido", 254_200, "S"),
            ]
        ),
        rows="""
            ! error of a spreadsheet
            02-ene | SOLD | 254200 | S
            """,
    ),
    Listed(
        name="names that a spreadsheet took for numbers and dates",
        follows=_EXCEL,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            2,00E+01;Vendido;254.200,00;S
            02-ene;Disponible;254.200,00;S
            1/2/2026;Disponible;254.200,00;S
            2-Jan;Disponible;254.200,00;S
            ene-02;Disponible;254.200,00;S
            2026-02-01 00:00:00;Disponible;254.200,00;S
            1-2;Disponible;254.200,00;S
            2E1;Disponible;254.200,00;S
            1/2;Disponible;254.200,00;S
            """),
        rows="""
            ! spreadsheet
            ! spreadsheet
            ! spreadsheet
            ! spreadsheet
            ! spreadsheet
            ! spreadsheet
            1-2 | AVAILABLE | 254200 | S
            2E1 | AVAILABLE | 254200 | S
            1/2 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="a name that is said to be none of those",
        follows=_EXCEL,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            ="02-ene";Vendido;254.200,00;S
            """),
        rows="02-ene | SOLD | 254200 | S",
    ),
    Listed(
        name="spaces and hyphens that do not break",
        follows=_PASTED,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            Ático\u00a01;Vendido;254.200,00;S
            A\u2011102;Disponible;254.200,00;S
            A\u2010103;Disponible;254.200,00;S
            A-\u200b104\ufeff;Disponible;254.200,00;S
            A\u00ad-105;Disponible;254.200,00;S
            """),
        rows="""
            Ático 1 | SOLD | 254200 | S
            A-102 | AVAILABLE | 254200 | S
            A-103 | AVAILABLE | 254200 | S
            A-104 | AVAILABLE | 254200 | S
            A-105 | AVAILABLE | 254200 | S
            """,
        remarks=("no-break space", "U+2011"),
    ),
    Listed(
        name="a Cyrillic letter among Latin ones",
        follows=f"{_PASTED} of a Russian agent",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            А-101;Vendido;254.200,00;S
            A-102;Disponible;254.200,00;S
            """),
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | AVAILABLE | 254200 | S
            """,
        remarks=("Cyrillic",),
    ),
    Listed(
        name="Cyrillic names",
        follows="a Russian developer's sheet",
        write=text("""
            Unit;Status;Price;Orientation
            А-101;Sold;254200;S
            Б-102;Available;254200;S
            """),
        rows="""
            А-101 | SOLD | 254200 | S
            Б-102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="one word in two alphabets",
        follows=f"{_PASTED} of a Russian agent",
        write=text("""
            Unit;Status;Price;Orientation
            Блок A-101;Sold;254200;S
            Бlock-102;Available;254200;S
            """),
        rows="""
            Блок A-101 | SOLD | 254200 | S
            ! Cyrillic
            """,
    ),
    Listed(
        name="a line break in a name",
        follows="a workbook with two lines in a cell",
        write=book(
            Lista=[
                ("Vivienda", "Estado", "Precio", "Orientación"),
                ("1A\nÁtico", "Vendido", 254_200, "S"),
                ("1B\n", "Vendido", 254_200, "S"),
            ]
        ),
        rows="""
            ! in one line
            1B | SOLD | 254200 | S
            """,
    ),
    Listed(
        name="a Macintosh's encoding",
        follows=_OTHER,
        write=text(
            """
            Unit;Status;Price;Orientation
            Ático 1;Sold;254200;S
            A-102;Available;254200;S
            """,
            encoding="mac_roman",
        ),
        asks=("'çtico'", "--encoding", "mac_roman"),
        answer={"encoding": "mac_roman"},
        rows="""
            Ático 1 | SOLD | 254200 | S
            A-102 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="the encoding of DOS",
        follows=_OTHER,
        write=text(
            """
            Unit;Status;Price;Orientation
            Ático 1;Sold;254200;S
            """,
            encoding="cp850",
        ),
        asks=("'µtico'", "--encoding", "cp850"),
        answer={"encoding": "cp850"},
        rows="Ático 1 | SOLD | 254200 | S",
    ),
    Listed(
        name="a Russian encoding",
        follows=_OTHER,
        write=text(
            """
            Unit;Status;Price;Orientation
            Блок 1;Sold;254200;S
            """,
            encoding="cp1251",
        ),
        asks=("'Áëîê'", "--encoding", "cp1251"),
        answer={"encoding": "cp1251"},
        rows="Блок 1 | SOLD | 254200 | S",
    ),
    Listed(
        name="names in western languages in cp1252",
        follows=_EXCEL,
        write=text(
            """
            Vivienda;Estado;Precio;Orientación
            Ático 1º;Vendido;254.200,00 €;S
            Façana 2ª;Disponible;254.200,00 €;S
            Açores;Disponible;254.200,00 €;S
            Çesme;Disponible;254.200,00 €;S
            Straße 5;Disponible;254.200,00 €;S
            Château d’Œuf – “1”;Disponible;254.200,00 €;S
            ÁTICO Nº 5;Disponible;254.200,00 €;S
            São João;Disponible;254.200,00 €;S
            Øst 1;Disponible;254.200,00 €;S
            """,
            encoding="cp1252",
        ),
        rows="""
            Ático 1º | SOLD | 254200 | S
            Façana 2ª | AVAILABLE | 254200 | S
            Açores | AVAILABLE | 254200 | S
            Çesme | AVAILABLE | 254200 | S
            Straße 5 | AVAILABLE | 254200 | S
            Château d’Œuf – “1” | AVAILABLE | 254200 | S
            ÁTICO Nº 5 | AVAILABLE | 254200 | S
            São João | AVAILABLE | 254200 | S
            Øst 1 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="UTF-8 that was read as cp1252",
        follows=_OTHER,
        write=text("""
            Unit;Status;Price;Orientation
            Ã\u0081tico 1;Sold;254200;S
            DÃºplex 2;Available;254200;S
            �tico 3;Available;254200;S
            """),
        rows="""
            ! another encoding
            ! another encoding
            ! another encoding
            """,
    ),
)
