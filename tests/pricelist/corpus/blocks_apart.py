"""Blocks that no known heading announces, and headings in pieces."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, text

__all__ = ["LISTS"]

_BLOCKS: Final = "a developer's own sheet with a block for each building"

LISTS: Final = (
    Listed(
        name="a second block with one known word",
        follows=f"{_BLOCKS}, storage rooms below the flats",
        write=text("""
            Vivienda;Estado;Precio;Orientación;m²
            A-101;Libre;254.200,00;Sur;82
            Trastero;Situación;m²;Cara;Importe total
            T-1;Libre;12.000;Sur;9.000,00
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! line 3 names others
            ! line 3 names others
            """,
    ),
    Listed(
        name="units without prices between others",
        follows="a developer's own sheet, prices on request",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            Vivienda piloto;Vendido;precio a consultar;Sur
            Ático;pendiente;consultar;Sur
            A-101;Vendido;262.300,00;Norte
            """),
        rows="""
            ! precio a consultar
            ! consultar
            A-101 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="a first block whose states are not known",
        follows=f"{_BLOCKS}, with states of its own",
        write=text("""
            Piso;Situación;Precio;Cara
            1A;Señalizado;254.200,00;Sur

            Vivienda;Estado;Precio;Orientación
            Casa 1;Libre;410.000,00;Sur
            """),
        asks=("line 1", "line 4"),
    ),
    Listed(
        name="a first block without directions",
        follows=f"{_BLOCKS}, garages above the flats",
        write=text("""
            Plaza;PVP;Notas
            G-1;18.000,00;reservado
            G-2;18.000,00;

            Vivienda;Estado;Precio;Orientación
            Casa 1;Libre;410.000,00;Sur
            """),
        asks=("line 2", "line 5"),
    ),
    Listed(
        name="counts of states above the table",
        follows="a developer's own sheet with a legend",
        write=text("""
            Promoción:;Mirador;Estado:;En construcción
            Vendido;12;;
            Libre;3;;
            Vivienda;Estado;Precio;Orientación
            Casa 1;Libre;410.000,00;Sur
            """),
        rows="Casa 1 | AVAILABLE | 410000 | S",
    ),
    Listed(
        name="three rows of headings",
        follows="a developer's own sheet, merged headings in two levels",
        write=text("""
            Vivienda;Estado;Orientación;PRECIO;;
            ;;;VIVIENDA;;GARAJE
            ;;;Sin IVA;Con IVA;
            A-101;Libre;Sur;254.200,00;279.620,00;18.000,00
            """),
        asks=("PRECIO VIVIENDA Sin IVA (D", "PRECIO VIVIENDA Con IVA (E", "PRECIO GARAJE (F"),
        answer={"columns": {"price": "PRECIO VIVIENDA Con IVA"}},
        rows="A-101 | AVAILABLE | 279620 | S",
    ),
    Listed(
        name="the name of a merged heading in its middle",
        follows="a developer's own sheet, merged cells saved by another program",
        write=text("""
            Vivienda;Estado;Orientación;;Precio;
            A-101;Libre;Sur;254.200,00;3.100,00;
            """),
        asks=("254.200,00", "Precio (E", "--column price="),
    ),
    Listed(
        name="a deposit beside a total",
        follows="a developer's own sheet of reservations",
        write=text("""
            Vivienda;Estado;Orientación;Importe;Total
            A-101;Reservado;Sur;6.000,00;254.200,00
            """),
        asks=("Importe (D", "Total (E", "--column price="),
        answer={"columns": {"price": "Total"}},
        rows="A-101 | RESERVED | 254200 | S",
    ),
    Listed(
        name="a column for what is sold",
        follows="a developer's own sheet with boxes to tick",
        write=text("""
            Vivienda;Estado;Vendido;Precio;Orientación
            A-101;Libre;Sí;254.200,00;Sur
            """),
        asks=("Estado (B", "Vendido (C", "'Sí'", "--column status="),
    ),
)
