"""Webhook endpoints: further addresses that events are sent to, each with a secret of its own.

The address that the stack's settings name is none of them: it hears everything.
"""

import secrets
from urllib.parse import urlsplit

from deploy.local.stripe import forms
from deploy.local.stripe.account import API_VERSION
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import PAGED, list_of, retrieve
from deploy.local.stripe.store import Object

KIND, PATH = "webhook_endpoint", "/v1/webhook_endpoints"
ENDPOINTS_MAX = 16
SECRET_BYTES = 24
THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def create(call: Call) -> Object:
    if len(call.account.store.find(KIND)) >= ENDPOINTS_MAX:
        raise invalid(f"You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints.")
    forms.require(call.params, "enabled_events")
    made = call.account.new(
        KIND,
        "we",
        url=_url(forms.require(call.params, "url")),
        enabled_events=_events(call),
        status="enabled",
        api_version=_version(call),
        description=call.params.get("description") or None,
        metadata=forms.mapping(call.params, "metadata"),
        _secret=f"whsec_{secrets.token_urlsafe(SECRET_BYTES)}",
    )
    call.account.keep(made)
    # Whoever creates it sees the secret, this once.
    return {**made, "secret": made["_secret"]}


def update(call: Call) -> Object:
    endpoint = call.account.get(KIND, call.id)
    changes: Object = {}
    if "url" in call.params:
        changes["url"] = _url(call.params["url"])
    if "enabled_events" in call.params:
        changes["enabled_events"] = _events(call)
    if "disabled" in call.params:
        is_disabled = forms.boolean(call.params, "disabled")
        changes["status"] = "disabled" if is_disabled else "enabled"
    if "description" in call.params:
        changes["description"] = call.params["description"] or None
    if "metadata" in call.params:
        kept = {**endpoint["metadata"], **forms.mapping(call.params, "metadata")}
        changes["metadata"] = {name: value for name, value in kept.items() if value != ""}
    return call.account.change(endpoint, **changes)


def delete(call: Call) -> Object:
    endpoint = call.account.get(KIND, call.id)
    call.account.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": KIND, "deleted": True}


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid(
            "Invalid URL: an explicit scheme (such as https) must be provided.", param="url"
        )
    if parts.hostname not in THIS_MACHINE:
        raise invalid("This emulator sends to this machine only.", param="url")
    return url


def _events(call: Call) -> list[str]:
    wanted = forms.sequence(call.params, "enabled_events")
    if not wanted or not all(isinstance(one, str) and one for one in wanted):
        raise invalid("Name at least one event, or *.", param="enabled_events")
    if "*" in wanted and len(wanted) > 1:
        raise invalid("* is every event: name no others.", param="enabled_events")
    return wanted


def _version(call: Call) -> str | None:
    version: str | None = call.params.get("api_version")
    if version not in (None, API_VERSION):
        raise invalid(f"This emulator speaks {API_VERSION}.", param="api_version")
    return version


OPERATIONS = {
    f"POST {PATH}": Operation(
        create, ("url", "enabled_events", "api_version", "description", "metadata")
    ),
    f"POST {PATH}/{{webhook_endpoint}}": Operation(
        update, ("url", "enabled_events", "disabled", "description", "metadata")
    ),
    f"GET {PATH}/{{webhook_endpoint}}": retrieve(KIND),
    f"DELETE {PATH}/{{webhook_endpoint}}": Operation(delete),
    f"GET {PATH}": list_of(KIND, PATH, paging=PAGED),
}
