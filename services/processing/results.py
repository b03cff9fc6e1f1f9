"""Looking at what the GPU made, before anyone else does."""

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints
from services.kit.storage import NoSuchObject, ObjectTooLarge, Storage
from services.processing import attempts, jobs, preparation
from services.processing.models import attempts as attempts_table
from services.processing.models import jobs as jobs_table
from services.processing.preparation import CRASHES_MAX, Transaction
from services.processing.sandbox import Crashed, Sandbox, TaskFailed

RESULT_BYTES_MAX = 100 * 1024 * 1024
MEDIA_TYPE = "image/png"

log = structlog.get_logger()


class Checker:
    """Checks results: downloads, lets a child process decode, decides."""

    def __init__(self, engine: AsyncEngine, storage: Storage, sandbox: Sandbox) -> None:
        self._engine, self._storage, self._sandbox = engine, storage, sandbox

    async def check(self, attempt_id: UUID, transaction: Transaction) -> None:
        """Complete the job, or lead it to another attempt or its end."""
        found = await self._find(attempt_id)
        if found is None:  # cancelled, or checked before
            async with transaction():
                pass
            await self._drop_unwanted(attempt_id)
            return
        attempt, job, photo = found
        refusal, facts = None, None
        try:
            facts = await self._look(attempt, photo)
        except NoSuchObject:
            refusal = "the worker said it stored a result, and there is none"
        except ObjectTooLarge:
            refusal = f"the result has more than {RESULT_BYTES_MAX} bytes"
        except TaskFailed as error:
            refusal = error.facts.get("detail", error.name)
        except Crashed:
            if await self._count_crash(attempt_id) < CRASHES_MAX:
                raise
            refusal = "the result cannot be decoded"
        await failpoints.reach("after_check_before_complete")
        async with transaction() as connection:
            if facts is not None:
                await jobs.complete(
                    connection,
                    job.id,
                    result_key=attempt.result_key,
                    result=_result(attempt, facts),
                )
            else:
                log.warning("result.refused", attempt_id=str(attempt_id), reason=refusal)
                await attempts.fail(connection, attempt, "quality", str(refusal)[:500])
        await failpoints.reach("after_row_before_capture")
        await self._drop_unwanted(attempt_id)

    async def _look(self, attempt: Row[Any], photo: Row[Any]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="rekindle-check-") as folder:
            path = Path(folder) / "result"
            await self._storage.download(attempt.result_key, path, bytes_max=RESULT_BYTES_MAX)
            return await self._sandbox.run(
                "check",
                path=str(path),
                sha256=attempt.output["sha256"] if attempt.output else None,
                master_width=photo.width,
                master_height=photo.height,
                short_side_max=attempt.short_side_max,
            )

    async def _find(self, attempt_id: UUID) -> tuple[Row[Any], Row[Any], Row[Any]] | None:
        """The attempt, its job and its photo, if the result still waits to be checked."""
        async with self._engine.connect() as connection:
            attempt = (
                await connection.execute(
                    sa.select(attempts_table).where(
                        attempts_table.c.id == attempt_id, attempts_table.c.state == "FINISHED"
                    )
                )
            ).one_or_none()
            if attempt is None:
                return None
            job = (
                await connection.execute(
                    sa.select(jobs_table).where(
                        jobs_table.c.id == attempt.job_id,
                        jobs_table.c.state == "CHECKING",
                        jobs_table.c.attempts == attempt.number,
                    )
                )
            ).one_or_none()
            if job is None:
                return None
            return attempt, job, (await preparation.photos_of(connection, job.photo_ids))[0]

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
        "engine": output.get("engine", "unknown"),
        "gpu_seconds": attempt.gpu_seconds or 0.0,
    }
