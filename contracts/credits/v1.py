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


class _Explained(_Movement):
    reason: Annotated[str, Field(description="What happened, as on the receipt.")]


class BalanceGranted(_Explained):
    """Credits of a plan, a purchase or a gift were added."""

    type = "credits.balance.granted.v1"


class BalanceRevoked(_Explained):
    """Credits were taken back: their payment was refunded, or a dispute about it was lost."""

    type = "credits.balance.revoked.v1"


class BalanceRestored(_Explained):
    """Credits that had been taken back or lost are there again."""

    type = "credits.balance.restored.v1"


class BalanceOwed(_Explained):
    """Credits to be taken back were spent already; what comes in repays them first."""

    type = "credits.balance.owed.v1"


class BalanceRepaid(_Explained):
    """Credits that came in went to what was owed."""

    type = "credits.balance.repaid.v1"


class BalanceBlocked(_Explained):
    """Credits cannot be spent while their payment is disputed."""

    type = "credits.balance.blocked.v1"


class BalanceUnblocked(_Explained):
    """Credits are no longer blocked; those of a dispute that was lost are revoked right after."""

    type = "credits.balance.unblocked.v1"


class BalanceForfeited(_Explained):
    """Credits were lost: the subscription has ended."""

    type = "credits.balance.forfeited.v1"


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


class AccountCleared(Event):
    """The account was erased: its pool is lost, and no more credits are given to it."""

    type = "credits.account.cleared.v1"

    account_id: AccountId
