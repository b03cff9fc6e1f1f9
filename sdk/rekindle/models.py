"""What Rekindle answers with, as plain frozen data. Fields that we do not know are ignored."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PHOTO_SETTLED = ("ready", "rejected", "deleted")
JOB_ENDED = ("completed", "rejected", "failed", "cancelled")


class Answer(BaseModel):
    """Anything read from an answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Reason(Answer):
    """Why a photo or a job ended badly."""

    code: str
    detail: str


Quad = tuple[tuple[float, float], ...]
"""Four corners in parts of width and height, clockwise from the upper left."""


class Print(Answer):
    """One print in a picture, and how sure Rekindle is of its corners (0 to 1)."""

    quad: Quad
    confidence: float


class Outline(Print):
    """Where Rekindle would cut; `prints` are those of each, if there are several."""

    prints: tuple[Print, ...] = ()


class AppliedOutline(Answer):
    """What was proposed while a photo without corners was prepared."""

    quad: Quad
    confidence: float
    applied: bool
    prints: tuple[Quad, ...] = ()


class Photo(Answer):
    """One photo, from the first byte to ready (or refused)."""

    id: UUID
    state: Literal["begun", "accepted", "ready", "rejected", "deleted"]
    filename: str
    size: int | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    problem: Reason | None = None
    thumbnail_url: str | None = None
    preview_url: str | None = None
    master_url: str | None = None
    frame_url: str | None = None
    blurhash: str | None = None
    quad: Quad | None = None
    outline: AppliedOutline | None = None
    page_id: UUID | None = None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def settled(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.state in PHOTO_SETTLED


class FormUpload(Answer):
    """Where a small file goes: a form that S3 accepts, till it expires."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: datetime


class PartAddress(Answer):
    """Where one part of a large file goes."""

    number: int
    bytes: int
    url: str


class PartsUpload(Answer):
    """Where the missing parts of a large file go; S3 has those that are stored."""

    method: Literal["PUT"] = "PUT"
    part_bytes: int
    parts: tuple[PartAddress, ...]
    stored: tuple[int, ...]
    expires_at: datetime


Upload = Annotated[FormUpload | PartsUpload, Field(discriminator="method")]
UPLOAD: TypeAdapter[FormUpload | PartsUpload] = TypeAdapter(Upload)


class BegunPhoto(Answer):
    """A photo, and where its bytes go; nowhere if they have arrived before."""

    photo: Photo
    upload: Upload | None = None


class HandedPhoto(Answer):
    """A photo that came by hand-off, and what was last heard of it."""

    id: UUID
    state: Literal["begun", "accepted", "ready", "rejected", "deleted"]


class Handoff(Answer):
    """Leave for another device to add photos for a while."""

    id: UUID
    state: Literal["open", "full", "expired", "revoked"]
    photos_max: int
    photos_left: int
    created_at: datetime
    opened_at: datetime | None = None
    expires_at: datetime
    photos: tuple[HandedPhoto, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether no photo can come any more, and none that came is still being prepared."""
        unsettled = "accepted" if self.state in ("expired", "revoked") else ("begun", "accepted")
        return self.state != "open" and not any(photo.state in unsettled for photo in self.photos)


class BegunHandoff(Answer):
    """A hand-off and what the other device opens; whoever has the address can add photos."""

    handoff: Handoff
    address: str
    qr_svg: str


class JobResult(Answer):
    """What a job made, and a short-lived address to fetch it from."""

    url: str
    expires_at: datetime
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str
    engine: str
    gpu_seconds: float


class Quote(Answer):
    """What an order would cost; `missing` is what has to be added first."""

    kind: str
    orders: int
    price_each: int
    price: int
    available: int
    available_after: int
    missing: int


class Batch(Answer):
    """One order for many photos: `jobs` says how many are in which state."""

    id: UUID
    kind: str
    note: str | None = None
    state: Literal["pending_hold", "placed", "rejected", "finished"]
    photos: int
    price: int
    jobs: dict[str, int]
    spent: int
    returned: int
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.finished_at is not None

    @property
    def done(self) -> int:
        """How many of its jobs have ended, well or badly."""
        return sum(self.jobs.get(state, 0) for state in JOB_ENDED)


class Job(Answer):
    """One edit of one or more photos."""

    id: UUID
    kind: str
    photo_ids: tuple[UUID, ...]
    note: str | None = None
    state: Literal[
        "pending_hold",
        "queued",
        "running",
        "checking",
        "completed",
        "rejected",
        "failed",
        "cancelled",
    ]
    tier: str
    price: int
    position: int | None = None
    starts_in_s: int | None = None
    paused_until: datetime | None = None
    attempts: int = 0
    result: JobResult | None = None
    problem: Reason | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int
    batch_id: UUID | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.state in JOB_ENDED


class Kind(Answer):
    """An edit that can be asked for, and its price."""

    kind: str
    credits: int
    photos_min: int
    photos_max: int
    available: bool
    title: str


class Balance(Answer):
    """Credits that can be spent, and those set aside for running jobs."""

    available: int
    held: int
    blocked: int = 0
    owed: int = 0
    lost_at_end: int = 0
    plan: str
    tier: str
    credits_monthly: int


class Receipt(Answer):
    """One movement of credits, in the user's words."""

    id: UUID
    time: datetime
    movement: str
    amount: int
    available: int
    held: int
    text: str
    job_id: UUID | None = None
    cause: str | None = None


class Plan(Answer):
    """A subscription that can be had."""

    plan: str
    title: str
    credits_monthly: int
    tier: str
    short_side_max: int
    price_monthly_cents: int
    price_annual_cents: int
    currency: str


class TopUp(Answer):
    """Credits that can be bought once."""

    credits: int
    price_cents: int
    currency: str


class Plans(Answer):
    """Everything that can be bought."""

    plans: tuple[Plan, ...]
    top_ups: tuple[TopUp, ...]


class Subscription(Answer):
    """The plan of an account. `ends_at` is set when it is cancelled: all credits are lost then."""

    plan: str
    tier: str
    since: datetime
    source: Literal["free", "gift", "paid"]
    interval: Literal["month", "year"] | None = None
    renews_at: datetime | None = None
    ends_at: datetime | None = None
    payment_due: bool = False
    payment_detail: str | None = None
    priority_until: datetime | None = None


class Cancellation(Answer):
    """What would be lost if the subscription were cancelled now."""

    plan: str
    ends_at: datetime
    credits_lost: int
    credits_held: int
    falls_back_to: str


class Checkout(Answer):
    """A purchase. It is `paid` once the money has come; `url` is where to pay while it is open."""

    id: UUID
    state: Literal["open", "paid", "failed", "expired"]
    url: str | None = None


class Account(Answer):
    """Who is logged in."""

    account_id: UUID
    email: str | None = None


class Erased(Answer):
    """Everything is being erased; `kept` says what the law wants kept."""

    account_id: UUID
    erased_at: datetime
    kept: tuple[str, ...]


class FeedEvent(Answer):
    """Something that happened to the user's photos, jobs or credits."""

    seq: int
    type: str
    time: datetime | None = None
    data: dict[str, Any] = {}


Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """Part of a list, newest first; `next_cursor` continues it."""

    items: tuple[Item, ...]
    next_cursor: str | None = None
