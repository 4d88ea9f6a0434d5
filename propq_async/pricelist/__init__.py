"""Price lists: read one, plan what it would change, and push that.

from propq_async import AsyncPropQ, pricelist
from propq_async.ledger import Ledger

async with AsyncPropQ.from_env() as propq, Ledger() as ledger:
    plan = await pricelist.plan(pricelist.read("prices.xlsx"), propq, ledger)
    print(plan.broken, plan.warnings)
    async with pricelist.push(plan, propq, ledger, accept={"price"}) as outcomes:
        async for outcome in outcomes:
            print(outcome.change.update.name, outcome.error or "applied")
"""

from propq_async.pricelist._profile import Profile
from propq_async.pricelist._profile_values import Fill, ListProfile
from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.reader import read
from propq_async.pricelist._reading.rows import BrokenRow, Row

from ._changes import Change, Reason
from ._draft import Draft
from ._failures import Failures
from ._kinds import WarningKind
from ._outcomes import PushOutcome, Result, Standing
from ._plan_warning import PlanWarning
from ._planning import Plan, Total, plan
from ._problem_kinds import ProblemKind
from ._problems import Column, PriceListError, Problem, Remark, Table
from ._pushing import Push, push
from ._report import report
from ._saved_plan import load_plan, save_plan
from ._setup import setup
from ._setup_questions import Question
from ._writing import write

__all__ = [
    "BrokenRow",
    "Change",
    "Column",
    "Draft",
    "Failures",
    "Fill",
    "ListProfile",
    "Plan",
    "PlanWarning",
    "PriceList",
    "PriceListError",
    "Problem",
    "ProblemKind",
    "Profile",
    "Push",
    "PushOutcome",
    "Question",
    "Reason",
    "Remark",
    "Result",
    "Row",
    "Standing",
    "Table",
    "Total",
    "WarningKind",
    "load_plan",
    "plan",
    "push",
    "read",
    "report",
    "save_plan",
    "setup",
    "write",
]
