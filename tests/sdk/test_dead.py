"""Dead letters: seen with their reason, sent again, and acted on once."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from contracts.message import Envelope
from sdk.rekindle import parked
from sdk.rekindle.cli import cli
from services.kit import bus
from services.kit.db import create_engine
from services.kit.inbox import Delivery
from tests.kit.messages import DEAD, QUEUE, account_opened, depth, running, send, take, until

NOBODY_THERE = "amqp://nobody:nothing@127.0.0.1:9/rekindle"


class Lesson:
    """A handler that fails until it is mended."""

    def __init__(self) -> None:
        self.is_mended = False
        self.effects: list[UUID] = []

    async def hear(self, event: AccountOpened, delivery: Delivery) -> None:
        if not self.is_mended:
            raise ZeroDivisionError("planned")
        async with delivery.transaction():
            self.effects.append(event.account_id)


@pytest.fixture
def engine(database_url: Callable[[str], str]) -> AsyncEngine:
    return create_engine(database_url("billing"), name="tests")


async def park(amqp_url: str, engine: AsyncEngine, lesson: Lesson, count: int) -> list[Envelope]:
    """Let a service give up on some messages."""
    envelopes = [account_opened() for _ in range(count)]
    broker = bus.create_broker(amqp_url, name="tests")
    bus.listen(broker, engine, queue=QUEUE, prefetch=1, handlers={AccountOpened: lesson.hear})
    async with running(broker):
        for envelope in envelopes:
            await send(broker, envelope)
        await parked_are(amqp_url, count)
    return envelopes


async def parked_are(amqp_url: str, count: int) -> None:
    """Wait for it: what a look gives back is there again a moment later."""
    async with asyncio.timeout(10):
        while await depth(amqp_url, DEAD) != count:
            await asyncio.sleep(0.02)


async def test_what_is_parked_is_seen_with_its_reason_and_stays_as_it_is(
    amqp_url: str, engine: AsyncEngine
) -> None:
    envelopes = await park(amqp_url, engine, Lesson(), 3)

    for _ in range(25):  # more often than any broker's default delivery limit
        letters = await parked.dead_letters(amqp_url)

    assert [letter.id for letter in letters] == [str(envelope.id) for envelope in envelopes]
    first = letters[0]
    assert (first.service, first.queue, first.retries) == ("billing", QUEUE, 0)
    assert first.reason == "ZeroDivisionError('planned')"
    assert first.body["data"] == envelopes[0].data
    await parked_are(amqp_url, 3)
    await engine.dispose()


async def test_what_is_replayed_is_acted_on_once_and_the_rest_stays(
    amqp_url: str, engine: AsyncEngine
) -> None:
    lesson = Lesson()
    chosen, other = await park(amqp_url, engine, lesson, 2)
    lesson.is_mended = True

    sent = await parked.replay(amqp_url, lambda letter: letter.id == str(chosen.id))

    assert [letter.id for letter in sent] == [str(chosen.id)]
    assert [letter.id for letter in await parked.dead_letters(amqp_url)] == [str(other.id)]
    broker = bus.create_broker(amqp_url, name="tests")
    bus.listen(broker, engine, queue=QUEUE, prefetch=1, handlers={AccountOpened: lesson.hear})
    async with running(broker):
        await send(broker, chosen)  # as if the replay had died before it acknowledged
        await until(lambda: len(lesson.effects) == 1)
    assert lesson.effects == [UUID(chosen.subject)]
    await engine.dispose()


async def test_a_replayed_message_has_all_its_tries_again(
    amqp_url: str, engine: AsyncEngine
) -> None:
    await park(amqp_url, engine, Lesson(), 1)

    await parked.replay(amqp_url, lambda _: True, service="billing")

    again = await take(amqp_url, QUEUE)
    # The broker counts the deliveries of the new message by itself.
    assert set(again.headers) <= {"x-delivery-count"}
    with pytest.raises(parked.NothingParked):
        await parked.replay(amqp_url, lambda _: True)
    await engine.dispose()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["dead", *arguments], env=environment)


async def test_the_command_lists_shows_and_replays(amqp_url: str, engine: AsyncEngine) -> None:
    (envelope,) = await park(amqp_url, engine, Lesson(), 1)

    def command(*arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run(*arguments, "--json", AMQP_URL=amqp_url).stdout)
        return answer

    listed, shown, replayed, after = await asyncio.to_thread(
        lambda: (
            command("list"),
            command("show", str(envelope.id)),
            command("replay", str(envelope.id)),
            command("list"),
        )
    )

    assert [letter["id"] for letter in listed["items"]] == [str(envelope.id)]
    assert shown["body"]["id"] == str(envelope.id)
    assert replayed == {"replayed": [str(envelope.id)]}
    assert after == {"items": []}
    await engine.dispose()


@pytest.mark.parametrize("arguments", [(), ("x", "--all")])
def test_a_replay_of_nothing_or_of_two_things_is_refused_in_a_sentence(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    answer = run("replay", *arguments, AMQP_URL=NOBODY_THERE)

    assert answer.exit_code == 1
    assert "Say which messages" in answer.output


def test_a_broker_that_is_away_is_a_sentence() -> None:
    answer = run("list", AMQP_URL=NOBODY_THERE)

    assert answer.exit_code == 1
    assert "RabbitMQ does not do what it should" in " ".join(answer.output.split())
