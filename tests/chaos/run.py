"""One chaos run: a stack of its own, users, faults, quiet, and the verdict."""

import asyncio
import contextlib
import json
import math
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
from tests.chaos import checker, listening, schedule, stripe_books, timeline
from tests.chaos import world as worlds
from tests.chaos.disk import Disks, open_disks
from tests.chaos.history import History
from tests.chaos.links import Links, open_links
from tests.chaos.listening import Listener
from tests.chaos.nemesis import Nemesis
from tests.chaos.recovery import longest_outage_s, percentile, recoveries_s
from tests.chaos.workload import PHOTOS_MIN, User
from tests.chaos.world import World
from tests.journeys import people

FOLDER = PRIVATE / "chaos"
CALM_FIRST_S = 2.0
SIGN_UPS_AT_ONCE = 4
SUBSCRIBES_EVERY = 4
"""Of the users; the others are given a plan when they run out of credits."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens at once, and how densely the faults come."""

    users: int = 40
    photos_min: int = PHOTOS_MIN
    """With fewer photos a user uploads one before anything else."""

    copies: int = schedule.COPIES
    listeners: int = 8
    workers: int = 6
    gpu_slots: int = 24
    rabbitmq_nodes: int = 3
    pause_s: tuple[float, float] = (0.4, 2.4)
    calm_s: float = 40.0
    """How long the users go on after the last fault: longer than faults excuse errors."""

    patience_s: float = checker.STUCK_AFTER_S
    """How long nothing may move before that counts as stuck."""


FULL = Scale()
SHORT = Scale(users=12, listeners=3, workers=4, gpu_slots=8, pause_s=(0.2, 1.0), calm_s=3.0)
TINY = Scale(
    rabbitmq_nodes=1,
    users=5, photos_min=2, copies=1, listeners=3, workers=4, gpu_slots=8, pause_s=(0.3, 0.9),
    calm_s=6.0, patience_s=8.0,
)  # fmt: skip
SCALES = {"full": FULL, "short": SHORT, "tiny": TINY}


@dataclass(slots=True)
class Played:
    """What is left of a run, to be judged and drawn."""

    history: History
    nemesis: Nemesis
    listeners: Sequence[Listener]
    ended_s: float = 0.0
    settled_after_s: float | None = None
    nodes_restarted: int = 0


def run(
    *, seed: int, faults_s: float, scale: Scale = FULL, wishes: Sequence[str] = ()
) -> dict[str, Any]:
    """Start a stack, torment it (with the wished faults only, if any), check it, stop it."""
    home = Home(FOLDER.resolve())
    faults = schedule.plan(seed, for_s=faults_s, pause_s=scale.pause_s, wishes=wishes)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(home, faults, seed=seed, scale=scale))


async def _run(
    home: Home, faults: Sequence[schedule.Fault], *, seed: int, scale: Scale
) -> dict[str, Any]:
    await local("clean", home)
    with open_disks(home.data) as disks:
        async with open_links(home) as links, _stack(home, links, scale) as stack:
            history = History(home.folder / f"history-{seed}.jsonl")
            nemesis = Nemesis(home, links, disks, seed=seed, now_s=history.now_s)
            played = Played(history, nemesis, [])
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
        "--any-port", "--detach", f"--copies={scale.copies}",
        f"--workers={scale.workers}", f"--gpu-slots={scale.gpu_slots}", f"--through={through}",
        f"--rabbitmq-nodes={scale.rabbitmq_nodes}", "--clocks",
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
            _, played.nodes_restarted = await asyncio.gather(
                asyncio.sleep(scale.calm_s), played.nemesis.relent()
            )
            stop.set()
            # Who waits for something that never comes is left; the checker will say what.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(scale.patience_s):
                    await asyncio.gather(*living)
        quiet_from_s = history.now_s()
        await stripe_books.calm_down(stack)
        await stripe_books.catch_up(stack)
        if await checker.settle(stack, patience_s=scale.patience_s):
            played.settled_after_s = round(history.now_s() - quiet_from_s, 1)
        for one in played.listeners:
            last = await worlds.last_of_feed(stack, one.account)
            await one.heard_until(last, patience_s=scale.patience_s)
        played.ended_s = history.now_s()


@asynccontextmanager
async def _users(
    stack: dict[str, Any], history: History, *, seed: int, scale: Scale
) -> AsyncIterator[list[User]]:
    billing = people.engine_of(stack, "billing")
    users = [
        User(
            stack,
            history,
            random.Random(f"{seed}/{number}"),
            billing,
            photos_min=scale.photos_min,
            subscribes=number % SUBSCRIBES_EVERY == 1,
        )
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
    # Where nothing was broken, nothing is excused.
    quiet_since_s = max((strike.ended_s for strike in nemesis.strikes), default=-math.inf)
    found["bare_errors"] = checker.bare_errors(history.server_errors, quiet_since_s=quiet_since_s)
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
        "purchases": len(world.money.sales),
        "refunds": world.money.refunds_kept,
        "returns": len(world.money.returned),
        "faults": len(nemesis.strikes),
        "kinds": len(nemesis.by_kind),
        "faults_by_kind": nemesis.by_kind,
        "nodes_restarted": played.nodes_restarted,
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
