"""The public contract is the committed one, and complete."""

import json
from pathlib import Path

from services.gateway.app import contract
from services.gateway.openapi import written
from tests.gateway.doors import Door

COMMITTED = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"


def test_the_committed_contract_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == written(contract()), "run `make openapi` and read the diff"


def test_every_operation_is_typed_and_says_how_it_refuses() -> None:
    for path, operations in contract()["paths"].items():
        for method, operation in operations.items():
            assert operation["operationId"], path
            assert operation["description"], path
            default = operation["responses"]["default"]["content"]
            assert "application/problem+json" in default, path
            success = [status for status in operation["responses"] if status.startswith("2")]
            for status in success:
                if status != "204":
                    content = operation["responses"][status]["content"]
                    assert all(media["schema"] for media in content.values()), (method, path)


def test_spending_demands_an_idempotency_key() -> None:
    (parameter,) = contract()["paths"]["/v1/jobs"]["post"]["parameters"]

    assert (parameter["name"], parameter["required"]) == ("Idempotency-Key", True)


async def test_the_running_gateway_shows_its_contract_and_no_other_documentation(
    door: Door,
) -> None:
    async with door.browse() as visitor:
        shown = await visitor.get("/openapi.json")
        others = [await visitor.get(path) for path in ("/docs", "/redoc")]

    assert shown.json() == json.loads(COMMITTED.read_text())
    assert {answer.status_code for answer in others} == {404}
