"""What happens to every request and answer before and after everything else.

Headers that only our own services may send are dropped, and every answer, a failure of ours
included, carries the security headers. Written as bare ASGI around the whole application.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STANDING = "rekindle.standing"

DROPPED = (b"x-correlation-id", b"traceparent", b"tracestate", b"baggage", b"forwarded", b"via")
DROPPED_PREFIXES = (b"x-forwarded-", b"x-real-", b"x-user-", b"x-account-", b"x-internal-")

API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: with it a form of our own page would send `Origin: null`.
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
UNLESS_SAID = (
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"content-security-policy", API_POLICY),
    (b"cache-control", b"no-store"),
)
TLS_ONLY = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class Edge:
    """The outermost layer of the gateway."""

    def __init__(self, app: ASGIApp, *, is_secure: bool) -> None:
        self._app = app
        self._always = [*ALWAYS, *([TLS_ONLY] if is_secure else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        standings = scope[STANDING] = []
        scope["headers"] = [header for header in scope["headers"] if not _is_internal(header[0])]

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                said = {name.lower() for name, _ in headers}
                headers += self._always
                headers += [header for header in UNLESS_SAID if header[0] not in said]
                if standings:
                    headers += standings[-1].headers()
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, dressed)


def _is_internal(name: bytes) -> bool:
    return name in DROPPED or name.startswith(DROPPED_PREFIXES)
