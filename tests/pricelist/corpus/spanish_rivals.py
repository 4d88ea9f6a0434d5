"""Developers' own sheets in Spanish: columns beside the one that is meant."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, hide, text

__all__ = ["LISTS"]

_OWN: Final = "a developer's own sheet in Spanish"

LISTS: Final = (
    Listed(
        name="es Precio and Precio rebajado",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;Precio;Precio rebajado;Orientación
            A-101;Libre;260.000,00;245.000,00;Sur
            A-102;Vendido;262.300,00;250.000,00;Norte
            """),
        asks=("Precio (C", "Precio rebajado (D", "260.000,00", "262.300,00", "245.000,00"),
        answer={"columns": {"price": "Precio rebajado"}},
        rows="""
            A-101 | AVAILABLE | 245000 | S
            A-102 | SOLD | 250000 | N
            """,
    ),
    Listed(
        name="es Precio and Nuevo precio",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;Precio;Orientación;Nuevo precio
            A-101;Libre;260.000,00;Sur;245.000,00
            """),
        asks=("Precio (C", "Nuevo precio (E", "245.000,00", "--column price="),
        answer={"columns": {"price": "Nuevo precio"}},
        rows="A-101 | AVAILABLE | 245000 | S",
    ),
    Listed(
        name="es Precio and Precio final",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;Precio;Descuento;Precio final;Orientación
            A-101;Libre;260.000,00;5%;247.000,00;Sur
            """),
        asks=("Precio (C", "Precio final (E", "--column price="),
        answer={"columns": {"price": "Precio"}},
        rows="A-101 | AVAILABLE | 260000 | S",
    ),
    Listed(
        name="es PVP and PVP actualizado",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;PVP;PVP actualizado 2026;Orientación
            A-101;Libre;260.000,00;275.000,00;Sur
            """),
        asks=("PVP (C", "PVP actualizado 2026 (D", "--column price="),
        answer={"columns": {"price": "PVP actualizado 2026"}},
        rows="A-101 | AVAILABLE | 275000 | S",
    ),
    Listed(
        name="es PVP vivienda and Importe",
        follows=f"{_OWN}, with the deposit",
        write=text("""
            Vivienda;Estado;PVP vivienda;Importe;Orientación
            A-101;Reservado;260.000,00;6.000,00;Sur
            """),
        asks=("PVP vivienda (C", "Importe (D", "260.000,00", "6.000,00", "--column price="),
        answer={"columns": {"price": "PVP vivienda"}},
        rows="A-101 | RESERVED | 260000 | S",
    ),
    Listed(
        name="es Precio and Precio/m²",
        follows=_OWN,
        write=text("""
            Vivienda;Estado;Precio/m²;Precio;Orientación
            A-101;Libre;3.100,00;254.200,00;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="es Estado as a number beside Situación venta",
        follows="a CRM's export with its own code of a record's state",
        write=text("""
            Vivienda;Estado;Situación venta;Precio;Orientación
            A-101;1;Vendido;254.200,00;Sur
            A-102;1;Disponible;262.300,00;Norte
            """),
        asks=("status", "Estado (B", "Situación venta (C", "Vendido", "--column status="),
        answer={"columns": {"status": "Situación venta"}},
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | AVAILABLE | 262300 | N
            """,
    ),
    Listed(
        name="es buyers beside numbers",
        follows=f"{_OWN}, a list of buyers",
        write=text("""
            Nº;Nombre;Apellidos;Estado;Precio;Orientación
            101;Lucía;Ferrer Soto;Vendido;254.200,00;Sur
            102;Andrés;Molina Rey;Vendido;262.300,00;Norte
            """),
        asks=("name", "Nº (A", "Nombre (B", "101", "Lucía", "--column name="),
        answer={"columns": {"name": "Nº"}},
        rows="""
            101 | SOLD | 254200 | S
            102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es buyers without numbers",
        follows=f"{_OWN}, a list of buyers",
        write=text("""
            Puerta;Nombre;Apellidos;Estado;Precio;Orientación
            1A;Lucía;Ferrer Soto;Vendido;254.200,00;Sur
            1B;Andrés;Molina Rey;Vendido;262.300,00;Norte
            """),
        asks=("name", "Nombre (B", "Apellidos (C", "--column name="),
        answer={"columns": {"name": "Puerta"}},
        rows="""
            1A | SOLD | 254200 | S
            1B | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es an estado civil is no status",
        follows="a CRM's export of buyers and units",
        write=text("""
            Vivienda;Comprador;Estado civil;Estado;Precio;Orientación
            A-101;L. Ferrer;casada;Vendido;254.200,00;Sur
            """),
        asks=("Estado civil (C", "Estado (D", "casada", "--column status="),
        answer={"columns": {"status": "Estado"}},
        rows="A-101 | SOLD | 254200 | S",
    ),
    Listed(
        name="es a hidden Precio",
        follows=f"{_OWN}, last year's prices hidden",
        write=book(
            Lista=[
                ["Vivienda", "Estado", "Precio", "PVP marzo 2026", "Orientación"],
                ["A-101", "Libre", 240_000, 254_200, "Sur"],
                ["A-102", "Vendido", 250_000, 262_300, "Norte"],
            ],
            shape=hide(columns="C"),
        ),
        asks=("price", "PVP marzo 2026 (D", "hidden", "--column price="),
        answer={"columns": {"price": "PVP marzo 2026"}},
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="es a hidden second price",
        follows=f"{_OWN}, the owner's price hidden",
        write=book(
            Lista=[
                ["Vivienda", "Estado", "Precio", "Precio propietario", "Orientación"],
                ["A-101", "Libre", 254_200, 240_000, "Sur"],
            ],
            shape=hide(columns="D"),
        ),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
)
