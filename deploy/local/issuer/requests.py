"""What arrives: parameters and bodies, read with limits; refusals in the caller's own form."""

import json
from urllib.parse import parse_qsl

from fastapi import Request

BODY_BYTES_MAX = 16_384
QUERY_LENGTH_MAX = 8_192
FIELDS_MAX = 40


class Refusal(Exception):  # noqa: N818  # what it is, as a person sees it
    """A page that says what is wrong."""

    def __init__(
        self, status: int, title: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.title, self.message = status, title, message
        self.retry_after_s = retry_after_s


class TokenRefusal(Exception):  # noqa: N818  # what it is, as a program sees it
    """An OAuth error, with the status Auth0 gives it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description


def read_query(request: Request) -> dict[str, str]:
    """The query's parameters, each given once."""
    if len(request.url.query) > QUERY_LENGTH_MAX:
        raise Refusal(414, "Too long", "The address is longer than any login needs.")
    return _each_once(request.query_params.multi_items())


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that one of our own pages sent."""
    if not _came_from_our_page(request):
        raise Refusal(403, "Not from here", "This form was sent by another website.")
    try:
        return _each_once(_parsed_form(await _body(request)))
    except ValueError:
        raise Refusal(400, "Not readable", "This form could not be read.") from None


async def read_fields(request: Request) -> dict[str, str]:
    """The fields a program sent, as JSON or as a form."""
    is_json = "json" in request.headers.get("content-type", "")
    try:
        body = await _body(request)
        if not is_json:
            return _each_once(_parsed_form(body))
        fields = json.loads(body)
        return {name: value for name, value in fields.items() if isinstance(value, str)}
    except (ValueError, AttributeError, RecursionError, Refusal):
        raise TokenRefusal(400, "invalid_request", "The body could not be read.") from None


def _came_from_our_page(request: Request) -> bool:
    """Browsers name the origin of every form; programs other than browsers may not."""
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host')}"
    return origin in (None, own) and request.headers.get("sec-fetch-site") in (
        None,
        "same-origin",
        "none",
    )


def _parsed_form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)


def _each_once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    if len(fields) < len(pairs) or len(fields) > FIELDS_MAX:
        raise Refusal(400, "Not clear", "A parameter was given twice.")
    return fields


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise ValueError("too long")
    return body
