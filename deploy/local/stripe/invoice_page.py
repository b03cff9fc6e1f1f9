"""The hosted page of an invoice: its lines, and a way to pay it if it is open."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.local.stripe import cards, customers, invoices, payments, subscription_calls
from deploy.local.stripe.account import Account
from deploy.local.stripe.checkout_page import UNKNOWN_CARD
from deploy.local.stripe.pages import account_of, money, page, part, read_form, see
from deploy.local.stripe.store import Object

router = APIRouter(prefix="/i", include_in_schema=False)


@router.get("/{invoice_id}")
async def show(request: Request, invoice_id: str) -> Response:
    return _page(account_of(request).get("invoice", invoice_id))


@router.post("/{invoice_id}")
async def submit(request: Request, invoice_id: str) -> Response:
    form, account = await read_form(request), account_of(request)
    with account.store.transaction():
        invoice = account.get("invoice", invoice_id)
        if invoice["status"] != "open":
            return see(f"/i/{invoice_id}")
        card = cards.of_number(account, form.get("number", ""))
        if card is None:
            return _page(invoice, alert=UNKNOWN_CARD, status=402)
        return _pay(account, invoice, card)


@router.post("/{invoice_id}/authenticate")
async def authenticate(request: Request, invoice_id: str) -> Response:
    form, account = await read_form(request), account_of(request)
    with account.store.transaction():
        invoice = account.get("invoice", invoice_id)
        card = account.store.get(form.get("card", ""))
        if invoice["status"] != "open" or card is None:
            return see(f"/i/{invoice_id}")
        if form.get("answer") != "agree":
            payment = invoices.payment_of(account, invoice)["payment"]["payment_intent"]
            payments.decline_question(account, account.get("payment_intent", payment), card)
            return _page(invoice, alert="Your bank did not hear from you.", status=402)
        return _pay(account, invoice, card, has_agreed=True)


def _pay(account: Account, invoice: Object, card: Object, *, has_agreed: bool = False) -> Response:
    subscription = account.get("subscription", invoices.subscription_of(invoice))
    if subscription_calls.pay(
        account, invoice, subscription, card, is_present=True, has_agreed=has_agreed
    ):
        customers.keep_card(account, invoice["customer"], card)
        return see(f"/i/{invoice['id']}")
    paid_by = invoices.payment_of(account, invoice)["payment"]["payment_intent"]
    intent = account.get("payment_intent", paid_by)
    if intent["status"] == "requires_action":
        return page(
            "authenticate",
            "Your bank asks",
            action=f"/i/{invoice['id']}/authenticate",
            card=card["id"],
            intent=intent["id"],
            amount=money(intent["amount"], intent["currency"]),
        )
    return _page(invoice, alert=intent["last_payment_error"]["message"], status=402)


def _page(invoice: Object, *, alert: str = "", status: int = 200) -> Response:
    currency = invoice["currency"]
    lines = [
        part("row", label=one["description"], value=money(one["amount"], currency))
        for one in invoice["_lines"]
    ]
    action = f"/i/{invoice['id']}"
    is_open = invoice["status"] == "open"
    return page(
        "invoice",
        f"Invoice {invoice['number']}",
        status=status,
        alert=alert,
        parts={"lines": "".join(lines), "card": part("card", action=action) if is_open else ""},
        total=money(invoice["total"], currency),
        state=invoice["status"],
    )
