"""Price lists."""

from .problems import PriceListError, Problem, Remark, Table
from .reader import BrokenRow, PriceList, Row, read

__all__ = [
    "BrokenRow",
    "PriceList",
    "PriceListError",
    "Problem",
    "Remark",
    "Row",
    "Table",
    "read",
]
