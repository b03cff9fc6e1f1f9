"""`rekindle audit`: for operators."""

import click

from sdk.rekindle.cli.operators import answer

BOOKS = {"credits": "credits", "photos": "uploads", "results": "processing"}
"""Which service proves what."""


@click.command()
@click.argument("books", type=click.Choice(list(BOOKS)))
def audit(*, books: str) -> None:
    """Prove the books of a live database; exit code 1 on any drift (for operators).

    After a restored backup all three say what it lacks; nothing is mended silently.

    \b
      rekindle audit credits                     every balance is the sum of its entries
      rekindle audit photos                      photos and the bucket agree
      rekindle audit results                     jobs and the bucket agree
    The service itself answers, with the local stack's environment or with DATABASE_URL.
    """  # noqa: D301
    answer(BOOKS[books], ["audit"])
