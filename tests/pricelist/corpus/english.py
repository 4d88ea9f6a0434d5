"""Exports and sheets in English."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

_OWN: Final = "a developer's own sheet in English"

LISTS: Final = (
    Listed(
        name="en plain",
        follows=_OWN,
        write=text("""
            Unit,Status,Price,Orientation
            A-101,Sold,"250,000.00",North/South
            A-102,Available,"199,500.50",South
            A-103,On hold,"310,000.00",SE
            A-104,Reserved,"305,000.00",N
            """),
        rows="""
            A-101 | SOLD | 250000 | N S
            A-102 | AVAILABLE | 199500.5 | S
            A-103 | HOLD | 310000 | SE
            A-104 | RESERVED | 305000 | N
            """,
    ),
    Listed(
        name="en list price and discount",
        follows=_OWN,
        write=text("""
            Unit,Status,List price,Price after discount,Orientation
            A-101,Available,260000,245000,S
            A-102,Available,270000,255000,N
            """),
        asks=("List price (C", "Price after discount (D", "260000", "270000", "245000"),
        answer={"columns": {"price": "Price after discount"}},
        rows="""
            A-101 | AVAILABLE | 245000 | S
            A-102 | AVAILABLE | 255000 | N
            """,
    ),
    Listed(
        name="kyero feed as a sheet",
        follows="Kyero's fields: ref, price, price_freq, type, new_build",
        write=text("""
            ref,price,currency,price_freq,type,orientation,status
            MIR101,254200,EUR,sale,apartment,S,available
            """),
        asks=("price (B", "price_freq (D", "--column price="),
        answer={"columns": {"price": "price"}},
        rows="MIR101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="resales online",
        follows="Resales Online's fields: Reference, Price, OriginalPrice",
        write=text("""
            Reference,AgencyRef,Price,OriginalPrice,Currency,Status,Orientation
            R4711101,M-1,254200,260000,EUR,Available,South
            """),
        asks=("--column",),
        answer={"columns": {"price": "Price", "name": "Reference"}},
        rows="R4711101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="odoo export",
        follows="Odoo's export of records",
        write=text("""
            "External ID","Name","Sales Price","Cost","Status","Orientation"
            "__export__.prod_101","A-101","254200.00","180000.00","Available","South"
            """),
        asks=("no column for price", "Sales Price (C", "--column price="),
        answer={"columns": {"price": "Sales Price"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="hubspot deals",
        follows="a CRM's export of deals: deal name, stage, amount",
        write=text("""
            Deal name,Deal stage,Amount,Contact name,Unit,Status,Price,Orientation
            Ferrer A-101,won,6000,L. Ferrer,A-101,Sold,254200,S
            """),
        asks=("--column",),
        answer={"columns": {"price": "Price", "name": "Unit"}},
        rows="A-101 | SOLD | 254200 | S",
    ),
    Listed(
        name="salesforce names",
        follows="a CRM's export of contacts: first and last name",
        write=text("""
            Unit No,First Name,Last Name,Status,Price,Aspect
            101,Lucy,Ferrer,Sold,254200,S
            """),
        asks=("Unit No (A", "First Name (B", "Last Name (C", "--column name="),
        answer={"columns": {"name": "Unit No"}},
        rows="101 | SOLD | 254200 | S",
    ),
    Listed(
        name="en name and surname",
        follows="a CRM's export of buyers",
        write=text("""
            No.,Name,Surname,Status,Price,Aspect
            101,Lucy,Ferrer,Sold,254200,S
            """),
        asks=("No. (A", "Name (B", "Surname (C", "--column name="),
        answer={"columns": {"name": "No."}},
        rows="101 | SOLD | 254200 | S",
    ),
    Listed(
        name="en unit attributes",
        follows=_OWN,
        write=text("""
            Unit,Unit type,Unit size,Floor,Status,Status date,Price,Price per sqm,Orientation
            A-101,2 bed,82,1,Available,2026-03-01,254200,3100,S
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="en pounds in the heading",
        follows="a British agent's sheet",
        write=text("""
            Unit,Status,Price (£),Orientation
            A-101,Available,215000,S
            """),
        asks=("price", "Price (£) (C", "--column price="),
    ),
    Listed(
        name="en dollars in the heading",
        follows="an American agent's sheet",
        write=text("""
            Unit,Status,Price $,Orientation
            A-101,Available,315000,S
            """),
        asks=("price", "Price $ (C", "--column price="),
    ),
    Listed(
        name="en dollars by their code",
        follows="an American agent's sheet",
        write=text("""
            Unit,Status,Price (USD),Orientation
            A-101,Available,315000,S
            """),
        asks=("price", "Price (USD) (C", "--column price="),
    ),
    Listed(
        name="en pounds and euro",
        follows="a British agent's sheet with both currencies",
        write=text("""
            Unit,Status,Price (£),Price (€),Orientation
            A-101,Available,215000,254200,S
            """),
        asks=("Price (£) (C", "Price (€) (D", "215000", "254200", "--column price="),
        answer={"columns": {"price": "Price (€)"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="en thousands in the heading",
        follows=_OWN,
        write=text("""
            Unit,Status,Price (k€),Orientation
            A-101,Available,254.2,S
            """),
        asks=("price", "Price (k€) (C", "--column price="),
    ),
    Listed(
        name="en thousands as three zeros",
        follows="a bank's form",
        write=text("""
            Unit,Status,Price (€000),Orientation
            A-101,Available,254.2,S
            """),
        asks=("price", "Price (€000) (C", "--column price="),
    ),
    Listed(
        name="es a per cent in the heading",
        follows="a developer's own sheet in Spanish: raises",
        write=text("""
            Vivienda;Estado;Precio (%);Orientación
            A-101;Libre;5;Sur
            """),
        asks=("price", "Precio (%) (C", "--column price="),
    ),
    Listed(
        name="es a difference in the heading",
        follows="a developer's own sheet in Spanish: changes of prices",
        write=text("""
            Vivienda;Estado;± Precio;Orientación
            A-101;Libre;5000;Sur
            """),
        asks=("price", "± Precio (C", "--column price="),
    ),
    Listed(
        name="es thousands in words",
        follows="a bank's form in Spanish",
        write=text("""
            Vivienda;Estado;Precio (miles €);Orientación
            A-101;Libre;254,2;Sur
            """),
        asks=("price", "Precio (miles €) (C", "--column price="),
    ),
    Listed(
        name="es euro per square metre only",
        follows="a developer's own sheet in Spanish",
        write=text("""
            Vivienda;Estado;Precio (€/m²);Orientación
            A-101;Libre;3.100,00;Sur
            """),
        asks=("no column for price", "Precio (€/m²)", "--column price="),
    ),
    Listed(
        name="es euro in the heading",
        follows="a developer's own sheet in Spanish",
        write=text("""
            Vivienda;Estado;Precio venta (EUR);Orientación
            A-101;Libre;254.200,00;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="google sheets export",
        follows="Google Sheets' download as CSV, with rows to spare",
        write=text("""
            Unit,Status,Price,Orientation
            A-101,Available,254200,S
            ,,,
            ,,,
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="airtable json lines",
        follows="a table service's export as JSON lines",
        write=text(
            """
            {"name": "A-101", "status": "Available", "price": 254200, "directions": ["S"]}
            {"name": "A-102", "status": "Sold", "price": 262300, "directions": ["N", "E"]}
            """,
            suffix=".jsonl",
        ),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300 | N E
            """,
    ),
    Listed(
        name="json lines with two prices",
        follows="an API's answers as JSON lines",
        write=text(
            """
            {"name": "A-101", "status": "Sold", "price": 260000, "new_price": 5, "facing": "S"}
            """,
            suffix=".jsonl",
        ),
        asks=("price", "new_price", "260000", "--column price="),
        answer={"columns": {"price": "price"}},
        rows="A-101 | SOLD | 260000 | S",
    ),
    Listed(
        name="en merged group headings",
        follows=f"{_OWN}, merged cells",
        write=book(
            Units=[
                ["UNIT", None, "STATUS", "PRICE", None],
                ["Block", "No", None, "2025", "2026"],
                ["A", "101", "Available", 240_000, 254_200],
            ],
        ),
        asks=("--column",),
    ),
)
