"""What billing says, version 1."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contracts.message import AccountId, Credits, Event, Tier, Version

Cause = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="Names what happened once and for all; the same cause never counts twice.",
    ),
]
Reason = Annotated[str, Field(max_length=200, description="What the owner reads on the receipt.")]


WhyMissed = Literal["declined", "confirmation"]
PaidAt = Annotated[
    datetime | None,
    Field(description="When it had been paid for: a pool that was lost later held it too."),
]


class PlanChanged(Event):
    """An account is on this plan from now on, or a new period of it was given.

    `period` names what the credits are for; the same one never grants twice. It is empty where
    credits are paid for with money: `CreditsPurchased` tells of those.
    """

    type = "billing.plan.changed.v1"

    account_id: AccountId
    version: Version
    plan: str
    tier: Tier
    credits_monthly: Annotated[int, Field(ge=0)]
    period: str


class CreditsPurchased(Event):
    """Money came in for these credits: a top-up, a month of a plan, the difference of an upgrade.

    Causes: `topup:<payment intent>`, `sub:<subscription>:<index of the month>`,
    `upgrade:<invoice line>`.
    """

    type = "billing.credits.purchased.v1"

    account_id: AccountId
    cause: Cause
    amount: Credits
    reason: Reason
    paid_at: Annotated[datetime, Field(description="A pool that was lost later holds them too.")]


class CreditsRevoked(Event):
    """Money went back, or a dispute was lost. What is left of the credits goes, the rest is owed.

    Causes: `claw:<charge>:<refunded so far>`, `disp:<dispute>:lost`. A dispute that is lost takes
    what was blocked for it.
    """

    type = "billing.credits.revoked.v1"

    account_id: AccountId
    cause: Cause
    amount: Credits
    reason: Reason
    blocked_by: Annotated[str | None, Field(description="The cause of their blocking.")] = None
    paid_at: PaidAt = None


class CreditsRestored(Event):
    """A refund failed after all: what it took comes back, first to what is owed.

    Causes: `reinstate:<refund>`.
    """

    type = "billing.credits.restored.v1"

    account_id: AccountId
    cause: Cause
    amount: Credits
    reason: Reason
    paid_at: PaidAt = None


class CreditsBlocked(Event):
    """A payment is disputed: its credits, as far as they are left, cannot be spent meanwhile.

    Causes: `disp:<dispute>:block`.
    """

    type = "billing.credits.blocked.v1"

    account_id: AccountId
    cause: Cause
    amount: Credits
    reason: Reason
    paid_at: PaidAt = None


class CreditsUnblocked(Event):
    """The dispute was won: what was blocked for it can be spent again.

    Causes: `disp:<dispute>:won`.
    """

    type = "billing.credits.unblocked.v1"

    account_id: AccountId
    cause: Cause
    blocked_by: Annotated[str, Field(description="The cause of their blocking.")]
    reason: Reason


class PaymentMissed(Event):
    """A renewal was not paid: its card was declined, or its bank wants the owner's confirmation.

    What there is stays; nothing new is granted until it is paid, and priority ends with the grace.
    """

    type = "billing.payment.missed.v1"

    account_id: AccountId
    plan: str
    reason: WhyMissed
    detail: Annotated[str, Field(max_length=200, description="What happened and what to do.")]


class SubscriptionEnded(Event):
    """The paid time is over: the pool is lost, but for what is held and what was paid for later.

    Causes: `forfeit:<subscription>`.
    """

    type = "billing.subscription.ended.v1"

    account_id: AccountId
    cause: Cause
    ended_at: datetime


class AccountCleared(Event):
    """The account was erased: Stripe has deleted its customer, and charges nothing any more."""

    type = "billing.account.cleared.v1"

    account_id: AccountId
