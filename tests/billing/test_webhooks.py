"""The webhook door: what Stripe signed is written down once, and nothing else is."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing.app import create_app
from services.kit.http import BODY_BYTES_MAX
from tests.billing.places import WEBHOOK_SECRETS
from tests.billing.signing import body_of, event, signature

NEW, OLD = WEBHOOK_SECRETS
BURST = 10_000
BURST_WITHIN_S = 120
AT_ONCE = 50


@pytest.fixture
def logs(client: httpx.AsyncClient) -> Iterator[list[Any]]:
    """What is logged once the service is assembled, which sets logging up."""
    with structlog.testing.capture_logs() as entries:
        yield entries


async def post(client: httpx.AsyncClient, body: bytes, header: str | None) -> httpx.Response:
    headers = {} if header is None else {"stripe-signature": header}
    return await client.post("/hooks/stripe", content=body, headers=headers)


async def stored(engine: AsyncEngine) -> dict[str, tuple[str, str | None]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("select event_id, state, note from stripe_events"))
        return {row.event_id: (row.state, row.note) for row in rows}


async def test_a_signed_event_is_written_down_without_its_body(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body = body_of(event())

    assert (await post(client, body, signature(body))).status_code == 200

    async with engine.connect() as connection:
        row = (await connection.execute(text("select * from stripe_events"))).mappings().one()
    assert (row["event_id"], row["object_id"], row["customer_id"]) == ("evt_1", "sub_1", "cus_1")
    assert row["state"] == "stored"
    assert "email" not in str(dict(row))


BODY = body_of(event())
HOSTILE: dict[str, Callable[[], tuple[bytes, str | None]]] = {
    "no header": lambda: (BODY, None),
    "empty": lambda: (BODY, ""),
    "garbage": lambda: (BODY, "garbage"),
    "binary": lambda: (BODY, "t=\x7f,v1=\x01"),
    "only a time": lambda: (BODY, "t=1"),
    "a time that is none": lambda: (BODY, "t=soon,v1=" + "0" * 64),
    "another scheme": lambda: (BODY, signature(BODY, scheme="v0")),
    "another secret": lambda: (BODY, signature(BODY, secret="whsec_of-somebody-else")),
    "an empty secret": lambda: (BODY, signature(BODY, secret="")),
    "a byte changed": lambda: (BODY.replace(b"sub_1", b"sub_2"), signature(BODY)),
    "serialised again": lambda: (json.dumps(json.loads(BODY), indent=1).encode(), signature(BODY)),
    "301 seconds old": lambda: (BODY, signature(BODY, age_s=301)),
    "301 seconds early": lambda: (BODY, signature(BODY, age_s=-301)),
    "a huge header": lambda: (BODY, signature(BODY) + ",v1=" + "0" * 65_000),
    "compressed": lambda: (gzip.compress(BODY), signature(BODY)),
    "no event": lambda: (b"[]", signature(b"[]")),
    "no JSON": lambda: (b"\xff\xfe", signature(b"\xff\xfe")),
    "not an event": lambda: (b'{"id": "evt_1"}', signature(b'{"id": "evt_1"}')),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_webhook_that_is_not_stripes_stores_nothing(
    client: httpx.AsyncClient, engine: AsyncEngine, logs: list[dict[str, Any]], name: str
) -> None:
    body, header = HOSTILE[name]()

    answer = await post(client, body, header)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "signature-refused"
    assert await stored(engine) == {}
    assert [entry["event"] for entry in logs if entry["event"].startswith("stripe")] == [
        "stripe.webhook.refused"
    ]
    assert "sub_1" not in str(logs)


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 2 * 1024 * 1024, 10 * 1024 * 1024])
async def test_a_huge_body_is_refused_unread(
    client: httpx.AsyncClient, engine: AsyncEngine, size: int
) -> None:
    body = body_of(event(padding="x" * size))

    answer = await post(client, body, signature(body))

    assert answer.status_code == 413
    assert await stored(engine) == {}


@pytest.mark.parametrize("age_s", [0, 299, -299])
@pytest.mark.parametrize("secret", [NEW, OLD])
async def test_both_secrets_count_during_a_rotation_and_clocks_may_differ(
    client: httpx.AsyncClient, secret: str, age_s: int
) -> None:
    body = body_of(event())

    answer = await post(client, body, signature(body, secret=secret, age_s=age_s))

    assert answer.status_code == 200


@pytest.mark.parametrize("value", ["", ",", "whsec_short", f"{NEW},"])
def test_without_a_secret_the_service_does_not_start(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name, known in environment.items():
        monkeypatch.setenv(name, known)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", value)

    with pytest.raises(SystemExit, match="STRIPE_WEBHOOK_SECRETS"):
        create_app()


def test_with_the_secret_unset_the_service_does_not_start(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, known in environment.items():
        monkeypatch.setenv(name, known)
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRETS")

    with pytest.raises(SystemExit, match="STRIPE_WEBHOOK_SECRETS"):
        create_app()


async def test_the_same_event_fifty_times_at_once_is_one(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body = body_of(event())

    answers = await asyncio.gather(*(post(client, body, signature(body)) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert await stored(engine) == {"evt_1": ("stored", None)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"livemode": True}, "of live mode"),
        ({"account": "acct_other"}, "of the account acct_other"),
        ({"api_version": "2020-08-27"}, "of the API version 2020-08-27"),
    ],
)
async def test_an_event_that_is_not_for_us_is_refused_with_a_200_and_an_alert(
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    logs: list[dict[str, Any]],
    changes: dict[str, Any],
    why: str,
) -> None:
    body = body_of(event(**changes))

    assert (await post(client, body, signature(body))).status_code == 200

    assert await stored(engine) == {"evt_1": ("refused", why)}
    alerts = [entry for entry in logs if entry["log_level"] == "error"]
    assert [alert["event"] for alert in alerts] == ["stripe.event.not_for_us"]


async def test_an_unknown_type_is_counted_and_not_acted_on(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body = body_of(event(kind="tax.settings.updated"))

    assert (await post(client, body, signature(body))).status_code == 200

    assert await stored(engine) == {"evt_1": ("ignored", None)}


@pytest.mark.parametrize("kind", ["price.updated", "product.updated"])
async def test_a_change_of_the_catalogue_at_stripe_is_only_told(
    client: httpx.AsyncClient, engine: AsyncEngine, logs: list[dict[str, Any]], kind: str
) -> None:
    body = body_of(event(kind=kind))

    assert (await post(client, body, signature(body))).status_code == 200

    assert await stored(engine) == {"evt_1": ("ignored", None)}
    assert "stripe.event.to_look_at" in [entry["event"] for entry in logs]


async def test_nothing_is_answered_with_success_that_was_not_written_down(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body = body_of(event())
    async with engine.begin() as blocking:
        await blocking.execute(text("lock table stripe_events in access exclusive mode"))
        await blocking.execute(text("set local statement_timeout = 0"))
        answering = asyncio.create_task(post(client, body, signature(body)))
        done, _ = await asyncio.wait({answering}, timeout=0.5)
        assert not done

    assert (await answering).status_code == 200
    assert await stored(engine) == {"evt_1": ("stored", None)}


@pytest.mark.timeout(240)
async def test_ten_thousand_webhooks_in_a_burst_are_written_down_in_bounded_time(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def send(number: int) -> int:
        async with limit:
            body = body_of(event(name=f"evt_{number}"))
            return (await post(client, body, signature(body))).status_code

    async with asyncio.timeout(BURST_WITHIN_S):
        codes = await asyncio.gather(*(send(number) for number in range(BURST)))

    assert set(codes) == {200}
    async with engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from stripe_events")) == BURST
