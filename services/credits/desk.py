"""What operators ask: `python -m services.credits audit|adjust|approve`."""

import argparse
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.credits import adjustments, seals
from services.credits import audit as auditing
from services.credits.models import AMOUNT_MAX
from services.kit.db import opened_engine, uuid7
from services.kit.problems import Problem
from services.kit.settings import ServiceSettings, load

DONE, WRONG = 0, 1
NAME_LENGTH_MAX = 200


async def audit(options: argparse.Namespace) -> tuple[str, int]:
    """What the audit found; 1 if anything drifted, or if this head is none of the books'."""
    async with _database() as engine:
        findings = await auditing.audit(engine)
        is_known = options.head is None or await seals.knows(engine, options.head)
    text = auditing.table(findings)
    if not is_known:
        text += "\nThese are not the books that were sealed with this head."
    return text, DONE if is_known and not any(f.drift for f in findings) else WRONG


async def adjust(options: argparse.Namespace) -> tuple[str, int]:
    """Give or take credits by hand; more than a few wait for somebody else to approve."""
    wanted = adjustments.Wanted(
        options.id or uuid7(), options.account_id, options.amount, options.reason, options.by
    )
    try:
        async with _database() as engine, engine.begin() as connection:
            is_booked = await adjustments.ask(connection, wanted)
    except Problem as problem:
        return f"Nothing was changed. {problem.detail}", WRONG
    if is_booked:
        return f"{wanted.adjustment_id} is in the books.", DONE
    return f"{wanted.adjustment_id} waits for somebody else: approve {wanted.adjustment_id}", DONE


async def approve(options: argparse.Namespace) -> tuple[str, int]:
    """Book what somebody else asked for."""
    try:
        async with _database() as engine, engine.begin() as connection:
            await adjustments.approve(
                connection, adjustment_id=options.adjustment_id, approved_by=options.by
            )
    except Problem as problem:
        return f"Nothing was changed. {problem.detail}", WRONG
    return f"{options.adjustment_id} is in the books.", DONE


COMMANDS = {"audit": audit, "adjust": adjust, "approve": approve}


def add_to(roles: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands and what they take."""
    proof = roles.add_parser(
        "audit",
        help="prove that every balance is the sum of its entries; 1 on any drift (DATABASE_URL)",
    )
    proof.add_argument("--head", help="and that these are the books of a `books.sealed` in the log")
    change = roles.add_parser(
        "adjust", help=f"give or take credits; more than {adjustments.ALONE_MAX} a day wait"
    )
    change.add_argument("account_id", type=UUID)
    change.add_argument("amount", type=_amount, help="below zero to take")
    change.add_argument("--reason", type=_words, required=True, help="what the customer reads")
    change.add_argument("--by", type=_words, required=True, help="who asks for it")
    change.add_argument("--id", type=UUID, help="of one that was asked for before")
    consent = roles.add_parser("approve", help="book an adjustment that somebody else asked for")
    consent.add_argument("adjustment_id", type=UUID)
    consent.add_argument("--by", type=_words, required=True, help="who approves it")


def _amount(written: str) -> int:
    amount = int(written)
    if not 0 < abs(amount) <= AMOUNT_MAX:
        raise ValueError(written)
    return amount


def _words(written: str) -> str:
    words = written.strip()
    if not 0 < len(words) <= NAME_LENGTH_MAX:
        raise ValueError(written)
    return words


def _database() -> AbstractAsyncContextManager[AsyncEngine]:
    url = load(ServiceSettings).database_url.get_secret_value()
    return opened_engine(url, name="credits-desk", pool_size=1)
