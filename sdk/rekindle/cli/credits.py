"""`rekindle credits`."""

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


@click.command("credits")
@limit_option
@json_option
@door
async def show_credits(*, limit: int, as_json: bool) -> None:
    """Show what you can spend, and every movement of it."""
    async with connected() as rekindle:
        balance = await rekindle.credits.balance()
        receipts = await rekindle.credits.receipts(limit=limit)
    if as_json:
        show_json({**balance.model_dump(mode="json"), "receipts": receipts.items})
        return
    out.print(
        f"[bold]{balance.available}[/bold] credits to spend, {balance.held} held for running jobs "
        f"(plan {balance.plan}: {balance.credits_monthly} a month)"
    )
    table = table_of("when", "movement", "credits", "available", "held", "what for")
    for receipt in receipts.items:
        table.add_row(
            f"{receipt.time:%F %R}",
            receipt.movement,
            str(receipt.amount),
            str(receipt.available),
            str(receipt.held),
            plain(receipt.text),
        )
    out.print(table)
