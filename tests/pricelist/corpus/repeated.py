"""Rows with the same name: the same unit, or another one.

The first of two rows that contradict each other comes before that is known. A plan sends neither.
"""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_OWN: Final = "a developer's own sheet"
_MONTH: Final = ("Vivienda", "Estado", "Precio", "Orientación")

LISTS: Final = (
    Listed(
        name="a letter on every floor",
        follows=f"{_OWN} with a column for the floor",
        write=text("""
            Piso;Unidad;Estado;Precio;Orientación
            1;A;Disponible;254.200,00;S
            2;A;Disponible;254.200,00;S
            3;A;Disponible;254.200,00;S
            1;B;Disponible;254.200,00;N
            """),
        rows="""
            A | AVAILABLE | 254200 | S
            ! column Piso
            ! column Piso
            B | AVAILABLE | 254200 | N
            """,
    ),
    Listed(
        name="a row that was copied",
        follows=_OWN,
        write=text("""
            Piso;Unidad;Estado;Precio;Orientación
            1;A;Disponible;254.200,00;S
            1;A;Disponible;254.200,00;S
            """),
        rows="""
            A | AVAILABLE | 254200 | S
            A | AVAILABLE | 254200 | S
            """,
        remarks=("already",),
    ),
    Listed(
        name="a row that was copied and counted",
        follows=f"{_OWN} with a number for each row",
        write=text("""
            Orden;Unidad;Estado;Precio;Orientación
            1;A;Disponible;254.200,00;S
            2;A;Disponible;254.200,00;S
            """),
        rows="""
            A | AVAILABLE | 254200 | S
            ! column Orden
            """,
    ),
    Listed(
        name="a sheet for each month",
        follows=f"{_OWN} with a sheet for each month",
        write=book(
            Enero=[_MONTH, ("1A", "Disponible", 250_000, "S"), ("1B", "Disponible", 260_000, "S")],
            Febrero=[_MONTH, ("1A", "Vendido", 250_000, "S"), ("1B", "Disponible", 260_000, "S")],
        ),
        asks=("Enero", "Febrero", "1A", "--sheet"),
        answer={"sheet": "Febrero"},
        skipped=("Enero",),
        rows="""
            1A | SOLD | 250000 | S
            1B | AVAILABLE | 260000 | S
            """,
    ),
    Listed(
        name="phases that share one unit",
        follows=f"{_OWN} with a sheet for each phase",
        write=book(
            Fase_1=[_MONTH, ("1A", "Disponible", 250_000, "S"), ("1B", "Disponible", 260_000, "S")],
            Fase_2=[
                _MONTH,
                ("1A", "Disponible", 250_000, "S"),
                ("2B", "Vendido", 260_000, "S"),
                ("2C", "Vendido", 260_000, "S"),
            ],
        ),
        asks=("Fase 1 and Fase 2", "1A", "two developments", "--sheet NAME"),
        answer={"sheet": "Fase 2"},
        skipped=("Fase 1",),
        rows="""
            1A | AVAILABLE | 250000 | S
            2B | SOLD | 260000 | S
            2C | SOLD | 260000 | S
            """,
    ),
)
