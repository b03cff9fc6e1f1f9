"""What the token of a hand-off opens: the photos it brings, and of all other routes not one."""

import re
from typing import Any
from uuid import uuid4

from services.gateway.app import contract
from tests.gateway.doors import Door
from tests.gateway.phones import handed, phone_of

CONTRACT = contract()
OPEN_TO_PHONES = {
    ("post", "/v1/photos"),
    ("post", "/v1/photos/{photo_id}/complete"),
    ("get", "/v1/photos/{photo_id}"),
    ("get", "/v1/photos/{photo_id}/upload"),
    ("delete", "/v1/photos/{photo_id}"),
    ("get", "/v1/handoffs/current"),
}
OPEN_TO_ANYBODY = {("get", "/v1/plans"), ("get", "/v1/kinds")}

Operation = tuple[str, str]
OPERATIONS = sorted(
    (method, path) for path, operations in CONTRACT["paths"].items() for method in operations
)
CLOSED = [each for each in OPERATIONS if each not in OPEN_TO_PHONES | OPEN_TO_ANYBODY]


def schemes_of(operation: Operation) -> set[str]:
    method, path = operation
    found: list[dict[str, Any]] = CONTRACT["paths"][path][method].get(
        "security", CONTRACT["security"]
    )
    return {name for alternative in found for name in alternative}


def test_the_contract_says_which_routes_a_phone_may_use() -> None:
    assert {each for each in OPERATIONS if "handoff" in schemes_of(each)} == OPEN_TO_PHONES
    assert {each for each in OPERATIONS if not schemes_of(each)} == OPEN_TO_ANYBODY


async def test_no_other_route_opens(door: Door) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        answers = {
            (method, path): await phone.request(
                method,
                re.sub(r"\{\w+\}", str(uuid4()), path),
                json={},
                headers={"idempotency-key": "a phone's"},
            )
            for method, path in CLOSED
        }

    refusals = {each: (a.status_code, a.json()["code"]) for each, a in answers.items()}
    assert refusals == dict.fromkeys(CLOSED, (403, "handoff-only-adds-photos"))


async def test_a_token_does_not_help_where_a_browser_is_asked_for_its_cookie(door: Door) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        first_page = await phone.get("/")
        goodbye = await phone.post("/logout")

    assert 'href="/login"' in first_page.text
    assert goodbye.status_code == 403
