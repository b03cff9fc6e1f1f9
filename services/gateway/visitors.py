"""Who sends a request: a program with a Bearer token, or a browser with a session cookie.

A phone comes with the token of a hand-off; it is let in where photos are added, nowhere else.
Each request takes a token from a bucket: of its account when we know who it is, of its address
otherwise. A cookie is believed for changes only when the browser says they come from our pages.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends, Request
from fastapi.responses import Response

from services.gateway import accounts, handoffs, sessions
from services.gateway.edge import STANDING
from services.gateway.errors import CrossSiteRequest, HandoffOnlyAddsPhotos, TooManyRequests
from services.gateway.limits import (
    ANONYMOUS,
    HOOKS,
    JOBS,
    READS,
    STRIPE_HOOKS,
    WRITES,
    Limit,
    network_of,
)
from services.gateway.parts import Gateway, Parts, parts_of
from services.gateway.settings import GatewaySettings
from services.kit.problems import NotFound, Unauthenticated
from services.kit.tokens import InvalidToken

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ACCOUNTS_KNOWN_MAX = 10_000
KNOWN_FOR_S = 30

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visitor:
    """The account a request is for, how long its proof lasts, and by which hand-off it came."""

    account_id: UUID
    expires_at: float
    handoff_id: UUID | None = None


class KnownAccounts:
    """Accounts of subjects seen lately. An account never changes its id, but it may be erased."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[UUID, float]] = OrderedDict()

    async def of(self, subject: str, parts: Parts) -> UUID:
        """The account of a subject, opened if this is the first we hear of it."""
        account_id, until = self._known.get(subject, (None, 0.0))
        if account_id is None or until < time.monotonic():
            async with parts.engine.begin() as connection:
                account_id = await accounts.find_or_open(
                    connection, issuer=parts.issuer.url, subject=subject
                )
            self._known[subject] = (account_id, time.monotonic() + KNOWN_FOR_S)
            self._known.move_to_end(subject)
            if len(self._known) > ACCOUNTS_KNOWN_MAX:
                self._known.popitem(last=False)
        return account_id

    def forget(self, account_id: UUID) -> None:
        """The account is gone; other processes find out when they look again."""
        for subject in [one for one, (known, _) in self._known.items() if known == account_id]:
            del self._known[subject]


def session_cookie(settings: GatewaySettings) -> str:
    """The cookie's name; browsers take the prefixed one over TLS only, and from this host only."""
    return "__Host-rekindle" if settings.is_secure else "rekindle"


def forget_visitor(request: Request, response: Response, visitor: Visitor) -> None:
    """The account is gone: end this browser's session, and what this process knows of it."""
    known: KnownAccounts = request.app.state.known_accounts
    known.forget(visitor.account_id)
    settings = parts_of(request).settings
    response.delete_cookie(
        session_cookie(settings), path="/", httponly=True, samesite="lax", secure=settings.is_secure
    )


def charge(request: Request, limit: Limit, caller: str) -> None:
    """Count a request, or refuse it."""
    standing = parts_of(request).limiter.charge(limit, caller)
    request.scope[STANDING].append(standing)
    if standing.retry_after_s is not None:
        raise TooManyRequests(limit=limit.name, retry_after_s=standing.retry_after_s)


def charge_address(request: Request, limit: Limit) -> None:
    """Count a request against the address it comes from."""
    charge(request, limit, network_of(request.client.host if request.client else ""))


def refuse_other_sites(request: Request, settings: GatewaySettings) -> None:
    """A change with a cookie must come from our own page, by the browser's own word."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        raise CrossSiteRequest
    if site not in (None, "same-origin") or origin not in (None, settings.origin):
        raise CrossSiteRequest


async def recognize(request: Request, parts: Parts) -> Visitor:
    """Who it is, or `Unauthenticated`. A Bearer token counts before a cookie."""
    presented = request.headers.getlist("authorization")
    if len(presented) > 1:
        raise Unauthenticated
    if presented:
        return await _by_token(presented[0], request, parts)
    return await _by_cookie(request, parts)


def visitor_within(limit: Limit) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency: the visitor, whose account has a request left in this limit."""

    async def visitor(request: Request) -> Visitor:
        found = await _charged(request, limit)
        if found.handoff_id:
            raise HandoffOnlyAddsPhotos
        return found

    return visitor


def photo_visitor_within(limit: Limit) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency: the same, or a phone; it finds no photo but those of its own hand-off."""

    async def visitor(request: Request) -> Visitor:
        found = await _charged(request, limit)
        if found.handoff_id and (photo_id := request.path_params.get("photo_id")):
            async with parts_of(request).engine.begin() as connection:
                await handoffs.require_photo(connection, found.handoff_id, _id(photo_id))
        return found

    return visitor


async def phone(request: Request) -> Visitor:
    """A dependency: whoever came by hand-off. For others there is nothing here."""
    found = await _charged(request, READS)
    if not found.handoff_id:
        raise NotFound
    return found


def anyone_within(limit: Limit) -> Callable[[Request], Awaitable[None]]:
    """A dependency: nobody in particular, whose address has a request left in this limit."""

    # Without anything to wait for, and yet a coroutine: FastAPI gives functions a thread each.
    async def anyone(request: Request) -> None:
        charge_address(request, limit)

    return anyone


Reader = Annotated[Visitor, Depends(visitor_within(READS))]
Writer = Annotated[Visitor, Depends(visitor_within(WRITES))]
PhotoReader = Annotated[Visitor, Depends(photo_visitor_within(READS))]
PhotoWriter = Annotated[Visitor, Depends(photo_visitor_within(WRITES))]
Phone = Annotated[Visitor, Depends(phone)]
JobMaker = Annotated[Visitor, Depends(visitor_within(JOBS))]
ANYONE = Depends(anyone_within(ANONYMOUS))
A_HOOK = Depends(anyone_within(HOOKS))
A_STRIPE_HOOK = Depends(anyone_within(STRIPE_HOOKS))


async def _maybe_signed_in(request: Request, parts: Gateway) -> sessions.Session | None:
    value = request.cookies.get(session_cookie(parts.settings))
    if not value:
        return None
    async with parts.engine.begin() as connection:
        return await sessions.find(connection, value)


MaybeSignedIn = Annotated[sessions.Session | None, Depends(_maybe_signed_in)]


async def _charged(request: Request, limit: Limit) -> Visitor:
    try:
        found = await recognize(request, parts_of(request))
    except Unauthenticated:
        charge_address(request, ANONYMOUS)
        raise
    # A phone cannot use up what its account may ask for.
    charge(request, limit, str(found.handoff_id or found.account_id))
    return found


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


async def _by_token(header: str, request: Request, parts: Parts) -> Visitor:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    if token.startswith(handoffs.TOKEN_PREFIX):
        return await _by_handoff(token, parts)
    try:
        principal = await parts.verifier.verify(token)
    except InvalidToken as error:
        log.info("token.refused", reason=str(error))
        raise Unauthenticated from None
    known: KnownAccounts = request.app.state.known_accounts
    return Visitor(await known.of(principal.subject, parts), principal.expires_at)


async def _by_handoff(token: str, parts: Parts) -> Visitor:
    async with parts.engine.begin() as connection:
        bearer = await handoffs.recognize(connection, token)
    if bearer is None:
        raise Unauthenticated
    return Visitor(bearer.account_id, bearer.ends_at.timestamp(), bearer.handoff_id)


async def _by_cookie(request: Request, parts: Parts) -> Visitor:
    session = await _maybe_signed_in(request, parts)
    if session is None:
        raise Unauthenticated
    if request.method not in SAFE_METHODS:
        refuse_other_sites(request, parts.settings)
    return Visitor(session.account_id, session.expires_at.timestamp())
