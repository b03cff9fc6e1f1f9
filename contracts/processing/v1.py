"""What processing hears and says, version 1."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from contracts.message import (
    AccountId,
    AttemptId,
    BatchId,
    Command,
    Credits,
    Event,
    JobId,
    PhotoId,
    Pixels,
    Tier,
    Version,
)
from contracts.uploads.v1 import Outline, Quad

AcceptedVersion = Annotated[
    Version | None, Field(description="The photo's version that was accepted: one preparation.")
]
Usd = Annotated[str, Field(description="Dollars, as a decimal number.")]


class PreparePhoto(Command):
    """Turn, flatten and clean one photo, and make its thumbnail."""

    type = "processing.photo.prepare.v1"

    photo_id: PhotoId
    account_id: AccountId
    tier: Tier
    object_key: str
    media_type: str
    quad: Quad | None = None
    version: AcceptedVersion = None
    etag: Annotated[str | None, Field(description="No other object may be prepared.")] = None
    sha256: Annotated[str | None, Field(description="What its bytes must have, in hex.")] = None


class PhotoPrepared(Event):
    """Master and thumbnails are stored; the original is not needed any more."""

    type = "processing.photo.prepared.v1"

    photo_id: PhotoId
    account_id: AccountId
    master_key: str
    thumbnail_key: str
    width: Pixels
    height: Pixels
    version: AcceptedVersion = None
    preview_key: str | None = None
    frame_key: Annotated[
        str | None, Field(description="The whole picture, when the master is a part of it.")
    ] = None
    blurhash: str | None = None
    quad: Annotated[Quad | None, Field(description="Where it was cut; null: nowhere.")] = None
    outline: Outline | None = None


class PhotoUnusable(Event):
    """The photo could not be prepared, and trying again would not help."""

    type = "processing.photo.unusable.v1"

    photo_id: PhotoId
    account_id: AccountId
    code: str
    detail: str
    version: AcceptedVersion = None


class StartAttempt(Command):
    """Run one attempt of a job on the GPU."""

    type = "processing.attempt.start.v1"

    attempt_id: AttemptId
    job_id: JobId
    tier: Tier


class CheckResult(Command):
    """The GPU is done with an attempt: look at what it made."""

    type = "processing.result.check.v1"

    attempt_id: AttemptId
    job_id: JobId
    tier: Tier


class _JobEvent(Event):
    job_id: JobId
    account_id: AccountId
    version: Version
    batch_id: BatchId | None = None


class JobQueued(_JobEvent):
    """The credits are held; the job waits for its photo and its turn."""

    type = "processing.job.queued.v1"

    job_kind: str
    price: Credits
    tier: Tier
    photo_ids: list[PhotoId]


class JobStarted(_JobEvent):
    """An attempt of the job runs on a GPU."""

    type = "processing.job.started.v1"

    attempt: Annotated[int, Field(ge=1)]


class JobChecking(_JobEvent):
    """The GPU is done; the result is being checked."""

    type = "processing.job.checking.v1"


class JobCompleted(_JobEvent):
    """The result is stored and may be seen; its credits are to be captured."""

    type = "processing.job.completed.v1"

    job_kind: str
    price: Credits
    result_key: str
    sha256: str
    width: Pixels
    height: Pixels
    engine: str
    gpu_seconds: Annotated[float, Field(ge=0)]


class JobFailed(_JobEvent):
    """The job ended without a result; its credits come back."""

    type = "processing.job.failed.v1"

    code: str
    detail: str


class JobCancelled(_JobEvent):
    """The user stopped the job; its credits come back."""

    type = "processing.job.cancelled.v1"


class JobRejected(_JobEvent):
    """The job never started, for lack of credits or an unusable photo."""

    type = "processing.job.rejected.v1"

    code: Literal["insufficient-credits", "photo-unusable", "abandoned"]


class BatchFinished(Event):
    """The last job of a batch has ended. Said once."""

    type = "processing.batch.finished.v1"

    batch_id: BatchId
    account_id: AccountId
    jobs: Annotated[int, Field(ge=1)]
    completed: Annotated[
        int, Field(ge=0, description="Jobs with a result; the others cost nothing.")
    ]
    spent: Annotated[int, Field(ge=0, description="Credits for the completed jobs.")]


class _Pause(Event):
    account_id: AccountId
    tier: Tier
    reason: str


class AccountPaused(_Pause):
    """Jobs of this account wait, since a budget of the day is used up. Nothing is lost."""

    type = "processing.account.paused.v1"


class AccountResumed(_Pause):
    """Jobs of this account go on."""

    type = "processing.account.resumed.v1"


class _Budget(Event):
    day: date
    scope: Annotated[
        str, Field(description="`total`, `tier:<tier>`, or `account:<tier>:<account_id>`.")
    ]
    spent_usd: Usd
    limit_usd: Usd


class BudgetWarned(_Budget):
    """Four fifths of a budget of the day are spent. For operators; said once."""

    type = "processing.budget.warned.v1"


class BudgetPaused(_Budget):
    """A budget of the day is spent: what counts for it waits. For operators."""

    type = "processing.budget.paused.v1"


class BudgetResumed(_Budget):
    """What waited for this budget goes on: it was raised, or its day is over. For operators."""

    type = "processing.budget.resumed.v1"


class AccountCleared(Event):
    """The account was erased: its jobs have ended, their results and notes are gone."""

    type = "processing.account.cleared.v1"

    account_id: AccountId
