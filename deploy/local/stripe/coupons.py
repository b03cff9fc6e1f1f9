"""Coupons, the promotion codes that stand for them, and the discounts that come of them."""

from fractions import Fraction
from typing import Any

from deploy.local.stripe import forms
from deploy.local.stripe.account import Account, new_id
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid, missing_param
from deploy.local.stripe.periods import next_end
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

PERCENT_MAX = 100
DURATIONS = ("once", "repeating", "forever")


def create(call: Call) -> Object:
    params = call.params
    percent, amount = _percent(params), forms.integer(params, "amount_off", least=1)
    if percent is None and amount is None:
        raise missing_param("percent_off")
    duration = params.get("duration", "once")
    if duration not in DURATIONS:
        raise invalid("Invalid duration", param="duration")
    months = forms.integer(params, "duration_in_months", least=1)
    if duration == "repeating" and months is None:
        raise missing_param("duration_in_months")
    made = call.account.new(
        "coupon",
        "coupon",
        percent_off=percent,
        amount_off=amount,
        currency=params.get("currency") if amount else None,
        duration=duration,
        duration_in_months=months,
        max_redemptions=forms.integer(params, "max_redemptions"),
        name=params.get("name"),
        times_redeemed=0,
        valid=True,
    )
    made["id"] = params.get("id") or made["id"]
    call.account.keep(made)
    call.account.tell("coupon.created", made)
    return made


def create_code(call: Call) -> Object:
    promotion = forms.mapping(call.params, "promotion")
    coupon = call.account.get(
        "coupon", forms.require(promotion, "coupon"), param="promotion[coupon]", status=400
    )
    code = call.params.get("code") or new_id("")[1:9].upper()
    if _active_code(call.account, code):
        raise invalid("An active promotion code with this code already exists.", param="code")
    made = call.account.new(
        "promotion_code",
        "promo",
        active=True,
        code=code,
        promotion={"type": "coupon", "coupon": coupon["id"]},
        max_redemptions=forms.integer(call.params, "max_redemptions"),
        restrictions={
            "first_time_transaction": False,
            "minimum_amount": None,
            "minimum_amount_currency": None,
        },
        times_redeemed=0,
    )
    call.account.keep(made)
    call.account.tell("promotion_code.created", made)
    return made


def update_code(call: Call) -> Object:
    code = call.account.get("promotion_code", call.id)
    return call.account.change(
        code, "promotion_code.updated", active=forms.boolean(call.params, "active", default=True)
    )


def chosen(account: Account, asked: list[Any]) -> Object | None:
    """The coupon or the promotion code that a call names in `discounts`; one at most."""
    if not asked:
        return None
    if len(asked) > 1:
        raise invalid("This emulator takes one discount.", param="discounts")
    if code := asked[0].get("promotion_code"):
        return usable(account, account.get("promotion_code", code, param="discounts", status=400))
    coupon = account.get("coupon", forms.require(asked[0], "coupon"), param="discounts", status=400)
    return usable(account, coupon)


def typed(account: Account, code: str) -> Object:
    """The promotion code that a person typed."""
    found = _active_code(account, code.strip())
    if found is None:
        raise invalid("This code is invalid.", param="promotion_code")
    return usable(account, found)


def usable(account: Account, source: Object) -> Object:
    for one in (source, coupon_of(account, source)):
        most = one["max_redemptions"]
        if most is not None and one["times_redeemed"] >= most:
            raise invalid("This promotion code has been used up.", param="discounts")
    return source


def coupon_of(account: Account, source: Object) -> Object:
    if source["object"] == "coupon":
        return source
    return account.get("coupon", source["promotion"]["coupon"])


def off(coupon: Object, amounts: list[int]) -> list[int]:
    """What a coupon takes off each of these amounts, to the cent."""
    if coupon["percent_off"] is not None:
        share = Fraction(str(coupon["percent_off"])) / 100
        return [round(max(0, amount) * share) for amount in amounts]
    left, taken = coupon["amount_off"], []
    for amount in amounts:
        taken.append(min(left, max(0, amount)))
        left -= taken[-1]
    return taken


def redeem(account: Account, source: Object, customer: str, **where: Any) -> Object:
    """A discount that begins now."""
    coupon = coupon_of(account, source)
    for one in {one["id"]: one for one in (source, coupon)}.values():
        account.change(one, times_redeemed=one["times_redeemed"] + 1)
    start = account.now(customer)
    end = None
    if coupon["duration"] == "repeating":
        months = {"interval": "month", "interval_count": coupon["duration_in_months"]}
        end = next_end(start, months, after=start)
    discount = account.new(
        "discount",
        "di",
        customer=customer,
        promotion_code=source["id"] if source["object"] == "promotion_code" else None,
        source={"type": "coupon", "coupon": coupon["id"]},
        start=start,
        end=end,
        **where,
    )
    account.keep(discount)
    account.tell("customer.discount.created", discount)
    return discount


def active(account: Account, subscription: Object, *, at: int) -> list[Object]:
    """The discounts of a subscription that count for an invoice made then."""
    found = [account.store.get(one) for one in subscription["discounts"]]
    return [one for one in found if one and not is_over(account, one, at=at)]


def is_over(account: Account, discount: Object, *, at: int) -> bool:
    """Whether a discount counts no more for an invoice made then."""
    coupon = account.get("coupon", discount["source"]["coupon"])
    if coupon["duration"] == "once":
        return bool(discount.get("_is_used"))
    return discount["end"] is not None and discount["end"] <= at


def _percent(params: dict[str, Any]) -> float | None:
    if params.get("percent_off") in (None, ""):
        return None
    try:
        percent = float(params["percent_off"])
    except ValueError:
        raise invalid("Invalid decimal", param="percent_off") from None
    if not 0 < percent <= PERCENT_MAX:
        raise invalid("Percentages are from 0.01 to 100.", param="percent_off")
    return percent


def _active_code(account: Account, code: str) -> Object | None:
    for found in account.store.find("promotion_code", {"active": 1}):
        if found["code"].lower() == code.lower():
            return found
    return None


OPERATIONS = {
    "POST /v1/coupons": Operation(
        create,
        (
            "id", "percent_off", "amount_off", "currency", "duration", "duration_in_months",
            "max_redemptions", "name",
        ),
    ),
    "GET /v1/coupons/{coupon}": retrieve("coupon"),
    "GET /v1/coupons": list_of("coupon", "/v1/coupons"),
    "POST /v1/promotion_codes": Operation(create_code, ("promotion", "code", "max_redemptions")),
    "POST /v1/promotion_codes/{promotion_code}": Operation(update_code, ("active",)),
    "GET /v1/promotion_codes/{promotion_code}": retrieve("promotion_code"),
    "GET /v1/promotion_codes": list_of(
        "promotion_code", "/v1/promotion_codes", {"code": "code", "active": "active"}
    ),
}  # fmt: skip
