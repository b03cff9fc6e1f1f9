"""The operator's look at costs: `python -m services.processing costs today|month|plot|raise`."""

import argparse
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from services.kit.db import Connection, create_engine
from services.kit.settings import ServiceSettings, load
from services.processing import budgets, spending, spending_chart
from services.processing.spending import DAYS_MAX, Budget, Day

TIMEOUT_S = 30
RAISED_USD_MAX = 10_000
HELP = """
  today                    budgets of this day: spent, reserved, limit, and who spent most
  month                    every day of this month, with estimates of storage and egress
  plot --out costs.png     the last days as a picture
  raise tier:standard 20 --by ada --why "a campaign"
                           add dollars to a budget of today and go on; it is kept who did and why
Days are UTC. Scopes: total, tier:standard (free), tier:priority (paid), account:<tier>:<id>.
"""


async def main(asked: Sequence[str]) -> None:
    """Answer one question, in print."""
    print(await _answer(_parser().parse_args(asked)))  # noqa: T201  # it is what was asked for


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="costs", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked = parser.add_subparsers(dest="asked", required=True, metavar="today|month|plot|raise")
    for name in ("today", "month"):
        asked.add_parser(name).add_argument("--json", action="store_true", dest="as_json")
    plot = asked.add_parser("plot")
    plot.add_argument("--out", type=Path, default=Path("costs.png"), help="the PNG to write")
    plot.add_argument("--days", type=_days, default=30, help=f"how many, at most {DAYS_MAX}")
    more = asked.add_parser("raise")
    more.add_argument("scope")
    more.add_argument("usd", type=_usd)
    more.add_argument("--by", required=True, help="who signs for it")
    more.add_argument("--why", required=True)
    return parser


async def _answer(options: argparse.Namespace) -> str:
    async with _connection() as connection:
        match options.asked:
            case "today":
                return _today(await spending.today(connection), as_json=options.as_json)
            case "month":
                found = await spending.days(connection, datetime.now(UTC).day)
                return _month(found, as_json=options.as_json)
            case "plot":
                spending_chart.draw(await spending.days(connection, options.days), options.out)
                return f"Wrote {options.out}."
            case _:
                return await _raise(connection, options)


@asynccontextmanager
async def _connection() -> AsyncIterator[Connection]:
    engine = create_engine(
        load(ServiceSettings).database_url.get_secret_value(), name="costs", pool_size=1
    )
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _raise(connection: Connection, options: argparse.Namespace) -> str:
    try:
        await budgets.raise_today(
            connection, options.scope, usd=options.usd, by=options.by, why=options.why
        )
    except budgets.NoSuchBudget:
        raise SystemExit(
            f"Nothing was spent of {options.scope} today: see `costs today` for what there is."
        ) from None
    return f"{options.scope} has ${options.usd} more today; jobs that waited for it go on."


def _today(found: Sequence[Budget], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"items": [asdict(budget) for budget in found]}, default=str)
    if not found:
        return "Nothing was spent today."
    rows = [
        (
            budget.scope,
            *(f"{usd:.4f}" for usd in (budget.spent, budget.reserved, budget.limit)),
            f"{budget.spent / budget.limit:.0%}" if budget.limit else "-",
            budget.state,
        )
        for budget in found
    ]
    return _table(("scope", "spent $", "reserved $", "limit $", "used", "state"), rows)


def _month(found: Sequence[Day], *, as_json: bool) -> str:
    if as_json:
        items = [{**asdict(day), "total": day.total} for day in found]
        return json.dumps({"items": items}, default=str)
    rows = [
        (
            str(day.day),
            str(day.runs),
            f"{day.gpu_hours:.3f}",
            *(f"{u:.4f}" for u in (day.free, day.paid, day.storage, day.egress, day.total)),
        )
        for day in found
    ]
    head = ("day", "runs", "GPU h", "free $", "paid $", "storage $ *", "egress $ *", "total $")
    total = f"{sum(day.total for day in found):.4f}"
    table = _table(head, [*rows, ("sum", *[""] * 6, total)])
    return f"{table}\n* estimates: every result kept, each fetched once"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _usd(word: str) -> Decimal:
    try:
        usd = Decimal(word)
    except InvalidOperation:
        usd = Decimal(0)
    if not (usd.is_finite() and 0 < usd <= RAISED_USD_MAX):
        raise argparse.ArgumentTypeError(f"dollars, more than 0 and at most {RAISED_USD_MAX}")
    return usd


def _days(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= DAYS_MAX):
        raise argparse.ArgumentTypeError(f"a number from 1 to {DAYS_MAX}")
    return int(word)
