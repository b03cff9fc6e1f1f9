"""Nested parameters in a form, as Stripe writes them: `items[0][price]=x&expand[]=customer`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from deploy.local.stripe.errors import Refusal, invalid, missing_param

FIELDS_MAX = 1_000
DEPTH_MAX = 8
NAME = re.compile(r"[^\[\]]+|\[[^\[\]]*\]")

NESTED = frozenset(
    {
        "automatic_payment_methods", "business_profile", "created", "discounts",
        "enabled_events", "evidence", "expand", "features", "flow_data", "ids",
        "invoice_settings", "items", "line_items",
        "lookup_keys", "metadata", "pause_collection", "payment", "payment_intent_data",
        "promotion", "recurring", "subscription_data", "trial_settings", "types",
    }
)  # fmt: skip
"""Parameters that are objects or lists; every other one is a plain value."""

BOTH = frozenset({"created"})
"""Some may be either."""

Params = dict[str, Any]


def parse(text: str) -> Params:
    """Nested parameters; lists are written with numbers or with empty brackets."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Refusal("Too many parameters.") from None
    tree: Params = {}
    for name, value in pairs:
        path = [part.strip("[]") for part in NAME.findall(name)]
        if not path or len(path) > DEPTH_MAX:
            raise Refusal(f"Invalid parameter name: {name[:100]}")
        _put(tree, path, value)
    return {name: _with_lists(value) for name, value in tree.items()}


def refuse_misshapen(params: Params) -> None:
    """A plain value where an object belongs, or the other way round."""
    for name, value in params.items():
        is_plain = isinstance(value, str)
        if name in BOTH or value == "" or is_plain == (name not in NESTED):
            continue
        wanted = "string" if name not in NESTED else "object"
        raise Refusal(f"Invalid {wanted}: {str(value)[:100]}", param=name)


def require(params: Params, name: str) -> Any:
    if params.get(name) in (None, "", [], {}):
        raise missing_param(name)
    return params[name]


def integer(
    params: Params, name: str, default: int | None = None, *, least: int | None = None
) -> int | None:
    value = params.get(name)
    if value in (None, ""):
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise invalid(
            f"Invalid integer: {value}", param=name, code="parameter_invalid_integer"
        ) from None
    if least is not None and number < least:
        raise invalid(
            f"This value must be greater than or equal to {least}.",
            param=name,
            code="parameter_invalid_integer",
        )
    return number


def boolean(params: Params, name: str, *, default: bool = False) -> bool:
    value = params.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def mapping(params: Params, name: str) -> Params:
    value = params.get(name) or {}
    if not isinstance(value, dict):
        raise invalid("Invalid object", param=name)
    return value


def sequence(params: Params, name: str) -> list[Any]:
    value = params.get(name) or []
    if not isinstance(value, list):
        raise invalid("Invalid array", param=name)
    return value


def _put(tree: Params, path: list[str], value: str) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(inner, dict):
            raise Refusal(f"Invalid parameter: {part}")
        tree = inner
    tree[path[-1] or str(len(tree))] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(inner) for key, inner in value.items()}
