"""Webhooks as Stripe would send them: a body, and a signature over its bytes."""

import hmac
import json
import time
from hashlib import sha256
from typing import Any

from services.billing.stripe_client import API_VERSION
from tests.billing.places import WEBHOOK_SECRETS

KIND = "customer.subscription.updated"


def event(*, name: str = "evt_1", kind: str = KIND, **changes: Any) -> dict[str, Any]:
    """An event about a customer's subscription."""
    return {
        "id": name,
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "api_version": API_VERSION,
        "data": {
            "object": {"object": "subscription", "id": "sub_1", "customer": "cus_1", "email": "x"}
        },
        **changes,
    }


def body_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def signature(
    body: bytes, *, secret: str = WEBHOOK_SECRETS[0], age_s: int = 0, scheme: str = "v1"
) -> str:
    """The header over these bytes."""
    stamp = int(time.time()) - age_s
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    return f"t={stamp},{scheme}={digest}"
