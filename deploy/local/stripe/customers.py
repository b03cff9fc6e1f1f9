"""Customers, and the cards they pay with."""

from typing import Any

from deploy.local.stripe import cards, forms
from deploy.local.stripe.account import Account, new_id
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import list_of
from deploy.local.stripe.store import Object

FIELDS = ("description", "email", "name", "phone")


def create(call: Call) -> Object:
    clock = call.params.get("test_clock")
    if clock:
        call.account.get("test_helpers.test_clock", clock, param="test_clock", status=400)
    made = call.account.new(
        "customer",
        "cus",
        balance=0,
        delinquent=False,
        discount=None,
        invoice_prefix=new_id("")[1:9].upper(),
        invoice_settings={
            "custom_fields": None, "default_payment_method": None, "footer": None,
            "rendering_options": None,
        },
        next_invoice_sequence=1,
        preferred_locales=[],
        tax_exempt="none",
        test_clock=clock,
    )  # fmt: skip
    if clock:
        made["created"] = call.account.get("test_helpers.test_clock", clock)["frozen_time"]
    made |= _given(call.params)
    call.account.keep(made)
    if method := call.params.get("payment_method"):
        _set_default(call.account, made, cards.attach(call.account, method, made["id"]))
    call.account.tell("customer.created", made)
    return made


def retrieve(call: Call) -> Object:
    return find(call.account, call.id, also_deleted=True)


def update(call: Call) -> Object:
    customer = find(call.account, call.id)
    settings = forms.mapping(call.params, "invoice_settings")
    if method := settings.get("default_payment_method"):
        _set_default(call.account, customer, cards.attach(call.account, method, customer["id"]))
    return call.account.change(customer, "customer.updated", **_given(call.params, customer))


def attach(call: Call) -> Object:
    customer = find(call.account, forms.require(call.params, "customer"), param="customer")
    return cards.attach(call.account, call.id, customer["id"])


def find(
    account: Account, customer_id: str, *, param: str = "id", also_deleted: bool = False
) -> Object:
    status = 404 if param == "id" else 400
    customer = account.get("customer", customer_id, param=param, status=status)
    if not customer.get("_deleted"):
        return customer
    if also_deleted:
        return {"id": customer["id"], "object": "customer", "deleted": True}
    raise invalid(f"No such customer: '{customer_id}'", param=param, code="resource_missing")


def keep_card(account: Account, customer_id: str, method: Object) -> None:
    """A card that was paid with is what the next payment is made with."""
    customer = find(account, customer_id)
    _set_default(account, customer, cards.attach(account, method["id"], customer_id))


def _set_default(account: Account, customer: Object, method: Object) -> None:
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    account.change(customer, "customer.updated", invoice_settings=settings)


def _given(params: dict[str, Any], before: Object | None = None) -> Object:
    given: Object = {name: params[name] or None for name in FIELDS if name in params}
    if "metadata" in params:
        kept = {**(before or {}).get("metadata", {}), **(params["metadata"] or {})}
        given["metadata"] = {name: value for name, value in kept.items() if value != ""}
    return given


OPERATIONS = {
    "POST /v1/customers": Operation(create, (*FIELDS, "metadata", "payment_method", "test_clock")),
    "GET /v1/customers/{customer}": Operation(retrieve),
    "POST /v1/customers/{customer}": Operation(update, (*FIELDS, "metadata", "invoice_settings")),
    "POST /v1/payment_methods/{payment_method}/attach": Operation(attach, ("customer",)),
    "GET /v1/customers": list_of(
        "customer", "/v1/customers", {"email": "email", "test_clock": "test_clock"}
    ),
}
