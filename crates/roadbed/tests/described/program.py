"""Uses what `roadbed types python` wrote; checked by mypy, and run."""

from typing import List

from database import (
    PublicAddArgs,
    PublicCustomers,
    PublicOrders,
    PublicOrdersInsert,
    PublicOrdersUpdate,
    PublicState,
    PublicTotalsReturns,
)

state: PublicState = "paid"
order: PublicOrdersInsert = {"customer_id": 1, "state": state, "history": ["new", None]}
change: PublicOrdersUpdate = {"amount": 1.5, "takes": None}
arguments: PublicAddArgs = {"a": 1}
totals: List[PublicTotalsReturns] = [{"customer": 1, "total": 2}]


def name(customer: PublicCustomers) -> str:
    return customer["name"]


def mail(customer: PublicCustomers) -> str:
    return customer["mail"]  # wrong: it may be null


missing: PublicOrdersInsert = {"state": "new"}  # wrong: a customer is needed
lost: PublicOrdersUpdate = {"state": "lost"}  # wrong: no such state


def tax(order: PublicOrders) -> float:
    return order["amount"]


print(sorted(order), sorted(change))
