"""Refusals in Stripe's shape: `{"error": {"type", "code", "message", "param"}}`."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """What the caller is told instead of an object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        has_begun: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        # Only what an operation itself decided is kept for its idempotency key.
        self.has_begun = has_begun
        self.body = {"error": {"type": kind, "message": message, **details}}


def missing(what: str, object_id: str, *, param: str = "id", status: int = 404) -> Refusal:
    return Refusal(
        f"No such {what}: '{object_id}'", status=status, code="resource_missing", param=param
    )


def missing_param(param: str) -> Refusal:
    return Refusal(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    details: dict[str, Any] = {"param": param, "code": code}
    return Refusal(message, has_begun=True, **{key: v for key, v in details.items() if v})


async def show(_: Request, refusal: Exception) -> Response:
    """Render a `Refusal` that was raised outside an operation."""
    assert isinstance(refusal, Refusal)
    return JSONResponse(refusal.body, refusal.status)
