"""BENCH row 10, the event stream: 5,000 open connections to one gateway process.

A broadcast is one event in the feed of each of 1,000 accounts, which five connections each listen
to; it is timed from the first nudge to the last listener. The peer is a bare StreamingResponse of
Starlette that keeps nothing, asks no database and needs no login, with as many connections.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import cpu, listeners, local, web_peer, wire
from bench.listeners import Listeners
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, ratios
from deploy.local.environments import AUDIENCE, CLI_CLIENT
from deploy.local.issuer.keys import KeyRing
from services.gateway import accounts, consumers, nudges
from services.kit import bus

ACCOUNTS, EACH = 1_000, 5
CONNECTIONS = ACCOUNTS * EACH
TOKEN_LASTS_S = 36_000
PARTS = (*local.SERVERS, "issuer", "gateway")
PATH = "/v1/events"
LONG_FEED = 20_000
"""Events of the account whose listeners do not read: far more than any buffer holds."""

REST_S = 0.5
MEMORY_GOAL_KB, LAST_GOAL = 35.0, 1.0
KB = 1024

_SAY = text(
    """
    with counted as (
        insert into feeds as feed (account_id, last_seq)
        select id, 1 from unnest(cast(:accounts as uuid[])) ids (id)
        on conflict (account_id) do update set last_seq = feed.last_seq + 1
        returning account_id, last_seq
    )
    insert into user_events (account_id, seq, type, time, payload)
    select account_id, last_seq, 'processing.job.started', now(),
        jsonb_build_object('job_id', gen_random_uuid(), 'version', 3, 'attempt', 1) from counted
    """
)
_FILL = text(
    """
    with opened as (
        insert into feeds (account_id, last_seq) values (:account, :events) returning account_id
    )
    insert into user_events (account_id, seq, type, time, payload)
    select account_id, number, 'processing.job.started', now(),
        jsonb_build_object('job_id', gen_random_uuid(), 'padding', repeat('x', 200))
    from opened, generate_series(1, :events) number
    """
)


@dataclass(slots=True)
class Side:
    """What was measured of one of the two."""

    last_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    memory_kb: float = 0.0


@dataclass(frozen=True, slots=True)
class Audience:
    """Accounts, and a token of each."""

    account_ids: Sequence[UUID]
    tokens: Sequence[str]

    def requests(self) -> list[bytes]:
        """One for each connection."""
        asked = [_listen(token) for token in self.tokens]
        return asked * EACH


async def measure(options: Options) -> Report:
    """First both with nothing but listeners, in turns; then ours with some that do not read."""
    listeners.raise_file_limit()
    ours, theirs = Side(), Side()
    async with local.running(only=PARTS) as stack, web_peer.running() as peer:
        engine = stack.engine("gateway")
        audience = await _audience(stack, engine, ACCOUNTS + 1)
        silent_id, silent_token = audience.account_ids[-1], audience.tokens[-1]
        audience = Audience(audience.account_ids[:-1], audience.tokens[:-1])
        port = urlsplit(stack.facts["gateway_url"]).port or 0
        here, there = Listeners(port), Listeners(peer.port)
        opened_s = await _open(here, audience.requests(), stack.pids["gateway"], ours)
        await _open(there, [wire.request("GET", "/events")] * CONNECTIONS, peer.pid, theirs)
        async with Nudges(stack.facts["amqp_url"], audience.account_ids) as writer:
            said = 0
            for _ in range(options.rounds):
                said += 1
                await _broadcast(stack, engine, writer, here, ours, said=said)
                await _peer_broadcast(peer, there, theirs, said=said)
            there.close()
            here.close(EACH)  # make room: the gateway takes 5,000 in all
            await _fill(engine, silent_id)
            began = time.perf_counter()
            numbers = await listeners.replayed(port, _listen(silent_token, after=0), LONG_FEED)
            replayed_s = time.perf_counter() - began
            assert numbers == list(range(1, LONG_FEED + 1)), "the replay has gaps or repeats"
            with_slow = Side()
            async with _silent(port, silent_token):
                for _ in range(options.rounds):
                    said += 1
                    await _broadcast(stack, engine, writer, here, with_slow, said=said)
        here.close()
        await engine.dispose()
    return _report(ours, theirs, with_slow, opened_s=opened_s, replayed_s=replayed_s)


class Nudges:
    """What the feed's writer sends after each commit, as many accounts at a time as it hears of."""

    def __init__(self, url: str, account_ids: Sequence[UUID]) -> None:
        self._broker, self.account_ids = bus.create_broker(url, name="bench"), account_ids

    async def __aenter__(self) -> Self:
        await self._broker.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._broker.stop()

    async def send(self) -> None:
        """One for every account."""
        for start in range(0, len(self.account_ids), consumers.PREFETCH):
            await nudges.send(self._broker, self.account_ids[start : start + consumers.PREFETCH])


async def _audience(stack: Running, engine: AsyncEngine, number: int) -> Audience:
    """Accounts with tokens, signed with the issuer's own key: a thousand sign-ups take minutes."""
    issuer = f"{stack.facts['issuer_url'].rstrip('/')}/"
    ring = KeyRing(Path(stack.facts["home"]) / "data" / "issuer")
    account_ids, tokens, now = [], [], int(time.time())
    claims = {"iss": issuer, "aud": [AUDIENCE], "azp": CLI_CLIENT, "scope": "openid"}
    times = {"iat": now, "exp": now + TOKEN_LASTS_S}
    async with engine.begin() as connection:
        for _ in range(number):
            subject = f"auth0|{uuid4().hex}"
            tokens.append(ring.sign({**claims, **times, "sub": subject}))
            account_ids.append(
                await accounts.find_or_open(connection, issuer=issuer, subject=subject)
            )
    return Audience(account_ids, tokens)


async def _open(there: Listeners, asked: Sequence[bytes], pid: int, side: Side) -> float:
    """Open every connection; how long it took. The first one warms the process up."""
    await there.open(asked[:1])
    before, began = cpu.resident_bytes(pid), time.perf_counter()
    await there.open(asked[1:])
    side.memory_kb = (cpu.resident_bytes(pid) - before) / (len(asked) - 1) / KB
    return time.perf_counter() - began


async def _broadcast(
    stack: Running, engine: AsyncEngine, writer: Nudges, here: Listeners, side: Side, *, said: int
) -> None:
    async with engine.begin() as connection:
        ids = [str(one) for one in writer.account_ids]
        await connection.execute(_SAY, {"accounts": ids})
    programs = {name: stack.pids[name] for name in ("gateway", "postgres", "rabbitmq")}
    before, began = cpu.seconds(programs), time.perf_counter()
    await writer.send()
    side.last_ms.append((max(await here.heard(said)) - began) * 1e3)
    spent = sum(cpu.spent(programs, before).values())
    side.cpu_us.append(spent / len(here.all) * 1e6)
    await asyncio.sleep(REST_S)


async def _peer_broadcast(
    peer: web_peer.WebPeer, there: Listeners, side: Side, *, said: int
) -> None:
    before, began = cpu.seconds({"peer": peer.pid}), time.perf_counter()
    await wire.send(peer.port, wire.request("POST", "/broadcast"))
    side.last_ms.append((max(await there.heard(said)) - began) * 1e3)
    side.cpu_us.append(cpu.spent({"peer": peer.pid}, before)["peer"] / CONNECTIONS * 1e6)
    await asyncio.sleep(REST_S)


async def _fill(engine: AsyncEngine, account_id: UUID) -> None:
    async with engine.begin() as connection:
        await connection.execute(_FILL, {"account": account_id, "events": LONG_FEED})


@asynccontextmanager
async def _silent(port: int, token: str) -> AsyncIterator[None]:
    """A few that ask for a long feed and read nothing of it."""
    asked = _listen(token, after=0)
    silent = [await listeners.open_slow(port, asked) for _ in range(EACH)]
    yield
    for one in silent:
        one.abort()


def _listen(token: str, *, after: int | None = None) -> bytes:
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    if after is not None:
        headers["last-event-id"] = str(after)
    return wire.request("GET", PATH, headers)


def _report(
    ours: Side, theirs: Side, with_slow: Side, *, opened_s: float, replayed_s: float
) -> Report:
    report = Report("stream", "10. Event stream, 5,000 connections to one process")
    goal = Goal(at_most=MEMORY_GOAL_KB)
    report.add("gateway", [ours.memory_kb], "KB per connection", goal=goal)
    report.add("bare StreamingResponse", [theirs.memory_kb], "KB per connection")
    last = ratios(ours.last_ms, theirs.last_ms)
    report.add("last listener, gateway / bare", last, "x", goal=Goal(at_most=LAST_GOAL))
    report.add("last listener, gateway", ours.last_ms, "ms")
    report.add("last listener, bare", theirs.last_ms, "ms")
    slow = ratios(with_slow.last_ms, ours.last_ms)
    report.add(f"last listener, with {EACH} that do not read / without", slow, "x")
    report.add("broadcast, gateway / bare", ratios(ours.cpu_us, theirs.cpu_us), "x CPU")
    report.add("broadcast, gateway, PostgreSQL, RabbitMQ", ours.cpu_us, "CPU µs per listener")
    report.add("broadcast, bare", theirs.cpu_us, "CPU µs per listener")
    report.add("opening all of them", [opened_s], "s")
    report.add(f"replay of {LONG_FEED:,} events by Last-Event-ID", [replayed_s], "s")
    report.notes.append("The replay gave every number once, in order.")
    return report
