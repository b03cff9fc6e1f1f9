"""What billing's processes read from their environment."""

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from services.billing import plans
from services.billing.plans import Item
from services.kit.settings import ServiceSettings

Cents = Annotated[int, Field(ge=1, le=100_000_00)]
PaidPlan = Annotated[str, Field(pattern="^(remember|cherish|forever)$")]
TopUpSize = Annotated[str, Field(pattern="^(10|30|100)$")]

API_KEY = re.compile(r"(sk|rk)_(test|live)_[\w-]{8,255}")
WEBHOOK_SECRET_LENGTH_MIN = 16


class PriceSettings(ServiceSettings):
    """Prices, as JSON objects in cents that name only what differs from the default.

    PLAN_PRICES_CENTS='{"remember": 899}' TOP_UP_PRICES_CENTS='{"10": 399}'.
    """

    plan_prices_cents: dict[PaidPlan, Cents] = Field(default_factory=dict)
    top_up_prices_cents: dict[TopUpSize, Cents] = Field(default_factory=dict)

    @property
    def price_list(self) -> tuple[list[plans.Plan], list[plans.TopUp]]:
        return plans.price_list(
            plan_prices=self.plan_prices_cents, top_up_prices=self.top_up_prices_cents
        )

    @property
    def items(self) -> list[Item]:
        """Everything that can be bought, at the prices of this environment."""
        return list(plans.items(*self.price_list))


class StripeSettings(ServiceSettings):
    """How Stripe is reached. STRIPE_API_URL is for the emulator of the local stack."""

    stripe_api_key: SecretStr
    stripe_api_url: str | None = None

    @field_validator("stripe_api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if not API_KEY.fullmatch(value.get_secret_value()):
            raise ValueError("give the secret key of a Stripe account, sk_test_… or sk_live_…")
        return value

    @property
    def is_live(self) -> bool:
        """Whether money is real."""
        return "_live_" in self.stripe_api_key.get_secret_value()


class SyncSettings(PriceSettings, StripeSettings):
    """For the command that brings Stripe's prices in line with ours."""

    public_url: str


class ConsumerSettings(StripeSettings):
    """For the process that acts on messages, on Stripe's events, and on what is due."""

    amqp_url: SecretStr


class HttpSettings(PriceSettings, StripeSettings):
    """For the private HTTP API, and the door for Stripe's webhooks.

    STRIPE_WEBHOOK_SECRETS holds one secret, or two while one replaces the other: `new,old`.
    """

    internal_secrets: SecretStr
    stripe_webhook_secrets: SecretStr
    stripe_automatic_tax: bool = False
    public_url: str
    credits_url: str
    credits_secret: SecretStr

    @field_validator("stripe_webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr) -> SecretStr:
        secrets = value.get_secret_value().split(",")
        if any(len(secret) < WEBHOOK_SECRET_LENGTH_MIN for secret in secrets):
            raise ValueError(f"each secret has {WEBHOOK_SECRET_LENGTH_MIN} characters or more")
        return value

    @field_validator("public_url")
    @classmethod
    def _ends_without_a_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def webhook_secrets(self) -> list[str]:
        return self.stripe_webhook_secrets.get_secret_value().split(",")
