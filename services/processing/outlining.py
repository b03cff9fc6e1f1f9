"""Corners proposed while somebody waits: few at a time, not for long, and in a child process."""

import asyncio
import re
from collections import Counter
from typing import Any
from uuid import UUID

from services.kit.problems import NotFound, Unavailable
from services.kit.storage import NoSuchObject, ObjectTooLarge, Storage
from services.processing.errors import PhotoUnreadable
from services.processing.preparation import ORIGINAL_BYTES_MAX
from services.processing.sandbox import Crashed, Sandbox, TaskFailed, task_folder

WAITING_MAX, WAITING_PER_ACCOUNT_MAX = 16, 4
ANSWERED_WITHIN_S = 10.0
RETRY_AFTER_S = 2
KEY = re.compile(
    r"(?:originals|masters|frames)/([0-9a-f-]{36})/[0-9a-f-]{36}(?:-\d{1,9})?(?:\.jpg)?"
)


class Outliner:
    """Proposes the corners of the print, or of the prints, in a stored picture."""

    def __init__(self, storage: Storage, sandbox: Sandbox) -> None:
        self._storage, self._sandbox = storage, sandbox
        self._waiting: Counter[UUID] = Counter()

    async def propose(self, key: str, *, account_id: UUID) -> dict[str, Any]:
        """The corners, how sure we are of them, and each print if there are several.

        Only for a picture of this account; `Unavailable` while too much is asked for.
        """
        owner = KEY.fullmatch(key)
        if owner is None or owner[1] != str(account_id):
            raise NotFound
        if (
            self._waiting.total() >= WAITING_MAX
            or self._waiting[account_id] >= WAITING_PER_ACCOUNT_MAX
        ):
            raise _busy()
        self._waiting[account_id] += 1
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await self._look(key)
        except (TimeoutError, Crashed):
            raise _busy() from None
        finally:
            self._waiting[account_id] -= 1
            self._waiting = +self._waiting

    async def _look(self, key: str) -> dict[str, Any]:
        with task_folder() as folder:
            source = folder / "source"
            try:
                await self._storage.download(key, source, bytes_max=ORIGINAL_BYTES_MAX)
                return await self._sandbox.run("propose", folder=folder, source=str(source))
            except (NoSuchObject, ObjectTooLarge):
                raise NotFound from None
            except TaskFailed as refusal:
                if "code" not in refusal.facts:
                    raise
                reason, detail = refusal.facts["code"], refusal.facts["detail"]
                raise PhotoUnreadable(detail, reason=reason) from None


def _busy() -> Unavailable:
    return Unavailable(
        "Corners cannot be proposed right now; try again, or give them yourself.",
        retry_after_s=RETRY_AFTER_S,
    )
