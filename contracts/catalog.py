"""Every message there is, and who hears it."""

from contracts.billing import v1 as billing
from contracts.credits import v1 as credits_
from contracts.gateway import v1 as gateway
from contracts.message import Message
from contracts.processing import v1 as processing
from contracts.uploads import v1 as uploads

MESSAGES: tuple[type[Message], ...] = (
    gateway.AccountOpened,
    gateway.HandoffOpened,
    gateway.HandoffUsed,
    uploads.PhotoAccepted,
    uploads.PhotoRejected,
    uploads.PhotoReady,
    uploads.PhotoDeleted,
    processing.PreparePhoto,
    processing.PhotoPrepared,
    processing.PhotoUnusable,
    processing.StartAttempt,
    processing.CheckResult,
    processing.JobQueued,
    processing.JobStarted,
    processing.JobChecking,
    processing.JobCompleted,
    processing.JobFailed,
    processing.JobCancelled,
    processing.JobRejected,
    processing.BatchFinished,
    processing.AccountPaused,
    processing.AccountResumed,
    processing.BudgetWarned,
    processing.BudgetPaused,
    processing.BudgetResumed,
    credits_.BalanceGranted,
    credits_.HoldPlaced,
    credits_.BatchPlaced,
    credits_.HoldCaptured,
    credits_.HoldReleased,
    credits_.HoldExpired,
    billing.PlanChanged,
)

EVENTS_HEARD: dict[str, tuple[type[Message], ...]] = {
    "uploads": (processing.PhotoPrepared, processing.PhotoUnusable),
    "processing": (
        uploads.PhotoAccepted,
        uploads.PhotoDeleted,
        billing.PlanChanged,
        credits_.HoldExpired,
    ),
    "credits": (
        processing.JobCompleted,
        processing.JobFailed,
        processing.JobCancelled,
        processing.JobRejected,
        billing.PlanChanged,
    ),
    "billing": (gateway.AccountOpened,),
    "gateway": (
        gateway.HandoffOpened,
        gateway.HandoffUsed,
        uploads.PhotoAccepted,
        uploads.PhotoRejected,
        uploads.PhotoReady,
        uploads.PhotoDeleted,
        processing.JobQueued,
        processing.JobStarted,
        processing.JobChecking,
        processing.JobCompleted,
        processing.JobFailed,
        processing.JobCancelled,
        processing.BatchFinished,
        processing.AccountPaused,
        processing.AccountResumed,
        credits_.BalanceGranted,
        credits_.HoldPlaced,
        credits_.BatchPlaced,
        credits_.HoldCaptured,
        credits_.HoldReleased,
        credits_.HoldExpired,
        billing.PlanChanged,
    ),
}
"""The broker's bindings say the same; a test keeps them equal."""
