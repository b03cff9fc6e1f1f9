"""The public shapes, for the OpenAPI document: answers pass through the gateway undecoded.

Requests are checked by the service that owns them; only what the gateway itself needs is read here.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.print_schemas import AppliedOutline, Quad
from services.gateway.result_schemas import JobResult

PHOTOS_PER_JOB_MAX = 10
PHOTOS_PER_BATCH_MAX = 200
UPLOAD_BYTES_MAX = 52_428_800
NOTE_LENGTH_MAX = 500

Cursor = Annotated[str | None, Field(description="Where the next page starts; null on the last.")]
Tier = Literal["priority", "standard"]
PlanName = Literal["free", "remember", "cherish", "forever"]


class Reason(BaseModel):
    """Why something did not work: a stable code, and a sentence for people."""

    code: str
    detail: str


class Problem(BaseModel):
    """A refusal (RFC 9457). Decide by `code`; further members carry the facts."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    code: str
    trace_id: str


class BeginPhoto(BaseModel):
    """A photo about to be uploaded."""

    filename: str = Field(min_length=1, max_length=255)
    size: int = Field(ge=1, le=UPLOAD_BYTES_MAX, description="Bytes of the file.")
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="Of the file: no other bytes are taken, and the same file is kept only once.",
    )
    multipart: bool | None = Field(
        default=None,
        description="Whether the file is sent in parts; if not said, those above 8 MB are.",
    )


class CompletePhoto(BaseModel):
    """The bytes are there; perhaps with the corners of the print."""

    quad: Quad | None = None


class Photo(BaseModel):
    """A photo. Addresses are signed, and valid for five minutes."""

    id: UUID
    state: Literal["begun", "accepted", "ready", "rejected", "deleted"]
    filename: str
    caption: Annotated[str | None, Field(description="What its owner wrote about it.")]
    size: int | None
    media_type: str | None
    width: int | None
    height: int | None
    problem: Reason | None
    thumbnail_url: Annotated[str | None, Field(description="WebP of at most 320 pixels.")]
    preview_url: Annotated[str | None, Field(description="WebP of at most 1024 pixels.")]
    master_url: Annotated[str | None, Field(description="JPEG of at most 4096 pixels.")]
    frame_url: Annotated[str | None, Field(description="The picture that corners refer to.")]
    blurhash: Annotated[str | None, Field(description="A BlurHash to show while it loads.")]
    quad: Annotated[Quad | None, Field(description="Where it is cut; null: it is whole.")]
    outline: AppliedOutline | None
    page_id: Annotated[UUID | None, Field(description="The photo it was split off from.")]
    created_at: datetime
    updated_at: datetime
    version: int


class SetCaption(BaseModel):
    """What to write about a photo; null takes it away."""

    model_config = ConfigDict(extra="forbid")

    caption: Annotated[str, Field(max_length=200)] | None


class FormUpload(BaseModel):
    """A form to send the file with: all fields first, the file as the last one."""

    method: Literal["POST"]
    url: str
    fields: dict[str, str]
    expires_at: datetime


class PartAddress(BaseModel):
    """Where one part goes, by a PUT of exactly so many bytes. The first part has number 1."""

    number: int
    bytes: int
    url: str


class PartsUpload(BaseModel):
    """Addresses to send the missing parts to, in any order, several at a time, again if need be.

    Part n begins at byte (n - 1) x `part_bytes` of the file.
    """

    method: Literal["PUT"]
    part_bytes: int
    parts: Annotated[list[PartAddress], Field(description="Those that have not arrived.")]
    stored: Annotated[list[int], Field(description="The numbers of those that have.")]
    expires_at: datetime


Upload = Annotated[FormUpload | PartsUpload, Field(discriminator="method")]


class PhotoBegun(BaseModel):
    """The photo, and how to upload its bytes; null when they have arrived before."""

    photo: Photo
    upload: Upload | None


class HandedPhoto(BaseModel):
    """A photo that came by hand-off, and what was last heard of it."""

    id: UUID
    state: Literal["begun", "accepted", "ready", "rejected", "deleted"]


class Handoff(BaseModel):
    """A phone may add photos while this is open; what it began, it may finish a little later."""

    id: UUID
    state: Literal["open", "full", "expired", "revoked"]
    photos_max: int
    photos_left: int
    created_at: datetime
    opened_at: Annotated[datetime | None, Field(description="When a phone opened its address.")]
    expires_at: datetime
    photos: list[HandedPhoto]


class HandoffBegun(BaseModel):
    """The hand-off, and what the phone needs. Whoever has the address can add photos."""

    handoff: Handoff
    address: Annotated[str, Field(description="For the phone; its token is in the fragment.")]
    qr_svg: Annotated[str, Field(description="The address as a QR code: an SVG document.")]


class Handoffs(BaseModel):
    """The open hand-offs of an account, newest first."""

    items: list[Handoff]


class Photos(BaseModel):
    """Photos, in order."""

    items: list[Photo]


class PhotoPage(BaseModel):
    """Photos, newest first."""

    items: list[Photo]
    next_cursor: Cursor


class Kind(BaseModel):
    """Something that can be done with photos, and what it costs."""

    kind: str
    title: str
    credits: int
    photos_min: int
    photos_max: int
    available: bool


class Kinds(BaseModel):
    """Everything that can be done."""

    items: list[Kind]


class JobRequest(BaseModel):
    """What is to be done with which photos."""

    kind: str = Field(max_length=64)
    photo_ids: list[UUID] = Field(min_length=1, max_length=PHOTOS_PER_JOB_MAX)
    note: str | None = Field(default=None, max_length=NOTE_LENGTH_MAX)


class Job(BaseModel):
    """A piece of work, paid with credits when it is delivered."""

    id: UUID
    kind: str
    photo_ids: list[UUID]
    note: str | None
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
    tier: Tier
    price: int
    position: Annotated[int | None, Field(description="how many start before it, plus one")]
    starts_in_s: Annotated[int | None, Field(description="in how many seconds it should start")]
    paused_until: Annotated[
        datetime | None,
        Field(description="today's GPU budget is used up; the line goes on then, or earlier"),
    ]
    attempts: int
    result: JobResult | None
    problem: Reason | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    batch_id: UUID | None


class BatchRequest(BaseModel):
    """What is to be done with each of these photos."""

    kind: str = Field(max_length=64)
    photo_ids: list[UUID] = Field(min_length=1, max_length=PHOTOS_PER_BATCH_MAX)
    note: str | None = Field(default=None, max_length=NOTE_LENGTH_MAX)


class Batch(BaseModel):
    """One order for many photos: `jobs` says how many are in which state."""

    id: UUID
    kind: str
    note: str | None
    state: Literal["pending_hold", "placed", "rejected", "finished"]
    photos: int
    price: int
    jobs: dict[str, int]
    spent: Annotated[int, Field(description="credits for results that are there")]
    returned: Annotated[int, Field(description="credits that came back")]
    created_at: datetime
    finished_at: datetime | None


class BatchPage(BaseModel):
    """Batches, newest first."""

    items: list[Batch]
    next_cursor: Cursor


class QuoteRequest(BaseModel):
    """Which work, and how often."""

    kind: str = Field(max_length=64)
    orders: int = Field(default=1, ge=1, le=PHOTOS_PER_BATCH_MAX)


class Quote(BaseModel):
    """What an order would cost; `missing` is what has to be added first."""

    kind: str
    orders: int
    price_each: int
    price: int
    available: int
    available_after: int
    missing: int


class JobPage(BaseModel):
    """Jobs, newest first."""

    items: list[Job]
    next_cursor: Cursor


class RejectResult(BaseModel):
    """Why a result is rejected."""

    reason: Literal["likeness", "colours", "damage", "other"]


class Refund(BaseModel):
    """The credits of a rejected result, which came back."""

    job_id: UUID
    amount: int
    available: int


class Plan(BaseModel):
    """What can be subscribed to. Prices are whole cents."""

    plan: PlanName
    title: str
    credits_monthly: int
    tier: Tier
    short_side_max: Literal[480, 720]
    price_monthly_cents: int
    price_annual_cents: int
    currency: Literal["usd"]


class TopUp(BaseModel):
    """Credits that can be bought once."""

    credits: int
    price_cents: int
    currency: Literal["usd"]


class Plans(BaseModel):
    """Everything that is for sale."""

    plans: list[Plan]
    top_ups: list[TopUp]


class Me(BaseModel):
    """Who is signed in."""

    account_id: UUID
    email: str | None


class Erased(BaseModel):
    """An account is being erased; it takes some minutes until nothing of it is left."""

    account_id: UUID
    erased_at: datetime
    kept: list[str] = Field(description="What the law wants kept, and how little it says.")


class FeedEvent(BaseModel):
    """The `data` of one event in the stream; its `id` is its number in the feed."""

    type: str = Field(description="For example `processing.job.completed`.")
    time: datetime
    data: dict[str, Any] = Field(description="The fields of the event that concern the user.")
