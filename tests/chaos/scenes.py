"""What somebody does so that a failpoint is passed; every answer is written down."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from deploy.local import database
from deploy.local.home import Home
from sdk.rekindle.models import Job
from tests.billing.signing import body_of, event, signature
from tests.chaos.points import Run
from tests.chaos.workload import PHOTOS_MIN, PLANS, Ordered, User, unchanging
from tests.journeys import people, photos

KIND = "restore"
CREDITS_MIN = 40
COMMAND_WITHIN_S = 60.0
CALL_TIMEOUT_S = 5.0
ORDERS_MAX = 10
WEBHOOK_TRIES = 20
SCRATCH = "rekindle_migrated"
SIDE = 64
SWEPT_WITHIN_S = 60.0
HOURS_LATER = """
    update uploads.photos set sweep_at = now(), updated_at = updated_at - interval '3 hours',
        upload_expires_at = upload_expires_at - interval '3 hours' where sweep_at is not null;
    update uploads.leftovers set remove_at = now(), left_at = left_at - interval '3 hours';
    update processing.attempts set finished_at = finished_at - interval '3 hours'
        where swept_at is null
"""
DUE = """
    select exists (select from uploads.photos where sweep_at <= now())
        or exists (select from uploads.leftovers where remove_at <= now())
        or exists (select from processing.attempts where swept_at is null)
"""


class Person(User):
    """A user who does one thing at a time, as told; commands are armed as the run says."""

    folder: Path
    home: Home
    points: str
    """What commands are told by their environment."""

    async def has_enough(self) -> None:
        """Photos for a batch, and credits for what comes next."""
        while len(self._photos) < PHOTOS_MIN:
            await self.upload()
        if (await self.client.credits.balance()).available < CREDITS_MIN:
            await self._change_plan()

    async def act(self, scene: str, run: Run) -> None:
        """Play one scene of the table."""
        self._orders.clear()
        self.points = run.armed
        await getattr(self, scene)()

    async def again(self) -> None:
        """Send what was ordered once more: it has to be answered as before, and made once."""
        for ordered in list(self._orders):
            await self._order(ordered)

    async def upload(self, *, multipart: bool = False) -> None:
        path = self.folder / f"{uuid4()}.jpg"
        photos.jpeg(path, size=(SIDE, SIDE))
        photo = await self._recorded(
            "upload",
            self.client.photos.add(path, multipart=multipart),
            lambda photo: {"photo": str(photo.id)},
        )
        if photo:
            self._photos.append(photo.id)

    async def upload_in_parts(self) -> None:
        await self.upload(multipart=True)

    async def abandon(self) -> None:
        """Announce a photo that never comes, a day ago."""
        begun = await self.client.photos.begin("never.jpg", 1000)
        await _change(
            self._stack,
            f"update uploads.photos set sweep_at = now() where id = '{begun.photo.id}'",
        )

    async def delete(self) -> None:
        await self.upload()
        photo = self._photos.pop()
        await self._recorded("delete", self.client.photos.delete(photo), photo=str(photo))

    async def split(self) -> None:
        """Make two photos of one; told to, for there is only one print in it."""
        quads = [[(0, 0), (0.5, 0), (0.5, 1), (0, 1)], [(0.5, 0), (1, 0), (1, 1), (0.5, 1)]]
        parts = await self._recorded(
            "split",
            self.client.photos.split(self._photos[0], quads=quads, idempotency_key=self._key()),
            lambda parts: {"photos": " ".join(str(part.id) for part in parts)},
        )
        assert parts is None or len(parts) == len(quads)

    async def order(self) -> Job | None:
        ordered = Ordered(self._key(), KIND, (self._photos[0],), is_batch=False)
        self._orders.append(ordered)
        return await self._recorded(
            "order",
            self.client.jobs.create(KIND, ordered.photo_ids, idempotency_key=ordered.key),
            lambda job: {"job": str(job.id), "said": unchanging(job)},
            key=ordered.key,
        )

    async def cancel(self) -> None:
        job = await self._insist(self.order)
        await self._recorded("cancel", self.client.jobs.cancel(job.id), job=str(job.id))

    async def failing(self) -> None:
        """The next run ends as a machine that breaks does."""
        planned = json.dumps({"class": "infra", "detail": "planned"})
        async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False) as client:
            url = f"{self._stack['runpod_url']}/__faults"
            (await client.post(url, json={"fail_next": planned})).raise_for_status()
        await self.order()

    async def webhook(self) -> None:
        """Something happens at Stripe; it is told until we say that we have it."""
        body = body_of(event(name=f"evt_{uuid4().hex}", kind="tax.settings.updated"))
        secret = self._stack["environments"]["billing"]["STRIPE_WEBHOOK_SECRETS"]
        url = f"{self._stack['gateway_url']}/hooks/stripe"
        async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False) as client:
            for _ in range(WEBHOOK_TRIES):
                headers = {"stripe-signature": signature(body, secret=secret)}
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.post(url, content=body, headers=headers)).is_success:
                        return
                await asyncio.sleep(1)
        raise TimeoutError("billing never took the webhook")

    async def batch(self) -> Any:
        ordered = Ordered(self._key(), KIND, tuple(self._photos[:PHOTOS_MIN]), is_batch=True)
        self._orders.append(ordered)
        return await self._recorded(
            "batch",
            self.client.batches.create(KIND, ordered.photo_ids, idempotency_key=ordered.key),
            lambda batch: {"batch": str(batch.id), "said": unchanging(batch)},
            key=ordered.key,
        )

    async def cancel_batch(self) -> None:
        batch = await self._insist(self.batch)
        cancelling = self.client.batches.cancel(batch.id)
        await self._recorded("cancel batch", cancelling, batch=str(batch.id))

    async def _insist(self, order: Callable[[], Awaitable[Any]]) -> Any:
        """Order until it is taken: another program of the wave may have kept it from arriving."""
        for _ in range(ORDERS_MAX):
            if placed := await order():
                return placed
            await asyncio.sleep(1)
        raise TimeoutError("no order was taken")

    async def change_plan(self) -> None:
        await self._change_plan()

    async def arrive(self) -> None:
        """Somebody new signs in and looks at the free credits."""
        newcomer = Person(self._stack, self._history, self._rng, self._billing)
        newcomer.client = await people.new_user(self._stack)
        async with newcomer.client:
            newcomer.account = str((await newcomer.client.me()).account_id)
            await newcomer._recorded("balance", newcomer.client.credits.balance())

    async def command_plan(self) -> None:
        """The operator's command dies or fails, and is given again."""
        since_s, plan = self._history.now_s(), PLANS[self._plans % len(PLANS)]
        environment = self._stack["environments"]["billing"]
        command = ("services.billing", "subscribe", self.account, plan)
        await self._command(command, environment, self.points)
        assert await self._command(command, environment) == 0
        self._plans += 1
        self._record("plan", "ok", since_s, plan=plan)

    async def command_migration(self) -> None:
        """A new database is migrated, which dies or fails, and is begun again."""
        admin_url = self._stack["admin_database_url"]
        await _execute(admin_url, f"drop database if exists {SCRATCH} with (force)")
        passwords = {name: self.home.secret(f"role_{name}") for name in database.SERVICES}
        await database.create_database(admin_url, SCRATCH, passwords)
        url = database.database_url(
            admin_url, SCRATCH, role="processing", password=passwords["processing"]
        )
        environment = {**self._stack["environments"]["processing"], "DATABASE_URL": url}
        command = ("services.kit.migrations", "processing")
        await self._command(command, environment, self.points)
        assert await self._command(command, environment) == 0
        true = database.database_url(admin_url, "rekindle")
        made = database.database_url(admin_url, SCRATCH)
        assert await _schema(made) == await _schema(true), "the schema is another one"

    async def _command(
        self, command: tuple[str, ...], environment: dict[str, str], points: str | None = None
    ) -> int:
        more = {"REKINDLE_FAILPOINT": points} if points else {}
        with (self.home.logs / "operator.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                env={"PATH": os.environ["PATH"], **environment, **more},
                stdout=log,
                stderr=log,
            )
            return await asyncio.wait_for(process.wait(), COMMAND_WITHIN_S)


async def a_minute_passes(stack: dict[str, Any]) -> None:
    """Claims of orders whose gateway died may be taken over by who sends the same again."""
    await _change(
        stack,
        "update gateway.idempotency set created_at = created_at - interval '1 minute'"
        " where status is null",
    )


async def hours_pass(stack: dict[str, Any]) -> bool:
    """What is swept late is due now; whether the sweeps have done all of it in time."""
    await _change(stack, HOURS_LATER)
    for _ in range(round(SWEPT_WITHIN_S)):
        if not await _is_anything_due(stack):
            return True
        await asyncio.sleep(1)
    return False


async def _is_anything_due(stack: dict[str, Any]) -> bool:
    url = database.database_url(stack["admin_database_url"], "rekindle")
    connection = await asyncpg.connect(url, timeout=CALL_TIMEOUT_S)
    try:
        return bool(await connection.fetchval(DUE))
    finally:
        await connection.close()


async def _change(stack: dict[str, Any], statement: str) -> None:
    await _execute(database.database_url(stack["admin_database_url"], "rekindle"), statement)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=CALL_TIMEOUT_S)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _schema(url: str) -> list[tuple[str, str, str]]:
    """Every column of processing's tables, with its type, and what was migrated last."""
    connection = await asyncpg.connect(url, timeout=CALL_TIMEOUT_S)
    try:
        rows = await connection.fetch(
            "select table_name, column_name, data_type from information_schema.columns"
            " where table_schema = 'processing' union all"
            " select 'migrated', version_num, '' from processing.alembic_version order by 1, 2"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]
