"""What comes in over HTTP: bodies with a limit, policies in milliseconds, keys, an endpoint."""

import hmac
import json
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.jobs import Policy

RUN_BODY_MAX = 10 * 1024 * 1024
RUNSYNC_BODY_MAX = 20 * 1024 * 1024
WORKER_BODY_MAX = 20 * 1024 * 1024
WEEK_MS = 7 * 24 * 3600 * 1000


class PolicyBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    executionTimeout: int = Field(default=600_000, ge=5_000, le=WEEK_MS)  # noqa: N815
    ttl: int = Field(default=24 * 3600 * 1000, ge=10_000, le=WEEK_MS)
    lowPriority: bool = False  # noqa: N815

    def as_policy(self) -> Policy:
        return Policy(self.executionTimeout / 1000, self.ttl / 1000, self.lowPriority)


class SubmitBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    input: dict[str, Any]
    webhook: HttpUrl | None = None
    policy: PolicyBody = PolicyBody()


async def read_json(request: Request, *, bytes_max: int) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise HTTPException(400, f"exceeded max body size of {bytes_max >> 20}MiB")
    try:
        return json.loads(bytes(body))
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None


def read_submission(body: Any) -> SubmitBody:
    try:
        return SubmitBody.model_validate(body)
    except ValidationError as error:
        reasons = [f"{fault['loc']}: {fault['msg']}" for fault in error.errors()]
        raise HTTPException(400, "; ".join(reasons)) from None


def endpoint_for_client(request: Request, endpoint_id: str) -> Endpoint:
    """RunPod takes `Bearer KEY`, and its documentation also shows the bare key."""
    return _endpoint(request, endpoint_id, _key_in_header(request))


def endpoint_for_worker(request: Request, endpoint_id: str) -> Endpoint:
    """The SDK sends the key of a RunPod account, if this machine has one, instead of ours.

    It keeps the query of the addresses it is given, so the key may travel there too.
    """
    key = request.query_params.get("key") or _key_in_header(request)
    return _endpoint(request, endpoint_id, key)


def _key_in_header(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def has_key(request: Request, key: str | None = None) -> bool:
    """Whether the caller shows the API key, by default in the header."""
    shown = _key_in_header(request) if key is None else key
    expected: str = request.app.state.api_key
    return hmac.compare_digest(shown.encode(), expected.encode())


def _endpoint(request: Request, endpoint_id: str, key: str) -> Endpoint:
    if not has_key(request, key):
        raise HTTPException(401, "the API key is missing or wrong")
    endpoint: Endpoint = request.app.state.endpoint
    if endpoint_id != endpoint.id:
        raise HTTPException(404, "endpoint not found")
    return endpoint


ClientEndpoint = Annotated[Endpoint, Depends(endpoint_for_client)]
WorkerEndpoint = Annotated[Endpoint, Depends(endpoint_for_worker)]
