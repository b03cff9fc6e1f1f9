"""One chaos run: a stack of its own, users, faults, quiet, and the verdict."""

import asyncio
import contextlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from deploy.local.home import Home
from deploy.local.places import PRIVATE
from tests.chaos import checker, listening, schedule, timeline
from tests.chaos import world as worlds
from tests.chaos.disk import Disks, open_disks
from tests.chaos.history import History
from tests.chaos.links import Links, open_links
from tests.chaos.listening import Listener
from tests.chaos.nemesis import Nemesis
from tests.chaos.recovery import longest_outage_s, percentile, recoveries_s
from tests.chaos.workload import User
from tests.chaos.world import World
from tests.journeys import people

FOLDER = PRIVATE / "chaos"
CALM_FIRST_S = 2.0
SIGN_UPS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens at once, and how densely the faults come."""

    users: int = 40
    listeners: int = 8
    workers: int = 12
    gpu_slots: int = 24
    pause_s: tuple[float, float] = (0.4, 2.4)
    calm_s: float = 40.0
    """How long the users go on after the last fault: longer than faults excuse errors."""


FULL = Scale()
SHORT = Scale(users=12, listeners=3, workers=4, gpu_slots=8, pause_s=(0.2, 1.0), calm_s=3.0)


@dataclass(slots=True)
class Played:
    """What is left of a run, to be judged and drawn."""

    history: History
    nemesis: Nemesis
    listeners: Sequence[Listener]
    calm_from_s: float = 0.0
    ended_s: float = 0.0
    settled_after_s: float | None = None


def run(*, seed: int, faults_s: float, scale: Scale = FULL) -> dict[str, Any]:
    """Start a stack, torment it, check it, stop it; the verdict."""
    home = Home(FOLDER.resolve())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(home, seed=seed, faults_s=faults_s, scale=scale))


async def _run(home: Home, *, seed: int, faults_s: float, scale: Scale) -> dict[str, Any]:
    await local("clean", home)
    with open_disks(home.data) as disks:
        async with open_links(home) as links, _stack(home, links, scale) as stack:
            history = History(home.folder / f"history-{seed}.jsonl")
            nemesis = Nemesis(home.folder, links, disks, seed=seed, now_s=history.now_s)
            played = Played(history, nemesis, [])
            faults = schedule.plan(seed, for_s=faults_s, pause_s=scale.pause_s)
            await _play(stack, played, faults, seed=seed, scale=scale)
            world = await worlds.look(stack)
            history.close()
    return _verdict(home, played, world, disks, seed=seed)


@asynccontextmanager
async def standing(home: Home, *options: str) -> AsyncIterator[dict[str, Any]]:
    """A stack in this home, for as long as the block lasts."""
    await local("up", home, *options)
    try:
        yield home.state()
    finally:
        await local("down", home)


@asynccontextmanager
async def _stack(home: Home, links: Links, scale: Scale) -> AsyncIterator[dict[str, Any]]:
    through = json.dumps({name: link.port for name, link in links.items()})
    options = (
        "--any-port", "--detach", f"--copies={schedule.COPIES}",
        f"--workers={scale.workers}", f"--gpu-slots={scale.gpu_slots}", f"--through={through}",
    )  # fmt: skip
    async with standing(home, *options) as stack:
        yield stack


async def _play(
    stack: dict[str, Any],
    played: Played,
    faults: Sequence[schedule.Fault],
    *,
    seed: int,
    scale: Scale,
) -> None:
    history, stop = played.history, asyncio.Event()
    async with (
        _users(stack, history, seed=seed, scale=scale) as users,
        listening.listeners(users[: scale.listeners]) as played.listeners,
    ):
        with tempfile.TemporaryDirectory(prefix="rekindle-chaos-") as folder:
            living = [asyncio.create_task(user.live(Path(folder), stop)) for user in users]
            await asyncio.sleep(CALM_FIRST_S)
            await played.nemesis.rage(faults)
            played.calm_from_s = history.now_s()
            await asyncio.sleep(scale.calm_s)
            stop.set()
            await asyncio.gather(*living)
        quiet_from_s = history.now_s()
        if await checker.settle(stack):
            played.settled_after_s = round(history.now_s() - quiet_from_s, 1)
        for one in played.listeners:
            await one.heard_until(await worlds.last_of_feed(stack, one.account))
        played.ended_s = history.now_s()


@asynccontextmanager
async def _users(
    stack: dict[str, Any], history: History, *, seed: int, scale: Scale
) -> AsyncIterator[list[User]]:
    billing = people.engine_of(stack, "billing")
    users = [
        User(stack, history, random.Random(f"{seed}/{number}"), billing)
        for number in range(scale.users)
    ]
    places = asyncio.Semaphore(SIGN_UPS_AT_ONCE)

    async def sign_up(user: User) -> None:
        async with places:
            await user.sign_up()

    await asyncio.gather(*(sign_up(user) for user in users))
    async with contextlib.AsyncExitStack() as clients:
        for user in users:
            await clients.enter_async_context(user.client)
        yield users
    await billing.dispose()


def _verdict(
    home: Home, played: Played, world: World, disks: Disks, *, seed: int
) -> dict[str, Any]:
    history, nemesis = played.history, played.nemesis
    records = history.records
    heard = {one.account: [e for e in one.heard if not _is_sign(e)] for one in played.listeners}
    found = checker.judge(world, records)
    found["misheard"] = checker.misheard(world, heard)
    found["bare_errors"] = checker.bare_errors(
        history.server_errors, quiet_since_s=played.calm_from_s
    )
    outcomes = Counter(f"{record.call} {record.outcome}" for record in records)
    wasted, completed = checker.wasted_runs(world)
    recoveries = recoveries_s(nemesis.strikes, records)
    facts = {
        "seed": seed,
        "seconds": round(played.ended_s, 1),
        "operations": len(records),
        "by_outcome": dict(sorted(outcomes.items())),
        "answers": {str(status): n for status, n in sorted(history.statuses.items())},
        "server_errors_without_retry_after": sum(not e.says_when for e in history.server_errors),
        "jobs": sum(job.state != "REJECTED" for job in world.jobs.values()),
        "jobs_by_state": dict(sorted(Counter(job.state for job in world.jobs.values()).items())),
        "batches": len(world.batches),
        "faults": len(nemesis.strikes),
        "kinds": len(nemesis.by_kind),
        "faults_by_kind": nemesis.by_kind,
        "missed": dict(nemesis.missed),
        "disks": "tmpfs" if disks.are_ours else "cannot be filled: no right to mount",
        "gpu_runs": completed,
        "gpu_runs_wasted": wasted,
        "recovery_p50_s": percentile(recoveries, 0.5),
        "recovery_p99_s": percentile(recoveries, 0.99),
        "longest_outage_s": round(longest_outage_s(records), 1),
        "settled_after_s": played.settled_after_s,
    }
    document: dict[str, Any] = json.loads(checker.verdict(found, facts))
    (home.folder / f"verdict-{seed}.json").write_text(json.dumps(document, indent=2))
    timeline.draw(
        home.folder / f"timeline-{seed}.png",
        title=f"seed {seed}: {facts['jobs']} jobs, {facts['faults']} faults of {facts['kinds']}"
        f" kinds, {document['anomalies']} anomalies",
        strikes=nemesis.strikes,
        records=records,
        finished_s=_finished_s(world, history),
        ends_s=played.ended_s,
    )
    return document


def _is_sign(event: Any) -> bool:
    """Whether an event is of the stream itself, not of the feed."""
    return event.type in ("resync", "reconnect")


def _finished_s(world: World, history: History) -> list[float]:
    finished = (job.finished_at for job in world.jobs.values() if job.finished_at)
    return [moment.timestamp() - history.began_at for moment in finished]


async def local(command: str, home: Home, *options: str) -> None:
    """Run one command of the local stack; raises when it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local", command, "--home", str(home.folder), *options),
        stdout=asyncio.subprocess.DEVNULL,
    )
    code = await process.wait()
    if code and command != "clean":
        raise RuntimeError(f"deploy.local {command} ended with {code}")
