"""Shares: one address of a job at a time, for a while, unguessable, and over when it is revoked."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import accounts, consumers, shares
from services.gateway.share_page import WORDS
from services.kit.problems import NotFound
from tests.gateway.doors import Door, person

SECRET = "a secret of the tests"
ENGLISH = WORDS["en"]


async def share(engine: AsyncEngine, account_id: UUID, job_id: UUID, days: int = 7) -> shares.Share:
    async with engine.begin() as connection:
        return await shares.share(
            connection, account_id=account_id, job_id=job_id, days=days, secret=SECRET
        )


async def seen(engine: AsyncEngine, share: shares.Share) -> shares.Shared | None:
    async with engine.begin() as connection:
        return await shares.look_up(connection, shares.token_of(share.id, SECRET))


async def age(engine: AsyncEngine, days: int) -> None:
    """Let time pass for every share."""
    past = (
        "update shares set expires_at = expires_at - make_interval(days => :days),"
        " revoked_at = revoked_at - make_interval(days => :days)"
    )
    async with engine.begin() as connection:
        await connection.execute(text(past), {"days": days})


@pytest.fixture(name="account")
async def _account(engine: AsyncEngine) -> UUID:
    async with engine.begin() as connection:
        return await accounts.find_or_open(connection, issuer="https://i/", subject=person())


async def test_a_job_has_one_address_whose_end_can_be_moved(
    engine: AsyncEngine, account: UUID
) -> None:
    job_id = uuid4()
    several = await asyncio.gather(*(share(engine, account, job_id) for _ in range(5)))
    longer = await share(engine, account, job_id, days=60)

    assert {each.id for each in several} == {longer.id}
    assert timedelta(days=59) < longer.expires_at - datetime.now(UTC) <= timedelta(days=60)
    assert await seen(engine, longer) == shares.Shared(account, job_id, is_open=True)


async def test_what_was_revoked_stays_closed_and_sharing_anew_gives_another_address(
    engine: AsyncEngine, account: UUID
) -> None:
    job_id = uuid4()
    first = await share(engine, account, job_id)
    async with engine.begin() as connection:
        await shares.revoke(connection, account_id=account, job_id=job_id)
        await shares.revoke(connection, account_id=account, job_id=job_id)
        with pytest.raises(NotFound):
            await shares.find(connection, account_id=account, job_id=job_id)
    second = await share(engine, account, job_id)

    assert second.id != first.id
    assert await seen(engine, first) == shares.Shared(account, job_id, is_open=False)
    assert await seen(engine, second) == shares.Shared(account, job_id, is_open=True)


async def test_what_expired_stays_closed_and_is_forgotten_in_the_end(
    engine: AsyncEngine, account: UUID
) -> None:
    job_id = uuid4()
    first = await share(engine, account, job_id)
    await age(engine, 8)
    assert await seen(engine, first) == shares.Shared(account, job_id, is_open=False)
    second = await share(engine, account, job_id)
    assert second.id != first.id
    assert await seen(engine, first) == shares.Shared(account, job_id, is_open=False)

    await age(engine, shares.KEPT_DAYS)
    await consumers.sweep(engine)

    assert await seen(engine, first) is None
    assert await seen(engine, second) == shares.Shared(account, job_id, is_open=False)


async def test_the_share_of_somebody_else_is_neither_found_nor_ended(
    engine: AsyncEngine, account: UUID
) -> None:
    job_id, other = uuid4(), uuid4()
    shared = await share(engine, account, job_id)

    async with engine.begin() as connection:
        with pytest.raises(NotFound):
            await shares.find(connection, account_id=other, job_id=job_id)
        await shares.revoke(connection, account_id=other, job_id=job_id)

    assert await seen(engine, shared) == shares.Shared(account, job_id, is_open=True)


async def test_tokens_are_stored_as_hashes_only(engine: AsyncEngine, account: UUID) -> None:
    shared = await share(engine, account, uuid4())
    token = shares.token_of(shared.id, SECRET)
    async with engine.begin() as connection:
        rows = str((await connection.execute(text("select * from shares"))).all())
        near = [await shares.look_up(connection, each) for each in (token[:-1], "A" * 32, "")]

    assert len(token) == shares.TOKEN_LENGTH
    assert token not in rows
    assert near == [None, None, None]


async def test_only_ones_own_finished_job_can_be_shared(door: Door) -> None:
    path = f"/v1/jobs/{uuid4()}/share"
    async with door.visit() as visitor, door.browse() as stranger:
        nobodys = await visitor.put(path, json={})
        unshared = await visitor.get(path)
        revoked = await visitor.delete(path)
        refused = [await visitor.put(path, json=body) for body in ({"days": 0}, {"days": 91})]
        signed_out = await stranger.put(path, json={})

    assert (nobodys.status_code, unshared.status_code) == (404, 404)
    assert revoked.status_code == 204
    assert {answer.json()["code"] for answer in refused} == {"invalid-request"}
    assert signed_out.status_code == 401


@pytest.mark.parametrize(
    ("accepts", "said"),
    [("", "en"), ("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr, es;q=0.5", "es"), ("xx", "en")],
)
async def test_an_address_that_never_was_says_so_in_the_visitors_language(
    door: Door, accepts: str, said: str
) -> None:
    async with door.browse() as stranger:
        page = await stranger.get(f"/s/{'A' * 32}", headers={"accept-language": accepts})
        picture = await stranger.get(f"/s/{'A' * 32}/card.jpg")
        other = await stranger.get(f"/s/{'A' * 32}/original.jpg")

    assert (page.status_code, picture.status_code, other.status_code) == (404, 404, 422)
    assert page.headers["x-robots-tag"].startswith("noindex")
    assert WORDS[said]["unknown"] in page.text
    assert f'<html lang="{said}"' in page.text


async def test_a_share_that_is_over_says_so_and_shows_nothing(
    door: Door, engine: AsyncEngine, settings: dict[str, Any]
) -> None:
    async with door.visit() as visitor:
        account_id = UUID((await visitor.get("/v1/me")).json()["account_id"])
    job_id, secret = uuid4(), settings["session_secret"]
    async with engine.begin() as connection:
        shared = await shares.share(
            connection, account_id=account_id, job_id=job_id, days=1, secret=secret
        )
    address = f"/s/{shares.token_of(shared.id, secret)}"

    async with door.browse() as stranger:
        # The job itself is gone; then the share is revoked as well.
        jobless = await stranger.get(address), await stranger.get(f"{address}/after.jpg")
        async with engine.begin() as connection:
            await shares.revoke(connection, account_id=account_id, job_id=job_id)
        revoked = await stranger.get(address), await stranger.get(f"{address}/after.jpg")

    assert [answer.status_code for answer in (*jobless, *revoked)] == [410, 404, 410, 410]
    for page in (jobless[0], revoked[0]):
        assert ENGLISH["over"] in page.text
        assert page.headers["cache-control"] == "no-store"


def test_every_language_says_everything_and_nothing_that_html_would_read() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(ENGLISH)}
    assert not re.search(r'[<>&"]', "".join(said for w in WORDS.values() for said in w.values()))
