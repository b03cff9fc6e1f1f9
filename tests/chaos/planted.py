"""Bugs that the checker has to find: `make chaos only=planted`, or some of them: `bugs="a b"`.

Each is planted in a copy of the product (`planting.py`) and met by a short run. A defence that
stands behind another shows nothing when it alone is missing, so some rows take both away, and some
make a window wider that random faults would seldom hit. Controls show that what the rows have in
common is no anomaly in itself. Prints a table; exit code 1 when a bug was not found.
"""

import sys

from tests.chaos import planted_money
from tests.chaos.planting import Bug, Edit, look_for

LINE = "{:<26}{:<26}{:>8}{:>7}  {}"
NOTHING = "nothing"

DELIVERED_TWICE = Edit(
    "services/kit/relay.py",
    "            await _publish(broker, row)\n",
    "            await _publish(broker, row)\n            await _publish(broker, row)\n",
)
"""What a crash of the relay does now and then, always. Alone it is harmless."""


def no_inbox(service: str) -> Edit:
    """This service acts on a message as often as it comes."""
    return Edit(
        "services/kit/together.py",
        "            news = [one for claim, one in unique.items() if claim in claimed]\n",
        f'            is_blind = heard[0][1].consumer == "rk.{service}.events"\n'
        "            news = [one for one in heard if is_blind or one[1].claim in claimed]\n",
    )


BUGS = (
    Bug(
        name="control",
        says="No bug, calm weather",
        edits=(),
        bites=(),
    ),
    Bug(
        name="control-twice",
        says="No bug, but every message is delivered twice",
        edits=(DELIVERED_TWICE,),
        bites=(),
    ),
    Bug(
        name="control-faults",
        says="No bug, but the faults of the other rows; patience for what is retried after 30 s",
        edits=(),
        bites=(),
        faults=(
            *("runpod truncate_answer", "runpod lose_webhook", "runpod unknown_state"),
            *("kill consumer@processing-consumer", "kill service@credits", "kill relay"),
            *("close connections", "cut link@amqp", "cut link@gateway", "cut sessions"),
            *("late runs", "stripe lose_webhook", "stripe duplicate_webhook"),
        ),
        patience_s=45.0,
    ),
    Bug(
        name="batch-short",
        says="A batch has one job too few",
        edits=(
            Edit(
                "services/processing/batches.py",
                "                    for photo_id in order.photo_ids\n",
                "                    for photo_id in order.photo_ids[1:]\n",
            ),
        ),
        bites=("lost", "stuck"),
    ),
    Bug(
        name="cancelled-goes-on",
        says="A cancellation is told to everybody and not written down",
        edits=(
            Edit(
                "services/processing/jobs.py",
                '    cancelled = await _end(connection, job_id, to="CANCELLED", among=UNDONE,'
                " code=None, detail=None)\n",
                "    cancelled = job if job.state in UNDONE else None\n",
            ),
        ),
        bites=("lost", "unrefunded", "feeds"),
        faults=("late runs",),
    ),
    Bug(
        name="key-ignored",
        says="The same Idempotency-Key makes another job",
        edits=(
            Edit(
                "services/gateway/once.py",
                "    attempt = Attempt(account_id, route, key)\n",
                "    attempt = Attempt(account_id, route, key + request.scope['trace_id'])\n",
            ),
        ),
        bites=("doubled", "disagreeing"),
    ),
    Bug(
        name="queued-before-held",
        says="A job waits for its turn before its credits are held",
        edits=(
            Edit(
                "services/processing/orders.py",
                "    outcome = await holds.place(\n",
                "    async with engine.begin() as connection:\n"
                "        await jobs.queue(connection, [job])\n"
                "    outcome = await holds.place(\n",
            ),
        ),
        bites=("unrefunded",),
        faults=("kill service@credits",),
    ),
    Bug(
        name="key-not-passed-on",
        says="The gateway gives processing another key, so a lost answer makes another job",
        edits=(
            Edit("services/gateway/once.py", "import re\n", "import re\nimport secrets\n"),
            Edit(
                "services/gateway/once.py",
                '    headers = {"idempotency-key": attempt.key}\n',
                '    headers = {"idempotency-key": secrets.token_hex()}\n',
            ),
        ),
        bites=("doubled",),
    ),
    Bug(
        name="resubmitted",
        says="A submit without an answer is submitted again",
        edits=(
            Edit(
                "services/processing/submitting.py",
                "attempts.poll_at(connection, attempt_id, attempts.UNCLEAR_LOOK_AGAIN)",
                "attempts.not_sent(connection, attempt_id, again_after_s=AGAIN_AFTER_S)",
            ),
        ),
        bites=("doubled",),
        faults=("runpod truncate_answer",),
    ),
    Bug(
        name="never-polled",
        says="A run whose webhook is lost is never looked at",
        edits=(
            Edit(
                "services/processing/attempts.py",
                "FIRST_POLL = timedelta(seconds=1)\n",
                "FIRST_POLL = timedelta(days=1)\n",
            ),
        ),
        bites=("stuck",),
        faults=("runpod lose_webhook",),
    ),
    Bug(
        name="acknowledged-first",
        says="A message is acknowledged before its work is committed",
        edits=(Edit("services/kit/bus.py", "AckPolicy.REJECT_ON_ERROR", "AckPolicy.ACK_FIRST"),),
        bites=("stuck",),
        faults=("kill consumer@processing-consumer",),
    ),
    Bug(
        name="published-before-commit",
        says="A message leaves in a transaction of its own; 50 ms until the state is committed",
        edits=(
            Edit(
                "services/kit/outbox.py",
                "from sqlalchemy import text\n",
                "from sqlalchemy import NullPool, text\n"
                "from sqlalchemy.ext.asyncio import create_async_engine\n",
            ),
            Edit(
                "services/kit/outbox.py",
                "    await connection.execute(_INSERT, rows)\n",
                "    own = await create_async_engine("
                "connection.engine.url, poolclass=NullPool).connect()\n"
                "    await own.execute(_INSERT, rows)\n"
                "    await own.commit()\n    await own.close()\n"
                '    await connection.execute(text("select pg_sleep(0.05)"))\n',
            ),
        ),
        bites=("stuck",),
    ),
    Bug(
        name="deleted-before-confirm",
        says="The relay deletes its rows 100 ms before it sends them",
        edits=(
            Edit(
                "services/kit/relay.py",
                "    results = await asyncio.gather(",
                "    every = [row.id for lane in lanes.values() for row in lane]\n"
                '    await connection.execute(_DONE, {"ids": every})\n'
                "    await asyncio.sleep(0.1)\n"
                "    results = await asyncio.gather(",
            ),
        ),
        bites=("stuck",),
        faults=("kill relay",),
    ),
    Bug(
        name="relay-gives-up",
        says="What the broker did not take is tried again after an hour",
        edits=(
            Edit(
                "services/kit/relay.py",
                "least(power(2, attempts), 30) * interval '1 second'",
                "interval '1 hour'",
            ),
        ),
        bites=("waiting",),
        faults=("close connections", "cut link@amqp"),
    ),
    Bug(
        name="never-retried",
        says="A message is parked at its first failure, whatever it was",
        edits=(
            Edit(
                "services/kit/bus.py",
                "if _is_worth_retrying(error) and attempt < len(RETRY_LEVELS):",
                "if attempt < 0:",
            ),
        ),
        bites=("parked",),
        faults=("cut sessions",),
    ),
    Bug(
        name="no-inbox-in-gateway",
        says="The gateway acts on every delivery, and each message is delivered twice",
        edits=(DELIVERED_TWICE, no_inbox("gateway")),
        bites=("feeds",),
    ),
    Bug(
        name="capture-without-guard",
        says="Credits spends a hold whatever its state, has no inbox and no unique index",
        edits=(
            DELIVERED_TWICE,
            no_inbox("credits"),
            Edit(
                "services/credits/holds.py",
                "where job_id = any(:job_ids) and state = 'held'\n",
                "where job_id = any(:job_ids)\n",
            ),
            Edit(
                "services/credits/migrations/0001_ledger.py",
                "create unique index movements_capture_xor_release",
                "create index movements_capture_xor_release",
            ),
        ),
        bites=("unrefunded", "drift"),
    ),
    Bug(
        name="grant-without-cause",
        says="A period's credits are granted as often as it is told, and there is no inbox",
        edits=(
            DELIVERED_TWICE,
            no_inbox("credits"),
            Edit(
                "services/credits/accounts.py",
                'cause=f"plan:{change.period}",',
                'cause=f"plan:{change.period}:{datetime.now()}",',
            ),
        ),
        bites=("granted",),
    ),
    Bug(
        name="one-sided-entries",
        says="The hold of a batch is taken from one bucket and put into none",
        edits=(
            Edit(
                "services/credits/migrations/0002_batches.py",
                "(values ('available', -p_amount), ('held', p_amount)) side(bucket, amount);",
                "(values ('available', -p_amount)) side(bucket, amount);",
            ),
        ),
        bites=("drift",),
    ),
    Bug(
        name="result-deleted",
        says="A result is deleted once its job is completed",
        edits=(
            Edit(
                "services/processing/results.py",
                "                    jobs_table.c.result_key.is_distinct_from("
                "attempts_table.c.result_key),\n",
                "",
            ),
            Edit(
                "services/processing/results.py",
                "        if is_delivered:\n            return\n",
                "",
            ),
        ),
        bites=("results", "objects"),
    ),
    Bug(
        name="original-kept",
        says="The original stays when the photo is ready",
        edits=(
            Edit(
                "services/uploads/photos.py",
                "            return frozenset({self.original_key} if self.made_keys else ())\n",
                "            return frozenset()\n",
            ),
        ),
        bites=("objects",),
    ),
    Bug(
        name="last-event-ignored",
        says="A stream that is opened again goes on with what happens next",
        edits=(
            Edit(
                "services/gateway/events.py",
                "    seen = after if last_event_id is None else last_event_id\n",
                "    seen = after\n",
            ),
        ),
        bites=("misheard",),
        faults=("cut link@gateway",),
    ),
    Bug(
        name="unknown-state-is-an-end",
        says="A state of RunPod's that we do not know ends the attempt",
        edits=(
            Edit(
                "services/processing/outcomes.py",
                "        case _:\n            return Running()\n",
                '        case "IN_QUEUE" | "IN_PROGRESS":\n            return Running()\n'
                '        case state:\n            return Failed("infra", state, seconds)\n',
            ),
        ),
        bites=("waste",),
        faults=("runpod unknown_state",),
    ),
    Bug(
        name="error-without-a-word",
        says="A batch none of whose jobs was given back yet cannot be shown",
        edits=(
            Edit(
                "services/processing/reading.py",
                'for name in ("failed", "cancelled") if name in counted)',
                'for name in ("failed", "cancelled"))',
            ),
        ),
        bites=("bare_errors",),
    ),
    *planted_money.BUGS,
)


def main() -> None:
    by_name = {bug.name: bug for bug in BUGS}
    if strange := set(sys.argv[1:]) - by_name.keys():
        sys.exit(f"no such bug: {', '.join(strange)}")
    print(LINE.format("bug", "expected", "seconds", "tries", "found"))  # noqa: T201
    wrong = []
    for name in sys.argv[1:] or by_name:
        outcome = look_for(by_name[name])
        expected = ", ".join(outcome.bug.bites) or NOTHING
        found = ", ".join(f"{kind} {count}" for kind, count in outcome.found.items()) or NOTHING
        if not outcome.is_right:
            wrong.append(name)
            found += "  WRONG"
        line = LINE.format(name, expected, round(outcome.seconds), outcome.tries, found)
        print(line, flush=True)  # noqa: T201
    sys.exit(f"not as expected: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
