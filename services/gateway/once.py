"""Orders: what spends credits happens once per Idempotency-Key, however often it is sent."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from services.gateway import idempotency
from services.gateway.errors import IdempotencyKeyRequired
from services.gateway.idempotency import Attempt, StoredAnswer
from services.gateway.parts import Parts
from services.gateway.upstream import SERVER_ERRORS, ask, passed_back
from services.kit import failpoints
from services.kit.client import Answer

KEY = re.compile(r"[\x20-\x7e]{1,255}")
KEPT_HEADERS = ("content-type", "location")

Body = TypeVar("Body", bound=BaseModel)
Order = Callable[[Attempt, bytes], Awaitable[Answer]]


async def answer_once(
    request: Request, gateway: Parts, account_id: UUID, route: str, order: Order
) -> Response:
    """Give the order, or repeat what was answered when it was given before with the same key."""
    key = request.headers.get("idempotency-key", "")
    if not KEY.fullmatch(key):
        raise IdempotencyKeyRequired
    body = await request.body()
    attempt = Attempt(account_id, route, key)
    async with gateway.engine.begin() as connection:
        replayed = await idempotency.claim(connection, attempt, body=body)
    if replayed:
        headers = {**replayed.headers, "idempotent-replayed": "true"}
        return Response(replayed.body, status_code=replayed.status, headers=headers)
    return await _first_answer(gateway, attempt, body, order)


async def forward_order(gateway: Parts, path: str, attempt: Attempt, body: bytes) -> Answer:
    """Give the order to processing under the same key."""
    headers = {"idempotency-key": attempt.key}
    return await ask(
        gateway.processing, "POST", path, account_id=attempt.account_id, body=body, headers=headers
    )


def read_body(model: type[Body], body: bytes) -> Body:
    """The body as its model; what does not fit is refused field by field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


async def _first_answer(gateway: Parts, attempt: Attempt, body: bytes, order: Order) -> Response:
    """Give the order, and remember what was said unless that was no answer."""
    try:
        await failpoints.reach("after_claim_before_order")
        answer = await order(attempt, body)
    except Exception:
        async with gateway.engine.begin() as connection:
            await idempotency.give_up(connection, attempt)
        raise
    await failpoints.reach("after_order_before_keep")
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    async with gateway.engine.begin() as connection:
        if answer.status >= SERVER_ERRORS:
            await idempotency.give_up(connection, attempt)
        else:
            stored = StoredAnswer(answer.status, kept, answer.body)
            await idempotency.keep(connection, attempt, stored)
    await failpoints.reach("after_keep_before_answer")
    return passed_back(answer)
