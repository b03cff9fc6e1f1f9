"""The command `rekindle`: photos in, restored photos out, from a terminal or a script."""

import click

from sdk.rekindle.cli.access import erase, login, logout
from sdk.rekindle.cli.audit import audit
from sdk.rekindle.cli.batch import batch
from sdk.rekindle.cli.billing import billing
from sdk.rekindle.cli.buy import buy
from sdk.rekindle.cli.costs import costs
from sdk.rekindle.cli.credits import show_credits
from sdk.rekindle.cli.dead import dead
from sdk.rekindle.cli.door import failing_in_sentences
from sdk.rekindle.cli.handoff import handoff
from sdk.rekindle.cli.health import doctor
from sdk.rekindle.cli.jobs import jobs
from sdk.rekindle.cli.photos import photos
from sdk.rekindle.cli.plan import plan
from sdk.rekindle.cli.restore import restore


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Bring old family photos back.

    \b
    Begin with:
      rekindle login --demo                      log in at the local stack (make run)
      rekindle restore old.jpg --kind restore_colourize --out new.png
      rekindle batch album/*.jpg                 many photos, one order
      rekindle handoff                           take the pictures with your phone
      rekindle credits                           what it cost, and what is left
      rekindle buy 10                            more credits; without a number: what is on sale
      rekindle plan                              your plan: see, change or cancel it

    \b
    Which Rekindle: REKINDLE_URL (and REKINDLE_ISSUER to log in there), else the local stack
    that is found by its .rekindle/state.json above the current folder.
    Every command that answers takes --json; problems then have a stable "code".
    """  # noqa: D301


COMMANDS = (
    *(login, logout, restore, batch, photos, handoff, jobs, show_credits, buy, plan),
    *(erase, doctor, dead, costs, billing, audit),
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command; whatever goes wrong is said in a sentence."""
    with failing_in_sentences(as_json=False):
        cli()
