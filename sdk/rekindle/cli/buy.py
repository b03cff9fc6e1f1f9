"""`rekindle buy`: a page to pay on, and the credits are seen to arrive."""

import click

from sdk.rekindle.cli.door import (
    connected,
    door,
    json_option,
    lead_to,
    out,
    plain,
    show_json,
    table_of,
)
from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import Checkout, Plans
from sdk.rekindle.problems import RekindleError

NOT_PAID = {
    "failed": "The payment failed: nothing was bought.",
    "expired": "The page has expired: nothing was bought.",
}


@click.command(short_help="Buy credits or a plan.")
@click.argument("what", required=False, metavar="[CREDITS|PLAN]")
@click.option("--yearly", is_flag=True, help="A plan for a year: ten months' price.")
@json_option
@door
async def buy(*, what: str | None, yearly: bool, as_json: bool) -> None:
    """Open a page to pay on, and wait for the credits.

    At the local stack no money moves: its page takes test cards, 4242 4242 4242 4242 for one.

    \b
      rekindle buy                      what there is, and what it costs
      rekindle buy 10                   ten credits, once
      rekindle buy remember             a plan, by the month
      rekindle buy cherish --yearly     by the year
    """  # noqa: D301
    async with connected() as rekindle:
        on_sale = await rekindle.plans()
        if what is None:
            show_json(on_sale) if as_json else _show(on_sale)
            return
        before = await rekindle.credits.balance()
        known = {receipt.id for receipt in (await rekindle.credits.receipts()).items}
        checkout = await _begin(rekindle, on_sale, what, yearly=yearly)
        if checkout.url:
            lead_to(checkout.url, words="Pay here")
        ended = await rekindle.purchases.wait(checkout)
        if ended.state != "paid":
            raise RekindleError(NOT_PAID[ended.state])
        granted = await rekindle.credits.granted(beyond=known)
        after = await rekindle.credits.balance()
    if as_json:
        show_json({"checkout": ended, "receipt": granted, "balance": after})
        return
    out.print(
        f"[green]✓[/green] {plain(granted.text)}. {before.available} → {after.available} credits "
        f"(plan {after.plan})",
        soft_wrap=True,
    )


async def _begin(rekindle: Rekindle, on_sale: Plans, what: str, *, yearly: bool) -> Checkout:
    if what in [plan.plan for plan in on_sale.plans if plan.price_monthly_cents]:
        return await rekindle.purchases.plan(what, interval="year" if yearly else "month")
    if what in [str(top_up.credits) for top_up in on_sale.top_ups] and not yearly:
        return await rekindle.purchases.top_up(int(what))
    wish = f"{what} --yearly" if yearly else what
    raise RekindleError(f"“{wish}” is not on sale. See what is: `rekindle buy`.")


def _show(on_sale: Plans) -> None:
    table = table_of("buy", "what it is", "price")
    for top_up in on_sale.top_ups:
        price = _money(top_up.price_cents)
        table.add_row(str(top_up.credits), f"{top_up.credits} credits, once", price)
    for plan in on_sale.plans:
        if plan.price_monthly_cents:
            monthly, yearly = _money(plan.price_monthly_cents), _money(plan.price_annual_cents)
            prices = f"{monthly} a month, {yearly} a year"
            table.add_row(plan.plan, f"{plan.credits_monthly} credits a month", prices)
    out.print(table)


def _money(cents: int) -> str:
    return f"${cents // 100}.{cents % 100:02}"
