"""Receipts as a table for a spreadsheet."""

import csv
from collections.abc import Sequence
from io import StringIO

from services.credits.ledger import Receipt

COLUMNS = ("time", "movement", "credits", "available after", "held after", "what for", "job", "id")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a text that begins with one of these."""


def as_csv(receipts: Sequence[Receipt]) -> str:
    """One line for each receipt, under a line of titles."""
    table = StringIO()
    lines = csv.writer(table)
    lines.writerow(COLUMNS)
    for receipt in receipts:
        lines.writerow(
            (
                f"{receipt.time:%Y-%m-%d %H:%M:%S}Z",
                receipt.movement,
                receipt.amount,
                receipt.available,
                receipt.held,
                _harmless(receipt.text),
                receipt.job_id or "",
                receipt.id,
            )
        )
    return table.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
