"""Places: a photo that a phone begins takes one of its hand-off's 30, or is not begun at all."""

import json
from collections.abc import Awaitable, Callable
from uuid import UUID

from services.gateway import handoffs
from services.gateway.parts import Parts
from services.gateway.upstream import CREATED
from services.gateway.visitors import Visitor
from services.kit.client import Answer


async def begin_in_place(
    gateway: Parts, visitor: Visitor, body: bytes, begin: Callable[[bytes], Awaitable[Answer]]
) -> Answer:
    """Begin a photo for whoever it is. A place that no photo came of is given back."""
    if (handoff_id := visitor.handoff_id) is None:
        return await begin(body)
    async with gateway.engine.begin() as connection:
        await handoffs.take_place(connection, handoff_id)
    try:
        answer = await begin(_without_hash(body))
    except Exception:
        await _give_back(gateway, handoff_id)
        raise
    if answer.status != CREATED:
        await _give_back(gateway, handoff_id)
        return answer
    photo_id = UUID(json.loads(answer.body)["photo"]["id"])
    async with gateway.engine.begin() as connection:
        await handoffs.keep_photo(connection, handoff_id, photo_id)
    return answer


def _without_hash(body: bytes) -> bytes:
    """Uploads knows a file by its hash, and would show a phone what the account has already."""
    try:
        announced = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(announced, dict):
        return body
    return json.dumps({k: v for k, v in announced.items() if k != "sha256"}).encode()


async def _give_back(gateway: Parts, handoff_id: UUID) -> None:
    async with gateway.engine.begin() as connection:
        await handoffs.give_back_place(connection, handoff_id)
