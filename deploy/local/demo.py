"""The main job once, as any user would do it: an old photo goes in, a restored one comes out.

Everything goes through the public API. What is printed is what happened, with its time; at the end
the result and the books are compared with what was promised.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from deploy.local import pictures
from sdk.rekindle import FeedEvent, Job, Photo, Rekindle, RekindleError
from sdk.rekindle.login import Issuer, login_with_password
from services.kit.storage import NoSuchObject, StorageSettings, open_storage

ORIGINAL_GONE_TIMEOUT_S, ASK_EVERY_S = 10.0, 0.25
LAST_EVENTS_TIMEOUT_S = 5.0
DIFFERENCE_MIN = 1.5
COLOURFULNESS_MIN = 12.0
SHAPE_APART_MAX = 0.03
SIDE_PIXELS_MIN = 64

KIND_WORDS = {
    "restore": "restored",
    "colourize": "colourized",
    "restore_colourize": "restored and colourized",
}
STAGE_WORDS = {
    "queued": "the job waits for its turn",
    "running": "the job runs on the (emulated) GPU",
    "checking": "the result is being checked",
    "completed": "the result is stored",
    "failed": "the job failed",
    "rejected": "the job was rejected",
    "cancelled": "the job was cancelled",
}
MOVED_WORDS = {
    "credits.hold.placed": "held",
    "credits.hold.captured": "spent",
    "credits.hold.released": "gave back",
    "credits.hold.expired": "gave back",
    "credits.balance.granted": "granted",
}
# How a movement changes what is available: a capture takes from what is held.
SIGNS = {"held": -1, "spent": 0, "gave back": 1, "granted": 1}

State = dict[str, Any]


class NotRestored(Exception):  # noqa: N818  # the outcome
    """What was promised did not happen; the text says which part."""


@dataclass
class Tale:
    """Prints what happens, each line with the seconds since the beginning."""

    began: float

    def tell(self, line: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {line}", flush=True)


def run(state: State, photo: Path | None, kind: str, out: Path) -> bool:
    """Restore one photo on the running stack; true only if it was really restored."""
    tale = Tale(time.monotonic())
    try:
        out.mkdir(parents=True, exist_ok=True)
        path = photo or pictures.old_print(out)
        tale.tell(f"the photo: {path}" + ("" if photo else " (a public-domain portrait, aged)"))
        asyncio.run(_restore(state, path, kind, out, tale))
    except (RekindleError, NotRestored, OSError, ValueError) as error:
        tale.tell(f"✗ {error}")
        return False
    return True


async def _restore(state: State, path: Path, kind: str, out: Path, tale: Tale) -> None:
    issuer = Issuer(state["issuer_url"])
    demo = state["demo"]
    tokens = await login_with_password(issuer, email=demo["email"], password=demo["password"])
    async with Rekindle(state["gateway_url"], tokens.access_token) as rekindle:
        before = await rekindle.credits.balance()
        tale.tell(f"logged in as {demo['email']}: plan {before.plan}, {before.available} credits")
        movements = asyncio.create_task(_tell_movements(rekindle, tale))
        try:
            added = await _add(rekindle, path, tale)
            job = await _work(rekindle, added, kind, tale)
            await rekindle.jobs.download(job, out / "after.png")
            await _check_credits(rekindle, job, before.available, before.held)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(movements), LAST_EVENTS_TIMEOUT_S)
        finally:
            movements.cancel()
            await asyncio.gather(movements, return_exceptions=True)
        await _check_original_is_gone(state, await rekindle.me(), added)
    tale.tell(f"{before.available} → {before.available - job.price} credits, the original is gone")
    await asyncio.to_thread(_check_pictures, path, job, out)
    tale.tell(f"✓ {KIND_WORDS[kind]}: {out / 'side-by-side.png'}")


async def _tell_movements(rekindle: Rekindle, tale: Tale) -> None:
    """Print each movement of credits until the one that closes the job's hold."""
    async for event in rekindle.events():
        if word := MOVED_WORDS.get(event.type):
            tale.tell(_movement(word, event))
        if word in ("spent", "gave back"):
            return


def _movement(word: str, event: FeedEvent) -> str:
    amount, available = event.data["amount"], event.data["available"]
    earlier = available - SIGNS[word] * amount
    change = f"{earlier} → {available}" if SIGNS[word] else f"{available}"
    return f"{word} {amount} credits   {change} available"


async def _add(rekindle: Rekindle, path: Path, tale: Tale) -> Photo:
    begun = await rekindle.photos.begin(path.name, path.stat().st_size)  # noqa: ASYNC240
    await rekindle.photos.upload(begun.upload, path)
    tale.tell(f"uploaded {path.stat().st_size / 1e6:.1f} MB straight to the storage")  # noqa: ASYNC240
    await rekindle.photos.complete(begun.photo.id)
    added = await rekindle.photos.wait_ready(begun.photo.id)
    if added.state != "ready":
        reason = added.problem.detail if added.problem else "no reason given"
        raise NotRestored(f"The photo was refused: {reason}")
    tale.tell(f"prepared: {added.width} x {added.height} pixels")
    return added


async def _work(rekindle: Rekindle, photo: Photo, kind: str, tale: Tale) -> Job:
    told: set[str] = set()

    def show(job: Job) -> None:
        if job.state in STAGE_WORDS and job.state not in told:
            tale.tell(STAGE_WORDS[job.state])
        told.add(job.state)

    job = await rekindle.jobs.create(kind, [photo.id])
    job = await rekindle.jobs.wait(job.id, on_change=show)
    if job.state != "completed":
        reason = job.problem.detail if job.problem else "no reason given"
        raise NotRestored(f"The job was {job.state}: {reason}")
    return job


async def _check_credits(rekindle: Rekindle, job: Job, available: int, held: int) -> None:
    """Compare the balance and the receipts with the price."""
    closing = await rekindle.credits.settled(job.id)
    if closing is None or closing.movement != "capture":
        raise NotRestored("The job's credits were held and never spent.")
    receipts = (await rekindle.credits.receipts()).items
    moved = sorted(
        (receipt.movement, receipt.amount) for receipt in receipts if receipt.job_id == job.id
    )
    if moved != [("capture", job.price), ("hold", job.price)]:
        raise NotRestored(f"The job costs {job.price} credits, and its receipts say {moved}.")
    after = await rekindle.credits.balance()
    if (after.available, after.held) != (available - job.price, held):
        raise NotRestored(
            f"{available} credits less {job.price} are not {after.available} (held: {after.held})."
        )


async def _check_original_is_gone(state: State, account: Any, photo: Photo) -> None:
    """Look into the storage itself: that an upload is deleted is a promise about privacy."""
    environment = state["environments"]["uploads"]
    settings = StorageSettings.model_validate(
        {name.lower(): value for name, value in environment.items() if name.startswith("S3_")}
    )
    async with open_storage(settings) as storage:
        for _ in range(int(ORIGINAL_GONE_TIMEOUT_S / ASK_EVERY_S)):
            try:
                await storage.size(f"originals/{account.account_id}/{photo.id}")
            except NoSuchObject:
                return
            await asyncio.sleep(ASK_EVERY_S)
    raise NotRestored("The original upload is still in the storage.")


def _check_pictures(path: Path, job: Job, out: Path) -> None:
    """Compare the result with the photo, and write what a person wants to look at."""
    before, after = pictures.opened(path), pictures.opened(out / "after.png")
    shown = pictures.for_a_screen(before)
    shown.save(out / "before.png")
    sheet = pictures.side_by_side(shown, pictures.for_a_screen(after), label=KIND_WORDS[job.kind])
    sheet.save(out / "side-by-side.png")
    _check_size(before, after, job)
    if pictures.difference(before, after) < DIFFERENCE_MIN:
        raise NotRestored("The result is the photo itself: nothing was restored.")
    hues = pictures.colourfulness(after)
    if "colourize" in job.kind and hues < COLOURFULNESS_MIN:
        raise NotRestored(f"The result has hardly any colour ({hues:.1f}).")


def _check_size(before: Image.Image, after: Image.Image, job: Job) -> None:
    promised = (job.result.width, job.result.height) if job.result else None
    if after.size != promised or min(after.size) < SIDE_PIXELS_MIN:
        raise NotRestored(f"The result has {after.size} pixels, and {promised} were promised.")
    shapes = before.width / before.height, after.width / after.height
    if abs(shapes[0] / shapes[1] - 1) > SHAPE_APART_MAX:
        raise NotRestored("The result has another shape than the photo.")
