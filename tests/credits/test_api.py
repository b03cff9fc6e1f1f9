"""Credits over HTTP, as processing and the gateway call them."""

import csv
from io import StringIO
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.credits import accounts, api, exports
from services.kit.identity import TokenSource
from tests.credits.bank import Bank
from tests.credits.conftest import Caller

HOLD = {"amount": 4, "reason": "restore and colourize"}


async def test_a_hold_is_created_and_asking_again_says_the_same(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id, job_id = await bank.open_account(amount=10), uuid4()

    first = await client.put(f"/v1/holds/{job_id}", json=HOLD, headers=called_for(account_id))
    # The answer to the first was lost on its way: the caller asks again.
    again = await client.put(f"/v1/holds/{job_id}", json=HOLD, headers=called_for(account_id))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == {"job_id": str(job_id), "amount": 4, "state": "held"}
    assert await bank.balance(account_id) == (6, 4)


async def test_too_few_credits_is_a_402_problem_with_the_facts(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=1)

    answer = await client.put(f"/v1/holds/{uuid4()}", json=HOLD, headers=called_for(account_id))

    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/problem+json"
    facts = {k: answer.json()[k] for k in ("code", "needed", "available", "missing")}
    assert facts == {"code": "insufficient-credits", "needed": 4, "available": 1, "missing": 3}
    assert await bank.rows("select 1 from holds") == []


@pytest.mark.parametrize(
    "amount",
    ["-1", "0", "1000000001", "1e3", "2.0", "2.5", "NaN", "true", '"2"', '"٢"', "null", "[2]"],
)
async def test_what_is_no_whole_positive_number_is_no_amount(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller, amount: str
) -> None:
    account_id = await bank.open_account(amount=10)
    body = f'{{"amount": {amount}, "reason": "restore"}}'

    answer = await client.put(
        f"/v1/holds/{uuid4()}",
        content=body.encode(),
        headers=called_for(account_id) | {"content-type": "application/json"},
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
    assert await bank.balance(account_id) == (10, 0)


@pytest.mark.parametrize("reason", ["", "x" * 201])
async def test_a_hold_says_what_it_is_for(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller, reason: str
) -> None:
    account_id = await bank.open_account(amount=10)

    answer = await client.put(
        f"/v1/holds/{uuid4()}",
        json={"amount": 1, "reason": reason},
        headers=called_for(account_id),
    )

    assert answer.status_code == 422


async def test_a_hold_that_differs_or_is_closed_is_a_409_problem(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    async def ask(**change: Any) -> tuple[int, str]:
        answer = await client.put(
            f"/v1/holds/{job_id}", json=HOLD | change, headers=called_for(account_id)
        )
        return answer.status_code, answer.json()["code"]

    assert await ask(amount=5) == (409, "hold-differs")
    await bank.capture(job_id)
    assert await ask() == (409, "hold-closed")


async def test_a_released_hold_may_be_released_again_but_a_captured_one_not(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    delivered = await bank.hold(account_id, amount=3)
    await bank.capture(delivered)
    headers = called_for(account_id)

    for asked in (job_id, job_id, uuid4()):
        assert (await client.delete(f"/v1/holds/{asked}", headers=headers)).status_code == 204
    refusal = await client.delete(f"/v1/holds/{delivered}", headers=headers)

    assert (refusal.status_code, refusal.json()["code"]) == (409, "hold-closed")
    assert await bank.balance(account_id) == (7, 0)


async def test_nobody_releases_the_hold_of_another_account(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    answer = await client.delete(f"/v1/holds/{job_id}", headers=called_for(uuid4()))

    assert answer.status_code == 204
    assert await bank.state(job_id) == "held"


async def test_a_new_account_reads_its_three_free_credits(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    headers = called_for(uuid4())

    for _ in range(2):
        assert (await client.get("/v1/credits", headers=headers)).json() == {
            "available": 3,
            "held": 0,
            "blocked": 0,
            "owed": 0,
            "lost_at_end": 0,
            "plan": "free",
            "tier": "standard",
            "credits_monthly": 3,
        }


async def test_receipts_tell_the_story_the_newest_first(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    delivered = await bank.hold(account_id, amount=4)
    failed = await bank.hold(account_id, amount=3)
    await bank.release(failed)
    await bank.capture(delivered)
    await bank.hold(await bank.open_account(amount=5), amount=1)

    page = (await client.get("/v1/credits/receipts", headers=called_for(account_id))).json()

    told = [(r["text"], r["amount"], r["available"], r["held"], r["job_id"]) for r in page["items"]]
    assert told == [
        ("Spent on “restore and colourize”", 4, 6, 0, str(delivered)),
        ("Returned: the job ended without a result", 3, 6, 4, str(failed)),
        ("Held for “restore and colourize”", 3, 3, 7, str(failed)),
        ("Held for “restore and colourize”", 4, 6, 4, str(delivered)),
        ("A gift", 10, 10, 0, None),
    ]
    assert page["next_cursor"] is None
    newest = page["items"][0]
    assert newest["movement"] == "capture"
    assert newest["time"].endswith("Z")


async def test_receipts_are_paged_without_gaps(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    for _ in range(4):
        await bank.hold(account_id, amount=1)

    query: dict[str, Any] = {"limit": 2}
    pages = []
    while True:
        answer = await client.get(
            "/v1/credits/receipts", params=query, headers=called_for(account_id)
        )
        pages.append([receipt["available"] for receipt in answer.json()["items"]])
        if not (cursor := answer.json()["next_cursor"]):
            break
        query["cursor"] = cursor

    assert pages == [[6, 7], [8, 9], [10]]


@pytest.mark.parametrize("cursor", ["!", "LTE", "abc", "8J-Ygg", "9" * 33, "\x00"])
async def test_a_cursor_that_is_none_of_ours_is_refused(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller, cursor: str
) -> None:
    answer = await client.get(
        "/v1/credits/receipts", params={"cursor": cursor}, headers=called_for(uuid4())
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"/v1/holds/{uuid4()}"),
        ("DELETE", f"/v1/holds/{uuid4()}"),
        ("GET", "/v1/credits"),
        ("GET", "/v1/credits/receipts"),
    ],
)
async def test_every_route_wants_a_token_for_credits_that_names_an_account(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller, method: str, path: str
) -> None:
    elsewhere = TokenSource(issuer="gateway", audience="billing", secret="the-one-before-it")
    forged = TokenSource(issuer="gateway", audience="credits", secret="x" * 32)
    refused: list[dict[str, str]] = [
        {},
        called_for(None),
        {"authorization": f"Bearer {elsewhere.token(uuid4())}"},
        {"authorization": f"Bearer {forged.token(uuid4())}"},
    ]

    for headers in refused:
        answer = await client.request(method, path, json=HOLD, headers=headers)
        assert answer.status_code == 401
    assert await bank.rows("select 1 from accounts") == []


async def test_the_secret_before_the_newest_is_still_accepted(
    client: httpx.AsyncClient, bank: Bank
) -> None:
    tokens = TokenSource(issuer="gateway", audience="credits", secret="the-one-before-it")

    answer = await client.get(
        "/v1/credits", headers={"authorization": f"Bearer {tokens.token(uuid4())}"}
    )

    assert answer.status_code == 200


async def test_receipts_can_be_had_as_a_table(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    async with bank.engine.begin() as connection:
        await accounts.grant(
            connection, account_id=account_id, amount=1, cause="x", reason='=cmd|" /C calc"!A1'
        )

    answer = await client.get("/v1/credits/receipts.csv", headers=called_for(account_id))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.reader(StringIO(answer.text)))
    assert lines[0] == list(exports.COLUMNS)
    assert [line[1:6] for line in lines[1:]] == [
        ["grant", "1", "7", "4", '\'=cmd|" /C calc"!A1'],
        ["hold", "4", "6", "4", "Held for “restore and colourize”"],
        ["grant", "10", "10", "0", "A gift"],
    ]
    assert lines[2][6] == str(job_id)


async def test_a_very_long_table_goes_on_where_it_ended(
    client: httpx.AsyncClient,
    bank: Bank,
    called_for: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "EXPORT_MAX", 2)
    account_id = await bank.open_account(amount=10)
    for _ in range(2):
        await bank.hold(account_id, amount=1)

    first = await client.get("/v1/credits/receipts.csv", headers=called_for(account_id))
    rest = await client.get(first.links["next"]["url"], headers=called_for(account_id))

    assert [len(page.text.splitlines()) for page in (first, rest)] == [3, 2]
    assert "link" not in rest.headers


async def test_the_balance_says_what_would_be_lost(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    paying, free = await bank.open_account(amount=10), uuid4()
    await bank.hold(paying, amount=4)

    balances = [
        (await client.get("/v1/credits", headers=called_for(who))).json() for who in (paying, free)
    ]

    assert [(b["available"], b["held"], b["lost_at_end"]) for b in balances] == [
        (6, 4, 6),
        (3, 0, 0),
    ]


async def test_operators_read_what_accounts_have_in_all(
    client: httpx.AsyncClient, bank: Bank, called_for: Caller
) -> None:
    first, second = await bank.open_account(amount=10), await bank.open_account(amount=5)
    await client.put(f"/v1/holds/{uuid4()}", json=HOLD, headers=called_for(first))
    spent = uuid4()
    await client.put(f"/v1/holds/{spent}", json=HOLD, headers=called_for(second))
    await bank.capture(spent)

    refused = await client.get("/internal/metrics/outstanding")
    answer = await client.get("/internal/metrics/outstanding", headers=called_for(None))

    assert refused.status_code == 401
    # Held credits are not spent yet, captured ones are.
    assert answer.json() == {"credits": 10 + (5 - 4)}
