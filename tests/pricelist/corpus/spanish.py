"""Developers' own sheets in Spanish: headings of several rows, and without names."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_OWN: Final = "a developer's own sheet in Spanish"

LISTS: Final = (
    Listed(
        name="es plain",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;Precio;Orientación
            A-101;Vendido;250.000,00;N/S
            A-102;Libre;199.500,50 €;Sur
            A-103;Reservado;310.000,00;SE
            A-104;Bloqueado;305.000,00;Norte
            """),
        rows="""
            A-101 | SOLD | 250000 | N S
            A-102 | AVAILABLE | 199500.5 | S
            A-103 | RESERVED | 310000 | SE
            A-104 | HOLD | 305000 | N
            """,
    ),
    Listed(
        name="es a heading of two rows",
        follows=f"{_OWN}, the prices below one heading",
        write=text("""
            Vivienda;Estado;Orientación;PRECIO;;
            ;;;€/m²;Sin IVA;Con IVA
            A-101;Libre;Sur;3.100;254.200,00;279.620,00
            A-102;Vendido;Norte;3.050;262.300,00;288.530,00
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es a heading of two rows, one price",
        follows=f"{_OWN}, units of measure below the headings",
        write=text("""
            Vivienda;Superficie;Estado;Orientación;Precio
            ;m²;;;(€)
            A-101;82;Libre;Sur;254.200,00
            A-102;86;Vendido;Norte;262.300,00
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es a heading of two rows in a workbook",
        follows=f"{_OWN}, merged cells",
        write=book(
            Precios=[
                ["PROMOCIÓN MIRADOR", None, None, None, None, None],
                ["Vivienda", "Estado", "Orientación", "PRECIO", None, None],
                [None, None, None, "€/m²", "Sin IVA", "Con IVA"],
                ["A-101", "Libre", "Sur", 3100, 254_200, 279_620],
                ["A-102", "Vendido", "Norte", 3050, 262_300, 288_530],
            ],
            shape=lambda made: made["Precios"].merge_cells("D2:F2"),
        ),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es a group above the headings",
        follows=f"{_OWN}, groups of columns",
        write=text("""
            ;;PRECIO GARAJE;;PRECIO VIVIENDA
            Vivienda;Estado;Importe;Orientación;Total
            A-101;Libre;18.000,00;Sur;254.200,00
            A-102;Vendido;18.000,00;Norte;262.300,00
            """),
        asks=("price", "Importe", "Total", "18.000,00", "254.200,00", "--column price="),
        answer={"columns": {"price": "Total"}},
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es nameless columns right of the price",
        follows=f"{_OWN}, a merged heading saved as CSV",
        write=text("""
            Vivienda;Estado;Orientación;Precio;;
            A-101;Libre;Sur;3.100;254.200,00;279.620,00
            A-102;Vendido;Norte;3.050;262.300,00;288.530,00
            """),
        asks=("price", "Precio", "254.200,00", "279.620,00", "--column price="),
        answer={"columns": {"price": "Precio (E)"}},
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es a nameless column right of the name",
        follows=f"{_OWN}, block and door below one heading",
        write=text("""
            Vivienda;;Estado;Precio;Orientación
            A;101;Libre;254.200,00;Sur
            A;102;Vendido;262.300,00;Norte
            B;101;Vendido;262.300,00;Norte
            """),
        asks=("name", "Vivienda", "101", "--column name="),
    ),
    Listed(
        name="es empty nameless columns",
        follows=f"{_OWN}, saved by a spreadsheet with columns to spare",
        write=text("""
            Vivienda;Estado;Precio;;Orientación;;
            A-101;Libre;254.200,00;;Sur;;
            A-102;Vendido;262.300,00;;Norte;;
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es notes in a nameless column",
        follows=f"{_OWN}, notes beside the table",
        write=text("""
            Vivienda;Estado;Precio;Orientación;
            A-101;Libre;254.200,00;Sur;llamar a Pedro
            A-102;Vendido;262.300,00;Norte;
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es two columns of one name",
        follows=f"{_OWN}, two years side by side",
        write=text("""
            Vivienda;Estado;Precio;Orientación;Precio
            A-101;Libre;240.000,00;Sur;254.200,00
            """),
        asks=("Precio (C", "Precio (E", "240.000,00", "254.200,00", "--column price="),
        answer={"columns": {"price": "Precio (E)"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="es years above the prices",
        follows=f"{_OWN}, years above the headings",
        write=text("""
            ;;2025;;2026
            Vivienda;Estado;Precio;Orientación;Precio
            A-101;Libre;240.000,00;Sur;254.200,00
            """),
        asks=("Precio (C", "Precio (E", "--column price="),
        answer={"columns": {"price": "Precio (E)"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
)
