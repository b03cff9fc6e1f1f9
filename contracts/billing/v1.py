"""What billing says, version 1."""

from typing import Annotated

from pydantic import Field

from contracts.message import AccountId, Event, Tier, Version


class PlanChanged(Event):
    """An account is on this plan from now on, or a new period of it has been paid for.

    `period` names what the credits are for; the same one never grants twice.
    """

    type = "billing.plan.changed.v1"

    account_id: AccountId
    version: Version
    plan: str
    tier: Tier
    credits_monthly: Annotated[int, Field(ge=0)]
    period: str
