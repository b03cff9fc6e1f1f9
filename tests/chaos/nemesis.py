"""Faults, by a seeded schedule: the same seed strikes the same parts at the same times."""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx

from deploy.local import broker

PAUSE_S = (0.5, 2.0)
FROZEN_S = (0.5, 2.5)
KILLED = (
    *("uploads", "credits", "processing", "billing", "gateway"),
    *("uploads-consumer", "credits-consumer", "processing-consumer", "gateway-consumer"),
    *("relay", "dispatcher", "worker"),
)
# They take seconds to come back, so they are struck more rarely.
KILLED_RARELY = ("postgres", "rabbitmq", "s3")
RARELY = 0.08
RUNPOD_FAULTS: tuple[dict[str, Any], ...] = (
    {"lose_webhook": 2},
    {"duplicate_webhook": 2},
    {"fail_next": '{"class": "infra", "detail": "planned"}'},
    {"answer_429": 2},
    {"answer_500": 2},
    {"garbage_output": 1},
)

Fault = Callable[[], Awaitable[None]]


class Nemesis:
    """Strikes one part after the other, and counts the faults by kind."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home, self._rng = home, random.Random(seed)
        self.strikes: Counter[str] = Counter()
        self.times: list[tuple[float, str]] = []

    async def rage(self, *, for_s: float, now_s: Callable[[], float]) -> None:
        """One fault at a time, with pauses, until the time is over."""
        ends_s = now_s() + for_s
        while now_s() < ends_s:
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
            kind, fault = self._next()
            self.times.append((now_s(), kind))
            # A part that is already down cannot be struck: the schedule goes on.
            with suppress(Exception):
                await fault()
                self.strikes[kind] += 1

    def _next(self) -> tuple[str, Fault]:
        dice, victim = self._rng.random(), self._rng.choice(KILLED)
        rare, frozen_s = self._rng.choice(KILLED_RARELY), self._rng.uniform(*FROZEN_S)
        trouble = self._rng.choice(RUNPOD_FAULTS)
        if dice < RARELY:
            return f"kill {rare}", lambda: self._kill(rare)
        if dice < 0.55:
            return f"kill {victim}", lambda: self._kill(victim)
        if dice < 0.70:
            return "freeze", lambda: self._freeze(victim, frozen_s)
        if dice < 0.85:
            return f"runpod {next(iter(trouble))}", lambda: self._trouble_runpod(trouble)
        if dice < 0.93:
            return "cut database sessions", self._cut_sessions
        return "cut broker connections", self._cut_connections

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self._home / "state.json").read_text())
        return state

    async def _kill(self, victim: str) -> None:
        os.kill(self._state()["processes"][victim]["pid"], signal.SIGKILL)

    async def _freeze(self, victim: str, for_s: float) -> None:
        pid = self._state()["processes"][victim]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _trouble_runpod(self, trouble: dict[str, Any]) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            await client.post(f"{self._state()['runpod_url']}/__faults", json=trouble)

    async def _cut_sessions(self) -> None:
        connection = await asyncpg.connect(self._state()["admin_database_url"], timeout=5)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename in ('gateway', 'uploads', 'credits', 'processing', 'billing')"
        )
        await connection.close()

    async def _cut_connections(self) -> None:
        url = self._state()["amqp_management_url"]
        for one in await asyncio.to_thread(broker.call, url, "GET", "connections"):
            name = quote(one["name"], safe="")
            await asyncio.to_thread(broker.call, url, "DELETE", f"connections/{name}")
