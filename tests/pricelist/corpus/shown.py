"""Workbooks that show something else than the values of their cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import openpyxl
from openpyxl.styles import Font

from tests.helpers.corpus import Listed, book

__all__ = ["LISTS"]

_OWN: Final = "a developer's own workbook"
_HEADINGS: Final = ("Vivienda", "Estado", "Precio", "Orientación")


def _formats(formats: Mapping[str, str]) -> Callable[[openpyxl.Workbook], object]:
    def shape(made: openpyxl.Workbook) -> None:
        for cell, code in formats.items():
            made.worksheets[0][cell].number_format = code

    return shape


def _list(*rows: Any) -> dict[str, Any]:
    return {"Lista": [_HEADINGS, *rows]}


def _hidden_row(made: openpyxl.Workbook) -> None:
    made.worksheets[0].row_dimensions[3].hidden = True


def _filtered(made: openpyxl.Workbook) -> None:
    sheet = made.worksheets[0]
    sheet.auto_filter.ref = "A1:D3"
    sheet.auto_filter.add_filter_column(1, ["Disponible"])
    sheet.row_dimensions[3].hidden = True


def _struck(*cells: str) -> Callable[[openpyxl.Workbook], object]:
    def shape(made: openpyxl.Workbook) -> None:
        for cell in cells:
            made.worksheets[0][cell].font = Font(strike=True)

    return shape


LISTS: Final = (
    Listed(
        name="three zeros that only the format has",
        follows=f"{_OWN} in thousands",
        write=book(
            **_list(("1A", "Disponible", 250, "S"), ("1B", "Vendido", 1_250, "N")),
            shape=_formats({"C2": '#,##0".000 €"', "C3": '#,##0".000 €"'}),
        ),
        rows="""
            1A | AVAILABLE | 250000 | S
            1B | SOLD | 1250000 | N
            """,
        remarks=("250.000 €",),
    ),
    Listed(
        name="a format in thousands",
        follows=f"{_OWN} in thousands",
        write=book(
            **_list(("1A", "Disponible", 250_000, "S")), shape=_formats({"C2": '#,##0, "k€"'})
        ),
        rows="! k€",
    ),
    Listed(
        name="pounds by the format",
        follows=f"{_OWN} for British buyers",
        write=book(
            **_list(("1A", "Disponible", 215_000, "S"), ("1B", "Vendido", 225_000, "N")),
            shape=_formats({"C2": "[$£-809]#,##0", "C3": '"£"#,##0'}),
        ),
        rows="""
            ! £
            ! £
            """,
    ),
    Listed(
        name="dollars by the format",
        follows=f"{_OWN} for American buyers",
        write=book(
            **_list(("1A", "Disponible", 215_000, "S"), ("1B", "Disponible", 215_000, "S")),
            shape=_formats({"C2": '"$"#,##0.00', "C3": "[$USD] #,##0"}),
        ),
        rows="""
            ! $
            ! USD
            """,
    ),
    Listed(
        name="a share by the format",
        follows=f"{_OWN} with a share of the price",
        write=book(**_list(("1A", "Disponible", 0.95, "S")), shape=_formats({"C2": "0%"})),
        rows="! 95%",
    ),
    Listed(
        name="a price as a power of ten",
        follows=_OWN,
        write=book(**_list(("1A", "Disponible", 250_000, "S")), shape=_formats({"C2": "0.00E+00"})),
        rows="! format",
    ),
    Listed(
        name="euro by the format",
        follows=_OWN,
        write=book(
            **_list(
                ("1A", "Disponible", 215_000, "S"),
                ("1B", "Disponible", 215_000.5, "S"),
                ("1C", "Disponible", 215_000, "S"),
                ("1D", "Disponible", 215_000, "S"),
                ("1E", "Disponible", 215_000, "S"),
            ),
            shape=_formats(
                {
                    "C2": '#,##0\\ "€"',
                    "C3": "#,##0.00\\ [$€-C0A];[Red]\\-#,##0.00\\ [$€-C0A]",
                    "C4": '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-',
                    "C5": "#,##0 [$EUR]",
                    "C6": "[$€-2] #,##0",
                }
            ),
        ),
        rows="""
            1A | AVAILABLE | 215000 | S
            1B | AVAILABLE | 215000.5 | S
            1C | AVAILABLE | 215000 | S
            1D | AVAILABLE | 215000 | S
            1E | AVAILABLE | 215000 | S
            """,
    ),
    Listed(
        name="a formula that shows whole euro",
        follows=f"{_OWN} with a price for each square metre",
        write=book(
            **_list(
                ("1A", "Disponible", 251_955.0421, "S"),
                ("1B", "Disponible", 251_955.4321, "S"),
                ("1C", "Disponible", 251_955.5, "S"),
                ("1D", "Disponible", 251_955.0421, "S"),
            ),
            shape=_formats({"C2": '#,##0\\ "€"', "C3": "#,##0.00", "C4": "#,##0"}),
        ),
        rows="""
            1A | AVAILABLE | 251955 | S
            1B | AVAILABLE | 251955.43 | S
            1C | AVAILABLE | 251956 | S
            ! at most two decimals
            """,
        remarks=("251955.0421", "251955.5"),
    ),
    Listed(
        name="names by the format",
        follows=_OWN,
        write=book(
            **_list(
                (1.1, "Disponible", 250_000, "S"),
                (5, "Disponible", 250_000, "S"),
                (101, "Disponible", 250_000, "S"),
                (7, "Disponible", 250_000, "S"),
                (102, "Disponible", 250_000, "S"),
                (2.5, "Disponible", 250_000, "S"),
            ),
            shape=_formats({"A2": "0.00", "A3": "000", "A4": '"A-"000', "A5": "\\B00", "A6": "0"}),
        ),
        rows="""
            1.10 | AVAILABLE | 250000 | S
            005 | AVAILABLE | 250000 | S
            A-101 | AVAILABLE | 250000 | S
            B07 | AVAILABLE | 250000 | S
            102 | AVAILABLE | 250000 | S
            2.5 | AVAILABLE | 250000 | S
            """,
    ),
    Listed(
        name="names whose digits are grouped",
        follows=_OWN,
        write=book(
            **_list((1101, "Disponible", 250_000, "S"), (101, "Disponible", 250_000, "S")),
            shape=_formats({"A2": "#,##0", "A3": "#,##0"}),
        ),
        rows="""
            ! as text
            101 | AVAILABLE | 250000 | S
            """,
    ),
    Listed(
        name="ids by the format",
        follows=f"{_OWN} with an id for each row",
        write=book(
            Lista=[("Cód. promoción", *_HEADINGS), (47, "1A", "Disponible", 250_000, "S")],
            shape=_formats({"A2": "00000"}),
        ),
        options={"development_id": None, "columns": {"development_id": "Cód. promoción"}},
        rows="00047: 1A | AVAILABLE | 250000 | S",
    ),
    Listed(
        name="a hidden row",
        follows=_OWN,
        write=book(
            **_list(("1A", "Disponible", 250_000, "S"), ("1B", "Vendido", 250_000, "S")),
            shape=_hidden_row,
        ),
        rows="""
            1A | AVAILABLE | 250000 | S
            1B | SOLD | 250000 | S
            """,
        remarks=("the row is hidden",),
    ),
    Listed(
        name="a row that a filter hides",
        follows=_OWN,
        write=book(
            **_list(("1A", "Disponible", 250_000, "S"), ("1B", "Vendido", 250_000, "S")),
            shape=_filtered,
        ),
        rows="""
            1A | AVAILABLE | 250000 | S
            1B | SOLD | 250000 | S
            """,
        remarks=("the row is hidden",),
    ),
    Listed(
        name="a row that is struck through",
        follows=f"{_OWN} where sold units are struck through",
        write=book(
            **_list(("1A", "Disponible", 250_000, "S"), ("1B", "Disponible", 250_000, "S")),
            shape=_struck("A3", "B3", "C3", "D3"),
        ),
        rows="""
            1A | AVAILABLE | 250000 | S
            1B | AVAILABLE | 250000 | S
            """,
        remarks=("struck through",),
    ),
    Listed(
        name="a price that is struck through",
        follows=f"{_OWN} where old prices are struck through",
        write=book(
            **_list(("1A", "Disponible", 250_000, "S"), ("1B", "Disponible", 250_000, "S")),
            shape=_struck("C3"),
        ),
        rows="""
            1A | AVAILABLE | 250000 | S
            1B | AVAILABLE | 250000 | S
            """,
        remarks=("struck through",),
    ),
    Listed(
        name="merged cells of a status and of directions",
        follows="a developer's own workbook, with merged cells",
        write=book(
            Lista=[
                ["Vivienda", "Precio", "Estado", "Orientación"],
                ["A-101", 254_200, "Vendido", "Sur"],
                ["A-102", 254_300, None, "Norte"],
                ["A-103", 254_400, "Libre", None],
                ["A-104", 254_500, None, None],
                ["A-105", None, "Libre", "Sur"],
            ],
            shape=lambda made: [
                made["Lista"].merge_cells(cells)
                for cells in ("C2:C3", "D3:D4", "B5:B6", "F1:G1", "D20:D21")
            ],
        ),
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | SOLD | 254300 | N
            A-103 | AVAILABLE | 254400 | N
            ! column Estado
            ! column Precio
            """,
    ),
)
