"""Names and secrets that the tests of billing agree on."""

from services.billing import plans

SECRET = "a-secret-that-only-the-tests-know"
WEBHOOK_SECRETS = ("whsec_the-new-one-of-the-tests", "whsec_the-old-one-of-the-tests")
NOBODY = "http://127.0.0.1:9"
"""Where nothing listens."""


def price_of(lookup_key: str) -> str:
    """The price at Stripe that something is sold for, where a test made none itself."""
    return f"price_{lookup_key}"


ITEMS = list(plans.ITEMS.values())
"""All that is on offer."""
