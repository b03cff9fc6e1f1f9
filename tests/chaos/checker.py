"""After quiet has returned: prove from the history and the world that nothing went wrong.

Every rule is a function from what the users were told and what is so to a list of what is wrong.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from services.billing.plans import FREE
from services.billing.plans import PLANS as ON_OFFER
from tests.chaos import money as moneys
from tests.chaos import world as worlds
from tests.chaos.history import Record, ServerError
from tests.chaos.workload import PLANS
from tests.chaos.world import TERMINAL, Stack, World

STUCK_AFTER_S = 120.0
LOOK_AGAIN_S = 1.0
LOOK_WITHIN_S = 30.0
WASTE_SHARE_MAX = 0.02
WASTED_RUNS_IGNORED = 2
"""In a short run two percent of the runs are none."""

EXCUSED_AFTER_FAULT_S = 30.0
ENDINGS = {
    "COMPLETED": "processing.job.completed",
    "FAILED": "processing.job.failed",
    "CANCELLED": "processing.job.cancelled",
}
TRANSIENT = ("too-many-requests", "request-in-flight", "unavailable", "stripe-away")
"""Refusals that promise nothing about the next answer to the same request."""

KEYED = {"order": "job", "batch": "batch", "checkout": "checkout"}
"""Calls with an Idempotency-Key, and what each is answered with."""


async def settle(stack: Stack, *, patience_s: float = STUCK_AFTER_S) -> bool:
    """Wait until nothing is under way; False when for so long nothing has moved."""
    clock = asyncio.get_running_loop().time
    least: int | None = None
    left: int | None
    moved_at = clock()
    while clock() - moved_at < patience_s:
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                left = await worlds.under_way(stack)
        except Exception:  # noqa: BLE001  # servers may still be coming back
            left = least
        if left == 0:
            return True
        if left is not None and (least is None or left < least):
            least, moved_at = left, clock()
        await asyncio.sleep(LOOK_AGAIN_S)
    return False


async def anomalies(stack: Stack, records: Sequence[Record]) -> dict[str, list[str]]:
    """Everything that is not as it must be, by kind; empty lists are a good run."""
    return judge(await worlds.look(stack), records)


def judge(world: World, records: Sequence[Record]) -> dict[str, list[str]]:
    """Every rule, on what was read."""
    ours = {record.account for record in records}
    return {
        "lost": lost(world, records),
        "doubled": [*doubled(world, records), *unasked(world, records), *run_twice(world)],
        "disagreeing": disagreeing(world, records),
        "stuck": stuck(world),
        "drift": list(world.drift),
        "unrefunded": wrongly_charged(world, ours),
        "granted": wrongly_granted(world, ours),
        "sales": moneys.wrong_sales(world.money),
        "clawbacks": [
            *moneys.wrong_refunds(world.money),
            *moneys.wrong_returns(world.money, records, _prices(world)),
        ],
        "behind": list(world.money.behind),
        "results": list(world.undecodable),
        "objects": wrong_objects(world),
        "feeds": wrong_feeds(world),
        "waiting": [f"{name}: {count}" for name, count in world.waiting.items()],
        "parked": list(world.parked),
        "waste": too_much_waste(world),
    }


def lost(world: World, records: Sequence[Record]) -> list[str]:
    """What was acknowledged and is not there."""
    told = _told(records)
    cancelled = told["cancel", "job"]
    return [
        *(f"job {job}" for job in told["order", "job"] - world.jobs.keys()),
        *(f"batch {batch}" for batch in told["batch", "batch"] - world.batches.keys()),
        *(f"photo {photo}" for photo in told["upload", "photo"] - world.photos.keys()),
        *(f"cancel {j}" for j in cancelled if j in world.jobs and _state(world, j) != "CANCELLED"),
        *(
            f"deletion of photo {photo}"
            for photo in told["delete", "photo"]
            if world.photos.get(photo) != "deleted"
        ),
        *_short_batches(world),
        *moneys.lost_purchases(world.money, told),
    ]


def stuck(world: World) -> list[str]:
    """Jobs, batches and photos that never ended."""
    return [
        *(str(job.id) for job in world.jobs.values() if job.state not in TERMINAL),
        *(
            f"batch {batch.id}"
            for batch in world.batches.values()
            if batch.state == "PENDING_HOLD"
            or (batch.state == "PLACED" and batch.finished_at is None)
        ),
        *(f"photo {photo}" for photo, state in world.photos.items() if state == "accepted"),
    ]


def doubled(world: World, records: Sequence[Record]) -> list[str]:
    """One key that led to two jobs or batches, by what was answered or by what is stored."""
    answered: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.call in KEYED and record.outcome == "ok":
            answered[record.facts["key"]].add(record.facts[KEYED[record.call]])
    stored: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for job in world.jobs.values():
        if getattr(job, "batch_id", None) is None:
            stored["job", str(job.account_id), job.idempotency_key].add(str(job.id))
    for batch in world.batches.values():
        stored["batch", str(batch.account_id), batch.idempotency_key].add(str(batch.id))
    for one in world.money.checkouts.values():
        stored["checkout", str(one.account_id), one.idempotency_key].add(str(one.id))
    return [
        *(f"key {key} was answered with {ids}" for key, ids in answered.items() if len(ids) > 1),
        *(f"key {key} made {ids}" for key, ids in stored.items() if len(ids) > 1),
    ]


def unasked(world: World, records: Sequence[Record]) -> list[str]:
    """Jobs and batches under a key that nobody sent: somebody pays for an order never made."""
    sent = {record.facts["key"] for record in records if record.call in ("order", "batch")}
    orders = [job for job in world.jobs.values() if getattr(job, "batch_id", None) is None]
    return [
        f"nobody ordered {order.id}"
        for order in (*orders, *world.batches.values())
        if order.idempotency_key not in sent
    ]


def run_twice(world: World) -> list[str]:
    """Attempts that RunPod was given more than once, and jobs with two results."""
    finished: dict[str, int] = defaultdict(int)
    for attempt in world.attempts:
        if attempt.state == "FINISHED":
            finished[str(attempt.job_id)] += 1
    completed = {job_id for job_id, job in world.jobs.items() if job.state == "COMPLETED"}
    return [
        *(f"attempt {a} was submitted {r['submits']}x" for a, r in world.runs.items()
          if r["submits"] > 1),
        *(f"job {job} has {n} results" for job, n in finished.items()
          if job in completed and n > 1),
    ]  # fmt: skip


def disagreeing(world: World, records: Sequence[Record]) -> list[str]:
    """Repeated requests that were answered differently."""
    said: dict[str, set[str]] = defaultdict(set)
    refused: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.call not in KEYED:
            continue
        if record.outcome == "ok" and "said" in record.facts:
            said[record.facts["key"]].add(record.facts["said"])
        elif record.outcome == "refused" and record.facts["code"] not in TRANSIENT:
            refused[record.facts["key"]].add(record.facts["code"])
    alive = {
        order.idempotency_key
        for order in (*world.jobs.values(), *world.batches.values())
        if order.state != "REJECTED"
    }
    return [
        *(f"key {key} was told {len(answers)} stories" for key, answers in said.items()
          if len(answers) > 1),
        *(f"key {key} was refused ({codes}) and accepted" for key, codes in refused.items()
          if key in said or key in alive),
    ]  # fmt: skip


def wrongly_charged(world: World, accounts: set[str]) -> list[str]:
    """Accounts that paid anything but the prices of what was delivered to them."""
    delivered: dict[str, int] = defaultdict(int)
    for job in world.jobs.values():
        if job.state == "COMPLETED":
            delivered[str(job.account_id)] += job.price
    return [
        f"{account}: delivered {delivered[account]}, paid {world.captured.get(account, 0)},"
        f" held {world.held.get(account, 0)}"
        for account in accounts
        if delivered[account] != world.captured.get(account, 0) or world.held.get(account, 0)
    ]


def wrongly_granted(world: World, accounts: set[str]) -> list[str]:
    """Accounts that were given anything but the free credits and those of every period paid for."""
    periods = [ON_OFFER[plan].credits_monthly for plan in PLANS]
    wrong = []
    for account in accounts & world.plans.keys():
        changes = world.plans[account]
        due = FREE.credits_monthly
        due += sum(periods[number % len(periods)] for number in range(changes))
        if (granted := world.granted.get(account, 0)) != due:
            wrong.append(f"{account}: {changes} periods are worth {due}, granted {granted}")
    return wrong


def wrong_objects(world: World) -> list[str]:
    """Objects nobody owns, objects that are missing, and uploads in parts that never ended."""
    needed = {key for key, why in world.owners.items() if why == "needed"}
    return [
        *(f"orphan {key}" for key in sorted(set(world.objects) - world.owners.keys())),
        *(f"missing {key}" for key in sorted(needed - set(world.objects))),
        *(f"open upload {key}" for key in world.open_uploads),
    ]


def wrong_feeds(world: World) -> list[str]:
    """Feeds with a gap, without the end of a job, or with an end that came twice."""
    wrong = []
    ends: dict[tuple[str, str], int] = defaultdict(int)
    for account, events in world.feeds.items():
        numbers = [event.seq for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"{account}: {len(numbers)} events, up to {numbers[-1]}")
        for event in events:
            if event.type in ENDINGS.values():
                ends[event.payload["job_id"], event.type] += 1
    if not world.feeds:
        return wrong
    for job_id, job in world.jobs.items():
        told = {kind: ends[job_id, kind] for kind in ENDINGS.values()}
        due = {kind: int(ENDINGS.get(job.state) == kind) for kind in ENDINGS.values()}
        if told != due:
            wrong.append(f"job {job_id} is {job.state}, and its feed says {told}")
    return wrong


def misheard(world: World, heard: Mapping[str, Sequence[Any]]) -> list[str]:
    """Users whose open stream told them anything but their feed."""
    wrong = []
    for account, events in heard.items():
        told = [(event.seq, event.type) for event in events]
        due = [(event.seq, event.type) for event in world.feeds.get(account, ())]
        if told != due:
            missing, extra = len(set(due) - set(told)), len(told) - len(set(told) & set(due))
            wrong.append(f"{account}: {missing} of {len(due)} events missing, {extra} too many")
    return wrong


def bare_errors(errors: Sequence[ServerError], *, quiet_since_s: float) -> list[str]:
    """Server errors that do not say when to try again, when no fault can excuse them."""
    return [
        f"{error.status} for {error.path} at {error.at_s:.1f} s"
        for error in errors
        if not error.says_when and error.at_s > quiet_since_s + EXCUSED_AFTER_FAULT_S
    ]


def wasted_runs(world: World, *, excused: int = 0) -> tuple[int, int]:
    """Runs that completed for nothing, and all that completed; nobody can help the excused."""
    completed = {a: r["ends"].count("COMPLETED") for a, r in world.runs.items()}
    cancelled = {job_id for job_id, job in world.jobs.items() if job.state == "CANCELLED"}
    useful = sum(
        1
        for attempt in world.attempts
        if completed.get(str(attempt.id))
        and (attempt.state == "FINISHED" or str(attempt.job_id) in cancelled)
    )
    total = sum(completed.values())
    return max(0, total - useful - excused), total


def too_much_waste(world: World) -> list[str]:
    """More runs for nothing than two percent."""
    wasted, total = wasted_runs(world)
    if wasted <= max(WASTED_RUNS_IGNORED, WASTE_SHARE_MAX * total):
        return []
    return [f"{wasted} of {total} runs"]


def verdict(found: dict[str, list[str]], facts: dict[str, Any]) -> str:
    """The run as one JSON document."""
    counts = {kind: len(items) for kind, items in found.items()}
    details = {kind: items[:10] for kind, items in found.items() if items}
    document = {**facts, **counts, "anomalies": sum(counts.values()), "details": details}
    return json.dumps(document, indent=2)


def _told(records: Sequence[Record]) -> dict[tuple[str, str], set[str]]:
    """What was acknowledged, by the call and the kind of thing."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        if record.outcome == "ok":
            for name, value in record.facts.items():
                told[record.call, name].add(value)
    return told


def _short_batches(world: World) -> list[str]:
    """Batches that do not have all of their jobs."""
    there: dict[str, int] = defaultdict(int)
    for job in world.jobs.values():
        if batch_id := getattr(job, "batch_id", None):
            there[str(batch_id)] += 1
    return [
        f"batch {batch_id} has {there[batch_id]} of {batch.jobs} jobs"
        for batch_id, batch in world.batches.items()
        if there[batch_id] != batch.jobs
    ]


def _state(world: World, job_id: str) -> str:
    return str(world.jobs[job_id].state)


def _prices(world: World) -> dict[str, int]:
    return {job_id: job.price for job_id, job in world.jobs.items()}
