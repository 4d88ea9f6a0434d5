"""Numbers for a status: the API's own, or those of another system."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_CRM: Final = "an export of a CRM with codes of its own"

LISTS: Final = (
    Listed(
        name="codes of another system",
        follows=_CRM,
        write=text("""
            Ref;Estado;Precio;Orientación
            1A;4;254.200,00;S
            1B;3;262.300,00;N
            1C;4;262.300,00;N
            """),
        asks=("column Estado", "'3'", "'4'", "--status-word 4="),
        answer={"status_words": {"4": 1, "3": 8}},
        rows="""
            1A | AVAILABLE | 254200 | S
            1B | RESERVED | 262300 | N
            1C | AVAILABLE | 262300 | N
            """,
    ),
    Listed(
        name="codes that look like the API's",
        follows=_CRM,
        write=text("""
            Ref;Estado;Precio;Orientación
            1A;1;254.200,00;S
            1B;2;262.300,00;N
            """),
        asks=("column Estado", "'1'", "'2'", "--status-word 1="),
        answer={"status_words": {"1": 1, "2": 4}},
        rows="""
            1A | AVAILABLE | 254200 | S
            1B | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="some codes are stated",
        follows=_CRM,
        write=text("""
            Ref;Estado;Precio;Orientación
            1A;1;254.200,00;S
            1B;2;262.300,00;N
            """),
        options={"status_words": {"1": 1}},
        asks=("column Estado", "'2'", "--status-word 2="),
    ),
    Listed(
        name="one code among words",
        follows="a developer's own sheet",
        write=text("""
            Vivienda;Estado;Precio;Orientación
            1A;Vendido;254.200,00;S
            1B;1;262.300,00;N
            """),
        asks=("column Estado", "'1'", "--status-word 1="),
        answer={"status_words": {"1": 8}},
        rows="""
            1A | SOLD | 254200 | S
            1B | RESERVED | 262300 | N
            """,
    ),
    Listed(
        name="codes as numbers of a workbook",
        follows=_CRM,
        write=book(
            Stock=[
                ("Ref", "Status", "Price", "Orientation"),
                ("1A", 4, 254_200, "S"),
                ("1B", 0, 254_200, "S"),
            ]
        ),
        asks=("sheet Stock", "column Status", "'0'", "'4'", "--status-word 0="),
    ),
    Listed(
        name="the API's own names in CSV",
        follows="a program that uses the API",
        write=text("""
            UntName,UntStatus,UntPrice,UntDirections
            1A,4,254200,S
            1B,8,262300,N
            """),
        rows="""
            1A | SOLD | 254200 | S
            1B | RESERVED | 262300 | N
            """,
    ),
    Listed(
        name="the API's own names in JSON lines",
        follows="a program that uses the API",
        write=text(
            """
            {"UntName": "1A", "UntStatus": 2, "UntPrice": 254200, "UntDirections": ["N", "S"]}
            """,
            suffix=".jsonl",
        ),
        rows="1A | HOLD | 254200 | N S",
    ),
    Listed(
        name="the names of our own fields",
        follows="a program that writes updates as CSV",
        write=text("""
            development_id,name,status,price,directions
            4711,1A,4,254200,S
            """),
        rows="1A | SOLD | 254200 | S",
    ),
    Listed(
        name="codes in JSON lines of a CRM",
        follows=_CRM,
        write=text(
            """
            {"ref": "1A", "status": 2, "price": 254200, "orientation": "N"}
            {"ref": "1B", "status": 5, "price": 254200, "orientation": "N"}
            """,
            suffix=".jsonl",
        ),
        asks=("column status", "'2'", "'5'", "--status-word"),
    ),
    Listed(
        name="an unknown number below the API's own name",
        follows="a program that uses the API",
        write=text("""
            UntName,UntStatus,UntPrice,UntDirections
            1A,3,254200,S
            1B,8,262300,N
            """),
        rows="""
            ! AVAILABLE
            1B | RESERVED | 262300 | N
            """,
    ),
)
