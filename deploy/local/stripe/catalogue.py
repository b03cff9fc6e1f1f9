"""Products, and the prices they are sold at. A price is never changed, only replaced."""

from typing import Any

from deploy.local.stripe import forms
from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid, missing_param
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

LOOKUP_KEYS_MAX = 10
INTERVALS = ("day", "week", "month", "year")


def create_product(call: Call) -> Object:
    wanted = call.params.get("id")
    if wanted and call.account.store.get(wanted):
        raise invalid("Product already exists.", param="id", code="resource_already_exists")
    made = call.account.new(
        "product",
        "prod",
        active=forms.boolean(call.params, "active", default=True),
        name=forms.require(call.params, "name"),
        description=call.params.get("description"),
        images=[],
        marketing_features=[],
        metadata=forms.mapping(call.params, "metadata"),
        updated=call.account.now(),
    )
    made["id"] = wanted or made["id"]
    call.account.keep(made)
    call.account.tell("product.created", made)
    return made


def update_product(call: Call) -> Object:
    product = call.account.get("product", call.id)
    changes: Object = {
        name: call.params[name] for name in ("name", "description") if name in call.params
    }
    if "active" in call.params:
        changes["active"] = forms.boolean(call.params, "active")
    if "metadata" in call.params:
        changes["metadata"] = {**product["metadata"], **forms.mapping(call.params, "metadata")}
    return call.account.change(product, "product.updated", **changes)


def create_price(call: Call) -> Object:
    account, params = call.account, call.params
    product = account.get("product", forms.require(params, "product"), param="product", status=400)
    currency = forms.require(params, "currency")
    amount = forms.integer(params, "unit_amount", least=0)
    if amount is None:
        raise missing_param("unit_amount")
    recurring = _recurring(params)
    made = account.new(
        "price",
        "price",
        active=forms.boolean(params, "active", default=True),
        billing_scheme="per_unit",
        currency=currency,
        product=product["id"],
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=str(amount),
        recurring=recurring,
        nickname=params.get("nickname"),
        metadata=forms.mapping(params, "metadata"),
        tax_behavior="unspecified",
    )
    made["lookup_key"] = _take_lookup_key(account, params)
    account.keep(made)
    account.tell("price.created", made)
    return made


def update_price(call: Call) -> Object:
    price = call.account.get("price", call.id)
    changes: Object = {}
    if "active" in call.params:
        changes["active"] = forms.boolean(call.params, "active")
    if "lookup_key" in call.params and call.params["lookup_key"] != price["lookup_key"]:
        changes["lookup_key"] = _take_lookup_key(call.account, call.params)
    if "nickname" in call.params:
        changes["nickname"] = call.params["nickname"] or None
    return call.account.change(price, "price.updated", **changes)


def price(account: Account, price_id: str, *, param: str) -> Object:
    """A price that something can be sold at."""
    found = account.get("price", price_id, param=param, status=400)
    if not found["active"]:
        raise invalid(
            f"The price specified is inactive. This field only accepts active prices: {price_id}",
            param=param,
        )
    return found


def product_name(account: Account, found: Object) -> str:
    return str(account.get("product", found["product"])["name"])


def _recurring(params: dict[str, Any]) -> Object | None:
    given = forms.mapping(params, "recurring")
    if not given:
        return None
    interval = forms.require(given, "interval")
    if interval not in INTERVALS:
        raise invalid(f"Invalid recurring[interval]: must be one of {', '.join(INTERVALS)}",
                      param="recurring[interval]")  # fmt: skip
    return {
        "interval": interval,
        "interval_count": forms.integer(given, "interval_count", 1, least=1),
        "meter": None,
        "usage_type": "licensed",
    }


def _take_lookup_key(account: Account, params: dict[str, Any]) -> str | None:
    """A lookup key names one price; another may take it over, if that is said."""
    key: str | None = params.get("lookup_key") or None
    for other in account.store.find("price", {"lookup_key": key}) if key else []:
        if not forms.boolean(params, "transfer_lookup_key"):
            raise invalid(
                f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key"
            )
        account.change(other, "price.updated", lookup_key=None)
    return key


def list_prices(call: Call) -> Object:
    keys = forms.sequence(call.params, "lookup_keys")
    if len(keys) > LOOKUP_KEYS_MAX:
        raise invalid(f"At most {LOOKUP_KEYS_MAX} lookup keys.", param="lookup_keys")
    return _LIST.act(call)


_LIST = list_of(
    "price",
    "/v1/prices",
    {
        "lookup_keys": "lookup_key",
        "product": "product",
        "active": "active",
        "type": "type",
        "currency": "currency",
    },
)
OPERATIONS = {
    "POST /v1/products": Operation(
        create_product, ("id", "name", "description", "active", "metadata")
    ),
    "GET /v1/products/{id}": retrieve("product"),
    "POST /v1/products/{id}": Operation(
        update_product, ("name", "description", "active", "metadata")
    ),
    "GET /v1/products": list_of("product", "/v1/products", {"active": "active", "ids": "id"}),
    "POST /v1/prices": Operation(
        create_price,
        (
            "product", "currency", "unit_amount", "recurring", "lookup_key", "transfer_lookup_key",
            "nickname", "active", "metadata",
        ),
    ),
    "GET /v1/prices/{price}": retrieve("price"),
    "POST /v1/prices/{price}": Operation(
        update_price, ("active", "lookup_key", "transfer_lookup_key", "nickname")
    ),
    "GET /v1/prices": Operation(list_prices, _LIST.takes),
}  # fmt: skip
