"""The public contract: the OpenAPI document, made from the routes and completed here."""

import json
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway import print_schemas, purchase_schemas, schemas, share_schemas

TITLE = "Rekindle"
VERSION = "1"
SUMMARY = "Old family photos, restored and kept true."
DESCRIPTION = """\
Every refusal is `application/problem+json` (RFC 9457) with a stable `code`. What spends credits
needs an `Idempotency-Key`. Limits are announced in `RateLimit-Policy` and `RateLimit`; after a 429,
wait for `Retry-After` seconds. Answers to reads carry an `ETag`; with it in `If-None-Match`, what
has not changed is a 304.
"""
REF = "#/components/schemas/{model}"
REQUESTS = (
    schemas.BeginPhoto,
    schemas.CompletePhoto,
    print_schemas.CutPhoto,
    print_schemas.SplitPhoto,
    schemas.JobRequest,
    schemas.QuoteRequest,
    schemas.RejectResult,
    schemas.BatchRequest,
    schemas.SetCaption,
    purchase_schemas.CheckoutRequest,
    purchase_schemas.PortalRequest,
    share_schemas.ShareRequest,
)
DOCUMENTED = (*REQUESTS, schemas.Problem, schemas.FeedEvent)
REPLACED = ("HTTPValidationError", "ValidationError")

ANYBODY: dict[str, Any] = {"security": []}
SIGNED_IN: list[dict[str, Any]] = [{"bearer": []}, {"session": []}]
BY_PHONE: dict[str, Any] = {"security": [{"handoff": []}]}
BY_PHONE_TOO: dict[str, Any] = {"security": [*SIGNED_IN, {"handoff": []}]}
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-rekindle",
        "description": "Set by /login; changes are accepted from our own pages only.",
    },
    "handoff": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of a hand-off, `rkh_…`: for its own photos, and while it lasts.",
    },
}


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Your own name for this attempt; sent again, it gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def takes(
    model: type[BaseModel], *parameters: dict[str, Any], is_required: bool = True
) -> dict[str, Any]:
    """For routes that read their request themselves: what has to be in it."""
    schema = {"$ref": REF.format(model=model.__name__)}
    body = {"required": is_required, "content": {"application/json": {"schema": schema}}}
    return {"requestBody": body, **({"parameters": list(parameters)} if parameters else {})}


def document(routers: Iterable[APIRouter]) -> dict[str, Any]:
    """The whole contract."""
    routes = [route for router in routers for route in router.routes]
    contract = get_openapi(
        title=TITLE, version=VERSION, summary=SUMMARY, description=DESCRIPTION, routes=routes
    )
    components = contract.setdefault("components", {})
    _, models = models_json_schema(
        [(model, "validation") for model in DOCUMENTED], ref_template=REF
    )
    known = components.setdefault("schemas", {}) | models["$defs"]
    components["schemas"] = {k: known[k] for k in sorted(known) if k not in REPLACED}
    components["securitySchemes"] = SECURITY_SCHEMES
    contract["security"] = SIGNED_IN
    problem = {
        "description": "Refused: the problem says why.",
        "content": {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}},
    }
    for operations in contract["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
    return contract


def written(contract: dict[str, Any]) -> str:
    """The document as it is committed."""
    return json.dumps(contract, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
