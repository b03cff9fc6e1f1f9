"""What operators see of costs, and the bill that corrects them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncEngine

from services.processing import spending, spending_chart
from services.processing.bills import Bills
from services.processing.spending import Day
from tests.processing.rows import add_job, execute, open_account
from tests.processing.test_costs import fail, running

ENDED = 120

Asked = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def costs(database_url: Callable[[str], str]) -> Asked:
    """The command as an operator runs it."""

    def ask(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "services.processing", "costs", *words],
            env={
                "PATH": os.environ["PATH"],
                "REKINDLE_ENV": "local",
                "DATABASE_URL": database_url("processing"),
            },
            capture_output=True,
            text=True,
            timeout=ENDED,
            check=False,
        )

    return ask


async def test_today_shows_each_budget_and_raising_one_lets_it_go_on(
    engine: AsyncEngine, costs: Asked
) -> None:
    assert costs("today").stdout == "Nothing was spent today.\n"
    await fail(engine, await running(engine), "lost", None)
    await execute(engine, "update budgets set paused_at = now() where scope = 'tier:standard'")

    shown = json.loads(costs("today", "--json").stdout)["items"]
    states = {budget["scope"]: (Decimal(budget["spent"]), budget["state"]) for budget in shown}
    assert states["tier:standard"] == (Decimal("0.72"), "paused")
    assert states["total"] == (Decimal("0.72"), "open")
    assert "tier:standard" in costs("today").stdout

    signed = costs("raise", "tier:standard", "20", "--by", "ada", "--why", "a campaign")
    assert (signed.returncode, signed.stderr) == (0, "")
    shown = json.loads(costs("today", "--json").stdout)["items"]
    assert {b["state"] for b in shown} == {"open"}
    assert "1000020" in {b["limit"] for b in shown}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("raise", "tier:gold", "1", "--by", "ada", "--why", "?"), "Nothing was spent"),
        (("raise", "total", "NaN", "--by", "ada", "--why", "?"), "dollars"),
        (("raise", "total", "-1", "--by", "ada", "--why", "?"), "dollars"),
        (("plot", "--days", "0"), "a number from 1"),
        ((), "today|month|plot|raise"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    costs: Asked, words: tuple[str, ...], said: str
) -> None:
    answer = costs(*words)
    assert answer.returncode != 0
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


async def test_a_month_has_every_day_and_estimates_beside_the_gpu(
    engine: AsyncEngine, costs: Asked
) -> None:
    await fail(engine, await running(engine), "bad-request", 100.0)
    stored = await add_job(engine, await open_account(engine))
    await execute(
        engine,
        "update jobs set state = 'COMPLETED', finished_at = now(),"
        " result_key = 'results/r.png', result = '{\"bytes\": 2000000000}' where id = :id",
        id=stored,
    )

    async with engine.connect() as connection:
        *earlier, today = await spending.days(connection, 7)

    assert [day.total for day in earlier] == [0] * 6
    assert (today.day, today.runs) == (datetime.now(UTC).date(), 1)
    assert (today.free, today.paid) == (Decimal("0.24"), Decimal(0))
    assert today.egress == Decimal("0.18")
    assert today.storage.quantize(Decimal("0.000001")) == Decimal("0.001533")
    shown = costs("month")
    assert len(shown.stdout.splitlines()) == datetime.now(UTC).day + 3
    items = json.loads(costs("month", "--json").stdout)["items"]
    assert Decimal(items[-1]["total"]) == today.total


def test_the_plot_is_a_picture_with_a_bar_for_what_was_spent(tmp_path: Path) -> None:
    start, zero = datetime(2026, 11, 1, tzinfo=UTC).date(), Decimal(0)
    days = [
        Day(start + timedelta(days=n), n, zero, Decimal(n), Decimal(2 * n), zero, zero)
        for n in range(30)
    ]
    spending_chart.draw(days, tmp_path / "costs.png")
    spending_chart.draw([Day(start, 0, zero, zero, zero, zero, zero)], tmp_path / "nothing.png")

    def painted(name: str, part: str) -> int:
        with Image.open(tmp_path / name) as opened:
            picture = opened.convert("RGB")
        colour = tuple(bytes.fromhex(spending_chart.COLOURS[part][1:]))
        return sum(pixel == colour for pixel in picture.get_flattened_data())

    in_legend = painted("nothing.png", "free")
    free, paid = (painted("costs.png", part) - in_legend for part in ("free", "paid"))
    assert 1.9 < paid / free < 2.1


def test_the_plot_is_written_where_it_was_asked_for(costs: Asked, tmp_path: Path) -> None:
    assert costs("plot", "--out", str(tmp_path / "c.png")).returncode == 0
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    "body",
    ['{"records": [{"totalAmount": -1}]}', '{"records": [{"totalAmount": "NaN"}]}', "[]", "{", ""],
)
async def test_a_bill_that_is_none_is_refused(body: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=body))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(ValueError, match="validation error"):
            await Bills(http, "http://bills").of_last_day("restore")
