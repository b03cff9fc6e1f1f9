"""The doctor is patient with a list of queues that fails now and then, and no longer than that."""

import httpx
import pytest

from sdk.rekindle import doctor
from tests.sdk.scripted import Answer, answer, scripted

QUEUES = [{"name": "rk.credits.events", "consumers": 1}]
FAULT = answer(500, {"error": "internal"})


async def look(*answers: Answer) -> tuple[str, int]:
    async with scripted(*answers) as server, httpx.AsyncClient() as client:
        state = {"amqp_management_url": server.url, "amqp_url": "amqp://a:b@localhost/rekindle"}
        try:
            said = await doctor._broker(state)(client)
        except httpx.HTTPStatusError as error:
            said = str(error.response.status_code)
        return said, len(server.requests)


@pytest.mark.parametrize(
    ("answers", "said", "asked"),
    [
        ([FAULT, answer(200, QUEUES)], "1 queues, each with a consumer", 2),
        ([FAULT] * (doctor.QUEUES_ASKED_MAX + 1), "500", doctor.QUEUES_ASKED_MAX),
        ([answer(401, {}), answer(200, QUEUES)], "401", 1),
    ],
    ids=["once", "always", "not-let-in"],
)
async def test_a_list_of_queues_that_fails_is_asked_for_again(
    answers: list[Answer], said: str, asked: int
) -> None:
    assert await look(*answers) == (said, asked)
