"""Price lists: read one, plan what it would change, and push that.

from propq_async import AsyncPropQ, pricelist
from propq_async.ledger import Ledger

async with AsyncPropQ.from_env() as propq, Ledger() as ledger:
    plan = await pricelist.plan(pricelist.read("prices.xlsx"), propq, ledger)
    async with pricelist.push(plan, propq, ledger) as outcomes:
        async for outcome in outcomes:
            print(outcome.change.update.name, outcome.error or "applied")
"""

from .failures import Failures
from .planning import Change, Plan, Reason, Total, plan
from .problems import PriceListError, Problem, Remark, Table
from .pushing import Push, PushOutcome, Standing, push
from .reader import PriceList, read
from .rows import BrokenRow, Row
from .suspicions import Suspicion, Warn
from .writer import write

__all__ = [
    "BrokenRow",
    "Change",
    "Failures",
    "Plan",
    "PriceList",
    "PriceListError",
    "Problem",
    "Push",
    "PushOutcome",
    "Reason",
    "Remark",
    "Row",
    "Standing",
    "Suspicion",
    "Table",
    "Total",
    "Warn",
    "plan",
    "push",
    "read",
    "write",
]
