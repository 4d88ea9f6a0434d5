"""Lists with a profile beside them."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.corpus import text

__all__ = ["FULL", "listed", "profile"]

FULL = """
account = "costa"

[[list]]
file = "precios*.csv"
development = "4711"
name = "{Portal}-{Planta}{Puerta}"
status = "Estado"
price = "PVP (sin IVA)"
directions = "Orientación"
decimal = ","
delimiter = ";"
encoding = "utf-8"
compass_pairs = "one"
hidden_rows = "skip"
min_price = 10000
not_units = ["ÁTICOS*"]

[list.status_words]
"Señalizado" = "RESERVED"

[list.direction_words]
"Mar" = "S"

[list.fill]
directions = "units.csv"
price = "ledger"
status = "AVAILABLE"
"""


def profile(path: Path, content: str = FULL) -> Path:
    """Write a profile into a folder, or to a path."""
    path = path / "propq.toml" if path.is_dir() else path
    path.write_text(content, encoding="utf-8")
    return path


def listed(path: Path, content: str) -> Path:
    """Write a list, whose lines may be indented."""
    return text(content, suffix=path.suffix)(path)
