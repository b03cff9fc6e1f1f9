"""The hosted checkout: pay with a test card, answer 3-D Secure, type a code, or leave."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.local.stripe import cards, checkout, coupons, payments
from deploy.local.stripe.account import Account
from deploy.local.stripe.errors import Refusal
from deploy.local.stripe.pages import (
    account_of,
    message,
    money,
    page,
    part,
    read_form,
    see,
)
from deploy.local.stripe.store import Object

PLACEHOLDER = "{CHECKOUT_SESSION_ID}"
UNKNOWN_CARD = "This emulator knows test cards only: choose one of those below."

router = APIRouter(prefix="/c/pay", include_in_schema=False)


@router.get("/{session_id}")
async def show(request: Request, session_id: str) -> Response:
    account = account_of(request)
    session = _find(account, session_id)
    return _page(session) if session["status"] == "open" else _closed(session)


@router.post("/{session_id}")
async def submit(request: Request, session_id: str) -> Response:
    form, account = await read_form(request), account_of(request)
    with account.store.transaction():
        session = _find(account, session_id)
        if session["status"] != "open":
            return _closed(session)
        try:
            return _act(account, session, form)
        except Refusal as refusal:
            return _page(session, alert=str(refusal), status=refusal.status)


@router.post("/{session_id}/authenticate")
async def authenticate(request: Request, session_id: str) -> Response:
    """The cardholder agrees in their bank's window, or does not."""
    form, account = await read_form(request), account_of(request)
    with account.store.transaction():
        session = _find(account, session_id)
        if session["status"] != "open":
            return _closed(session)
        card = account.store.get(form.get("card", ""))
        intent = account.store.get(form.get("intent", ""))
        if card is None or intent is None or intent["status"] != "requires_action":
            return _page(session, alert="Pay again, please.", status=400)
        if form.get("answer") != "agree":
            payments.decline_question(account, intent, card)
            return _page(session, alert="Your bank did not hear from you.", status=402)
        return _pay(account, session, card, has_agreed=True)


def _act(account: Account, session: Object, form: dict[str, str]) -> Response:
    if form.get("do") == "code":
        return _take_code(account, session, form.get("code", ""))
    if form.get("do") in ("debit", "failing_debit") and session["mode"] == "payment":
        checkout.pay_later(account, session, will_succeed=form["do"] == "debit")
        return _back(session)
    card = cards.of_number(account, form.get("number", ""))
    if card is None:
        return _page(session, alert=UNKNOWN_CARD, status=402)
    return _pay(account, session, card)


def _pay(account: Account, session: Object, card: Object, *, has_agreed: bool = False) -> Response:
    unpaid = checkout.pay(account, session, card, has_agreed=has_agreed)
    if unpaid is None:
        return _back(session)
    intent = account.get("payment_intent", unpaid)
    if intent["status"] == "requires_action":
        return page(
            "authenticate",
            "Your bank asks",
            goes_to=session["success_url"],
            action=f"/c/pay/{session['id']}/authenticate",
            card=card["id"],
            intent=unpaid,
            amount=money(intent["amount"], intent["currency"]),
        )
    return _page(session, alert=intent["last_payment_error"]["message"], status=402)


def _take_code(account: Account, session: Object, code: str) -> Response:
    if not session["allow_promotion_codes"] or session["_begun"] or session["payment_intent"]:
        return _page(session, alert="A code cannot be used any more.", status=400)
    session["_source"] = coupons.typed(account, code)["id"]
    checkout.put_totals(account, session)
    account.keep(session)
    return see(f"/c/pay/{session['id']}")


def _page(session: Object, *, alert: str = "", status: int = 200) -> Response:
    currency = session["currency"]
    lines = [
        part(
            "row",
            label=f"{_count(one)}{one['description']}{_interval(one['price'])}",
            value=money(one["amount_subtotal"], currency),
        )
        for one in session["line_items"]["data"]
    ]
    if taken := session["total_details"]["amount_discount"]:
        lines.append(part("row", label="Discount", value=money(-taken, currency)))
    has_code = session["allow_promotion_codes"] and not session["_begun"]
    is_once = session["mode"] == "payment" and session["amount_total"]
    return page(
        "checkout",
        f"Pay {money(session['amount_total'], currency)}",
        status=status,
        alert=alert,
        goes_to=session["success_url"],
        parts={
            "lines": "".join(lines),
            "code": part("code", action=f"/c/pay/{session['id']}") if has_code else "",
            "debit": part("debit", action=f"/c/pay/{session['id']}") if is_once else "",
        },
        action=f"/c/pay/{session['id']}",
        total=money(session["amount_total"], currency),
        back=session["cancel_url"] or session["success_url"],
    )


def _closed(session: Object) -> Response:
    """Whoever has paid and comes again is sent to where they were sent before."""
    if session["status"] == "complete":
        return _back(session)
    return message("This page has expired", "Nothing was paid. Start the purchase again.")


def _back(session: Object) -> Response:
    return see(session["success_url"].replace(PLACEHOLDER, session["id"]))


def _count(line: Object) -> str:
    return f"{line['quantity']} times " if line["quantity"] > 1 else ""


def _interval(price: Object) -> str:
    return f", every {price['recurring']['interval']}" if price["recurring"] else ""


def _find(account: Account, session_id: str) -> Object:
    return account.get("checkout.session", session_id)
