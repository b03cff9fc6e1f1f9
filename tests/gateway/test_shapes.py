"""What the public contract says of a passed-through answer is what the service says of it."""

from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from services.billing import api as billing
from services.credits import api as credits_
from services.gateway.app import contract
from services.processing import api as processing
from services.processing import batch_api, outline_api
from services.uploads import api as uploads
from services.uploads import print_api

OWN = {
    ("/v1/me", "get"),
    ("/v1/me", "delete"),
    ("/v1/events", "get"),
    ("/v1/jobs/quote", "post"),
    ("/v1/jobs/{job_id}/jpeg", "get"),
    ("/v1/jobs/{job_id}/result/blend", "get"),
}
OWN_TAGS = {"handoffs", "shares"}
ELSEWHERE = {("/v1/photos/{photo_id}/outline", "post"): ("/v1/outlines", "post")}
"""What the public asks of a photo, and processing is asked of a picture."""

Operation = tuple[str, str]


def described(router: APIRouter) -> dict[str, Any]:
    return get_openapi(title="private", version="0", routes=router.routes)


PUBLIC = contract()
OUTLINES = described(outline_api.router)
PRIVATE = [
    described(module.router)
    for module in (uploads, print_api, credits_, processing, batch_api, billing)
]
PASSED_THROUGH = sorted(
    (path, method)
    for path, operations in PUBLIC["paths"].items()
    for method in operations
    if (path, method) not in OWN | ELSEWHERE.keys()
    and not OWN_TAGS & set(operations[method]["tags"])
)


def fields(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """The names in a schema, all the way down, without what is said about their values."""
    if reference := schema.get("$ref"):
        return fields(document, document["components"]["schemas"][reference.rpartition("/")[2]])
    if "anyOf" in schema:
        (meant,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return fields(document, meant)
    if "oneOf" in schema:
        return [fields(document, each) for each in schema["oneOf"]]
    if "items" in schema:
        return [fields(document, schema["items"])]
    if "properties" in schema:
        return {name: fields(document, each) for name, each in schema["properties"].items()}
    return None


def operation_of(document: dict[str, Any], operation: Operation) -> dict[str, Any] | None:
    path, method = operation
    found: dict[str, Any] | None = document["paths"].get(path, {}).get(method)
    return found


def shape(document: dict[str, Any], message: dict[str, Any]) -> Any:
    content = message.get("content", {}).get("application/json")
    return content and fields(document, content["schema"])


@pytest.mark.parametrize("operation", PASSED_THROUGH, ids=lambda each: f"{each[1]} {each[0]}")
def test_the_public_shape_is_the_services_own(operation: Operation) -> None:
    theirs = [(each, found) for each in PRIVATE if (found := operation_of(each, operation))]
    ours = operation_of(PUBLIC, operation)
    assert ours
    assert len(theirs) == 1
    document, private = theirs[0]

    statuses = [status for status in ours["responses"] if status.startswith("2")]

    assert statuses
    for status in statuses:
        said = private["responses"][status]
        assert shape(PUBLIC, ours["responses"][status]) == shape(document, said)
    assert shape(PUBLIC, ours.get("requestBody", {})) == shape(
        document, private.get("requestBody", {})
    )


def test_an_outline_is_what_processing_proposes() -> None:
    for public, private in ELSEWHERE.items():
        ours, theirs = operation_of(PUBLIC, public), operation_of(OUTLINES, private)
        assert ours
        assert theirs
        said = shape(PUBLIC, ours["responses"]["200"])

        assert said
        assert said == shape(OUTLINES, theirs["responses"]["200"])
