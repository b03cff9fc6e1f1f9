"""`rekindle dead`: for operators."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from sdk.rekindle.cli.door import door, json_option, out, plain, show_json, table_of
from sdk.rekindle.places import SERVICES, find_place
from sdk.rekindle.problems import RekindleError

REASON_SHOWN = 60

service_option = click.option("--service", type=click.Choice(SERVICES), help="Of this one only.")


class Unclear(RekindleError):  # noqa: N818  # an outcome
    """The command does not say which messages it means."""

    code = "unclear"


@click.group()
def dead() -> None:
    """Look at messages that services gave up on, and send them again (for operators).

    \b
      rekindle dead list                        what is parked, and why
      rekindle dead show 01a2…                  one of them, whole
      rekindle dead replay 01a2…                again, after the reason is mended
      rekindle dead replay --all --service credits
    RabbitMQ's address is that of the local stack, or AMQP_URL.
    """  # noqa: D301


@dead.command("list")
@service_option
@json_option
@door
async def list_dead(*, service: str | None, as_json: bool) -> None:
    """List what is parked, oldest first."""
    letters = await _letters(service)
    if as_json:
        show_json({"items": [asdict(letter) for letter in letters]})
        return
    table = table_of("id", "service", "type", "parked", "why")
    for letter in letters:
        table.add_row(
            letter.id,
            letter.service,
            letter.type,
            letter.parked_at or "",
            plain(letter.reason[:REASON_SHOWN]),
        )
    out.print(table if letters else "[green]✓[/green] Nothing is parked.")


@dead.command("show")
@click.argument("message_id", metavar="ID")
@json_option
@door
async def show(*, message_id: str, as_json: bool) -> None:
    """Show one message: its reason, and what it says."""
    found = [letter for letter in await _letters(None) if letter.id == message_id]
    if not found:
        raise Unclear(f"No message {message_id} is parked: see `rekindle dead list`.")
    if as_json:
        show_json(asdict(found[0]))
        return
    for name, value in asdict(found[0]).items():
        out.print(f"{name:>10}  {plain(str(value))}", soft_wrap=True, highlight=False)


@dead.command("replay")
@click.argument("message_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
@service_option
@json_option
@door
async def replay(
    *, message_ids: Sequence[str], everything: bool, service: str | None, as_json: bool
) -> None:
    """Send messages back to the queues they came from.

    What was done already is not done twice: the service remembers the ids it acted on.
    """
    from sdk.rekindle import parked  # noqa: PLC0415  # only operators need the broker's client

    if bool(message_ids) == everything:
        raise Unclear("Say which messages: their ids, or --all.")
    sent = await parked.replay(
        _amqp_url(), lambda letter: everything or letter.id in message_ids, service=service
    )
    if as_json:
        show_json({"replayed": [letter.id for letter in sent]})
    else:
        out.print(f"[green]✓[/green] {len(sent)} sent again.")


async def _letters(service: str | None) -> list[Any]:
    from sdk.rekindle import parked  # noqa: PLC0415

    return await parked.dead_letters(_amqp_url(), service=service)


def _amqp_url() -> str:
    url = os.environ.get("AMQP_URL") or find_place().state.get("amqp_url")
    if not url:
        raise Unclear("This Rekindle is not the local stack: set AMQP_URL.")
    return str(url)
