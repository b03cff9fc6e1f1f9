"""The Stripe in memory, over HTTP: so that the official library asks, and can be answered badly.

It serves what billing calls and nothing else, and remembers idempotency keys as Stripe does. The
emulator of the local stack serves more, with pages; both are asked by the same client.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.billing.world import World
from tests.gateway.doors import free_port

START_TIMEOUT_S = 10
Known = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Served:
    """A Stripe account with its customers; and how badly it answers just now."""

    url: str
    worlds: dict[str, World] = field(default_factory=dict)
    products: Known = field(default_factory=dict)
    prices: Known = field(default_factory=dict)
    sessions: Known = field(default_factory=dict)
    portals: Known = field(default_factory=dict)
    configurations: Known = field(default_factory=dict)
    customers: Known = field(default_factory=dict)
    written: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """By idempotency key: what was asked, and what was answered."""

    asked: list[str] = field(default_factory=list)
    fails_with: list[int] = field(default_factory=list)
    """Status codes of the next answers."""

    loses_answers: int = 0
    """So many writes are done, and their answer is a 500."""

    hangs: bool = False

    def all(self, part: str) -> Known:
        """What every customer has of something."""
        return {
            name: one
            for world in self.worlds.values()
            for name, one in getattr(world, part).items()
        }


@contextmanager
def served() -> Iterator[Served]:
    """Serve an empty account on this machine's loopback."""
    port = free_port()
    account = Served(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(_app(account), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(START_TIMEOUT_S * 100):
        if server.started:
            break
        pause.wait(0.01)
    try:
        yield account
    finally:
        server.should_exit = True
        account.hangs = False
        thread.join(START_TIMEOUT_S)


def _app(account: Served) -> Starlette:
    async def answer(request: Request) -> Response:
        path = request.url.path.removeprefix("/v1/")
        account.asked.append(f"{request.method} {path}")
        while account.hangs:
            await asyncio.sleep(0.05)
        if account.fails_with:
            return _error(account.fails_with.pop(0), "busy")
        if request.method == "POST":
            return await _write(account, path, request)
        query = dict(parse_qsl(request.url.query))
        found = _read(account, path, query)
        return _error(404, "resource_missing") if found is None else JSONResponse(found)

    return Starlette(routes=[Route("/v1/{path:path}", answer, methods=["GET", "POST"])])


async def _write(account: Served, path: str, request: Request) -> Response:
    key, body = request.headers.get("idempotency-key"), (await request.body()).decode()
    if not key:
        return _error(400, "a write without an idempotency key")
    if key in account.written:
        asked, made = account.written[key]
        if asked != f"{path} {body}":
            return _error(400, "idempotency_error")
        return JSONResponse(made)
    made = _make(account, path, dict(parse_qsl(body)))
    account.written[key] = (f"{path} {body}", made)
    if account.loses_answers:
        account.loses_answers -= 1
        return _error(500, "lost")
    return JSONResponse(made)


def _make(  # noqa: PLR0911  # a table of routes
    account: Served, path: str, given: dict[str, str]
) -> dict[str, Any]:
    """Write one thing; what is not here is a mistake of the test's."""
    parts = path.split("/")
    number = len(account.written) + 1
    if path == "customers":
        name = f"cus_{number}"
        account.customers[name] = {"id": name, "object": "customer"}
        account.worlds[name] = World(name)
        return account.customers[name]
    if path == "checkout/sessions":
        name = f"cs_{number}"
        made = {"id": name, "object": "checkout.session", "url": f"{account.url}/pay/{name}"}
        account.sessions[name] = {**made, "status": "open", "given": given}
        return made
    if parts[:2] == ["checkout", "sessions"] and parts[3:] == ["expire"]:
        account.sessions[parts[2]]["status"] = "expired"
        return {"id": parts[2], "object": "checkout.session"}
    if path == "billing_portal/sessions":
        made = {"id": f"bps_{number}", "object": "billing_portal.session"}
        account.portals[made["id"]] = given
        return {**made, "url": f"{account.url}/portal/{made['id']}"}
    if parts[0] == "products":
        name = given.get("id") or parts[1]
        account.products[name] = {"id": name, "object": "product", "name": given["name"]}
        return account.products[name]
    if path == "prices":
        return _price(account, f"price_{number}", given)
    assert parts[:2] == ["billing_portal", "configurations"], path
    name = parts[2] if len(parts) > 2 else f"bpc_{number}"
    configuration = {"id": name, "object": "billing_portal.configuration", "given": given}
    configuration["metadata"] = {"rekindle": given["metadata[rekindle]"]}
    account.configurations[name] = configuration
    return configuration


def _price(account: Served, name: str, given: dict[str, str]) -> dict[str, Any]:
    for other in account.prices.values():
        if other["lookup_key"] == given["lookup_key"]:
            assert given["transfer_lookup_key"] == "true"
            other["lookup_key"] = None
    interval = given.get("recurring[interval]")
    account.prices[name] = {
        "id": name,
        "object": "price",
        "active": True,
        "lookup_key": given["lookup_key"],
        "unit_amount": int(given["unit_amount"]),
        "currency": given["currency"],
        "recurring": {"interval": interval} if interval else None,
        "product": given["product"],
    }
    return account.prices[name]


def _read(  # noqa: PLR0911  # a table of routes
    account: Served, path: str, query: dict[str, str]
) -> dict[str, Any] | None:
    parts = path.split("/")
    if path == "prices":
        keys = {value for name, value in query.items() if name.startswith("lookup_keys")}
        return _list(p for p in account.prices.values() if p["lookup_key"] in keys)
    if path == "billing_portal/configurations":
        return _list(account.configurations.values())
    if parts[0] == "products":
        return account.products.get(parts[1])
    if path == "events":
        since = int(query["created[gte]"])
        happened = [world.raw(event) for world in account.worlds.values() for event in world.events]
        return _list(e for e in reversed(happened) if e["created"] >= since)
    if path == "subscriptions":
        world = account.worlds[query["customer"]]
        return _list(world.raw_subscription(one) for one in world.subscriptions.values())
    if parts[0] == "subscriptions":
        for world in account.worlds.values():
            if parts[1] in world.subscriptions:
                return world.raw_subscription(world.subscriptions[parts[1]])
        return None
    return _read_money(account, parts, query)


def _read_money(  # noqa: PLR0911  # a table of routes
    account: Served, parts: list[str], query: dict[str, str]
) -> dict[str, Any] | None:
    intent = query.get("payment_intent")
    match parts:
        case ["invoices"]:
            known = account.worlds[query["customer"]].invoices.values()
            return _list(one for one in reversed(known) if one["status"] == "paid")
        case ["invoices", name]:
            return account.all("invoices").get(name)
        case ["invoice_payments"]:
            return _list(_invoice_payments(account, query))
        case ["payment_intents", name]:
            return account.all("intents").get(name)
        case ["refunds" | "disputes" as part]:
            known = account.all(part).values()
            return _list(one for one in known if one["payment_intent"] == intent)
        case ["checkout", "sessions"]:
            known = account.all("sessions").values()
            return _list(one for one in known if one["payment_intent"] == intent)
        case ["checkout", "sessions", name]:
            return account.all("sessions").get(name)
        case _:
            raise AssertionError(parts)


def _invoice_payments(account: Served, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    intent = query.get("payment[payment_intent]")
    for invoice in account.all("invoices").values():
        paid_by = invoice["paid_by"]
        if paid_by and (invoice["id"] == query.get("invoice") or paid_by == intent):
            payment = {"type": "payment_intent", "payment_intent": paid_by}
            yield {
                "id": f"inpay_{invoice['id']}",
                "object": "invoice_payment",
                "invoice": invoice["id"],
                "status": "paid",
                "payment": payment,
            }


def _list(items: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": False, "url": "/"}


def _error(status: int, code: str) -> Response:
    kind = "invalid_request_error" if status < 500 else "api_error"
    return JSONResponse({"error": {"code": code, "type": kind, "message": code}}, status)
