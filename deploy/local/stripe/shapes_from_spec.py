"""Extract what `shapes.json` holds from Stripe's OpenAPI document: `python -m …  spec3.json`.

Of each object we play: its fields, which of them are required, and the types each may have. Of each
operation: the parameters that Stripe knows.
"""

import json
import sys
from pathlib import Path
from typing import Any

from deploy.local.stripe.operations import OPERATIONS
from deploy.local.stripe.shapes import FILE

OBJECTS = (
    "billing_portal.configuration", "billing_portal.session", "charge", "checkout.session",
    "coupon", "customer", "discount", "dispute", "event", "invoice", "invoice_payment", "item",
    "line_item", "payment_intent", "payment_method", "price", "product", "promotion_code",
    "refund", "subscription", "subscription_item", "test_helpers.test_clock",
    "webhook_endpoint",
)  # fmt: skip
DEPTH_MAX = 2

Schema = dict[str, Any]


def main(spec_file: str) -> None:
    spec = json.loads(Path(spec_file).read_text())
    schemas = spec["components"]["schemas"]
    shapes = {
        "version": spec["info"]["version"],
        "objects": {name: _shape(schemas, schemas[name], 0) for name in OBJECTS},
        "parameters": {name: _parameters(spec, name) for name in sorted(OPERATIONS)},
    }
    FILE.write_text(json.dumps(shapes, indent=None, sort_keys=True, separators=(",", ":")) + "\n")


def _shape(schemas: Schema, schema: Schema, depth: int) -> Schema:
    """Fields with their types; `?` is the type of null."""
    shape: Schema = {"types": sorted(_types(schemas, schema))}
    if "enum" in schema:
        shape["enum"] = schema["enum"]
    properties = _resolved(schemas, schema).get("properties")
    if properties and depth < DEPTH_MAX:
        shape["required"] = sorted(_resolved(schemas, schema).get("required", []))
        shape["fields"] = {
            name: _shape(schemas, field, depth + 1) for name, field in properties.items()
        }
    return shape


def _types(schemas: Schema, schema: Schema) -> set[str]:
    found = {"?"} if schema.get("nullable") else set()
    if "$ref" in schema:
        return found | _types(schemas, _resolved(schemas, schema))
    if "anyOf" in schema:
        return found.union(*(_types(schemas, one) for one in schema["anyOf"]))
    return found | ({schema["type"]} if "type" in schema else set())


def _resolved(schemas: Schema, schema: Schema) -> Schema:
    """What a reference means, where there is one meaning besides an id."""
    if "$ref" in schema:
        named: Schema = schemas[schema["$ref"].rpartition("/")[2]]
        return named
    if len(objects := [one for one in schema.get("anyOf", []) if "$ref" in one]) == 1:
        # An expandable id is compared as the id it is by default.
        is_id = any(one.get("type") == "string" for one in schema["anyOf"])
        return {} if is_id else _resolved(schemas, objects[0])
    return schema


def _parameters(spec: Schema, name: str) -> list[str]:
    method, path = name.split(" ")
    operation = spec["paths"][path][method.lower()]
    body = operation.get("requestBody", {}).get("content", {})
    form = body.get("application/x-www-form-urlencoded", {}).get("schema", {})
    query = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    return sorted({*query, *form.get("properties", {})})


if __name__ == "__main__":
    main(sys.argv[1])
