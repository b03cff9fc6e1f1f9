"""An account is erased: its books stay, and nothing can be had of it any more."""

from contracts.gateway.v1 import AccountErased
from services.credits import accounts
from tests.credits.bank import Bank
from tests.credits.test_money import day, hear, purchased, standing


async def test_who_is_erased_while_a_job_runs_loses_the_pool_and_gets_nothing_more(
    bank: Bank,
) -> None:
    """F17: the hold comes back and is lost with the pool; no month adds anything."""
    account_id = await bank.open_account(amount=0)
    await hear(bank, purchased(account_id, 10, on=1))
    job_id = await bank.hold(account_id, amount=4)

    await hear(bank, *[AccountErased(account_id=account_id)] * 2)
    during = await standing(bank, account_id)
    await bank.release(job_id)
    await bank.change_plan(account_id, plan="free", amount=3, version=9)
    await accounts.add_free_credits(bank.engine, batch=10, at=day(400))
    await hear(bank, purchased(account_id, 30, on=2, cause="topup:late"))

    assert during == (0, 4, 0, 0, 6)
    assert (await standing(bank, account_id))[:2] == (0, 0)
    types = [name for name, _ in await bank.said()]
    assert types.count("credits.account.cleared.v1") == 1
