"""`rekindle plan`: what you are on, and the page to change it on."""

import click

from sdk.rekindle.cli.door import connected, door, err, json_option, lead_to, out, plain, show_json
from sdk.rekindle.models import Subscription
from sdk.rekindle.purchases import Purpose

PURPOSES: dict[str, Purpose] = {
    "manage": "manage",
    "change": "change_plan",
    "card": "payment_method",
    "cancel": "cancel",
}


@click.command(short_help="See, change or cancel your plan.")
@click.argument("wish", required=False, type=click.Choice(list(PURPOSES)))
@json_option
@door
async def plan(*, wish: str | None, as_json: bool) -> None:
    """Show your plan, or open the payment provider's page for it.

    Nothing changes before you say so on that page.

    \b
      rekindle plan                     what you are on, and until when
      rekindle plan change              another plan, or by the year
      rekindle plan card                another card
      rekindle plan cancel              what would be lost, and the page to cancel on
      rekindle plan manage              all of these, with your invoices; also to resume
    """  # noqa: D301
    async with connected() as rekindle:
        if wish is None:
            seen = await rekindle.purchases.subscription()
            show_json(seen) if as_json else out.print(plain(_said(seen)), soft_wrap=True)
            return
        lost = await rekindle.purchases.cancellation() if wish == "cancel" else None
        address = await rekindle.purchases.portal(PURPOSES[wish])
    if as_json:
        show_json({"url": address, "cancellation": lost})
        return
    if lost:
        err.print(
            f"If you cancel, all credits are lost on {lost.ends_at:%F}: {lost.credits_lost} as of "
            f"now. The plan is {lost.falls_back_to} then.",
            soft_wrap=True,
        )
    lead_to(address, words="This is the page")


def _said(seen: Subscription) -> str:
    rhythm = {"month": ", paid by the month", "year": ", paid by the year", None: ""}
    sentences = [f"You are on the plan {seen.plan}{rhythm[seen.interval]}."]
    if seen.renews_at:
        sentences.append(f"It renews on {seen.renews_at:%F}.")
    if seen.ends_at:
        sentences.append(
            f"It is cancelled and ends on {seen.ends_at:%F}: all credits are lost then. "
            "To keep it: `rekindle plan manage`."
        )
    if seen.payment_due:
        sentences.append(seen.payment_detail or "A payment is due.")
        sentences.append("See to it: `rekindle plan manage`.")
    if seen.source == "free":
        sentences.append("See others: `rekindle buy`.")
    return " ".join(sentences)
