"""`expand[]`: objects in the place of their ids, up to four levels deep."""

from typing import Any

from deploy.local.stripe.account import Account, shown
from deploy.local.stripe.errors import Refusal
from deploy.local.stripe.store import Object

DEPTH_MAX = 4
HIDDEN = {"checkout.session": ("line_items",)}
"""Lists that are there only if they are asked for."""


def expand(account: Account, body: Object, paths: list[str]) -> Object:
    """The object with what was asked for in it."""
    split = [path.split(".") for path in paths]
    if deep := [path for path in split if len(path) > DEPTH_MAX]:
        raise Refusal(f"You cannot expand more than {DEPTH_MAX} levels: {'.'.join(deep[0])}")
    return _object(account, body, split)


def _object(account: Account, body: Object, paths: list[list[str]]) -> Object:
    heads = {path[0] for path in paths if path}
    kept = {
        name: value
        for name, value in body.items()
        if name in heads or name not in HIDDEN.get(body.get("object", ""), ())
    }
    for head in heads:
        if head not in kept:
            raise Refusal(f"This property cannot be expanded ({head}).")
        rest = [path[1:] for path in paths if path[:1] == [head] and len(path) > 1]
        kept[head] = _value(account, kept[head], rest)
    if body.get("object") == "list":
        kept["data"] = [_value(account, one, _below(paths)) for one in body["data"]]
    return kept


def _below(paths: list[list[str]]) -> list[list[str]]:
    return [path[1:] for path in paths if path[:1] == ["data"] and len(path) > 1]


def _value(account: Account, value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_value(account, one, paths) for one in value]
    if isinstance(value, str):
        found = account.store.get(value)
        if found is None:
            raise Refusal(f"This property cannot be expanded ({value}).")
        value = shown(found)
    return _object(account, value, paths) if isinstance(value, dict) else value
