"""Makes the planned faults happen, and keeps a diary of those that did."""

import asyncio
import json
import math
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx

from deploy.local import broker, clocks, database
from deploy.local.home import Home
from tests.chaos.cluster import Cluster
from tests.chaos.disk import Disks
from tests.chaos.links import Links
from tests.chaos.schedule import NODES, RUNPOD_FAULTS, STRIPE_FAULTS, Fault

FAILURES = {
    "fail infra": "infra",
    "fail oom": "oom",
    "fail model": "model",
}
FULL_BYTES = 64 * 1024
ALARMING_BYTES = 100 * 1024 * 1024
"""Less than RabbitMQ wants to be free: it stops who publishes, before the disk is full."""

SLOW_S = (0.05, 0.3)
LATE_S = 1.5
STRIPE_SECONDS = {"late_seconds": 5.0, "slow_seconds": 2.0}
JUMP_S = (30.0, 7_200.0)
CALL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that happened; seconds from the beginning of the run."""

    kind: str
    target: str
    began_s: float
    ended_s: float


class Nemesis:
    """Strikes the running stack of one home."""

    def __init__(
        self, home: Home, links: Links, disks: Disks, *, seed: int, now_s: Callable[[], float]
    ) -> None:
        self._home, self._links, self._disks = home, links, disks
        self._cluster = Cluster(home)
        self._rng = random.Random(f"{seed}/nemesis")
        self._now_s = now_s
        self.strikes: list[Strike] = []
        self.missed: Counter[str] = Counter()

    @property
    def by_kind(self) -> dict[str, int]:
        return dict(sorted(Counter(strike.kind for strike in self.strikes).items()))

    async def rage(self, faults: Iterable[Fault]) -> None:
        """Let every fault happen at its time; those that last may overlap."""
        began_s = self._now_s()
        async with asyncio.TaskGroup() as lasting:
            for fault in faults:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - self._now_s()))
                lasting.create_task(self._strike(fault))

    async def relent(self) -> int:
        """No more of it: wait for RabbitMQ to be whole; how many of its nodes were stuck."""
        await self._cluster.comes_back()
        return self._cluster.restarted

    async def _strike(self, fault: Fault) -> None:
        try:
            async with self._turn_of(fault.target):
                began_s = self._now_s()
                await self._happens(fault)
        except Exception:  # noqa: BLE001  # a part that is down already cannot be struck
            self.missed[fault.kind] += 1
        else:
            self.strikes.append(Strike(fault.kind, fault.target, began_s, self._now_s()))

    def _turn_of(self, target: str) -> AbstractAsyncContextManager[None]:
        return self._cluster.turn() if target in NODES else nullcontext()

    async def _happens(self, fault: Fault) -> None:
        verb, _, rest = fault.kind.partition(" ")
        match verb:
            case "kill" if rest == "cluster":
                for node in self._state()["processes"].keys() & set(NODES):
                    os.kill(self._pid_of(node), signal.SIGKILL)
            case "kill":
                os.kill(self._pid_of(fault.target), signal.SIGKILL)
            case "freeze":
                await self._freeze(fault.target, fault.lasts_s)
            case "part":
                await self._cluster.cut_off(fault.target, fault.lasts_s)
            case "runpod":
                await self._trouble_runpod(rest)
            case "stripe":
                wanted = {rest: STRIPE_FAULTS[rest], **STRIPE_SECONDS}
                await self._ask(f"{self._state()['stripe_url']}/__control/faults", wanted)
            case _ if rest == "link":
                await self._trouble_link(verb, fault)
            case _:
                await self._other(fault)

    async def _other(self, fault: Fault) -> None:
        others: dict[str, Callable[[], Awaitable[None]]] = {
            "cut sessions": self._cut_sessions,
            "close connections": self._close_connections,
            "jump clock": lambda: self._jump_clock(fault.target, fault.lasts_s),
            "fill disk": lambda: self._fill_disk(fault.target, fault.lasts_s),
            "disk alarm": lambda: self._disks.fill(
                fault.target, fault.lasts_s, leave_bytes=ALARMING_BYTES
            ),
            "no workers": lambda: self._while_so({"no_workers": True}, fault.lasts_s),
            "late runs": lambda: self._while_so({"delay_seconds": LATE_S}, fault.lasts_s),
        }
        await others[fault.kind]()

    def _state(self) -> dict[str, Any]:
        return self._home.state()

    def _pid_of(self, name: str) -> int:
        return int(self._state()["processes"][name]["pid"])

    async def _freeze(self, name: str, for_s: float) -> None:
        frozen = _family(self._pid_of(name))
        _signal(frozen, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            _signal(frozen, signal.SIGCONT)

    async def _jump_clock(self, name: str, for_s: float) -> None:
        """Seconds or hours, ahead or back: as likely up to ten minutes as from there on."""
        offset_s = math.exp(self._rng.uniform(*map(math.log, JUMP_S)))
        clocks.put(self._home, name, offset_s * self._rng.choice((-1, 1)))
        try:
            await asyncio.sleep(for_s)
        finally:
            clocks.put(self._home, name, 0)

    async def _fill_disk(self, server: str, for_s: float) -> None:
        await self._disks.fill(server, for_s, leave_bytes=FULL_BYTES)
        if server in NODES:
            # Whose disk fills up faster than it looks at it loses its quorum queues' processes, and
            # refuses every message until an operator, or what watches it, restarts it.
            os.kill(self._pid_of(server), signal.SIGKILL)

    async def _trouble_link(self, verb: str, fault: Fault) -> None:
        link = self._links[fault.target]
        if verb == "cut":
            link.cut()
            return
        delay_s = self._rng.uniform(*SLOW_S)
        changes: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "slow": (lambda: link.slow(delay_s), lambda: link.slow(0)),
            "stall": (link.stall, link.resume),
            "refuse": (link.refuse, link.accept),
            "mute": (link.mute, link.unmute),
        }
        begin, end = changes[verb]
        begin()
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            end()

    async def _trouble_runpod(self, name: str) -> None:
        if name == "forget a run":
            await self._ask_emulator({"expire_job": await self._any_run()})
        elif name in FAILURES:
            planned = {"class": FAILURES[name], "detail": "planned"}
            await self._ask_emulator({"fail_next": json.dumps(planned)})
        else:
            await self._ask_emulator({name: RUNPOD_FAULTS[name]})

    async def _while_so(self, trouble: dict[str, Any], for_s: float) -> None:
        await self._ask_emulator(trouble)
        try:
            await asyncio.sleep(for_s)
        finally:
            await self._ask_emulator({"no_workers": False, "delay_seconds": 0})

    async def _ask_emulator(self, trouble: dict[str, Any]) -> None:
        await self._ask(f"{self._state()['runpod_url']}/__faults", trouble)

    async def _ask(self, door: str, trouble: dict[str, Any]) -> None:
        async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False) as client:
            answer = await client.post(door, json=trouble)
            answer.raise_for_status()

    async def _any_run(self) -> str:
        """The id of a run that RunPod has right now."""
        url = database.database_url(self._state()["admin_database_url"], "rekindle")
        connection = await asyncpg.connect(url, timeout=CALL_TIMEOUT_S)
        try:
            found = await connection.fetchval(
                "select runpod_job_id from processing.attempts where state = 'RUNNING'"
                " order by id desc limit 1"
            )
        finally:
            await connection.close()
        assert found
        return str(found)

    async def _cut_sessions(self) -> None:
        connection = await asyncpg.connect(
            self._state()["admin_database_url"], timeout=CALL_TIMEOUT_S
        )
        try:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename in ('gateway', 'uploads', 'credits', 'processing', 'billing')"
            )
        finally:
            await connection.close()

    async def _close_connections(self) -> None:
        url = self._rng.choice(self._state()["amqp_management_urls"])
        for one in await asyncio.to_thread(broker.call, url, "GET", "connections"):
            name = quote(one["name"], safe="")
            with suppress(Exception):  # it may have gone meanwhile
                await asyncio.to_thread(broker.call, url, "DELETE", f"connections/{name}")


def _family(pid: int) -> list[int]:
    """A process and all that it started: PostgreSQL answers from children of its own."""
    family = [pid]
    for parent in family:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            family += [int(child) for child in listing.read_text().split()]
    return family


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
