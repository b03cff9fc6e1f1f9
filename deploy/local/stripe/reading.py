"""What every object has: it can be retrieved, and its kind can be listed page by page."""

from collections.abc import Mapping
from typing import Any

from deploy.local.stripe import forms
from deploy.local.stripe.account import listing, shown
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import Refusal, invalid
from deploy.local.stripe.store import Object

PAGE, PAGE_MAX = 10, 100
PAGED = ("limit", "starting_after", "ending_before")
DATED = (*PAGED, "created")
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def retrieve(kind: str) -> Operation:
    return Operation(lambda call: call.account.get(kind, call.id))


def list_of(
    kind: str,
    path: str,
    filters: Mapping[str, str] | None = None,
    *,
    paging: tuple[str, ...] = DATED,
    unless: tuple[str, str, Mapping[str, Any]] | None = None,
) -> Operation:
    """`filters` maps parameters to the fields they are compared with.

    `unless` is a parameter, the value of it that means everything, and what is shown by default.
    """
    known = dict(filters or {})

    def act(call: Call) -> Object:
        equal: dict[str, Any] = {}
        for name, field in known.items():
            top, _, inner = name.partition("[")
            given = call.params.get(top)
            if inner and isinstance(given, dict):
                given = given.get(inner.rstrip("]"))
            if given is not None:
                equal[field] = _compared(given)
        if unless:
            param, everything, default = unless
            if call.params.get(param) == everything:
                equal.pop(known[param], None)
            elif param not in call.params:
                equal |= default
        if "created" not in call.params:
            return page(call, kind, path, equal)
        return page(call, kind, path, equal, bounds=_created(call.params["created"]))

    tops = {name.partition("[")[0] for name in known}
    return Operation(act, (*paging, *sorted(tops)))


def page(
    call: Call,
    kind: str,
    path: str,
    equal: Mapping[str, Any],
    *,
    bounds: list[tuple[str, str, Any]] | None = None,
) -> Object:
    limit = forms.integer(call.params, "limit", PAGE) or 0
    if not 1 <= limit <= PAGE_MAX:
        raise invalid("Invalid integer: limit is from 1 to 100", param="limit")
    before = call.params.get("ending_before")
    within = [*(bounds or [])]
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if name in call.params:
            within.append(("number", sign, _number(call, kind, name)))
    found = call.account.store.find(
        kind, equal, bounds=within, limit=limit + 1, oldest_first=bool(before)
    )
    items = [shown(one) for one in found[:limit]]
    if before:
        items.reverse()
    return {**listing(items, path), "has_more": len(found) > limit}


def _number(call: Call, kind: str, param: str) -> int:
    number = call.account.store.number(call.params[param])
    if number is None:
        raise Refusal(
            f"No such {kind}: '{call.params[param]}'", code="resource_missing", param=param
        )
    return number


def _compared(value: Any) -> Any:
    if value in ("true", "false"):
        return 1 if value == "true" else 0
    return value


def _created(wanted: Any) -> list[tuple[str, str, Any]]:
    bounds = wanted if isinstance(wanted, dict) else {"gte": wanted, "lte": wanted}
    try:
        return [
            ("json_extract(body, '$.created')", COMPARISONS[name], int(value))
            for name, value in bounds.items()
        ]
    except (KeyError, ValueError):
        raise invalid("Invalid timestamp: created", param="created") from None
