"""`rekindle photos`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from sdk.rekindle.cli.door import (
    connected,
    door,
    err,
    json_option,
    limit_option,
    out,
    plain,
    sentence,
    show_json,
    table_of,
)
from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import Photo
from sdk.rekindle.photos import Corner
from sdk.rekindle.problems import RekindleError, RekindleProblem

PHOTO_REFUSED = 422


class _Corner(click.ParamType[Corner]):
    """A corner as `across,down`, each from 0 to 1."""

    name = "corner"

    def convert(self, value: Any, *_: Any) -> Corner:
        try:
            across, down = map(float, str(value).split(","))
        except ValueError:
            self.fail(f"{value} is not two numbers with a comma between them.")
        return across, down


@click.group()
def photos() -> None:
    """Add photos, look at them, cut them elsewhere, split them, delete them."""


@photos.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@door
async def add(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Add photos and wait until each is ready, or refused (then the exit code is 1).

    \b
      rekindle photos add grandmother.jpg album/*.heic
      rekindle photos add scan.png --json | jq -r .id

    With --json each file is one line: the photo, or its "filename" with the "problem".
    """  # noqa: D301
    refused = 0
    async with connected() as rekindle:
        for file in files:
            try:
                photo = await add_photo(rekindle, file)
            except RekindleError as error:
                refused += 1
                _show_refusal(file, error, as_json=as_json)
                continue
            if as_json:
                show_json(photo)
            else:
                size = f"{photo.width} x {photo.height}"
                out.print(f"[green]✓[/green] {plain(file.name)} is ready: {photo.id}  {size}")
    if refused:
        sys.exit(1)


@photos.command("list")
@click.option("--state", help="Only those in this state: ready, rejected, …")
@limit_option
@json_option
@door
async def list_photos(*, state: str | None, limit: int, as_json: bool) -> None:
    """List your photos, newest first."""
    async with connected() as rekindle:
        page = await rekindle.photos.list(limit=limit, state=state)
    if as_json:
        show_json(page)
        return
    table = table_of("id", "file", "state", "pixels", "added")
    for photo in page.items:
        pixels = f"{photo.width} x {photo.height}" if photo.width else ""
        table.add_row(
            str(photo.id), plain(photo.filename), photo.state, pixels, f"{photo.created_at:%F %R}"
        )
    out.print(table)


@photos.command("show")
@click.argument("photo_id", metavar="ID", type=click.UUID)
@json_option
@door
async def show(*, photo_id: UUID, as_json: bool) -> None:
    """Show one photo, with short-lived addresses of its images."""
    async with connected() as rekindle:
        photo = await rekindle.photos.get(photo_id)
    if as_json:
        show_json(photo)
        return
    for name, value in photo.model_dump(mode="json", exclude_none=True).items():
        out.print(f"{name:>14}  {plain(str(value))}", soft_wrap=True, highlight=False)


@photos.command("delete")
@click.argument("photo_id", metavar="ID", type=click.UUID)
@json_option
@door
async def delete(*, photo_id: UUID, as_json: bool) -> None:
    """Delete one photo: nothing of it stays."""
    async with connected() as rekindle:
        await rekindle.photos.delete(photo_id)
    if as_json:
        show_json({"id": photo_id, "state": "deleted"})
    else:
        out.print(f"[green]✓[/green] {photo_id} is deleted.")


@photos.command("outline")
@click.argument("photo_id", metavar="ID", type=click.UUID)
@json_option
@door
async def outline(*, photo_id: UUID, as_json: bool) -> None:
    """Show where Rekindle would cut a photo, and every print that it finds in it."""
    async with connected() as rekindle:
        found = await rekindle.photos.outline(photo_id)
    if as_json:
        show_json(found)
        return
    table = table_of("print", "corners", "sure")
    for number, one in enumerate(found.prints or [found], 1):
        corners = " ".join(f"{across:.3f},{down:.3f}" for across, down in one.quad)
        table.add_row(str(number), corners, f"{one.confidence:.0%}")
    out.print(table)


@photos.command("cut")
@click.argument("photo_id", metavar="ID", type=click.UUID)
@click.argument("corners", nargs=4, required=False, metavar="[X,Y X,Y X,Y X,Y]", type=_Corner())
@json_option
@door
async def cut(*, photo_id: UUID, corners: tuple[Corner, ...] | None, as_json: bool) -> None:
    """Cut a photo along other corners, or not at all, and wait until it is ready again.

    \b
      rekindle photos cut ID 0.1,0.1 0.9,0.12 0.88,0.9 0.11,0.88
      rekindle photos cut ID        (the whole picture again)

    Corners are parts of width and height, clockwise from the upper left.
    """  # noqa: D301
    async with connected() as rekindle:
        await rekindle.photos.set_quad(photo_id, corners or None)
        photo = await rekindle.photos.wait_ready(photo_id)
    if photo.state != "ready" or photo.problem:
        raise _refused(photo)
    if as_json:
        show_json(photo)
    else:
        out.print(f"[green]✓[/green] {photo_id} is ready: {photo.width} x {photo.height}")


@photos.command("split")
@click.argument("photo_id", metavar="ID", type=click.UUID)
@json_option
@door
async def split(*, photo_id: UUID, as_json: bool) -> None:
    """Make a photo of each print that Rekindle finds in one picture; the picture stays.

    With --json each new photo is one line.
    """
    async with connected() as rekindle:
        parts = await rekindle.photos.split(photo_id)
        for part in parts:
            photo = await rekindle.photos.wait_ready(part.id)
            if as_json:
                show_json(photo)
            else:
                size = f"{photo.width} x {photo.height}"
                name = plain(photo.filename)
                out.print(f"[green]✓[/green] {name} is {photo.state}: {photo.id}  {size}")


async def add_photo(rekindle: Rekindle, file: Path) -> Photo:
    """Add one photo while a bar shows how far it is; a refusal is raised."""
    with bar(file.name) as step:
        photo = await rekindle.photos.add(file, on_progress=step)
    if photo.state == "ready":
        return photo
    raise _refused(photo)


def _refused(photo: Photo) -> RekindleProblem:
    reason = photo.problem
    return RekindleProblem(
        status=PHOTO_REFUSED,
        code=reason.code if reason else f"photo-{photo.state}",
        detail=reason.detail if reason else f"The photo is {photo.state}.",
        facts={"photo_id": str(photo.id)},
    )


@contextmanager
def bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; it is gone when the work is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task(f"sending {plain(name)}", total=1)

        def step(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if done >= total:
                progress.update(task, description=f"preparing {plain(name)}")

        yield step


def _show_refusal(file: Path, error: RekindleError, *, as_json: bool) -> None:
    if as_json:
        show_json({"filename": file.name, "problem": error.document()})
    else:
        what = f"{file.name}: {sentence(error)}"
        err.print(f"[red]✗[/red] {plain(what)}", soft_wrap=True)
