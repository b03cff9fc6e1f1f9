"""`rekindle restore`: the main job in one command."""

from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sdk.rekindle.cli.door import connected, door, err, json_option, out, plain, show_json
from sdk.rekindle.cli.photos import add_photo
from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import Job, Photo
from sdk.rekindle.problems import RekindleError, RekindleProblem

JOB_FAILED = 422
STAGES = {
    "pending_hold": "asking for credits",
    "queued": "waiting for its turn",
    "running": "being worked on",
    "checking": "being checked",
    "completed": "done",
}


@click.command(short_help="Restore one photo and save the result.")
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    default="restore",
    show_default=True,
    help="restore (2 credits), colourize (3) or restore_colourize (4).",
)
@click.option(
    "--out",
    "target",
    type=click.Path(path_type=Path),
    help="Where the result goes, a .png.  [default: PHOTO's name-KIND.png]",
)
@click.option("--note", help='A hint for the edit, such as "her coat was green".')
@json_option
@door
async def restore(
    *, photo: Path, kind: str, target: Path | None, note: str | None, as_json: bool
) -> None:
    """Restore one photo: upload it, wait, and save the result.

    \b
      rekindle restore old.jpg
      rekindle restore old.heic --kind restore_colourize --out new.png
      rekindle restore old.jpg --kind colourize --note "her coat was green" --json
    """  # noqa: D301
    target = _writable(target or photo.with_name(f"{photo.stem}-{kind}.png"), photo)
    async with connected() as rekindle:
        await _refuse_unknown(rekindle, kind)
        before = await rekindle.credits.balance()
        added = await add_photo(rekindle, photo)
        job = await _work(rekindle, added, kind, note)
        await rekindle.jobs.download(job, target)
        await rekindle.credits.settled(job.id)
        after = await rekindle.credits.balance()
    if as_json:
        moved = {"before": before.available, "after": after.available}
        show_json({"job": job, "photo": added, "out": str(target), "credits": moved})
        return
    out.print(f"[green]✓[/green] {plain(str(target))}", soft_wrap=True)
    out.print(f"  credits: {before.available} → {after.available} ({job.kind} costs {job.price})")


def _writable(target: Path, photo: Path) -> Path:
    """Refuse before a credit is spent what could not be written afterwards."""
    if target.suffix.lower() != ".png":
        raise RekindleError(f"Results are PNG files: name {target.name} with .png at its end.")
    if not target.parent.is_dir():
        raise RekindleError(f"There is no folder {target.parent}: make it first.")
    if target.exists() and photo.exists() and target.samefile(photo):
        raise RekindleError("The result would replace the photo: choose another name for --out.")
    return target


async def _refuse_unknown(rekindle: Rekindle, kind: str) -> None:
    """Refuse before the photo travels what would be refused afterwards."""
    kinds = {one.kind: one for one in await rekindle.kinds()}
    known = [name for name, one in kinds.items() if one.available]
    if kind not in kinds:
        detail = f'There is no edit "{kind}": choose from {", ".join(known)}.'
        raise RekindleProblem(
            status=422, code="unknown-kind", detail=detail, facts={"kinds": known}
        )
    if not kinds[kind].available:
        detail = f'"{kind}" is not available yet: choose from {", ".join(known)}.'
        raise RekindleProblem(
            status=422, code="kind-not-available", detail=detail, facts={"kinds": known}
        )


async def _work(rekindle: Rekindle, photo: Photo, kind: str, note: str | None) -> Job:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(STAGES["pending_hold"], total=None)

        def show(job: Job) -> None:
            progress.update(task, description=STAGES.get(job.state, job.state) + _place(job))

        job = await rekindle.jobs.create(kind, [photo.id], note=note)
        job = await rekindle.jobs.wait(job.id, on_change=show)
    if job.state == "completed":
        return job
    reason = job.problem
    raise RekindleProblem(
        status=JOB_FAILED,
        code=reason.code if reason else f"job-{job.state}",
        detail=reason.detail if reason else f"The job was {job.state}; its credits come back.",
        facts={"job_id": str(job.id)},
    )


def _place(job: Job) -> str:
    """Where a waiting job stands, in words."""
    if job.position is None:
        return ""
    if job.paused_until:
        return f" (number {job.position}; today's budget is used up, goes on after midnight UTC)"
    minutes = round((job.starts_in_s or 0) / 60)
    when = f"about {minutes} min" if minutes else "less than a minute"
    return f" (number {job.position}, starts in {when})"
