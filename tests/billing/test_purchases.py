"""Buying at the emulator: a page is asked for once per key, whatever gets lost on the way."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import event_log, plans
from services.billing.acting import Actor
from services.billing.app import create_app
from services.billing.price_sync import Sync
from services.billing.stripe_client import Stripe
from services.kit.identity import TokenSource
from tests.billing.places import NOBODY, SECRET
from tests.stripe.browser import Browser
from tests.stripe.conftest import KEY, Emulator

TOKENS = TokenSource(issuer="gateway", audience="billing", secret=SECRET)
ITEMS = list(plans.ITEMS.values())
COMMAND_TIMEOUT_S = 60


@pytest.fixture
def environment(
    environment: dict[str, str], emulator: Emulator, stack: dict[str, Any]
) -> dict[str, str]:
    """Stripe answers, and so does the credits service of the running stack."""
    gateway = stack["environments"]["gateway"]
    return environment | {
        "STRIPE_API_KEY": KEY,
        "STRIPE_API_URL": emulator.url,
        "CREDITS_URL": gateway["CREDITS_URL"],
        "CREDITS_SECRET": gateway["CREDITS_SECRET"],
    }


@pytest.fixture
async def shop(
    client: httpx.AsyncClient, engine: AsyncEngine, emulated: Stripe
) -> httpx.AsyncClient:
    """The service, with everything priced at Stripe."""
    await Sync(emulated, is_dry_run=False).run(engine, ITEMS, return_url="http://127.0.0.1")
    return client


def of(account_id: UUID, *, key: str | None = None) -> dict[str, str]:
    headers = {"authorization": f"Bearer {TOKENS.token(account_id)}"}
    return headers | ({"idempotency-key": key} if key is not None else {})


async def buy(
    shop: httpx.AsyncClient, account_id: UUID, *, key: str = "one", **what: Any
) -> httpx.Response:
    headers = of(account_id, key=key)
    return await shop.post("/v1/checkout", json=what, headers=headers)


def kept(emulator: Emulator, kind: str) -> list[dict[str, Any]]:
    """What Stripe has of something, the oldest first."""
    return emulator.account.store.find(kind, oldest_first=True)


async def test_prices_are_made_once_and_only_looked_at_when_dry(
    emulator: Emulator, engine: AsyncEngine, emulated: Stripe
) -> None:
    async def sync(*, is_dry_run: bool = False) -> list[str]:
        one = Sync(emulated, is_dry_run=is_dry_run)
        await one.run(engine, ITEMS, return_url="http://127.0.0.1")
        return one.done

    would = await sync(is_dry_run=True)
    for kind in ("price", "product", "billing_portal.configuration"):
        assert kept(emulator, kind) == []
    assert await sync() == would
    assert len(would) == 9 + 6 + 1  # prices, products, and the portal
    assert await sync() == await sync(is_dry_run=True) == []

    sold = {
        price["lookup_key"]: (price["unit_amount"], (price["recurring"] or {}).get("interval"))
        for price in kept(emulator, "price")
    }
    assert sold["rekindle_remember_month"] == (999, "month")
    assert sold["rekindle_forever_year"] == (39990, "year")
    assert sold["rekindle_top_up_30"] == (1299, None)


async def test_another_price_takes_the_key_over_and_the_old_one_goes_on_counting(
    engine: AsyncEngine, emulated: Stripe
) -> None:
    cheaper = list(plans.items(*plans.price_list(plan_prices={"remember": 899}, top_up_prices={})))
    for items in (ITEMS, cheaper):
        sync = Sync(emulated, is_dry_run=False)
        await sync.run(engine, items, return_url="http://127.0.0.1")

    assert sync.done[:2] == [
        "price rekindle_remember_month: 899 usd instead of 999",
        "price rekindle_remember_year: 8990 usd instead of 9990",
    ]
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "select amount_cents, is_current from prices"
                " where lookup_key = 'rekindle_remember_month' order by amount_cents"
            )
        )
        assert [tuple(row) for row in rows] == [(899, True), (999, False)]


async def test_the_portal_ends_nothing_before_it_was_used_up(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    (configuration,) = kept(emulator, "billing_portal.configuration")

    features = configuration["features"]
    assert features["subscription_cancel"]["mode"] == "at_period_end"
    change = features["subscription_update"]
    assert change["proration_behavior"] == "always_invoice"
    conditions = [one["type"] for one in change["schedule_at_period_end"]["conditions"]]
    assert conditions == ["decreasing_item_amount", "shortening_interval"]


async def test_a_purchase_leads_to_stripes_page(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    account_id = uuid4()

    answer = await buy(shop, account_id, plan="cherish", interval="year")

    assert answer.status_code == 201
    page = answer.json()
    (session,) = kept(emulator, "checkout.session")
    assert (page["state"], page["url"]) == ("open", session["url"])
    (line,) = session["line_items"]["data"]
    assert line["price"]["lookup_key"] == "rekindle_cherish_year"
    assert (session["mode"], session["allow_promotion_codes"]) == ("subscription", True)
    assert session["customer"] in [customer["id"] for customer in kept(emulator, "customer")]
    assert page["id"] in session["success_url"]
    read = await shop.get(f"/v1/checkout/{page['id']}", headers=of(account_id))
    assert read.json() == page


async def test_the_same_key_is_the_same_page_however_often_it_is_sent(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    account_id = uuid4()

    first = await asyncio.gather(*(buy(shop, account_id, top_up=30) for _ in range(5)))
    again = await buy(shop, account_id, top_up=30)

    assert {answer.text for answer in first} == {again.text}
    assert len(kept(emulator, "checkout.session")) == len(kept(emulator, "customer")) == 1
    other = await buy(shop, account_id, top_up=10)
    assert (other.status_code, other.json()["code"]) == (422, "other-checkout")
    assert (await buy(shop, account_id, key="two", top_up=30)).json()["id"] != again.json()["id"]


async def test_an_answer_that_is_lost_on_the_way_buys_nothing_twice(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    emulator.app.state.faults.fail_accepted = 2

    answer = await buy(shop, uuid4(), top_up=30)

    assert answer.status_code == 201
    assert len(kept(emulator, "checkout.session")) == len(kept(emulator, "customer")) == 1


@pytest.mark.parametrize("code", [500, 429, 503])
async def test_when_stripe_does_not_answer_nothing_is_bought_and_it_can_be_tried_again(
    shop: httpx.AsyncClient, emulator: Emulator, code: int
) -> None:
    account_id, faults = uuid4(), emulator.app.state.faults
    setattr(faults, f"answer_{code}", 3)

    refused = await buy(shop, account_id, top_up=30)
    faults.clear()
    answer = await buy(shop, account_id, top_up=30)

    assert (refused.status_code, refused.json()["code"]) == (503, "stripe-away")
    assert "retry-after" in refused.headers
    assert answer.status_code == 201
    assert len(kept(emulator, "checkout.session")) == 1


async def test_a_key_that_stripe_does_not_take_sells_nothing(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    emulator.app.state.api_key = "sk_test_the_next_one"

    refused = await buy(shop, uuid4(), top_up=30)

    assert (refused.status_code, refused.json()["code"]) == (503, "stripe-away")


async def test_nothing_is_sold_before_there_are_prices(client: httpx.AsyncClient) -> None:
    answer = await buy(client, uuid4(), top_up=30)

    assert (answer.status_code, answer.json()["code"]) == (503, "prices-not-synced")


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ({}, 422, "invalid-request"),
        ({"plan": "cherish"}, 422, "invalid-request"),
        ({"top_up": 10, "plan": "cherish", "interval": "month"}, 422, "invalid-request"),
        ({"plan": "free", "interval": "month"}, 422, "invalid-request"),
        ({"plan": "cherish", "interval": "week"}, 422, "invalid-request"),
        ({"top_up": 11}, 422, "unknown-item"),
        ({"top_up": -10}, 422, "unknown-item"),
        ({"top_up": "ten"}, 422, "invalid-request"),
    ],
)
async def test_what_is_not_for_sale_is_refused(
    shop: httpx.AsyncClient, emulator: Emulator, what: dict[str, Any], status: int, code: str
) -> None:
    answer = await buy(shop, uuid4(), **what)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert kept(emulator, "checkout.session") == []


@pytest.mark.parametrize("key", ["", "x" * 256, "ü"])
async def test_a_purchase_needs_a_key(shop: httpx.AsyncClient, key: str) -> None:
    headers = {name.encode(): value.encode() for name, value in of(uuid4(), key=key).items()}

    answer = await shop.post("/v1/checkout", json={"top_up": 10}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "key-required")


async def test_somebody_elses_purchase_is_not_there(shop: httpx.AsyncClient) -> None:
    bought = (await buy(shop, uuid4(), top_up=30)).json()["id"]

    foreign = await shop.get(f"/v1/checkout/{bought}", headers=of(uuid4()))
    absent = await shop.get(f"/v1/checkout/{uuid4()}", headers=of(uuid4()))

    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.json()["detail"] == absent.json()["detail"]


async def test_only_one_page_to_subscribe_is_open_at_a_time(
    shop: httpx.AsyncClient, emulator: Emulator
) -> None:
    account_id = uuid4()
    await buy(shop, account_id, key="one", plan="remember", interval="month")
    await buy(shop, account_id, key="two", plan="cherish", interval="month")

    pages = [session["status"] for session in kept(emulator, "checkout.session")]
    assert pages == ["expired", "open"]


async def subscribed(
    shop: httpx.AsyncClient, emulator: Emulator, engine: AsyncEngine, emulated: Stripe
) -> UUID:
    """An account that has paid for Cherish, as the webhook's worker tells it."""
    account_id, since = uuid4(), datetime.now(UTC)
    page = (await buy(shop, account_id, plan="cherish", interval="month")).json()["url"]
    browser = Browser(emulator.url)
    assert (await asyncio.to_thread(browser.pay, page)).is_redirect
    browser.close()
    async with engine.begin() as connection:
        async for event in emulated.events_since(since.replace(microsecond=0)):
            await event_log.store(connection, event)
    actor = Actor(engine, emulated)
    while await actor.act_once():
        pass
    return account_id


async def test_who_is_subscribed_is_sent_to_the_portal(
    shop: httpx.AsyncClient, emulator: Emulator, engine: AsyncEngine, emulated: Stripe
) -> None:
    account_id = await subscribed(shop, emulator, engine, emulated)

    again = await buy(shop, account_id, key="two", plan="forever", interval="month")
    assert (again.status_code, again.json()["code"]) == (409, "already-subscribed")
    assert (await buy(shop, account_id, key="three", top_up=10)).status_code == 201

    for purpose in ("manage", "cancel", "change_plan", "payment_method"):
        answer = await shop.post("/v1/portal", json={"purpose": purpose}, headers=of(account_id))
        assert answer.status_code == 200
    flows = [
        visit["flow"] and visit["flow"]["type"]
        for visit in kept(emulator, "billing_portal.session")
    ]
    assert flows == [
        None,
        "subscription_cancel",
        "subscription_update",
        "payment_method_update",
    ]


async def test_who_cancels_sees_first_what_will_be_lost(
    shop: httpx.AsyncClient, emulator: Emulator, engine: AsyncEngine, emulated: Stripe
) -> None:
    account_id = await subscribed(shop, emulator, engine, emulated)
    (contract,) = kept(emulator, "subscription")
    (item,) = contract["items"]["data"]
    ends_at = datetime.fromtimestamp(item["current_period_end"], UTC)

    shown = await shop.get("/v1/subscription/cancellation", headers=of(account_id))

    # The stack's credits service gives everybody the month's three.
    assert shown.json() == {
        "plan": "cherish",
        "ends_at": ends_at.isoformat().replace("+00:00", "Z"),
        "credits_lost": 3,
        "credits_held": 0,
        "falls_back_to": "free",
    }
    nothing = await shop.get("/v1/subscription/cancellation", headers=of(uuid4()))
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not-subscribed")


async def test_a_loss_that_is_not_known_is_not_promised(
    shop: httpx.AsyncClient,
    emulator: Emulator,
    engine: AsyncEngine,
    emulated: Stripe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account_id = await subscribed(shop, emulator, engine, emulated)
    monkeypatch.setenv("CREDITS_URL", NOBODY)
    app = create_app()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://billing") as alone,
    ):
        shown = await alone.get("/v1/subscription/cancellation", headers=of(account_id))

    assert shown.status_code == 503


async def test_the_portal_opens_with_the_first_purchase(shop: httpx.AsyncClient) -> None:
    answer = await shop.post("/v1/portal", headers=of(uuid4()))

    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-to-manage")


async def test_an_operator_syncs_prices_by_command(
    environment: dict[str, str], engine: AsyncEngine
) -> None:
    dry = await run(environment, "sync-prices", "--dry-run")
    first = await run(environment, "sync-prices")
    again = await run(environment, "sync-prices")

    assert dry[0] == first[0] == again[0] == 0
    assert dry[1].count("Would make price") == first[1].count("Made price") == 9
    assert again[1] == "Stripe has what is on offer; nothing to do.\n"


async def run(environment: dict[str, str], *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.billing",
        *arguments,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_S)
    return process.returncode, output.decode()
