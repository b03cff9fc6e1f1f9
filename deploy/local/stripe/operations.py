"""Every operation of the API, by its method and path."""

from deploy.local.stripe import (
    cards,
    catalogue,
    checkout,
    clocks,
    coupons,
    customers,
    disputes,
    events,
    invoices,
    payments,
    portal,
    refunds,
    subscription_calls,
    webhook_endpoints,
)  # fmt: skip
from deploy.local.stripe.calls import Operation

OPERATIONS: dict[str, Operation] = {
    **customers.OPERATIONS,
    **cards.OPERATIONS,
    **catalogue.OPERATIONS,
    **coupons.OPERATIONS,
    **checkout.OPERATIONS,
    **subscription_calls.OPERATIONS,
    **invoices.OPERATIONS,
    **payments.OPERATIONS,
    **refunds.OPERATIONS,
    **disputes.OPERATIONS,
    **portal.OPERATIONS,
    **events.OPERATIONS,
    **webhook_endpoints.OPERATIONS,
    **clocks.OPERATIONS,
}
