"""`rekindle jobs`."""

from uuid import UUID

import click

from sdk.rekindle.cli.door import (
    connected,
    door,
    json_option,
    limit_option,
    out,
    plain,
    show_json,
    table_of,
)


@click.group()
def jobs() -> None:
    """Look at your jobs, or stop one."""


@jobs.command("list")
@limit_option
@json_option
@door
async def list_jobs(*, limit: int, as_json: bool) -> None:
    """List your jobs, newest first."""
    async with connected() as rekindle:
        page = await rekindle.jobs.list(limit=limit)
    if as_json:
        show_json(page)
        return
    table = table_of("id", "kind", "state", "credits", "asked for")
    for job in page.items:
        table.add_row(str(job.id), job.kind, job.state, str(job.price), f"{job.created_at:%F %R}")
    out.print(table)


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=click.UUID)
@json_option
@door
async def show(*, job_id: UUID, as_json: bool) -> None:
    """Show one job, with a short-lived address of its result."""
    async with connected() as rekindle:
        job = await rekindle.jobs.get(job_id)
    if as_json:
        show_json(job)
        return
    for name, value in job.model_dump(mode="json", exclude_none=True).items():
        out.print(f"{name:>14}  {plain(str(value))}", soft_wrap=True, highlight=False)


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", type=click.UUID)
@json_option
@door
async def cancel(*, job_id: UUID, as_json: bool) -> None:
    """Stop one job: a cancelled job costs nothing."""
    async with connected() as rekindle:
        job = await rekindle.jobs.cancel(job_id)
    if as_json:
        show_json(job)
    else:
        out.print(f"[green]✓[/green] {job.id} is {job.state}; its {job.price} credits come back.")
