"""`rekindle costs`: for operators."""

from collections.abc import Sequence

import click

from sdk.rekindle.cli.operators import answer


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("asked", nargs=-1, type=click.UNPROCESSED, metavar="today|month|plot|raise …")
def costs(*, asked: Sequence[str]) -> None:
    """See what GPU time costs, and raise a budget (for operators).

    \b
      rekindle costs today                      budgets: spent, reserved, limit
      rekindle costs month [--json]             every day of this month
      rekindle costs plot --out costs.png       the last days as a picture
      rekindle costs raise tier:standard 20 --by ada --why "a campaign"
    Processing itself answers, with the local stack's environment or with DATABASE_URL.
    """  # noqa: D301
    answer("processing", ["costs", *(asked or ["--help"])])
