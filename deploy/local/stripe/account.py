"""One Stripe account: its objects, its time, and its word about what changed."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deploy.local.stripe import shapes
from deploy.local.stripe.errors import missing
from deploy.local.stripe.store import Object, Store

API_VERSION = "2026-10-28.endive"
ID_BYTES = 12


class Account:
    """What every operation works on. `url` is where a browser finds the hosted pages."""

    def __init__(self, store: Store, *, url: str, clock: Callable[[], float] = time.time) -> None:
        self.store, self.url = store, url
        self._clock = clock
        self._moment: int | None = None

    # Time: everybody's, a customer's own under a test clock, or a moment that is caught up with.

    @property
    def ahead_s(self) -> int:
        """How far everybody's clock was put ahead."""
        found = self.store.get("emulator_clock")
        return int(found["ahead_s"]) if found else 0

    def put_ahead(self, seconds: int) -> None:
        self.store.put({"id": "emulator_clock", "object": "emulator_clock", "ahead_s": seconds})

    def now(self, customer: str | None = None) -> int:
        if self._moment is not None:
            return self._moment
        clock = self.test_clock_of(customer)
        return int(clock["frozen_time"]) if clock else int(self._clock()) + self.ahead_s

    def test_clock_of(self, customer: str | None) -> Object | None:
        found = self.store.get(customer) if customer else None
        return self.store.get(found["test_clock"]) if found and found.get("test_clock") else None

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """While what was due then is done, it is then."""
        before, self._moment = self._moment, moment
        try:
            yield
        finally:
            self._moment = before

    # Objects. A field whose name begins with `_` is ours and never shown.

    def new(self, kind: str, prefix: str, **fields: Any) -> Object:
        """An object as Stripe would show it, not yet kept; what may be null is null."""
        created = self.now(fields.get("customer"))
        body = {**shapes.blank(kind), "id": new_id(prefix), "object": kind}
        known = shapes.published()["objects"][kind]["fields"]
        body |= {"livemode": False} if "livemode" in known else {}
        body |= {"created": created} if "created" in known else {}
        body |= {"metadata": {}} if "metadata" in known else {}
        return {**body, **fields}

    def keep(self, body: Object) -> Object:
        self.store.put(body)
        return body

    def get(self, kind: str, object_id: str, *, param: str = "id", status: int = 404) -> Object:
        # A form may have nested something where an id belongs.
        found = self.store.get(object_id) if isinstance(object_id, str) else None
        if found is None or found["object"] != kind:
            raise missing(kind.rpartition(".")[2], object_id, param=param, status=status)
        return found

    def change(self, body: Object, event: str | None = None, **fields: Any) -> Object:
        """Change fields of an object, and say so if it makes a difference."""
        previous = {
            name: body.get(name) for name, value in fields.items() if body.get(name) != value
        }
        if not previous:
            return body
        body |= fields
        self.keep(body)
        shown = {name: value for name, value in previous.items() if not name.startswith("_")}
        if event and shown:
            self.tell(event, body, previous=shown)
        return body

    def tell(self, kind: str, about: Object, *, previous: Object | None = None) -> Object:
        """Write an event down, to be delivered once what caused it is kept."""
        data: Object = {"object": shown(about)}
        if previous is not None:
            data["previous_attributes"] = previous
        endpoints = [
            one["id"]
            for one in self.store.find("webhook_endpoint", {"status": "enabled"})
            if one["enabled_events"] == ["*"] or kind in one["enabled_events"]
        ]
        event = self.new(
            "event",
            "evt",
            type=kind,
            data=data,
            api_version=API_VERSION,
            pending_webhooks=1 + len(endpoints),
            request={"id": new_id("req"), "idempotency_key": None},
        )
        event.pop("account", None)
        self.keep(event)
        self.store.connection.executemany(
            "insert into deliveries (event_id, due, endpoint_id) values (?, ?, ?)",
            [(event["id"], time.time(), endpoint) for endpoint in (None, *endpoints)],
        )
        return event


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(ID_BYTES)}"


def shown(body: Object) -> Object:
    """An object without what is ours only."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def listing(items: list[Object], url: str) -> Object:
    return {"object": "list", "data": items, "has_more": False, "url": url}
