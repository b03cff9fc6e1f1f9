"""Looking at what the GPU made, before anyone else does."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, inbox
from services.kit.coalescing import Coalesced
from services.kit.inbox import Delivery
from services.kit.storage import NoSuchObject, ObjectTooLarge, Storage
from services.processing import attempts, jobs
from services.processing.kinds import KINDS
from services.processing.models import attempts as attempts_table
from services.processing.models import jobs as jobs_table
from services.processing.preparation import CRASHES_MAX
from services.processing.sandbox import Crashed, Sandbox, TaskFailed, task_folder

RESULT_BYTES_MAX = MASTER_BYTES_MAX = 100 * 1024 * 1024
MEDIA_TYPE = "image/png"

TOGETHER_MAX = 50

log = structlog.get_logger()

_WAITING = sa.text(
    """
    select attempts.*, jobs.kind, coalesce(attempts.master_key, photo.master_key) as photo_key,
        coalesce(attempts.master_width, photo.width) as photo_width,
        coalesce(attempts.master_height, photo.height) as photo_height
    from attempts join jobs on jobs.id = attempts.job_id
    join preparations photo on photo.photo_id = jobs.photo_ids[1]
    where attempts.id = :attempt_id and attempts.state = 'FINISHED'
        and jobs.state = 'CHECKING' and jobs.attempts = attempts.number
    """
).columns(
    *attempts_table.columns,
    sa.column("kind", sa.Text),
    sa.column("photo_key", sa.Text),
    sa.column("photo_width", sa.Integer),
    sa.column("photo_height", sa.Integer),
)


class Checker:
    """Checks results: downloads, lets a child process decode, decides."""

    def __init__(self, engine: AsyncEngine, storage: Storage, sandbox: Sandbox) -> None:
        self._engine, self._storage, self._sandbox = engine, storage, sandbox
        self._complete = Coalesced(self._complete_together, size_max=TOGETHER_MAX)

    async def check(self, attempt_id: UUID, delivery: Delivery) -> None:
        """Complete the job, or lead it to another attempt or its end."""
        waiting = await self._find(attempt_id)
        if waiting is None:  # cancelled, or checked before
            async with delivery.transaction():
                pass
            await self._drop_unwanted(attempt_id)
            return
        refusal, facts = None, None
        try:
            facts = await self._look(waiting)
        except NoSuchObject:
            refusal = "the result, or the photo it was made of, is not there any more"
        except ObjectTooLarge:
            refusal = f"the result has more than {RESULT_BYTES_MAX} bytes"
        except TaskFailed as error:
            refusal = error.facts.get("detail", error.name)
        except Crashed:
            if await self._count_crash(attempt_id) < CRASHES_MAX:
                raise
            refusal = "the result cannot be decoded"
        await failpoints.reach("after_check_before_complete")
        is_delivered = False
        if facts is not None:
            result = jobs.Result(waiting.job_id, waiting.result_key, _result(waiting, facts))
            is_delivered = await self._complete((delivery, result))
        else:
            log.warning("result.refused", attempt_id=str(attempt_id), reason=refusal)
            async with delivery.transaction() as connection:
                await attempts.fail(connection, waiting, "quality", str(refusal)[:500])
        await failpoints.reach("after_row_before_capture")
        if is_delivered:
            return
        await self._drop_unwanted(attempt_id)

    async def _complete_together(
        self, checked: Sequence[tuple[Delivery, jobs.Result]]
    ) -> list[bool]:
        """Complete the jobs of all these results; which of them were."""
        async with self._engine.begin() as connection:
            await inbox.claim(connection, {delivery.claim for delivery, _ in checked})
            completed = await jobs.complete(connection, [result for _, result in checked])
        return [result.job_id in completed for _, result in checked]

    async def _look(self, waiting: Row[Any]) -> dict[str, Any]:
        with task_folder() as folder:
            path, master = folder / "result", folder / "master"
            await self._storage.download(waiting.result_key, path, bytes_max=RESULT_BYTES_MAX)
            await self._storage.download(waiting.photo_key, master, bytes_max=MASTER_BYTES_MAX)
            return await self._sandbox.run(
                "check",
                folder=folder,
                path=str(path),
                master=str(master),
                sha256=waiting.output["sha256"] if waiting.output else None,
                master_width=waiting.photo_width,
                master_height=waiting.photo_height,
                short_side_max=waiting.short_side_max,
                colours_are_new=KINDS[waiting.kind].colours_are_new,
            )

    async def _find(self, attempt_id: UUID) -> Row[Any] | None:
        """The attempt, with the size of its photo, if its result still waits to be checked."""
        async with self._engine.connect() as connection:
            return (await connection.execute(_WAITING, {"attempt_id": attempt_id})).one_or_none()

    async def _count_crash(self, attempt_id: UUID) -> int:
        async with self._engine.begin() as connection:
            counted = await connection.execute(
                attempts_table.update()
                .where(attempts_table.c.id == attempt_id)
                .values(crashes=attempts_table.c.crashes + 1)
                .returning(attempts_table.c.crashes)
            )
            return int(counted.scalar_one())

    async def _drop_unwanted(self, attempt_id: UUID) -> None:
        """Delete a result that nobody will be shown."""
        async with self._engine.connect() as connection:
            query = (
                sa.select(attempts_table.c.result_key)
                .join(jobs_table, jobs_table.c.id == attempts_table.c.job_id)
                .where(
                    attempts_table.c.id == attempt_id,
                    jobs_table.c.state != "CHECKING",
                    jobs_table.c.result_key.is_distinct_from(attempts_table.c.result_key),
                )
            )
            key = (await connection.execute(query)).scalar_one_or_none()
        if key:
            await self._storage.delete(key)


def _result(attempt: Row[Any], facts: dict[str, Any]) -> dict[str, Any]:
    output = attempt.output or {}
    return {
        "width": facts["width"],
        "height": facts["height"],
        "bytes": facts["bytes"],
        "sha256": facts["sha256"],
        "media_type": MEDIA_TYPE,
        "truth": facts["truth"],
        "hints": output.get("hints"),
        "engine": output.get("engine", "unknown"),
        "gpu_seconds": attempt.gpu_seconds or 0.0,
    }
