"""Results that their owners rejected: what operators should look at.

A result stays where it is as long as its photo does. Who deletes the photo deletes it too: the
owner's wish comes before our wish to learn.
"""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from services.kit.db import Connection
from services.processing.models import reviews


async def note(connection: Connection, job_id: UUID, *, reason: str) -> None:
    """The owner of this job's result has rejected it."""
    new = insert(reviews).values(job_id=job_id, reason=reason)
    await connection.execute(new.on_conflict_do_nothing())
