"""What may go wrong in a ledger, planted: each bug, and the tests that have to notice."""

from dataclasses import dataclass

from tests.chaos.planting import Edit

CREDITS = "services/credits"
BOOKS = f"{CREDITS}/migrations/0001_ledger.py"
BATCHES = f"{CREDITS}/migrations/0002_batches.py"
MOVE = f"{CREDITS}/migrations/0004_money.py"
MONTHS = f"{CREDITS}/migrations/0005_months.py"
TOGETHER = f"{CREDITS}/migrations/0011_lock_first.py"
ACCOUNTS = f"{CREDITS}/accounts.py"
HOLDS = f"{CREDITS}/holds.py"
POOLS = f"{CREDITS}/pools.py"
REFUNDS = f"{CREDITS}/refunds.py"
SEALS = f"{CREDITS}/seals.py"
ADJUSTMENTS = f"{CREDITS}/adjustments.py"


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug; without edits it is the control, which must not be noticed."""

    name: str
    tests: str
    edits: tuple[Edit, ...] = ()


def bug(name: str, tests: str, file: str, old: str, new: str) -> Bug:
    return Bug(name, tests, (Edit(file, old, new),))


BUGS = (
    Bug(
        "control",
        "test_holds.py test_accounts.py test_money.py test_refunds.py test_placing.py"
        " test_batches.py test_audit.py test_crowds.py",
    ),
    bug(
        "funds-unchecked",
        "test_holds.py",
        MOVE,
        "where id = p_account_id and (p_source <> 'available' or available >= p_amount)",
        "where id = p_account_id",
    ),
    bug(
        "last-credit-kept",
        "test_holds.py",
        MOVE,
        "or available >= p_amount",
        "or available > p_amount",
    ),
    bug(
        "one-sided-move",
        "test_holds.py",
        MOVE,
        "(values (p_source, -p_amount), (p_target, p_amount))",
        "(values (p_source, -p_amount))",
    ),
    bug(
        "debt-with-wrong-sign",
        "test_money.py",
        MOVE,
        "owed = owed\n                    - case",
        "owed = owed\n                    + case",
    ),
    bug(
        "another-amount-is-same",
        "test_holds.py test_api.py",
        BOOKS,
        "when (earlier.account_id, earlier.amount) <> (p_account_id, p_amount) then 'differs'",
        "when false then 'differs'",
    ),
    bug(
        "closed-hold-is-same",
        "test_holds.py test_api.py",
        BOOKS,
        "when earlier.state <> 'held' then 'closed'",
        "when false then 'closed'",
    ),
    bug(
        "captured-in-any-state",
        "test_holds.py test_crowds.py",
        HOLDS,
        "where job_id = any(:job_ids) and state = 'held'",
        "where job_id = any(:job_ids)",
    ),
    bug(
        "released-after-capture",
        "test_holds.py",
        HOLDS,
        "_close(connection, job_id, HoldState.HELD, HoldState.RELEASED)",
        "_close(connection, job_id, HoldState.CAPTURED, HoldState.RELEASED)",
    ),
    bug(
        "expired-too-early",
        "test_holds.py test_crowds.py test_consumers.py",
        HOLDS,
        "expires_at <= coalesce",
        "created_at <= coalesce",
    ),
    bug(
        "late-capture-from-held",
        "test_holds.py",
        HOLDS,
        "_move(connection, Movement.CAPTURE_LATE,",
        "_move(connection, Movement.CAPTURE,",
    ),
    bug(
        "granted-each-time",
        "test_accounts.py test_money.py",
        ACCOUNTS,
        'if not await pools.note(connection, account_id, cause, "pool", amount=amount, at=when):',
        "if not await pools.note(\n"
        '        connection, account_id, f"{cause}{pool.version}", "pool", amount=amount, at=when\n'
        "    ):",
    ),
    bug(
        "free-for-all",
        "test_accounts.py",
        ACCOUNTS,
        "plan = 'free' and erased_at is null and month_added < {_MONTH}",
        "erased_at is null and month_added < {_MONTH}",
    ),
    bug(
        "month-always-due",
        "test_accounts.py",
        ACCOUNTS,
        "plan = 'free' and erased_at is null and month_added < {_MONTH}",
        "plan = 'free' and erased_at is null and month_added <= {_MONTH}",
    ),
    bug(
        "older-plan-wins",
        "test_accounts.py",
        ACCOUNTS,
        "a.plan_version < change.version",
        "a.plan_version < change.version + 100",
    ),
    bug(
        "debt-forgotten",
        "test_money.py",
        POOLS,
        "if amount > drawn:",
        "if amount > drawn > amount:",
    ),
    bug(
        "debt-never-repaid",
        "test_money.py",
        POOLS,
        "if repaid := min(self.available, self.owed):",
        "if repaid := min(self.available, self.owed, 0):",
    ),
    bug(
        "blocked-by-halves",
        "test_money.py",
        POOLS,
        "min(self.disputed, self.available + self.blocked)",
        "min(self.disputed, self.available)",
    ),
    bug(
        "dispute-never-closed",
        "test_money.py",
        POOLS,
        "closing.closes = blocked.cause",
        "closing.closes = closing.cause",
    ),
    bug(
        "later-purchase-lost",
        "test_money.py",
        POOLS,
        "and paid_at is not None and paid_at <= self.ended_at",
        "and paid_at is not None",
    ),
    bug(
        "last-moment-kept",
        "test_money.py",
        POOLS,
        "and paid_at <= self.ended_at",
        "and paid_at < self.ended_at",
    ),
    bug(
        "held-comes-back-to-stay",
        "test_money.py",
        POOLS,
        "return version <= self.ended_version",
        "return version > self.ended_version",
    ),
    bug(
        "lost-pays-for-later",
        "test_money.py",
        POOLS,
        "if self.is_past(paid_at):\n            await self.change_past(-amount",
        "if self.ended_at:\n            await self.change_past(-amount",
    ),
    bug(
        "newest-used-first",
        "test_money.py",
        POOLS,
        "used_of_it = max(0, min(used, until_then))",
        "used_of_it = 0",
    ),
    bug("refunded-after-weeks", "test_refunds.py", REFUNDS, "> WITHIN:", "> 2 * WITHIN:"),
    bug("sixth-refund", "test_refunds.py", REFUNDS, ">= MONTHLY_MAX", "> MONTHLY_MAX"),
    bug(
        "refund-of-anyone",
        "test_refunds.py",
        REFUNDS,
        ".where(h.job_id == job_id, h.account_id == account_id)",
        ".where(h.job_id == job_id)",
    ),
    bug(
        "refund-without-lock",
        "test_refunds.py",
        REFUNDS,
        "m.created_at >= begin",
        "m.created_at >= begin, m.created_at < now",
    ),
    bug(
        "batch-put-nowhere",
        "test_batches.py",
        BATCHES,
        "(values ('available', -p_amount), ('held', p_amount)) side(bucket, amount);",
        "(values ('available', -p_amount)) side(bucket, amount);",
    ),
    bug(
        "together-not-held",
        "test_placing.py",
        TOGETHER,
        "held = a.held + asked.amount",
        "held = a.held",
    ),
    bug(
        "together-one-version",
        "test_placing.py",
        TOGETHER,
        "version = a.version + asked.jobs",
        "version = a.version + 1",
    ),
    bug(
        "together-unpaid-kept",
        "test_placing.py",
        TOGETHER,
        "delete from holds where job_id = any(fresh) and job_id <> all(coalesce(paid, '{}'));",
        "",
    ),
    bug(
        "together-locked-late",
        "test_placing.py",
        TOGETHER,
        "order by id for no key update",
        "order by id",
    ),
    bug(
        "entries-may-be-changed",
        "test_audit.py",
        MONTHS,
        "revoke update, delete, truncate on entries, entries_other from current_user",
        "select 1",
    ),
    bug(
        "sealed-without-entries",
        "test_seals.py",
        SEALS,
        "m.reason, m.created_at, e.sides",
        "m.reason, m.created_at",
    ),
    bug(
        "seals-unchained",
        "test_seals.py",
        SEALS,
        "coalesce(last.digest, '') || string_agg",
        "string_agg",
    ),
    bug(
        "days-unchained",
        "test_seals.py",
        SEALS,
        "coalesce((select head from sealed_days order by day desc limit 1), '')",
        "''::bytea",
    ),
    bug(
        "approved-by-the-asker",
        "test_adjustments.py",
        ADJUSTMENTS,
        "where id = :id and booked_at is null and lower(asked_by) <> lower(:approved_by)",
        "where id = :id and booked_at is null",
    ),
    bug(
        "approved-twice",
        "test_adjustments.py",
        ADJUSTMENTS,
        "where id = :id and booked_at is null and lower",
        "where id = :id and lower",
    ),
    bug(
        "large-by-many-small",
        "test_adjustments.py",
        ADJUSTMENTS,
        "if moved + abs(wanted.amount) > ALONE_MAX:",
        "if abs(wanted.amount) > ALONE_MAX:",
    ),
)
