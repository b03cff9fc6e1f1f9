"""BENCH row 2, the ledger: a hold with its entries, its idempotency and its outbox row.

`services.credits.placing` does it, as the HTTP side does; the peer is pgbench, which calls the same
database function for one hold at a time, in the same database and in turns. One caller, 32 callers
over a thousand accounts, and 32 callers on one account; then all of it again with a million entries
in the books. The books are proven at the end.
"""

import asyncio
import os
import re
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from bench import cpu, local
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, ratios
from contracts.credits.v1 import HoldPlaced
from deploy.local import postgres
from services.credits.placing import Placer
from services.kit import outbox, telemetry
from services.kit.db import uuid7

ACCOUNTS = 1_000
ENTRIES = 1_000_000
ROUND_S = 3
POOL = 4
CREDITS = 1_000_000_000

ACCOUNT = "('00000000-0000-4000-8000-' || lpad(cast({} as text), 12, '0'))::uuid"
NEW_ID = """(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid"""
CALL = f"""\\set a random(:first, :last)
select is_placed from place_together(array[{NEW_ID}], array[{NEW_ID}],
 array[{ACCOUNT.format(":a")}], array[1], array['restore'], array['Held for “restore”'],
 array[{NEW_ID}], 'rk.events', 'credits.hold.placed.v1', array[cast(:envelope as text)], now(),
 interval '1 day');
"""  # noqa: S608  # names and ids of ours
_OPEN = f"""
    insert into accounts (id, plan, tier, credits_monthly, available, version)
    select {ACCOUNT.format("n")}, 'forever', 'priority', 150, 0, 0 from generate_series(1, $1) n
"""  # noqa: S608
_GIVE = """
    with given as (select id, gen_random_uuid() movement_id from accounts)
    select count(*) from given, lateral move(movement_id, id, 'grant', 'issued', 'available',
        $1, null, 'bench', 'A gift', now())
"""
_NOTE = """
    insert into causes (account_id, cause, kind, amount, at)
    select id, 'bench', 'pool', $1, now() from accounts
"""
# A thousand at a time, each for another account: by the function itself, as holds are placed.
_FILL = f"""
    select count(*) from place_together(
        (select array_agg({NEW_ID}) from generate_series(1, $1)),
        (select array_agg({NEW_ID}) from generate_series(1, $1)),
        (select array_agg({ACCOUNT.format("n")}) from generate_series(1, $1) n),
        array_fill(1, array[$1]), array_fill('restore'::text, array[$1]),
        array_fill('Held'::text, array[$1]),
        (select array_agg({NEW_ID}) from generate_series(1, $1)), 'rk.events', 'x',
        array_fill('{{"data": {{}}}}'::text, array[$1]), now(), interval '1 day') where is_placed
"""  # noqa: S608
_FINISHED = re.compile(r"number of transactions actually processed: (\d+)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_RATE = re.compile(r"tps = ([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Case:
    """How many ask at once, and for whose credits."""

    name: str
    callers: int
    first: int
    last: int
    goal: float


CASES = (
    Case("one caller", 1, 2, ACCOUNTS, 0.8),
    Case("32 callers", 32, 2, ACCOUNTS, 1.25),
    Case("32 callers, one account", 32, 1, 1, 5),
)


@dataclass(frozen=True, slots=True)
class Round:
    """Holds per second, and the CPU of everyone involved for each."""

    per_s: float
    cpu_us: float


async def measure(options: Options) -> Report:
    """In turns, with books that are nearly empty and with a million entries."""
    telemetry.configure_logs("bench", level="warning")
    report = Report("ledger", "2. Ledger: a hold with entries, idempotency and outbox row")
    ours: dict[tuple[Case, str], list[Round]] = {}
    theirs: dict[tuple[Case, str], list[Round]] = {}
    async with local.running(only=(*local.SERVERS, "credits")) as stack:
        url = stack.environment("credits")["DATABASE_URL"]
        plain = await asyncpg.connect(url)
        await plain.execute(_OPEN, ACCOUNTS)
        await plain.execute(_GIVE, CREDITS)
        await plain.execute(_NOTE, CREDITS)
        engine = stack.engine("credits", pool_size=POOL)
        for size in ("", ", 1M entries"):
            if size:
                await _fill(plain)
            for number in range(options.rounds + 1):
                for case in CASES:
                    with closing(Placer(engine)) as placer:
                        mine = await _our_round(stack, placer, case)
                    peer = await _pgbench_round(stack, url, case)
                    if number:  # the first one warms up
                        ours.setdefault((case, size), []).append(mine)
                        theirs.setdefault((case, size), []).append(peer)
                await plain.execute("truncate outbox")
            await plain.execute("vacuum (analyze)")
        entries = await plain.fetchval("select count(*) from entries")
        report.notes.append(f"Entries at the end: {entries:,}.")
        await _prove(plain, report)
        await plain.close()
        await engine.dispose()
    for (case, size), rounds in ours.items():
        name, theirs_too = case.name + size, theirs[case, size]
        our_rates, peers = [r.per_s for r in rounds], [r.per_s for r in theirs_too]
        goal = Goal(at_least=case.goal)
        report.add(f"{name}: ours / pgbench", ratios(our_rates, peers), "x holds/s", goal=goal)
        report.add(f"{name}: ours", our_rates, "holds/s")
        report.add(f"{name}: pgbench", peers, "holds/s")
        report.add(f"{name}: ours", [r.cpu_us for r in rounds], "CPU µs/hold")
        report.add(f"{name}: pgbench", [r.cpu_us for r in theirs_too], "CPU µs/hold")
    report.notes.append("CPU is of PostgreSQL and of whoever calls it: this process, or pgbench.")
    return report


async def _our_round(stack: Running, placer: Placer, case: Case) -> Round:
    programs = {"us": os.getpid(), "postgres": stack.pids["postgres"]}
    deadline = time.perf_counter() + ROUND_S
    accounts = [UUID(f"00000000-0000-4000-8000-{n:012}") for n in range(case.first, case.last + 1)]

    async def call(number: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            account_id = accounts[(number * 31 + done * 7) % len(accounts)]
            answer = await placer.place(
                account_id=account_id, job_id=uuid7(), amount=1, reason="restore"
            )
            assert answer == "placed", answer
            done += 1
        return done

    before, began = cpu.seconds(programs), time.perf_counter()
    done = sum(await asyncio.gather(*(call(number) for number in range(case.callers))))
    wall_s = time.perf_counter() - began
    return Round(done / wall_s, sum(cpu.spent(programs, before).values()) / done * 1e6)


async def _pgbench_round(stack: Running, url: str, case: Case) -> Round:
    programs = {"us": os.getpid(), "postgres": stack.pids["postgres"]}
    event = HoldPlaced(account_id=uuid7(), version=1, amount=1, available=0, job_id=uuid7())
    envelope = outbox.event(event, about=event.account_id).envelope.model_dump_json()
    given = {"first": case.first, "last": case.last, "envelope": envelope}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hold.sql"
        path.write_text(CALL)
        before = cpu.seconds(programs)
        pgbench = postgres.find().folder / "pgbench"
        process = await asyncio.create_subprocess_exec(
            *(str(pgbench), "-n", "-c", str(case.callers), "-j", "2", "-T", str(ROUND_S)),
            *("-M", "prepared", "-f", str(path)),
            *(word for name, value in given.items() for word in ("-D", f"{name}={value}")),
            url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await process.communicate())[0].decode()
    found, rate = _FINISHED.search(told), _RATE.search(told)
    assert process.returncode == 0, told
    assert found, told
    assert rate, told
    failed = _FAILED.search(told)
    assert not failed or failed[1] == "0", told
    done = int(found[1])
    assert done, told
    return Round(float(rate[1]), sum(cpu.spent(programs, before).values()) / done * 1e6)


async def _fill(connection: asyncpg.Connection) -> None:
    there = await connection.fetchval("select count(*) from entries")
    while there < ENTRIES:
        placed = await connection.fetchval(_FILL, ACCOUNTS, timeout=60)
        assert placed == ACCOUNTS, placed
        there += 2 * placed
    await connection.execute("truncate outbox")
    await connection.execute("vacuum (analyze)")


async def _prove(connection: asyncpg.Connection, report: Report) -> None:
    drift = await connection.fetchval(
        """
        select count(*) from accounts a left join (
            select account_id, sum(amount) amount from holds group by account_id
        ) h on h.account_id = a.id left join (
            select account_id, sum(amount) amount from entries where bucket = 'held'
            group by account_id
        ) e on e.account_id = a.id
        where (a.available + a.held, a.held, a.held)
            <> ($1, coalesce(h.amount, 0), coalesce(e.amount, 0))
        """,
        CREDITS,
    )
    if drift:
        report.broken.append(f"{drift} accounts are not what their holds say")
