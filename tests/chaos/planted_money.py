"""Planted bugs of purchases: what is paid for, given back, and heard of from Stripe."""

from tests.chaos.planting import Bug, Edit

BUGS = (
    Bug(
        name="purchase-granted-again",
        says="Whatever is heard of a subscription grants its month once more",
        edits=(
            Edit(
                "services/billing/settling.py",
                "        missing = month.amount - given.pop(",
                "        missing = month.amount + 0 * given.pop(",
            ),
        ),
        bites=("sales", "behind"),
    ),
    Bug(
        name="purchase-not-said",
        says="A purchase is in billing's books, and credits is not told",
        edits=(
            Edit(
                "services/billing/settling.py",
                "about=said.account_id) for event in said.events]\n",
                "about=said.account_id) for event in said.events"
                " if not isinstance(event, CreditsPurchased)]\n",
            ),
        ),
        bites=("sales",),
    ),
    Bug(
        name="purchase-not-recorded",
        says="An event of Stripe's is called handled, and what it is about is not written down",
        edits=(
            Edit(
                "services/billing/acting.py",
                "                await recording.record(connection, leased, found)\n"
                "                changed = await settling.settle(",
                "                changed = await settling.settle(",
            ),
        ),
        bites=("sales", "behind"),
    ),
    Bug(
        name="refund-keeps-its-credits",
        says="Money goes back, and its credits do not",
        edits=(
            Edit(
                "services/billing/entitlements.py",
                "    if not payment.amount_cents:\n        return Taken()\n",
                "    if payment.amount_cents:\n        return Taken()\n",
            ),
        ),
        bites=("clawbacks",),
        faults=("late runs",),
    ),
    Bug(
        name="lost-event-never-fetched",
        says="The sweep reports an event that never arrived, and does not write it down",
        edits=(
            Edit(
                "services/billing/reconciling.py",
                "                if fix:\n                    await event_log.store(",
                "                if fix is None:\n                    await event_log.store(",
            ),
        ),
        bites=("behind",),
        faults=("stripe lose_webhook",),
    ),
    Bug(
        name="checkout-key-ignored",
        says="The same Idempotency-Key makes another checkout",
        edits=(
            Edit(
                "services/gateway/purchases.py",
                '        headers={"idempotency-key": key},\n',
                "        headers={'idempotency-key': key + request.scope['trace_id']},\n",
            ),
        ),
        bites=("doubled", "disagreeing"),
        faults=("late runs",),
    ),
)
"""Some bite by what Stripe says only: our books agree with one another."""
