"""`rekindle audit`: for operators."""

import click

from sdk.rekindle.cli.operators import answer


@click.command()
@click.argument("books", type=click.Choice(["credits"]))
def audit(*, books: str) -> None:
    """Prove the books of a live database; exit code 1 on any drift (for operators).

    \b
      rekindle audit credits                     every balance is the sum of its entries
    The service itself answers, with the local stack's environment or with DATABASE_URL.
    """  # noqa: D301
    answer(books, ["audit"])
