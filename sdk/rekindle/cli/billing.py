"""`rekindle billing`: for operators."""

from collections.abc import Sequence

import click

from sdk.rekindle.cli.operators import answer


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "asked", nargs=-1, type=click.UNPROCESSED, metavar="sync-prices|reconcile|parked|replay …"
)
def billing(*, asked: Sequence[str]) -> None:
    """Keep Stripe and our books in step (for operators).

    \b
      rekindle billing sync-prices [--dry-run]   make Stripe's prices ours
      rekindle billing reconcile [--fix]         four days at Stripe against our books
      rekindle billing parked                    events that wait for somebody to look
      rekindle billing replay evt_1 evt_2        act on events again
    Billing itself answers, with the local stack's environment or with DATABASE_URL and STRIPE_….
    """  # noqa: D301
    answer("billing", asked or ["--help"])
