"""`rekindle costs`: for operators."""

import os
import subprocess
import sys
from collections.abc import Sequence

import click

from sdk.rekindle.cli.door import fail
from sdk.rekindle.places import find_place
from sdk.rekindle.problems import RekindleError

TIMEOUT_S = 120


class NotAnOperator(RekindleError):  # noqa: N818  # an outcome
    """Nothing here leads to the books of a Rekindle."""

    code = "not-an-operator"


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
    try:
        environment = _environment()
    except RekindleError as error:
        fail(error, as_json=False)
    # The client knows no service; this one runs beside it, on the operator's machine.
    answered = subprocess.run(  # noqa: S603  # our own module, and words that are no shell's
        [sys.executable, "-m", "services.processing", "costs", *(asked or ["--help"])],
        env=environment,
        check=False,
        timeout=TIMEOUT_S,
    )
    sys.exit(answered.returncode)


def _environment() -> dict[str, str]:
    if "DATABASE_URL" in os.environ:
        return dict(os.environ)
    environments = find_place().state.get("environments")
    if not environments:
        raise NotAnOperator("This Rekindle is not the local stack: set DATABASE_URL.")
    return {**os.environ, **environments["processing"]}
