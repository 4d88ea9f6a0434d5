"""Exports of Spanish portals, CRMs and ERPs."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed, book, text

__all__ = ["LISTS"]

LISTS: Final = (
    Listed(
        name="idealista export",
        follows="Idealista's feed as a sheet: reference, typology, price, price by area",
        write=text("""
            Referencia;Tipo de inmueble;Operación;Precio;Precio m2;Planta;Orientación;Estado
            MIR-101;Piso;Venta;254200;3100;1;Sur;Disponible
            MIR-102;Piso;Venta;262300;3050;1;Norte, Este;Reservado
            MIR-201;Ático;Venta;410000;4100;2;Sur-Oeste;Vendido
            """),
        rows="""
            MIR-101 | AVAILABLE | 254200 | S
            MIR-102 | RESERVED | 262300 | N E
            ! SW if it is one direction, S/W if it is two
            """,
    ),
    Listed(
        name="idealista export with a lowered price",
        follows="Idealista's feed as a sheet: price and the price before",
        write=text("""
            Referencia;Precio;Precio anterior;Orientación;Estado
            MIR-101;245000;260000;Sur;Disponible
            """),
        asks=("Precio (B", "Precio anterior (C", "245000", "260000", "--column price="),
        answer={"columns": {"price": "Precio"}},
        rows="MIR-101 | AVAILABLE | 245000 | S",
    ),
    Listed(
        name="inmovilla export",
        follows="Inmovilla's export: ref, precioinmo, precioalq",
        write=text("""
            ref;precioinmo;precioalq;estadoficha;orientacion
            MIR101;254200;0;Disponible;Sur
            MIR102;262300;0;Vendido;Norte
            """),
        asks=("price", "status", "--column"),
        answer={"columns": {"price": "precioinmo", "status": "estadoficha"}},
        rows="""
            MIR101 | AVAILABLE | 254200 | S
            MIR102 | SOLD | 262300 | N
            """,
    ),
    Listed(
        name="inmovilla ref and catastral",
        follows="Inmovilla's export with the reference of the land register",
        write=text("""
            Ref.;Ref. catastral;Estado;Precio;Orientación
            MIR101;9872023VH5797S0001WX;Disponible;254200;Sur
            """),
        rows="MIR101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="odoo export in Spanish",
        follows="Odoo's export of records: External ID, fields with their labels",
        write=text("""
            "ID externo","Nombre","Referencia interna","Estado","Precio de venta","Orientación"
            "__export__.prod_101","A-101","MIR-101","Disponible","254200.00","Sur"
            """),
        asks=("name", "Nombre (B", "Referencia interna (C", "A-101", "MIR-101"),
        answer={"columns": {"name": "Nombre"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="prinex export",
        follows="a developer's ERP: codes and names of the development side by side",
        write=text("""
            Promoción;Cód. promoción;Vivienda;Estado;Precio;Orientación
            Mirador;4711;A-101;Vendido;254.200,00;Sur
            Jardines;4712;B-101;Disponible;262.300,00;Norte
            """),
        options={"development_id": None},
        rows="""
            A-101 | SOLD | 254200 | S
            4712: B-101 | AVAILABLE | 262300 | N
            """,
    ),
    Listed(
        name="a development's name among ids",
        follows="a developer's sheet of several developments, one without its id",
        write=text("""
            Promoción;Vivienda;Estado;Precio;Orientación
            4711;A-101;Vendido;254.200,00;Sur
            4711;A-102;Vendido;254.200,00;Sur
            Residencial Mirador II;B-101;Disponible;262.300,00;Norte
            """),
        options={"development_id": None},
        rows="""
            A-101 | SOLD | 254200 | S
            A-102 | SOLD | 254200 | S
            Residencial Mirador II: B-101 | AVAILABLE | 262300 | N
            """,
        remarks=("Residencial Mirador II",),
    ),
    Listed(
        name="development by code and number",
        follows="a developer's ERP: two codes of a development",
        write=text("""
            Cód. promoción;Id promoción;Vivienda;Estado;Precio;Orientación
            MIR;4711;A-101;Vendido;254.200,00;Sur
            """),
        options={"development_id": None},
        asks=("Cód. promoción (A", "Id promoción (B", "MIR", "4711", "--column development_id="),
        answer={"columns": {"development_id": "Id promoción"}},
        rows="A-101 | SOLD | 254200 | S",
    ),
    Listed(
        name="bank's form in Spanish",
        follows="a valuation form: Uds., tipology, area, value",
        write=text("""
            Finca;Vivienda;Superficie útil;Superficie construida;Estado;PVP (€);Orientación
            1;A-101;71,50;82,00;Libre;254.200,00;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="fotocasa with phone",
        follows="Fotocasa's feed as a sheet: address beside the orientation",
        write=text("""
            Referencia;Dirección;Precio;Orientación;Estado
            MIR-101;C/ Mayor, S/N;254200;Sur;Disponible
            """),
        rows="MIR-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="garage and storage prices",
        follows="a developer's own sheet with annexes",
        write=text("""
            Vivienda;Precio garaje;Precio trastero;Precio;Estado;Orientación
            A-101;18.000,00;4.000,00;254.200,00;Libre;Sur
            """),
        asks=("Precio garaje (B", "Precio trastero (C", "Precio (D", "18.000,00"),
        answer={"columns": {"price": "Precio"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="only a price of the garage",
        follows="a developer's own sheet, prices of annexes only",
        write=text("""
            Vivienda;Precio garaje;Estado;Orientación
            A-101;18.000,00;Libre;Sur
            """),
        asks=("no column for price", "Precio garaje (B", "--column price="),
    ),
    Listed(
        name="dates beside status and price",
        follows="a CRM's export with dates of changes",
        write=text("""
            Vivienda;Estado;Fecha estado;Precio;Fecha precio;Orientación
            A-101;Vendido;01/03/2026;254.200,00;01/02/2026;Sur
            """),
        rows="A-101 | SOLD | 254200 | S",
    ),
    Listed(
        name="types and areas beside the unit",
        follows="a CRM's export with attributes of the unit",
        write=text("""
            Vivienda;Tipo vivienda;Superficie vivienda;Nº dormitorios;Estado;Precio;Orientación
            A-101;2D;82;2;Libre;254.200,00;Sur
            """),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="pandas index",
        follows="pandas' to_csv with its index",
        write=text("""
            ,nombre,estado,precio,orientacion
            0,A-101,Libre,254200.0,S
            1,A-102,Vendido,262300.5,N
            """),
        rows="""
            A-101 | AVAILABLE | 254200 | S
            A-102 | SOLD | 262300.5 | N
            """,
    ),
    Listed(
        name="pandas merge of two lists",
        follows="pandas' merge: suffixes _x and _y",
        write=text("""
            ,vivienda,estado_x,precio_x,orientacion,estado_y,precio_y
            0,A-101,Libre,254200.0,S,Vendido,260000.0
            """),
        asks=("no column for", "estado_x (C", "estado_y (F", "--column"),
        answer={"columns": {"price": "precio_y", "status": "estado_y"}},
        rows="A-101 | SOLD | 260000 | S",
    ),
    Listed(
        name="pandas multi-index columns",
        follows="pandas' to_csv of columns with two levels",
        write=text("""
            vivienda,estado,precio,precio,orientacion
            ,,contado,financiado,
            A-101,Libre,254200.0,262000.0,S
            """),
        asks=("precio contado (C", "precio financiado (D", "254200.0", "--column price="),
        answer={"columns": {"price": "precio contado"}},
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
    Listed(
        name="a sheet with a legend above",
        follows="a developer's own sheet with logo, date and legend",
        write=book(
            Lista=[
                ["CONSTRUCCIONES ALBA", None, None, None],
                ["Fecha:", "01/03/2026", None, None],
                ["Promoción:", "Mirador", None, None],
                [],
                ["Vivienda", "Estado", "Precio", "Orientación"],
                ["A-101", "Libre", 254_200, "Sur"],
            ]
        ),
        rows="A-101 | AVAILABLE | 254200 | S",
    ),
)
