"""`rekindle handoff`: a phone takes the pictures, this terminal sees them arrive."""

import asyncio
import sys
from collections.abc import Callable
from uuid import UUID

import click
import segno

from sdk.rekindle.cli.door import connected, door, json_option, out, plain, show_json
from sdk.rekindle.models import BegunHandoff, Handoff

QR_CORRECTION = "m"
ARRIVED = {
    "begun": "… {id} is on its way",
    "accepted": "… {id} arrived and is being prepared",
    "ready": "[green]✓[/green] {id} is ready",
    "rejected": "[red]✗[/red] {id} cannot be used; `rekindle photos show {id}` says why",
    "deleted": "  {id} is deleted",
}
ENDED = {
    "full": "It has all its photos.",
    "expired": "Its time is over.",
    "revoked": "It was revoked.",
}


@click.command(short_help="Take the pictures with a phone.")
@json_option
@door
async def handoff(*, as_json: bool) -> None:
    """Show a QR code: the phone that opens it may add photos here, for 15 minutes.

    It can see nothing else of your account. Each photo is listed as it arrives. Ctrl-C stops the
    phone at once; what arrived stays.

    \b
      rekindle handoff
      rekindle handoff --json | jq -r 'select(.state == "ready").id'
    """  # noqa: D301
    async with connected() as rekindle:
        begun = await rekindle.handoffs.begin()
        (show_json if as_json else _show_code)(begun)
        try:
            ended = await rekindle.handoffs.wait(begun.handoff, on_change=_teller(as_json=as_json))
        except asyncio.CancelledError:
            await rekindle.handoffs.revoke(begun.handoff.id)
            raise
    if not as_json:
        out.print(ENDED[ended.state])


def _show_code(begun: BegunHandoff) -> None:
    code = segno.make(begun.address, error=QR_CORRECTION, micro=False)
    code.terminal(sys.stdout, compact=True)
    out.print(plain(begun.address), soft_wrap=True, highlight=False)
    handoff = begun.handoff
    until = f"{handoff.expires_at.astimezone():%R}"
    out.print(f"  Open it with your phone: {handoff.photos_max} photos, until {until}.")


def _teller(*, as_json: bool) -> Callable[[Handoff], None]:
    """Say what is new since the last time."""
    known: dict[UUID, str] = {}
    is_there = False

    def tell(handoff: Handoff) -> None:
        nonlocal is_there
        if handoff.opened_at and not (is_there or as_json):
            is_there = True
            out.print("  The phone is there.")
        for photo in handoff.photos:
            if known.get(photo.id) == photo.state:
                continue
            known[photo.id] = photo.state
            if as_json:
                show_json(photo)
            else:
                out.print(ARRIVED[photo.state].format(id=photo.id), highlight=False)

    return tell
