"""The Stripe in memory, over HTTP: so that the official library asks, and can be answered badly.

It serves what billing reads when it acts, and writes nothing: buying is tried at the emulator of
the local stack, with the same client.
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
    asked: list[str] = field(default_factory=list)
    fails_with: list[int] = field(default_factory=list)
    """Status codes of the next answers."""

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
        query = dict(parse_qsl(request.url.query))
        found = _read(account, path, query)
        return _error(404, "resource_missing") if found is None else JSONResponse(found)

    return Starlette(routes=[Route("/v1/{path:path}", answer, methods=["GET"])])


def _read(  # a table of routes
    account: Served, path: str, query: dict[str, str]
) -> dict[str, Any] | None:
    parts = path.split("/")
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
