"""The shapes that Stripe publishes for its objects, and how an object differs from its shape.

`shapes.json` is made by `shapes_from_spec` from Stripe's OpenAPI document.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("shapes.json")


@cache
def published() -> dict[str, Any]:
    shapes: dict[str, Any] = json.loads(FILE.read_text())
    return shapes


def blank(kind: str) -> dict[str, Any]:
    """Every field of an object that may be null, being null."""
    fields = published()["objects"][kind]["fields"]
    return {name: None for name, field in fields.items() if "?" in field["types"]}


def parameters(operation: str) -> list[str]:
    """What Stripe's operation takes."""
    names: list[str] = published()["parameters"][operation]
    return names


def differences(found: dict[str, Any]) -> list[str]:
    """Where an object is not as published: fields unknown, missing, or of another type."""
    shape = published()["objects"][found["object"]]
    return list(_compare(found, shape, str(found["object"])))


def _compare(found: Any, shape: dict[str, Any], place: str) -> Iterator[str]:
    if (kind := _type_of(found)) not in shape["types"] and shape["types"]:
        # A whole number is a number.
        if not (kind == "integer" and "number" in shape["types"]):
            yield f"{place} is {kind}, not {' or '.join(shape['types'])}"
        return
    if "enum" in shape and isinstance(found, str) and found not in shape["enum"]:
        yield f"{place} is {found!r}, none of {shape['enum']}"
    if not isinstance(found, dict) or "fields" not in shape:
        return
    for name in set(shape["required"]) - set(found):
        yield f"{place}.{name} is missing"
    for name, value in found.items():
        if name not in shape["fields"]:
            yield f"{place}.{name} is unknown"
        else:
            yield from _compare(value, shape["fields"][name], f"{place}.{name}")


def _type_of(value: Any) -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {
        int: "integer", float: "number", str: "string", list: "array", dict: "object",
    }  # fmt: skip
    return names[type(value)]
