"""Cards: Stripe's published test numbers, and what happens to who pays with them."""

from dataclasses import dataclass
from typing import Final

from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import Refusal, invalid, missing
from deploy.local.stripe.reading import PAGED, list_of, retrieve
from deploy.local.stripe.store import Object


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What comes of a card: a decline, a question to its owner, or something later."""

    decline: str | None = None
    can_be_kept: bool = False
    asks: bool = False
    disputes: bool = False
    refund_fails: bool = False

    @property
    def code(self) -> str:
        """The error code; a reason of the bank is a decline code beside `card_declined`."""
        own = ("expired_card", "incorrect_cvc", "processing_error")
        return self.decline if self.decline in own else "card_declined"


GOOD: Final = Behaviour()
BY_NUMBER: Final = {
    "4242424242424242": GOOD,
    "5555555555554444": GOOD,
    "4000000000000002": Behaviour(decline="generic_decline"),
    "4000000000009995": Behaviour(decline="insufficient_funds"),
    "4000000000009987": Behaviour(decline="lost_card"),
    "4000000000000069": Behaviour(decline="expired_card"),
    "4000000000000127": Behaviour(decline="incorrect_cvc"),
    "4000000000000119": Behaviour(decline="processing_error"),
    "4000000000000341": Behaviour(decline="generic_decline", can_be_kept=True),
    "4000002500003155": Behaviour(asks=True),
    "4000002760003184": Behaviour(asks=True),
    "4000000000003220": Behaviour(asks=True),
    "4000000000000259": Behaviour(disputes=True),
    "4000000000005126": Behaviour(refund_fails=True),
}
ASKS_EVERY_TIME: Final = "4000002760003184"
BY_TOKEN: Final = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_refundFail": "4000000000005126",
}
MESSAGES: Final = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}


def message(decline: str) -> str:
    return MESSAGES.get(decline, "Your card was declined.")


def of_number(account: Account, number: str) -> Object | None:
    """A payment method for one of the test numbers; None for a number that is none of them."""
    digits = "".join(character for character in number if character.isdigit())
    if digits not in BY_NUMBER:
        return None
    return account.keep(_method(account, digits))


def behaviour(method: Object) -> Behaviour:
    return BY_NUMBER[method["_number"]]


def attach(account: Account, method_id: str, customer_id: str) -> Object:
    """Give a card to a customer; a token makes a new card."""
    if method_id in BY_TOKEN:
        method = _method(account, BY_TOKEN[method_id])
    else:
        method = account.get("payment_method", method_id, param="payment_method", status=400)
    if method["customer"] == customer_id:
        return method
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    require_keepable(method)
    method["customer"] = customer_id
    account.keep(method)
    account.tell("payment_method.attached", method)
    return method


def require_keepable(method: Object) -> None:
    """Some cards are declined when they are tried, some as soon as they are given."""
    known = behaviour(method)
    if known.decline and not known.can_be_kept:
        raise declined(known)


def declined(known: Behaviour, **details: object) -> Refusal:
    assert known.decline
    more = {"decline_code": known.decline} if known.code == "card_declined" else {}
    return Refusal(
        message(known.decline), status=402, kind="card_error", has_begun=True,
        code=known.code, **more, **details,
    )  # fmt: skip


def _of_customer(call: Call) -> Object:
    method = call.account.get("payment_method", call.path["payment_method"])
    if method["customer"] != call.path["customer"]:
        raise missing("payment_method", method["id"])
    return method


def _method(account: Account, number: str) -> Object:
    brand = "mastercard" if number.startswith("5") else "visa"
    year = 2000 + (account.now() // (365 * 24 * 3600) - 30 + 4) % 100
    card = {
        "brand": brand, "checks": None, "country": "US", "display_brand": brand,
        "exp_month": 12, "exp_year": year, "fingerprint": None, "funding": "credit",
        "generated_from": None, "last4": number[-4:], "networks": None,
        "three_d_secure_usage": {"supported": True}, "wallet": None,
    }  # fmt: skip
    billing_details = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return account.new(
        "payment_method", "pm", type="card", card=card, billing_details=billing_details,
        _number=number,
    )  # fmt: skip


OPERATIONS = {
    "GET /v1/payment_methods/{payment_method}": retrieve("payment_method"),
    "GET /v1/payment_methods": list_of(
        "payment_method",
        "/v1/payment_methods",
        {"customer": "customer", "type": "type"},
        paging=PAGED,
    ),
    "GET /v1/customers/{customer}/payment_methods/{payment_method}": Operation(_of_customer),
}
