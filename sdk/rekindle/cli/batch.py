"""`rekindle batch`: a whole album in one order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sdk.rekindle.cli.door import connected, door, err, json_option, out, plain, show_json
from sdk.rekindle.cli.photos import add_photo
from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import Batch
from sdk.rekindle.problems import RekindleError, RekindleProblem

TOO_FEW_CREDITS = 402


@click.command(short_help="Restore many photos as one order.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--kind", default="restore", show_default=True, help="As for `rekindle restore`.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("restored"),
    show_default=True,
    help="The folder for the results; it is made if need be.",
)
@click.option("--note", help="A hint for every one of the photos.")
@json_option
@door
async def batch(
    *, photos: tuple[Path, ...], kind: str, folder: Path, note: str | None, as_json: bool
) -> None:
    """Restore many photos: one price, one progress bar, and what fails costs nothing.

    \b
      rekindle batch album/*.jpg
      rekindle batch album/*.jpg --kind colourize --out coloured
    """  # noqa: D301
    _make(folder)
    async with connected() as rekindle:
        await _refuse_too_dear(rekindle, kind, len(photos))
        added = {(await add_photo(rekindle, photo)).id: photo for photo in photos}
        if len(added) < len(photos):
            raise RekindleError("The same photo is among them twice: name each once.")
        order = await rekindle.batches.create(kind, list(added), note=note)
        with _progress(order) as show:
            order = await rekindle.batches.wait(order.id, on_change=show)
        rows = await _download(rekindle, order, added, folder)
    if as_json:
        show_json({"batch": order, "photos": rows})
        return
    for row in rows:
        mark = "[green]✓[/green]" if "out" in row else "[red]✗[/red]"
        out.print(f"{mark} {plain(str(row.get('out') or row['problem']))}", soft_wrap=True)
    out.print(f"  credits: {order.spent} spent, {order.returned} came back")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RekindleError(f"Cannot make the folder {folder}: {error.strerror}.") from None


async def _refuse_too_dear(rekindle: Rekindle, kind: str, photos: int) -> None:
    """Refuse before many photos travel what could not be paid afterwards."""
    quote = await rekindle.batches.quote(kind, photos)
    if quote.missing:
        raise RekindleProblem(
            status=TOO_FEW_CREDITS,
            code="insufficient-credits",
            detail=f"{photos} photos cost {quote.price} credits and you have {quote.available}.",
            facts={"missing": quote.missing},
        )
    err.print(f"{photos} photos cost {quote.price} credits; {quote.available_after} are left.")


async def _download(
    rekindle: Rekindle, order: Batch, added: dict[UUID, Path], folder: Path
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async for job in rekindle.batches.jobs(order.id):
        photo = added[job.photo_ids[0]]
        if job.state == "completed":
            target = folder / f"{photo.stem}-{job.kind}.png"
            await rekindle.jobs.download(job, target)
            rows.append({"photo": photo.name, "out": str(target)})
        else:
            reason = job.problem.detail if job.problem else f"the job was {job.state}"
            rows.append({"photo": photo.name, "problem": f"{photo.name}: {reason}"})
    return sorted(rows, key=lambda row: str(row["photo"]))


@contextmanager
def _progress(order: Batch) -> Iterator[Callable[[Batch], None]]:
    """Show a bar that counts the jobs that have ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task("restoring", total=order.photos)
        yield lambda now: progress.update(task, completed=now.done)
