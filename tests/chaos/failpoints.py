"""Every failpoint in every way, on one stack: `make chaos only=failpoints`.

In waves: programs are started with a point armed, somebody does what leads there, the point is
reached (its process says so; a run whose point was not reached counts as an anomaly), everything
that was ordered is ordered again with the same keys, quiet returns, and the checker judges the
whole world. What it finds that it did not find before belongs to the runs of that wave.
"""

import asyncio
import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from deploy.local.home import Home
from deploy.local.places import PRIVATE
from services.kit.failpoints import HOWS
from tests.chaos import checker, scenes
from tests.chaos.arming import Program
from tests.chaos.history import History
from tests.chaos.points import AT_ONCE, CASES, OPERATOR, Case, Run, waves
from tests.chaos.run import local, standing
from tests.chaos.scenes import Person
from tests.journeys import people

FOLDER = PRIVATE / "failpoints"
WORKERS, GPU_SLOTS = 2, 4
REACHED_WITHIN_S, TRIES_MAX = 8.0, 8
"""Longer than the lease of an attempt whose dispatcher died and than an unclear submit."""
SEED = 1


@dataclass(slots=True)
class Played:
    """What is known after some waves."""

    history: History
    reached: list[Run] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def run(
    cases: Sequence[Case] = CASES,
    *,
    hows: Sequence[str] = HOWS,
    folder: Path = FOLDER,
    until_swept: bool = True,
) -> dict[str, Any]:
    """Start a stack, play every wave, stop it; the verdict.

    `until_swept` has the sweeps of hours later done as well, and the world judged after them.
    """
    planned = list(waves(cases, hows=hows))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(Home(folder.resolve()), planned, until_swept=until_swept))


async def _run(
    home: Home, planned: Sequence[Sequence[Run]], *, until_swept: bool
) -> dict[str, Any]:
    await local("clean", home)
    options = ("--any-port", "--detach", f"--workers={WORKERS}", f"--gpu-slots={GPU_SLOTS}")
    async with standing(home, *options) as stack:
        played = Played(History(home.folder / "history.jsonl"))
        async with AsyncExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="failpoints-")))
            billing = people.engine_of(stack, "billing")
            opened.push_async_callback(billing.dispose)
            persons = []
            for number in range(AT_ONCE):
                rng = random.Random(f"{SEED}/{number}")
                person = Person(stack, played.history, rng, billing)
                person.folder, person.home = folder, home
                await person.sign_up()
                await opened.enter_async_context(person.client)
                persons.append(person)
            for wave in planned:
                await _play(stack, home, played, list(zip(wave, persons, strict=False)))
        if until_swept:
            await _let_hours_pass(stack, played)
        played.history.close()
    return _verdict(home, played, [run for wave in planned for run in wave])


async def _play(
    stack: dict[str, Any], home: Home, played: Played, parts: Sequence[tuple[Run, Person]]
) -> None:
    """One wave, from arming to judgement."""
    names, now_s = ", ".join(run.name for run, _ in parts), played.history.now_s
    began_s = now_s()
    await asyncio.gather(*(person.has_enough() for _, person in parts))
    results = await asyncio.gather(
        *(_act(stack, home, run, person) for run, person in parts), return_exceptions=True
    )
    played.found["trouble"] += [f"{r!r} [{names}]" for r in results if r not in (True, False)]
    acted_s = now_s()
    await scenes.a_minute_passes(stack)
    await asyncio.gather(*(person.again() for _, person in parts))
    if not await checker.settle(stack):
        played.found["unsettled"].append(names)
    settled_s = now_s()
    anomalies = await _judge(stack, played, names)
    took = (
        f"acted {acted_s - began_s:5.1f} s, quiet {settled_s - acted_s:5.1f} s,"
        f" judged {now_s() - settled_s:4.1f} s, {anomalies} anomalies"
    )
    for (run, _), result in zip(parts, results, strict=True):
        played.reached += [run] if result is True else []
        said = "reached" if result is True else "NOT REACHED"
        print(f"{run.name:38} {run.case.program:20} {said:11} {took}", flush=True)  # noqa: T201


async def _act(stack: dict[str, Any], home: Home, run: Run, person: Person) -> bool:
    """Arm, play the scene, wait for the program; whether the point was reached.

    What another program of the wave kept from getting through is sent again, as anybody does. A
    point that was not reached is disarmed.
    """
    case, program = run.case, Program(home, run.case.program)
    is_command = case.program == OPERATOR
    if case.before:
        await person.act(case.before, run)
    if not is_command:
        await program.start_armed(run.armed)
    acting = asyncio.create_task(person.act(case.scene, run))
    for _ in range(TRIES_MAX):
        if is_reached := await program.reaches(case.point, within_s=REACHED_WITHIN_S):
            break
        await scenes.a_minute_passes(stack)
        await person.again()
    await acting
    if is_command:
        return is_reached
    if not is_reached:
        program.kill()
    await program.is_up()
    return is_reached


async def _let_hours_pass(stack: dict[str, Any], played: Played) -> None:
    """What is removed late must be gone in the end, and nothing else."""
    if not (await scenes.hours_pass(stack) and await checker.settle(stack)):
        played.found["unsettled"].append("the sweeps")
    await _judge(stack, played, "hours later")


async def _judge(stack: dict[str, Any], played: Played, names: str) -> int:
    """Judge the whole world; how many anomalies were not there after any wave before."""
    news = 0
    for kind, texts in (await checker.anomalies(stack, played.history.records)).items():
        known = {text.rpartition(" [")[0] for text in played.found[kind]}
        fresh = [f"{text} [{names}]" for text in texts if text not in known]
        played.found[kind] += fresh
        news += len(fresh)
    return news


def _verdict(home: Home, played: Played, runs: Iterable[Run]) -> dict[str, Any]:
    planned = list(runs)
    unreached = [run.name for run in planned if run not in played.reached]
    facts = {
        "runs": len(planned),
        "reached": len(played.reached),
        "points": len({run.case.point for run in planned}),
        "runs_by_way": dict(Counter(run.how for run in planned)),
        "seconds": round(played.history.now_s(), 1),
        "operations": len(played.history.records),
    }
    found = {**played.found, "unreached": unreached}
    document: dict[str, Any] = json.loads(checker.verdict(found, facts))
    (home.folder / "verdict.json").write_text(json.dumps(document, indent=2))
    return document
