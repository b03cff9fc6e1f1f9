"""What credits says, version 1."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.message import AccountId, BatchId, Credits, Event, JobId, Version

Balance = Annotated[int, Field(ge=0, description="Credits that can be spent afterwards.")]


class _Movement(Event):
    account_id: AccountId
    version: Version
    amount: Credits
    available: Balance


class BalanceGranted(_Movement):
    """Credits of a plan, a purchase or a gift were added."""

    type = "credits.balance.granted.v1"

    reason: str


class HoldPlaced(_Movement):
    """Credits are set aside for a job."""

    type = "credits.hold.placed.v1"

    job_id: JobId


class BatchPlaced(_Movement):
    """Credits are set aside for every job of a batch; `amount` is all of them."""

    type = "credits.batch.placed.v1"

    batch_id: BatchId
    jobs: Annotated[int, Field(ge=1)]


class HoldCaptured(_Movement):
    """The held credits are spent: the job was delivered."""

    type = "credits.hold.captured.v1"

    job_id: JobId


class HoldReleased(_Movement):
    """The held credits came back: the job ended without a result."""

    type = "credits.hold.released.v1"

    job_id: JobId


class HoldExpired(_Movement):
    """The held credits came back: the job never ended."""

    type = "credits.hold.expired.v1"

    job_id: JobId


class HoldRefunded(_Movement):
    """The spent credits came back: the owner rejected the result, which is kept for review."""

    type = "credits.hold.refunded.v1"

    job_id: JobId
    reason: Literal["likeness", "colours", "damage", "other"]
