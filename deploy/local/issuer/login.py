"""The pages between a program's question and its answer: log in, sign up, a new password.

A form counts only in the browser that began the login (a cookie says so) and only when one of our
own pages sent it; so nobody can be signed in, unawares, as somebody else.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.local.issuer.authorize import BROWSER_COOKIE, sign_in
from deploy.local.issuer.issuer import Issuer, Login, ThisIssuer, Ticket
from deploy.local.issuer.pages import page
from deploy.local.issuer.requests import Refusal, read_form, read_query
from deploy.local.issuer.settings import origin_of
from deploy.local.issuer.users import (
    EMAIL_LENGTH_MAX,
    UnusableCredentials,
    normalized,
    require_usable,
)

TITLES = {
    "login": "Welcome back",
    "signup": "Create your account",
    "reset": "Forgot your password?",
}
WRONG_PASSWORD = "Wrong email or password."

router = APIRouter(prefix="/u")


@router.get("/login")
@router.get("/signup")
@router.get("/reset")
async def show(request: Request, issuer: ThisIssuer) -> Response:
    asked = read_query(request)
    login = _login(request, issuer, asked.get("state"))
    return _form(_name(request), asked["state"], login, email=asked.get("login_hint", ""))


@router.post("/login")
async def log_in(request: Request, issuer: ThisIssuer) -> Response:
    state, login, fields = await _sent(request, issuer)
    email, password = fields.get("email", ""), fields.get("password", "")
    _count(issuer, request, email)
    user = await issuer.users.authenticate(email, password)
    if user is None:
        return _form("login", state, login, email=email, alert=WRONG_PASSWORD)
    issuer.tries_per_person.forget(normalized(email)[:EMAIL_LENGTH_MAX])
    issuer.logins.pop(state)
    return sign_in(issuer, request, login, user.subject)


@router.post("/signup")
async def sign_up(request: Request, issuer: ThisIssuer) -> Response:
    state, login, fields = await _sent(request, issuer)
    email = fields.get("email", "")
    _count(issuer, request, email)
    try:
        user = await issuer.users.sign_up(email, fields.get("password", ""))
    except UnusableCredentials as refusal:
        return _form("signup", state, login, email=email, alert=str(refusal))
    ticket = Ticket("confirm", user.subject, state)
    issuer.send(user.email, "Confirm your e-mail address", path="u/confirm", ticket=ticket)
    issuer.logins.pop(state)
    return sign_in(issuer, request, login, user.subject)


@router.post("/reset")
async def ask_for_reset(request: Request, issuer: ThisIssuer) -> Response:
    state, _, fields = await _sent(request, issuer)
    email = fields.get("email", "")
    _count(issuer, request, email)
    user = issuer.users.find_by_email(email)
    if user and issuer.mails_per_person.allows(user.email):
        ticket = Ticket("reset", user.subject, state)
        issuer.send(user.email, "Choose a new password", path="u/new-password", ticket=ticket)
    return page("reset_sent", "Look into your mailbox", email=email, state=state)


@router.get("/new-password")
async def show_new_password(request: Request, issuer: ThisIssuer) -> Response:
    name = read_query(request).get("ticket", "")
    _ticket(issuer, name, "reset")
    return page("new_password", "Choose a new password", ticket=name)


@router.post("/new-password")
async def take_new_password(request: Request, issuer: ThisIssuer) -> Response:
    fields = await read_form(request)
    name, password = fields.get("ticket", ""), fields.get("password", "")
    ticket = _ticket(issuer, name, "reset")
    try:
        require_usable(password)
    except UnusableCredentials as refusal:
        return page(
            "new_password", "Choose a new password", status=400, alert=str(refusal), ticket=name
        )
    issuer.tickets.pop(name)
    await issuer.users.change_password(ticket.subject, password)
    issuer.users.confirm_email(ticket.subject)
    # Whoever knew the old password may still be signed in somewhere.
    issuer.sessions.drop(lambda session: session.subject == ticket.subject)
    issuer.refresh_tokens.revoke_of(ticket.subject)
    return page("password_changed", "Your password is changed", state=ticket.state)


@router.get("/confirm")
async def show_confirm(request: Request, issuer: ThisIssuer) -> Response:
    name = read_query(request).get("ticket", "")
    _ticket(issuer, name, "confirm")
    return page("confirm", "Is this your e-mail address?", ticket=name)


@router.post("/confirm")
async def confirm(request: Request, issuer: ThisIssuer) -> Response:
    name = (await read_form(request)).get("ticket", "")
    issuer.users.confirm_email(_ticket(issuer, name, "confirm").subject)
    issuer.tickets.pop(name)
    return page("message", "Thank you", message="Your e-mail address is confirmed.")


async def _sent(request: Request, issuer: Issuer) -> tuple[str, Login, dict[str, str]]:
    """The login a form belongs to, and what was typed into it."""
    fields = await read_form(request)
    state = fields.get("state") or read_query(request).get("state", "")
    return state, _login(request, issuer, state), fields


def _login(request: Request, issuer: Issuer, state: str | None) -> Login:
    login = issuer.logins.get(state)
    if login is None or request.cookies.get(BROWSER_COOKIE) != login.browser:
        raise Refusal(
            400,
            "This login has ended",
            "It took too long, or it was begun in another window. Go back and sign in again.",
        )
    return login


def _ticket(issuer: Issuer, name: str, purpose: str) -> Ticket:
    ticket = issuer.tickets.get(name)
    if ticket is None or ticket.purpose != purpose:
        raise Refusal(400, "This link has ended", "It was used before, or it is too old.")
    return ticket


def _count(issuer: Issuer, request: Request, email: str) -> None:
    """Let nobody try for ever: not one person's password, not from one address."""
    address = request.client.host if request.client else ""
    is_person_allowed = issuer.tries_per_person.allows(normalized(email)[:EMAIL_LENGTH_MAX])
    is_address_allowed = issuer.tries_per_address.allows(address)
    if not (is_person_allowed and is_address_allowed):
        wait_s = issuer.tries_per_person.window_s
        text = f"Wait {wait_s // 60} minutes, then try again."
        raise Refusal(429, "Too many tries", text, retry_after_s=wait_s)


def _name(request: Request) -> str:
    return request.url.path.rpartition("/")[2]


def _form(name: str, state: str, login: Login, *, email: str = "", alert: str = "") -> Response:
    return page(
        name,
        TITLES[name],
        status=400 if alert else 200,
        alert=alert,
        goes_to=origin_of(login.authorization.redirect_uri),
        state=state,
        email=email,
    )
