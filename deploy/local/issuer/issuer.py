"""Everything the doors share: one `Issuer` in the application's state."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Request

from deploy.local.issuer.grants import Authorization, Codes, RefreshTokens
from deploy.local.issuer.keys import KeyRing
from deploy.local.issuer.settings import Settings
from deploy.local.issuer.store import open_store
from deploy.local.issuer.tables import Clock, ExpiringTable, RateLimit
from deploy.local.issuer.users import Users
from services.kit.tokens import TokenVerifier

LOGINS_MAX, LOGIN_LIFETIME_S = 10_000, 3_600
SESSIONS_MAX, SESSION_LIFETIME_S = 10_000, 3 * 86_400
TICKETS_MAX, TICKET_LIFETIME_S = 1_000, 3_600
MAIL_KEPT_MAX = 50
TRIES_PER_PERSON_MAX, TRIES_PER_ADDRESS_MAX, MAILS_PER_PERSON_MAX = 10, 300, 5
TRIES_WINDOW_S, TRIES_KEYS_MAX = 300, 10_000

DEMO_SUBJECT = "auth0|demo"


@dataclass(frozen=True, slots=True)
class Login:
    """A login that was begun, in one browser and no other."""

    authorization: Authorization
    browser: str


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody is signed in, in one browser."""

    subject: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who follows the link with it in a mail has read mail sent to this person."""

    purpose: Literal["reset", "confirm"]
    subject: str
    state: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that a real issuer would have sent."""

    to: str
    subject: str
    link: str
    sent_at: float


class Issuer:
    """The parts of the issuer, put together."""

    def __init__(self, settings: Settings, clock: Clock = time.time) -> None:
        self.settings, self.clock = settings, clock
        self._store = open_store(settings.home)
        self.keys = KeyRing(settings.home)
        self.users = Users(self._store, clock)
        self.refresh_tokens = RefreshTokens(self._store, clock)
        self.codes = Codes(self.refresh_tokens, clock)
        self.logins: ExpiringTable[Login] = ExpiringTable(
            entries_max=LOGINS_MAX, lifetime_s=LOGIN_LIFETIME_S, clock=clock
        )
        self.sessions: ExpiringTable[Session] = ExpiringTable(
            entries_max=SESSIONS_MAX, lifetime_s=SESSION_LIFETIME_S, clock=clock
        )
        self.tickets: ExpiringTable[Ticket] = ExpiringTable(
            entries_max=TICKETS_MAX, lifetime_s=TICKET_LIFETIME_S, clock=clock
        )
        self.mailbox: deque[Mail] = deque(maxlen=MAIL_KEPT_MAX)
        self.tries_per_person = self._limit(TRIES_PER_PERSON_MAX)
        self.tries_per_address = self._limit(TRIES_PER_ADDRESS_MAX)
        self.mails_per_person = self._limit(MAILS_PER_PERSON_MAX)
        self.own_tokens = self._verifier()
        if settings.demo_email and settings.demo_password:
            self.users.ensure(
                subject=DEMO_SUBJECT,
                email=settings.demo_email,
                password=settings.demo_password.get_secret_value(),
            )

    def rotate_keys(self) -> None:
        """Sign with a new key; our own memory of keys begins anew with it."""
        self.keys.rotate()
        self.own_tokens = self._verifier()

    def send(self, to: str, subject: str, *, path: str, ticket: Ticket) -> None:
        """Put a link into the mailbox page, where mail ends on this machine."""
        link = f"{self.settings.url}{path}?ticket={self.tickets.put(ticket)}"
        self.mailbox.appendleft(Mail(to, subject, link, self.clock()))

    def close(self) -> None:
        self._store.close()

    def _limit(self, tries_max: int) -> RateLimit:
        return RateLimit(
            tries_max=tries_max,
            window_s=TRIES_WINDOW_S,
            keys_max=TRIES_KEYS_MAX,
            clock=self.clock,
        )

    def _verifier(self) -> TokenVerifier:
        async def published() -> dict[str, Any]:
            return self.keys.published()

        known = self.settings
        return TokenVerifier(known.url, known.userinfo_audience, known.clients, published)


def _issuer(request: Request) -> Issuer:
    issuer: Issuer = request.app.state.issuer
    return issuer


ThisIssuer = Annotated[Issuer, Depends(_issuer)]
