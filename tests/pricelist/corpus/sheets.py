"""Workbooks of several sheets: which are read, and which are passed over."""

from __future__ import annotations

from typing import Any, Final

from tests.helpers.corpus import Listed, book

__all__ = ["LISTS"]

_HEADER: Final = ["Vivienda", "Estado", "Precio", "Orientación"]
_UNITS: Final = [
    ["A-101", "Libre", 254_200, "Sur"],
    ["A-102", "Vendido", 262_300, "Norte"],
]
_READ: Final = """
    A-101 | AVAILABLE | 254200 | S
    A-102 | SOLD | 262300 | N
    """
_GERMAN: Final[list[list[Any]]] = [
    ["Wohnung", "Zustand", "Kaufpreis", "Ausrichtung"],
    *([f"W-{number}", "frei", 300_000 + number, "Süd"] for number in range(6)),
]
_UNHEADED: Final[list[list[Any]]] = [
    [f"C-{number}", "Vendido", 300_000 + number, "Sur"] for number in range(6)
]

LISTS: Final = (
    Listed(
        name="a sheet of notes",
        follows="a developer's own workbook with the terms of sale",
        write=book(
            Lista=[_HEADER, *_UNITS],
            Notas=[["Forma de pago"], ["10% a la firma", 0.1], ["Entrega", "junio de 2027"]],
        ),
        rows=_READ,
        skipped=("Notas",),
    ),
    Listed(
        name="a sheet of totals",
        follows="a developer's own workbook with a summary",
        write=book(
            Lista=[_HEADER, *_UNITS],
            Resumen=[["Estado", "Total"], ["Libre", 12], ["Vendido", 30], ["Reservado", 4]],
        ),
        rows=_READ,
        skipped=("Resumen",),
    ),
    Listed(
        name="a table that begins at line 34",
        follows="a developer's own workbook, a second sheet below the terms of sale",
        write=book(
            Fase_1=[_HEADER, *_UNITS],
            Fase_2=[*[["Condiciones"]] * 33, _HEADER, ["B-101", "Vendido", 410_000, "Este"]],
        ),
        rows=f"{_READ}B-101 | SOLD | 410000 | E",
    ),
    Listed(
        name="a sheet with headings in German",
        follows="a developer's own workbook, a sheet for each market",
        write=book(Lista=[_HEADER, *_UNITS], Deutsch=_GERMAN),
        asks=("sheet Deutsch", "Kaufpreis", "--sheet"),
        answer={"sheet": "Lista"},
        rows=_READ,
        skipped=("Deutsch",),
    ),
    Listed(
        name="a sheet of units without headings",
        follows="a developer's own workbook, a sheet cut from its heading",
        write=book(Lista=[_HEADER, *_UNITS], Fase_3=_UNHEADED),
        asks=("sheet Fase 3", "--sheet"),
        answer={"sheet": "Lista"},
        rows=_READ,
        skipped=("Fase 3",),
    ),
    Listed(
        name="a sheet of units far down",
        follows="a developer's own workbook, units below a long text",
        write=book(Lista=[_HEADER, *_UNITS], Fase_3=[*[["texto"]] * 400, *_UNHEADED]),
        asks=("sheet Fase 3", "--sheet"),
        answer={"sheet": "Lista"},
        rows=_READ,
        skipped=("Fase 3",),
    ),
    Listed(
        name="a sheet of four units without headings",
        follows="a developer's own workbook with a scratch pad",
        write=book(Lista=[_HEADER, *_UNITS], Borrador=_UNHEADED[:4]),
        rows=_READ,
        skipped=("Borrador",),
    ),
    Listed(
        name="two phases with the same names and values",
        follows="a developer's own workbook, two phases that are built alike",
        write=book(Fase_1=[_HEADER, *_UNITS], Fase_2=[_HEADER, *_UNITS]),
        asks=("A-101, A-102", "sheets Fase 1 and Fase 2", "two developments", "--sheet NAME"),
        answer={"sheet": "Fase 1"},
        rows=_READ,
        skipped=("Fase 2",),
    ),
    Listed(
        name="two phases with the same names",
        follows="a developer's own workbook, two phases that are built alike",
        write=book(
            Fase_1=[_HEADER, *_UNITS],
            Fase_2=[_HEADER, ["A-101", "Vendido", 262_300, "Este"]],
        ),
        rows=f"{_READ}! A-101 has other values in",
    ),
    Listed(
        name="two sheets with a column for the development",
        follows="an ERP's export: all units, and those reserved once more",
        write=book(
            Todas=[["Promoción", *_HEADER], ["4711", *_UNITS[0]], ["4711", *_UNITS[1]]],
            Vendidas=[["Promoción", *_HEADER], ["4711", *_UNITS[1]]],
        ),
        options={"development_id": None},
        rows=f"{_READ}A-102 | SOLD | 262300 | N",
        remarks=("is in",),
    ),
    Listed(
        name="a heading of two rows in the second sheet",
        follows="a developer's own workbook, one sheet with merged headings",
        write=book(
            Fase_1=[_HEADER, *_UNITS],
            Fase_2=[
                ["Vivienda", "Estado", "Orientación", "PRECIO", None, None],
                [None, None, None, "€/m²", "Sin IVA", "Con IVA"],
                ["B-101", "Vendido", "Este", 3100, 410_000, 451_000],
            ],
        ),
        rows=f"{_READ}B-101 | SOLD | 410000 | E",
    ),
    Listed(
        name="a heading in the second column",
        follows="a developer's own workbook with a margin",
        write=book(Lista=[[], [None, *_HEADER], *([None, *row] for row in _UNITS)]),
        rows=_READ,
    ),
    Listed(
        name="a sheet of buyers",
        follows="a developer's own workbook with a sheet of buyers",
        write=book(
            Lista=[_HEADER, *_UNITS],
            Compradores=[["Nombre", "Apellidos", "Teléfono"], ["Lucía", "Ferrer", "600000000"]],
        ),
        rows=_READ,
        skipped=("Compradores",),
    ),
    Listed(
        name="a sheet of payments",
        follows="a developer's own workbook with a plan of payments",
        write=book(
            Lista=[_HEADER, *_UNITS],
            Pagos=[["Concepto", "Importe"], ["Reserva", 6000], ["Firma", 25_000]],
        ),
        rows=_READ,
        skipped=("Pagos",),
    ),
)
