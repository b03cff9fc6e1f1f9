"""Read the subject of an event from Stripe, with whatever belongs to it.

What an event says of its object is old by the time that we act, so only its id counts. A payment
is read together with what it paid for: a refund may be heard of before the purchase.
"""

from services.billing import facts
from services.billing.errors import Missing
from services.billing.event_log import Waiting
from services.billing.stripe_client import Stripe

Subject = tuple[str, str]
"""A sort of object, and its id. Events of the same subject are acted on together."""

CLOCK: Subject = ("clock", "")
"""Not an event's: what to read before credits are given or lost because a moment has come."""

OF_PAYMENTS = frozenset({"charge", "refund", "dispute", "payment_intent"})


def subject_of(event: Waiting) -> Subject:
    """What to read because of an event."""
    if event.object in OF_PAYMENTS:
        return "payment", event.payment_intent_id or event.object_id
    return event.object, event.object_id


async def read(stripe: Stripe, customer_id: str, subject: Subject) -> facts.Found:
    """Everything that Stripe says about a subject now."""
    sort, name = subject
    match sort:
        case "checkout.session":
            return await _session(stripe, customer_id, name)
        case "invoice":
            return await _invoice(stripe, customer_id, name)
        case "payment":
            return await _payment(stripe, customer_id, name)
        case "customer":
            return facts.Found(is_deleted=True)
        case "clock":
            return await _latest(stripe, customer_id)
        case _:
            return facts.Found(subscriptions=await _subscriptions(stripe, customer_id, name))


async def customer_of(stripe: Stripe, event: Waiting) -> str | None:
    """Whose event it is, if it does not say so itself."""
    if event.object in OF_PAYMENTS and event.payment_intent_id:
        try:
            return (await stripe.intent(event.payment_intent_id)).customer
        except Missing:
            return None
    return None


async def _subscriptions(
    stripe: Stripe, customer_id: str, subscription_id: str
) -> list[facts.Subscription]:
    """All of the customer; the one asked for even when the customer was deleted meanwhile."""
    try:
        found = await stripe.subscriptions_of(customer_id)
    except Missing:
        found = []
    if all(one.id != subscription_id for one in found):
        found.append(await stripe.subscription(subscription_id))
    return found


async def _session(stripe: Stripe, customer_id: str, session_id: str) -> facts.Found:
    session = await stripe.session(session_id)
    if session.mode == "subscription":
        subscriptions = await stripe.subscriptions_of(customer_id)
        return facts.Found(
            sessions=[facts.PaidSession(session=session, money=None)], subscriptions=subscriptions
        )
    money = await stripe.money(session.payment_intent) if session.payment_intent else None
    return facts.Found(sessions=[facts.PaidSession(session=session, money=money)])


async def _invoice(stripe: Stripe, customer_id: str, invoice_id: str) -> facts.Found:
    paid = await _paid(stripe, invoice_id)
    named = paid.invoice.subscription
    if named is None:
        return facts.Found(invoices=[paid])
    return facts.Found(
        invoices=[paid], subscriptions=await _subscriptions(stripe, customer_id, named)
    )


async def _paid(stripe: Stripe, invoice_id: str) -> facts.PaidInvoice:
    invoice = await stripe.invoice(invoice_id)
    intent = await stripe.intent_that_paid(invoice_id) if invoice.status == "paid" else None
    money = await stripe.money(intent) if intent else None
    unpaid_by = await stripe.state_of_payment(invoice_id) if invoice.status == "open" else None
    return facts.PaidInvoice(invoice=invoice, money=money, unpaid_by=unpaid_by)


async def _latest(stripe: Stripe, customer_id: str) -> facts.Found:
    """All subscriptions, and what was paid for them lately."""
    try:
        subscriptions = await stripe.subscriptions_of(customer_id)
        invoices = await stripe.latest_invoices(customer_id)
    except Missing:
        return facts.Found()
    paid = [await _paid(stripe, invoice_id) for invoice_id in invoices]
    return facts.Found(subscriptions=subscriptions, invoices=paid)


async def _payment(stripe: Stripe, customer_id: str, payment_intent_id: str) -> facts.Found:
    if invoice_id := await stripe.invoice_paid_by(payment_intent_id):
        return await _invoice(stripe, customer_id, invoice_id)
    if session_id := await stripe.session_paid_by(payment_intent_id):
        return await _session(stripe, customer_id, session_id)
    return facts.Found()
