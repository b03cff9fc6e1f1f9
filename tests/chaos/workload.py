"""Seeded users: they upload, order alone and in batches, order again with the same key, cancel,
delete, look, fetch results, reject some, buy, and send nonsense. Every answer is written down.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from PIL import Image, UnidentifiedImageError
from sqlalchemy.ext.asyncio import AsyncEngine

from sdk.rekindle.models import Batch, Job
from sdk.rekindle.problems import RekindleError, RekindleProblem
from services.billing import subscriptions
from tests.chaos.history import History
from tests.chaos.purchases import Shopper
from tests.journeys import people, photos

PLANS = ("forever", "cherish")
"""Given in turns: each change of plan brings the credits of a period."""

PAUSE_S = (0.05, 0.6)
WAITING_S = (0.5, 2.0)
"""Between two looks of somebody who has ordered enough: eager ones cost more than the jobs do."""

KINDS = ("restore", "restore", "restore", "colourize", "restore_colourize")
SIDES = (48, 96)
IN_PARTS = 0.3
"""Of the uploads: as if the photos were large ones."""
PHOTOS_MIN, PHOTOS_MAX = 3, 12
BATCH_PHOTOS = (3, 12)
UNDONE_MAX = 16
CANCELLED = 0.08
REASONS = ("likeness", "colours", "damage", "other")
ACTS = {
    "order": 34,
    "batch": 14,
    "repeat": 10,
    "look": 20,
    "upload": 4,
    "fetch": 5,
    "buy": 6,
    "buy again": 3,
    "refund": 4,
    "return": 3,
    "delete": 1,
    "nonsense": 4,
}

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order as it was sent, to be sent again."""

    key: str
    kind: str
    photo_ids: tuple[UUID, ...]
    is_batch: bool


class User:
    """One person with a plan, who keeps ordering until told to stop."""

    def __init__(
        self,
        stack: dict[str, Any],
        history: History,
        rng: random.Random,
        billing: AsyncEngine,
        *,
        photos_min: int = PHOTOS_MIN,
        subscribes: bool = False,
    ) -> None:
        self._stack, self._history, self._rng, self._billing = stack, history, rng, billing
        self._photos_min, self._subscribes = photos_min, subscribes
        self._photos: list[UUID] = []
        self._orders: list[Ordered] = []
        self._undone: list[UUID] = []
        self._done: list[UUID] = []
        self._plans = 0

    async def sign_up(self) -> None:
        """Before the faults begin: who cannot get in has no story to tell."""
        self.client = await people.new_user(self._stack)
        self.account = str((await self.client.me()).account_id)
        # The SDK tries again by itself: what it was told in between is seen here only.
        self.client._transport.http.event_hooks["response"] = [self._hear]
        # First the free plan with its credits, so that what is granted can be told exactly.
        await self.client.credits.balance()
        async with self._billing.begin() as connection:
            await subscriptions.open_free(connection, UUID(self.account))
        self._shopper = Shopper(
            self._stack, self.client, self._rng, self._recorded, subscribes=self._subscribes
        )
        if not self._subscribes:
            await self._change_plan()

    async def live(self, folder: Path, stop: asyncio.Event) -> None:
        if self._subscribes:
            await self._shopper.buy()
        while not stop.is_set():
            await self._act(folder)
            pause_s = WAITING_S if len(self._undone) >= UNDONE_MAX else PAUSE_S
            await asyncio.sleep(self._rng.uniform(*pause_s))

    async def _act(self, folder: Path) -> None:
        act = self._rng.choices(list(ACTS), weights=list(ACTS.values()))[0]
        if len(self._photos) < self._photos_min:
            act = "upload"
        elif act in ("order", "batch") and len(self._undone) >= UNDONE_MAX:
            act = "look"
        acts: dict[str, Callable[[], Awaitable[object]]] = {
            "order": self._order_new,
            "batch": self._order_batch,
            "repeat": self._repeat,
            "look": self._look,
            "upload": lambda: self._upload(folder),
            "fetch": lambda: self._fetch(folder),
            "buy": self._shopper.buy,
            "buy again": self._shopper.ask_again,
            "refund": self._shopper.is_given_back,
            "return": self._return,
            "delete": self._delete,
            "nonsense": self._send_nonsense,
        }
        await acts[act]()

    async def _upload(self, folder: Path) -> None:
        if len(self._photos) >= PHOTOS_MAX:
            return
        path = folder / f"{uuid4()}.jpg"
        photos.jpeg(path, size=(self._rng.randint(*SIDES), self._rng.randint(*SIDES)))
        photo = await self._recorded(
            "upload",
            self.client.photos.add(path, multipart=self._rng.random() < IN_PARTS),
            lambda photo: {"photo": str(photo.id), "state": photo.state},
        )
        if photo and photo.state == "ready":
            self._photos.append(photo.id)

    async def _order_new(self) -> None:
        photo = self._rng.choice(self._photos)
        await self._order(Ordered(self._key(), self._rng.choice(KINDS), (photo,), is_batch=False))

    async def _order_batch(self) -> None:
        number = min(self._rng.randint(*BATCH_PHOTOS), len(self._photos))
        chosen = tuple(self._rng.sample(self._photos, number))
        await self._order(Ordered(self._key(), "restore", chosen, is_batch=True))

    async def _repeat(self) -> None:
        if self._orders:
            await self._order(self._rng.choice(self._orders))

    async def _order(self, order: Ordered) -> None:
        is_new = order not in self._orders
        if is_new:
            self._orders.append(order)
        if order.is_batch:
            await self._order_many(order, is_new=is_new)
            return
        job = await self._recorded(
            "order",
            self.client.jobs.create(order.kind, order.photo_ids, idempotency_key=order.key),
            lambda job: {"job": str(job.id), "said": unchanging(job)},
            key=order.key,
        )
        if job and is_new:
            self._undone.append(job.id)
            if self._rng.random() < CANCELLED:
                await self._recorded("cancel", self.client.jobs.cancel(job.id), job=str(job.id))

    async def _order_many(self, order: Ordered, *, is_new: bool) -> None:
        batch = await self._recorded(
            "batch",
            self.client.batches.create(order.kind, order.photo_ids, idempotency_key=order.key),
            lambda batch: {"batch": str(batch.id), "said": unchanging(batch)},
            key=order.key,
        )
        if batch is None or not is_new:
            return
        if self._rng.random() < CANCELLED:
            cancelling = self.client.batches.cancel(batch.id)
            await self._recorded("cancel batch", cancelling, batch=str(batch.id))
        await self._recorded("read batch", self.client.batches.get(batch.id), batch=str(batch.id))
        # Its jobs are looked at like any other; a few stand for all.
        page = await self._recorded("list", self.client.jobs.list(limit=len(order.photo_ids)))
        self._undone += [job.id for job in page.items if not job.ended] if page else []

    async def _look(self) -> None:
        if not self._undone:
            return
        job_id = self._undone[0]
        job = await self._recorded(
            "read",
            self.client.jobs.get(job_id),
            lambda job: {"state": job.state, "version": str(job.version)},
            job=str(job_id),
        )
        if job is None:
            return
        self._undone.remove(job_id)
        if not job.ended:
            self._undone.append(job_id)
        elif job.state == "completed":
            self._done.append(job_id)

    async def _fetch(self, folder: Path) -> None:
        if not self._done:
            return
        job = await self._recorded("read", self.client.jobs.get(self._rng.choice(self._done)))
        if job:
            path = folder / f"{uuid4()}.png"
            await self._recorded("fetch", self.client.jobs.download(job, path), job=str(job.id))
            path.unlink(missing_ok=True)

    async def _return(self) -> None:
        """Reject a result; its credits come back, some times a month."""
        if self._done:
            job = str(self._rng.choice(self._done))
            await self._recorded(
                "return",
                self.client._transport.request(
                    "POST", f"/v1/jobs/{job}/refund", body={"reason": self._rng.choice(REASONS)}
                ),
                lambda _: {"returned": job},
                job=job,
            )

    async def _delete(self) -> None:
        if len(self._photos) > self._photos_min:
            photo = self._photos.pop(self._rng.randrange(len(self._photos)))
            await self._recorded("delete", self.client.photos.delete(photo), photo=str(photo))

    async def _send_nonsense(self) -> None:
        nonsense = self._rng.choice(["resurrect", "restore"])
        await self._recorded("nonsense", self.client.jobs.create(nonsense, [uuid4()]))

    async def _pay(self) -> None:
        """The credits have run out: more are bought, or given."""
        await (self._shopper.buy() if self._subscribes else self._change_plan())

    async def _change_plan(self) -> None:
        """The credits of another period, as a gift. At the operator's door, past the API."""
        since_s = self._history.now_s()
        plan = PLANS[self._plans % len(PLANS)]
        try:
            async with self._billing.begin() as connection:
                account_id = UUID(self.account)
                await subscriptions.give(connection, account_id=account_id, plan=plan)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            self._record("plan", "unknown", since_s, plan=plan, error=repr(error)[:200])
        else:
            self._plans += 1
            self._record("plan", "ok", since_s, plan=plan)

    async def _recorded(
        self,
        call: str,
        asking: Awaitable[Answer],
        facts_of: Callable[[Answer], dict[str, str]] = lambda _: {},
        /,
        **facts: str,
    ) -> Answer | None:
        """The answer, written down; None when it was a refusal, or none came."""
        since_s = self._history.now_s()
        try:
            answer = await asking
        except RekindleProblem as problem:
            self._record(call, "refused", since_s, code=problem.code, **facts)
            if problem.code == "insufficient-credits":
                await self._pay()
        except (RekindleError, httpx.HTTPError, OSError) as error:
            self._record(call, "unknown", since_s, error=repr(error)[:200], **facts)
        else:
            self._record(call, "ok", since_s, **facts, **facts_of(answer))
            return answer
        return None

    def _record(self, call: str, outcome: Any, since_s: float, **facts: str) -> None:
        self._history.add(self.account, call, outcome, since_s=since_s, **facts)

    async def _hear(self, answer: httpx.Response) -> None:
        path, says_when = answer.request.url.path, "retry-after" in answer.headers
        if path.startswith("/v1/"):  # what S3 answers is its own affair
            self._history.answered(answer.status_code, path, says_when=says_when)

    def _key(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))


def unchanging(answer: Job | Batch) -> str:
    """What every answer to one order has to say alike, however often it is sent."""
    said = answer.model_dump(mode="json", include={"id", "kind", "note", "price", "created_at"})
    return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:16]


def decodes(path: Path) -> bool:
    """Whether a stored result is a picture."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
    except (UnidentifiedImageError, OSError):
        return False
    return True
