"""The customer portal: how it is configured, and a session for one visit."""

from typing import Any

from deploy.local.stripe import customers, forms
from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import PAGED, list_of, retrieve
from deploy.local.stripe.store import Object

VISIT_S = 3600
FLOWS = ("payment_method_update", "subscription_cancel", "subscription_update")


def configure(call: Call) -> Object:
    """The first configuration is the default one."""
    is_first = not call.account.store.find("billing_portal.configuration", limit=1)
    now = call.account.now()
    made = call.account.new(
        "billing_portal.configuration",
        "bpc",
        active=True,
        default_return_url=call.params.get("default_return_url"),
        business_profile=_profile(call.params),
        features=_features(forms.require(call.params, "features")),
        is_default=is_first,
        login_page={"enabled": False, "url": None},
        updated=now,
        metadata=forms.mapping(call.params, "metadata"),
    )
    call.account.keep(made)
    call.account.tell("billing_portal.configuration.created", made)
    return made


def reconfigure(call: Call) -> Object:
    found = call.account.get("billing_portal.configuration", call.id)
    changes: Object = {}
    if "features" in call.params:
        changes["features"] = {**found["features"], **_features(call.params["features"])}
    if "business_profile" in call.params:
        changes["business_profile"] = _profile(call.params)
    if "metadata" in call.params:
        changes["metadata"] = {**found["metadata"], **forms.mapping(call.params, "metadata")}
    if "default_return_url" in call.params:
        changes["default_return_url"] = call.params["default_return_url"]
    return call.account.change(found, "billing_portal.configuration.updated", **changes)


def visit(call: Call) -> Object:
    account, params = call.account, call.params
    customer = customers.find(account, forms.require(params, "customer"), param="customer")
    configuration = _configuration(account, params)
    made = account.new(
        "billing_portal.session",
        "bps",
        configuration=configuration["id"],
        created=account.now(),
        customer=customer["id"],
        flow=_flow(account, params, customer),
        return_url=params.get("return_url") or configuration["default_return_url"],
        _until=account.now() + VISIT_S,
    )
    made["url"] = f"{account.url}/p/session/{made['id']}"
    account.keep(made)
    account.tell("billing_portal.session.created", made)
    return made


def _configuration(account: Account, params: dict[str, Any]) -> Object:
    if chosen := params.get("configuration"):
        return account.get(
            "billing_portal.configuration", chosen, param="configuration", status=400
        )
    found = account.store.find("billing_portal.configuration", {"is_default": 1}, limit=1)
    if not found:
        raise invalid(
            "No configuration provided and your test mode default configuration has not been"
            " created. Provide a configuration or create your default one."
        )
    return found[0]


def _flow(account: Account, params: dict[str, Any], customer: Object) -> Object | None:
    given = forms.mapping(params, "flow_data")
    if not given:
        return None
    kind = forms.require(given, "type")
    if kind not in FLOWS:
        raise invalid("Invalid flow_data[type]", param="flow_data[type]")
    flow: Object = {
        "type": kind,
        "after_completion": {
            "hosted_confirmation": None, "redirect": None, "type": "portal_homepage",
        },
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
    }  # fmt: skip
    if kind != "payment_method_update":
        wanted = forms.require(forms.mapping(given, kind), "subscription")
        found = account.get("subscription", wanted, param=f"flow_data[{kind}]", status=400)
        if found["customer"] != customer["id"]:
            raise invalid("This subscription is another customer's.", param="flow_data")
        flow[kind] = {"subscription": found["id"]}
        if kind == "subscription_cancel":
            flow[kind]["retention"] = None
    return flow


def _profile(params: dict[str, Any]) -> Object:
    given = forms.mapping(params, "business_profile")
    return {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None, **given}


def _features(given: Any) -> Object:
    """What customers may do, all of it said."""
    if not isinstance(given, dict):
        raise invalid("Invalid object", param="features")
    cancel = forms.mapping(given, "subscription_cancel")
    update = forms.mapping(given, "subscription_update")
    person = forms.mapping(given, "customer_update")
    schedule = forms.mapping(update, "schedule_at_period_end")
    return {
        "customer_update": {
            "enabled": forms.boolean(person, "enabled"),
            "allowed_updates": forms.sequence(person, "allowed_updates"),
        },
        "invoice_history": {
            "enabled": forms.boolean(forms.mapping(given, "invoice_history"), "enabled")
        },
        "payment_method_update": {
            "enabled": forms.boolean(forms.mapping(given, "payment_method_update"), "enabled"),
            "payment_method_configuration": None,
        },
        "subscription_cancel": {
            "enabled": forms.boolean(cancel, "enabled"),
            "mode": cancel.get("mode", "at_period_end"),
            "proration_behavior": "none",
            "cancellation_reason": {"enabled": False, "options": []},
        },
        "subscription_update": {
            "billing_cycle_anchor": None,
            "enabled": forms.boolean(update, "enabled"),
            "default_allowed_updates": forms.sequence(update, "default_allowed_updates"),
            "products": [
                {
                    "product": one["product"],
                    "prices": one["prices"],
                    "adjustable_quantity": {"enabled": False, "minimum": 1, "maximum": None},
                }
                for one in forms.sequence(update, "products")
            ],
            "proration_behavior": update.get("proration_behavior", "none"),
            "schedule_at_period_end": {
                "conditions": [
                    {"type": one["type"]} for one in forms.sequence(schedule, "conditions")
                ]
            },
            "trial_update_behavior": "end_trial",
        },
    }


OPERATIONS = {
    "POST /v1/billing_portal/configurations": Operation(
        configure, ("business_profile", "default_return_url", "features", "metadata")
    ),
    "GET /v1/billing_portal/configurations/{configuration}": retrieve(
        "billing_portal.configuration"
    ),
    "POST /v1/billing_portal/configurations/{configuration}": Operation(
        reconfigure, ("business_profile", "default_return_url", "features", "metadata")
    ),
    "GET /v1/billing_portal/configurations": list_of(
        "billing_portal.configuration",
        "/v1/billing_portal/configurations",
        {"is_default": "is_default", "active": "active"},
        paging=PAGED,
    ),
    "POST /v1/billing_portal/sessions": Operation(
        visit, ("customer", "configuration", "return_url", "flow_data")
    ),
}
