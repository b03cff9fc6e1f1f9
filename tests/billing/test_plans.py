"""Plans and prices are the product's, unless settings say otherwise."""

from uuid import uuid4

import httpx
import pytest

from services.billing import plans
from services.billing.app import create_app
from services.billing.errors import UnknownPlan
from services.kit.identity import TokenSource
from tests.billing.places import SECRET

TOKENS = TokenSource(issuer="gateway", audience="billing", secret=SECRET)


def anybody() -> dict[str, str]:
    """Of a caller that works for no account in particular."""
    return {"authorization": f"Bearer {TOKENS.token(None)}"}


async def test_the_plans_are_those_of_the_product(client: httpx.AsyncClient) -> None:
    offer = (await client.get("/v1/plans", headers=anybody())).json()

    shown = [tuple(plan.values()) for plan in offer["plans"]]
    assert list(offer["plans"][0]) == [
        "plan",
        "title",
        "credits_monthly",
        "tier",
        "short_side_max",
        "price_monthly_cents",
        "price_annual_cents",
        "currency",
    ]
    assert shown == [
        ("free", "Free", 3, "standard", 480, 0, 0, "usd"),
        ("remember", "Remember", 25, "priority", 720, 999, 9990, "usd"),
        ("cherish", "Cherish", 60, "priority", 720, 1999, 19990, "usd"),
        ("forever", "Forever", 150, "priority", 720, 3999, 39990, "usd"),
    ]
    assert [tuple(top_up.values()) for top_up in offer["top_ups"]] == [
        (10, 499, "usd"),
        (30, 1299, "usd"),
        (100, 3999, "usd"),
    ]


async def test_settings_change_prices_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, client: httpx.AsyncClient
) -> None:
    before = (await client.get("/v1/plans", headers=anybody())).json()
    monkeypatch.setenv("PLAN_PRICES_CENTS", '{"remember": 899}')
    monkeypatch.setenv("TOP_UP_PRICES_CENTS", '{"30": 1199}')

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app()), base_url="http://billing"
    ) as cheaper:
        after = (await cheaper.get("/v1/plans", headers=anybody())).json()

    before["plans"][1] |= {"price_monthly_cents": 899, "price_annual_cents": 8990}
    before["top_ups"][1]["price_cents"] = 1199
    assert after == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLAN_PRICES_CENTS", '{"rememeber": 899}'),
        ("PLAN_PRICES_CENTS", '{"remember": 0}'),
        ("TOP_UP_PRICES_CENTS", '{"20": 799}'),
    ],
)
async def test_a_price_that_means_nothing_keeps_the_service_from_starting(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit, match=name):
        create_app()


async def test_plans_need_a_caller_but_no_account(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/plans")).status_code == 401
    assert (await client.get("/v1/plans", headers=anybody())).status_code == 200
    assert (await client.get("/v1/subscription", headers=anybody())).status_code == 401
    named = {"authorization": f"Bearer {TOKENS.token(uuid4())}"}
    assert (await client.get("/v1/subscription", headers=named)).status_code == 200


def test_a_plan_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownPlan) as refusal:
        plans.find("platinum")

    assert refusal.value.facts == {"plans": ["free", "remember", "cherish", "forever"]}
