"""What credits does when billing says that money came in, went back, or is disputed.

Each piece of news has a cause and counts once. In which order they are heard makes no difference to
what an account has in the end: `pools` sees to that.
"""

from datetime import datetime

from contracts.billing.v1 import (
    CreditsBlocked,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnblocked,
    SubscriptionEnded,
)
from contracts.credits.v1 import AccountCleared
from contracts.gateway.v1 import AccountErased
from services.credits import accounts, pools
from services.credits.models import Movement
from services.kit.db import Connection
from services.kit.outbox import say

ERASED = "erased"
"""What an account lost its pool by, when its owner had everything erased."""

News = CreditsRevoked | CreditsRestored | CreditsBlocked | CreditsUnblocked | SubscriptionEnded


async def purchased(connection: Connection, news: CreditsPurchased) -> None:
    """Grant what was paid for."""
    await accounts.open_account(connection, news.account_id)
    await accounts.grant(
        connection,
        account_id=news.account_id,
        amount=news.amount,
        cause=news.cause,
        reason=news.reason,
        paid_at=news.paid_at,
    )


async def revoked(connection: Connection, news: CreditsRevoked) -> None:
    """Take back what is left of it; what is not is owed."""
    pool = await _heard(
        connection, news, "pool", amount=-news.amount, at=news.paid_at, closes=news.blocked_by
    )
    if not pool:
        return
    if news.blocked_by:
        await pool.dispute(cause=news.cause)
    await pool.take(news.amount, cause=news.cause, reason=news.reason, paid_at=news.paid_at)


async def restored(connection: Connection, news: CreditsRestored) -> None:
    """Give back what was taken; what is owed is repaid first."""
    if pool := await _heard(connection, news, "pool", amount=news.amount, at=news.paid_at):
        await pool.put(
            Movement.RESTORE,
            news.amount,
            cause=news.cause,
            reason=news.reason,
            paid_at=news.paid_at,
        )


async def blocked(connection: Connection, news: CreditsBlocked) -> None:
    """Let what is disputed not be spent."""
    if pool := await _heard(connection, news, "block", amount=news.amount, at=news.paid_at):
        await pool.dispute(cause=news.cause)


async def unblocked(connection: Connection, news: CreditsUnblocked) -> None:
    """Let what was disputed be spent again."""
    if pool := await _heard(connection, news, "close", closes=news.blocked_by):
        await pool.dispute(cause=news.cause)


async def ended(connection: Connection, news: SubscriptionEnded) -> None:
    """Lose the pool, but for what is held and what was paid for later."""
    if pool := await _heard(connection, news, "end", at=news.ended_at):
        await pool.end(news.ended_at, cause=news.cause)


async def erased(connection: Connection, news: AccountErased) -> None:
    """Lose the pool and get nothing any more; what is held is lost as soon as it comes back.

    The books stay: they know an account's id and nobody's name.
    """
    account_id = news.account_id
    await accounts.open_account(connection, account_id)
    pool = await pools.lock(connection, account_id)
    erased_at = await accounts.close(connection, account_id)
    if await pools.note(connection, account_id, ERASED, "end", at=erased_at):
        await pool.end(erased_at, cause=ERASED)
        await say(connection, AccountCleared(account_id=account_id), about=account_id)


async def _heard(
    connection: Connection,
    news: News,
    kind: pools.Kind,
    *,
    amount: int = 0,
    at: datetime | None = None,
    closes: str | None = None,
) -> pools.Pool | None:
    """The account's pool, locked, for news that is noted herewith; None if it was known."""
    await accounts.open_account(connection, news.account_id)
    pool = await pools.lock(connection, news.account_id)
    when = at or pools.NEVER_PAST
    is_new = await pools.note(
        connection, news.account_id, news.cause, kind, amount=amount, at=when, closes=closes
    )
    return pool if is_new else None
