"""What is said is published if, and only if, it was committed; in order, at least once."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from faststream.rabbit import RabbitBroker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from contracts.processing.v1 import CheckResult
from services.kit import bus, relay, telemetry
from services.kit.db import uuid7
from services.kit.outbox import SHARDS, order, say
from tests.kit.messages import QUEUE, depth, running, take

SHARDS_ALL = list(range(SHARDS))


@pytest.fixture
def broker(amqp_url: str) -> RabbitBroker:
    return bus.create_broker(amqp_url, name="tests-relay")


async def write(engine: AsyncEngine, *about: UUID) -> None:
    async with engine.begin() as connection:
        for account_id in about:
            await say(connection, AccountOpened(account_id=account_id), about=account_id)


async def drain(engine: AsyncEngine, broker: RabbitBroker) -> int:
    async with engine.connect() as connection:
        published = await relay.drain(connection, broker, SHARDS_ALL)
        await connection.commit()
        return published


async def rows(engine: AsyncEngine) -> list[tuple[UUID, int, str | None]]:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("select aggregate_id, attempts, last_error from outbox order by id")
        )
        return [tuple(row) for row in found]


async def test_what_was_said_arrives_with_its_envelope(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str
) -> None:
    account_id, cause = uuid4(), telemetry.Cause(uuid4(), uuid4())

    with telemetry.caused_by(cause, doing="test"):
        await write(engine, account_id)
    async with running(broker):
        assert await drain(engine, broker) == 1

    message = await take(amqp_url, QUEUE)
    body = json.loads(message.body)
    assert body["data"] == {"account_id": str(account_id)}
    assert body["type"] == message.type == AccountOpened.type
    assert body["id"] == message.message_id
    assert body["correlationid"] == message.correlation_id == str(cause.correlation_id)
    assert body["causationid"] == str(cause.message_id)
    assert await rows(engine) == []


async def test_a_transaction_that_fails_says_nothing(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        account_id = uuid4()
        await say(connection, AccountOpened(account_id=account_id), about=account_id)
        await connection.rollback()

    assert await rows(engine) == []


async def test_messages_about_one_aggregate_keep_their_order(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str
) -> None:
    account_id = uuid4()
    async with engine.begin() as connection:
        for n in range(20):
            event = AccountOpened(account_id=UUID(int=n))
            await say(connection, event, about=account_id)
    async with running(broker):
        await drain(engine, broker)

    heard = [json.loads((await take(amqp_url, QUEUE)).body)["data"] for _ in range(20)]
    assert [UUID(data["account_id"]).int for data in heard] == list(range(20))


async def test_an_unroutable_message_stays_and_holds_back_only_its_own_lane(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str
) -> None:
    stuck, free = uuid4(), uuid4()
    async with engine.begin() as connection:
        command = CheckResult(attempt_id=uuid4(), job_id=stuck, tier="standard")
        await order(connection, command, about=stuck, queue="rk.nobody")
    await write(engine, stuck, free)

    async with running(broker):
        assert await drain(engine, broker) == 1
        assert await drain(engine, broker) == 0

    assert json.loads((await take(amqp_url, QUEUE)).body)["subject"] == str(free)
    left = await rows(engine)
    assert [row[0] for row in left] == [stuck, stuck]
    assert left[0][1] == 1
    assert left[0][2]


async def test_a_standby_relay_takes_over_when_the_leader_dies(
    engine: AsyncEngine,
    broker: RabbitBroker,
    amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "LEAD_RETRY_S", 0.2)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async with running(broker):
        leader = asyncio.create_task(relay.relay(url, broker, schema="billing"))
        await asyncio.sleep(0.5)
        standby = asyncio.create_task(relay.relay(url, broker, schema="billing"))
        await asyncio.sleep(0.5)
        assert await _leaders(engine) == 1
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        await write(engine, uuid4())
        await take(amqp_url, QUEUE)
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)


async def test_the_relay_survives_the_loss_of_its_database_session(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ERROR_PAUSE_S", 0.1)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async with running(broker):
        working = asyncio.create_task(relay.relay(url, broker, schema="billing"))
        await write(engine, uuid4())
        await take(amqp_url, QUEUE)
        async with engine.connect() as connection:
            killed = await connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'billing-relay' and usename = current_user"
                    " and datname = current_database()"
                )
            )
            assert killed.rowcount == 1
        await write(engine, uuid4())
        await take(amqp_url, QUEUE)
        assert not working.done()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_nothing_is_deleted_before_the_broker_has_confirmed_it(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str
) -> None:
    await write(engine, uuid4())

    # Not started: every publish fails.
    assert await drain(engine, broker) == 0

    assert len(await rows(engine)) == 1
    assert await depth(amqp_url, QUEUE) == 0


async def test_trace_context_is_that_of_the_speaker(
    engine: AsyncEngine, broker: RabbitBroker, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.setattr(telemetry, "current_traceparent", lambda: spoken)
    await write(engine, uuid4())
    monkeypatch.undo()
    async with running(broker):
        await drain(engine, broker)

    assert json.loads((await take(amqp_url, QUEUE)).body)["traceparent"] == spoken


async def test_shards_are_spread_by_time_ordered_ids(engine: AsyncEngine) -> None:
    await write(engine, *(uuid7() for _ in range(200)))

    async with engine.connect() as connection:
        found = await connection.execute(text("select count(distinct shard) from outbox"))
        assert found.scalar_one() == SHARDS


async def _leaders(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        found = await connection.execute(
            text(
                "select count(distinct pid) from pg_locks where locktype = 'advisory' and granted"
                # The running stack leads in a database of its own, on the same server.
                " and database = (select oid from pg_database where datname = current_database())"
            )
        )
        return int(found.scalar_one())
