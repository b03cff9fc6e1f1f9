"""Stripe's webhook: verify, write down, answer. Acting on it is somebody else's work.

Only what is written down is answered with a 2xx, and only what Stripe signed is written down.
"""

import structlog
from fastapi import APIRouter, Request

from services.billing import event_log, facts, stripe_client
from services.billing.errors import SignatureRefused
from services.kit import failpoints
from services.kit.http import Transaction

router = APIRouter(tags=["webhooks"])

log = structlog.get_logger()


@router.post("/hooks/stripe")
async def hear(request: Request, connection: Transaction) -> dict[str, str]:
    """Write an event of Stripe down."""
    body, header = await request.body(), request.headers.get("stripe-signature", "")
    try:
        event = stripe_client.verify(body, header, request.app.state.webhook_secrets)
    except SignatureRefused as refusal:
        log.warning("stripe.webhook.refused", why=refusal.why, body_bytes=len(body))
        raise
    refusal_of_event = _refusal(event, is_live=request.app.state.is_live)
    if refusal_of_event:
        # Trying again would not help, so Stripe is told that it has arrived.
        log.error("stripe.event.not_for_us", event_id=event.id, why=refusal_of_event)
    elif event.type in event_log.WATCHED:
        log.error("stripe.event.to_look_at", event_id=event.id, type=event.type)
    is_news = await event_log.store(connection, event, refusal=refusal_of_event)
    await failpoints.reach("after_stripe_insert_before_200")
    log.info("stripe.event", event_id=event.id, type=event.type, is_news=is_news)
    return {}


def _refusal(event: facts.Event, *, is_live: bool) -> str | None:
    """Why an event is signed for us and yet not meant for us."""
    if event.livemode != is_live:
        return "of live mode" if event.livemode else "of test mode"
    if event.account is not None:
        return f"of the account {event.account}"
    if event.api_version != stripe_client.API_VERSION:
        return f"of the API version {event.api_version}"
    return None
