"""Lists as people keep them: taxes, notes behind words, abbreviations, and cells left out."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, text

__all__ = ["LISTS"]

_OWN: Final = "a developer's own sheet in Spanish"

LISTS: Final = (
    Listed(
        name="kept: a price without tax alone",
        follows=f"{_OWN}, prices without tax",
        write=text("""
            Vivienda;PVP (sin IVA);Estado;Orientación
            A-101;254.200,00;Libre;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="kept: prices without and with tax",
        follows=f"{_OWN}, prices without and with tax",
        write=text("""
            Vivienda;Precio s/IVA (€);PVP + IVA;Estado;Orientación
            A-101;254.200,00;279.620,00;Libre;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="kept: prices with tax alone",
        follows=f"{_OWN}, prices with tax",
        write=text("""
            Vivienda;PVP con IVA;Estado;Orientación
            A-101;279.620,00;Libre;Sur
            """),
        asks=("no column for price", "PVP con IVA", "--column price="),
        answer={"columns": {"price": "PVP con IVA"}},
        rows="A-101 | AVAILABLE | 279620 | S",
    ),
    Listed(
        name="kept: a price beside one with tax",
        follows=f"{_OWN}, a price that does not say which it is",
        write=text("""
            Vivienda;Precio;PVP con IVA;Estado;Orientación
            A-101;254.200,00;279.620,00;Libre;Sur
            """),
        asks=("Precio (B", "PVP con IVA (C", "--column price="),
    ),
    Listed(
        name="kept: two prices without tax",
        follows=f"{_OWN}, two prices without tax",
        write=text("""
            Vivienda;PVP sin IVA;Precio final sin IVA;PVP con IVA;Estado;Orientación
            A-101;254.200,00;244.000,00;279.620,00;Libre;Sur
            """),
        asks=("PVP sin IVA (B", "Precio final sin IVA (C", "--column price="),
    ),
    Listed(
        name="kept: notes behind the status",
        follows=f"{_OWN}, notes behind the status",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;254.200,00;Vendido (escriturado);Sur
            A-102;254.200,00;Reservado - señal;Sur
            A-103;254.200,00;VENDIDA 12/03/2026;Sur
            A-104;254.200,00;Vendido*;Sur
            A-105;254.200,00;Reservado - Sr. García López;Sur
            A-106;254.200,00;Reserva;Sur
            A-107;254.200,00;Sold out;Sur
            A-108;254.200,00;Vendido, arras;Sur
            A-201;254.200,00;Vendido (no);Sur
            A-202;254.200,00;Reservado - cancelado;Sur
            A-203;254.200,00;RESERVADO - SR. X CANCELA;Sur
            A-204;254.200,00;Disponible (reservado);Sur
            A-205;254.200,00;Disponible*;Sur
            A-206;254.200,00;Reservado hasta 12/03/2026;Sur
            A-207;254.200,00;Vendido?;Sur
            A-208;254.200,00;Disponible 12/03/2026;Sur
            A-209;254.200,00;Vendido-Reservado;Sur
            A-210;254.200,00;Bloqueado (venta);Sur
            """),
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | RESERVED | 254200 | S
            A-103 | SOLD | 254200 | S
            A-104 | SOLD | 254200 | S
            A-105 | RESERVED | 254200 | S
            A-106 | RESERVED | 254200 | S
            A-107 | SOLD | 254200 | S
            A-108 | SOLD | 254200 | S
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            ! --status-word
            """,
    ),
    Listed(
        name="kept: directions in two words",
        follows=f"{_OWN}, abbreviations and words that are broken",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;254.200,00;Libre;S.O.
            A-102;254.200,00;Libre;Nor-este
            A-103;254.200,00;Libre;sur oeste
            A-104;254.200,00;Libre;Sur
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | SW
            A-102 | AVAILABLE | 254200 | NE
            A-103 | AVAILABLE | 254200 | SW
            A-104 | AVAILABLE | 254200 | S
            """,
    ),
    Listed(
        name="kept: a hyphen between two directions",
        follows=f"{_OWN}, with flats that look two ways",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;254.200,00;Libre;N-S
            A-102;254.200,00;Libre;S-E
            A-103;254.200,00;Libre;Sur Este
            A-104;254.200,00;Libre;SSO
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | N S
            A-102 | AVAILABLE | 254200 | S E
            ! SE if it is one direction, S/E if it is two
            ! --direction-word
            """,
    ),
    Listed(
        name="kept: an agent's list in English",
        follows="an agent's sheet: Unit Ref, Price €, Status, Aspect",
        write=text("""
            Unit Ref;Price €;Status;Aspect
            A-101;€345.000;Sold;South
            A-102;€ 1.250.000;Available;North
            A-103;345k;Available;North
            A-104;€1.2M;Available;North
            """),
        rows="""
            A-101 | SOLD | 345000 | S
            A-102 | AVAILABLE | 1250000 | N
            ! all its digits
            ! all its digits
            """,
    ),
    Listed(
        name="kept: points that group throughout",
        follows=f"{_OWN}, the commonest style",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;250.000 €;Libre;Sur
            A-102;263.000 €;Vendido;Norte
            A-103;;Libre;Sur
            """),
        rows="""
            A-101 | AVAILABLE | 250000 | S
            A-102 | SOLD | 263000 | N
            ! a price above zero
            """,
    ),
    Listed(
        name="kept: commas that group throughout",
        follows="an agent's sheet in English",
        write=text("""
            Unit;Price;Status;Aspect
            A-101;€ 345,000;Sold;South
            A-102;€ 412,000;Available;North
            """),
        rows="""
            A-101 | SOLD | 345000 | S
            A-102 | AVAILABLE | 412000 | N
            """,
    ),
    Listed(
        name="kept: points in prices of parking spaces",
        follows=f"{_OWN}, parking spaces",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            P-1;18.000 €;Libre;Sur
            P-2;19.500 €;Vendido;Norte
            """),
        rows="""
            ! --decimal
            ! --decimal
            """,
    ),
    Listed(
        name="kept: points in doubt beside others",
        follows=f"{_OWN}, prices of several hands",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;250.000 €;Libre;Sur
            A-102;263000;Vendido;Norte
            """),
        rows="""
            ! --decimal
            A-102 | SOLD | 263000 | N
            """,
    ),
    Listed(
        name="kept: signs around prices",
        follows=f"{_OWN}, prices without cents, and before tax",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;1.880.000,-;Libre;Sur
            A-102;253.000.-;Libre;Sur
            A-103;253.000 € + IVA;Libre;Sur
            A-104;'251000;Libre;Sur
            A-105;254.200,50 + IVA;Libre;Sur
            A-106;-253.000;Libre;Sur
            A-107;253.00,-;Libre;Sur
            """),
        rows="""
            A-101 | AVAILABLE | 1880000 | S
            A-102 | AVAILABLE | 253000 | S
            A-103 | AVAILABLE | 253000 | S
            A-104 | AVAILABLE | 251000 | S
            A-105 | AVAILABLE | 254200.5 | S
            ! a price above zero
            ! a price above zero
            """,
    ),
    Listed(
        name="kept: rows that end early",
        follows="Excel's CSV, which leaves out empty cells at the end",
        write=text("""
            Vivienda;Precio;Estado;Orientación;Garaje;Notas
            A-101;254.200,00;Libre;Sur;P-1;con vistas
            A-102;262.300,00;Vendido;Norte
            A-103;262.300,00;Vendido
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            ! 6 columns separated by semicolons, not 3
            """,
    ),
    Listed(
        name="kept: a development by its name",
        follows=f"{_OWN}, the name of the development in each row",
        write=text("""
            Promoción;Vivienda;Precio;Estado;Orientación
            Residencial Mirador;A-101;254.200,00;Libre;Sur
            ;A-102;262.300,00;Vendido;Norte
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
        remarks=("'Residencial Mirador' in column Promoción is taken for the name of 4711",),
    ),
    Listed(
        name="kept: two developments by their names",
        follows=f"{_OWN}, the names of two developments",
        write=text("""
            Promoción;Vivienda;Precio;Estado;Orientación
            Mirador;A-101;254.200,00;Libre;Sur
            Jardines;A-102;262.300,00;Vendido;Norte
            """),
        rows="""
            ! 4711, as stated
            ! 4711, as stated
            """,
    ),
    Listed(
        name="kept: another development's id",
        follows=f"{_OWN}, the id of another development",
        write=text("""
            Promoción;Vivienda;Precio;Estado;Orientación
            4712;A-101;254.200,00;Libre;Sur
            """),
        rows="! 4711, as stated",
    ),
    Listed(
        name="kept: a block of penthouses",
        follows=f"{_OWN}, blocks of flats and of penthouses",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;254.200,00;Libre;Sur
            Ático;Precio;Estado;Orientación
            AT-1;462.300,00;Vendido;Norte
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            AT-1 | SOLD | 462300 | N
            """,
    ),
    Listed(
        name="kept: a block with another price",
        follows=f"{_OWN}, a second block with another column of prices",
        write=text("""
            Vivienda;Precio;Estado;Orientación
            A-101;254.200,00;Libre;Sur
            Ático;Precio anterior;Estado;Orientación
            AT-1;462.300,00;Vendido;Norte
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            ! names others
            ! names others
            """,
    ),
)
