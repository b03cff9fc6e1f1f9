"""Roles and operator commands of credits: `python -m services.credits --help`."""

import argparse
import asyncio
import sys

import uvloop
from pydantic import SecretStr

from services.credits import audit, consumers, seals
from services.kit import bus, consuming
from services.kit.db import create_engine
from services.kit.settings import ServiceSettings, load
from services.kit.telemetry import configure_logs


class ConsumerSettings(ServiceSettings):
    """What the consumer process reads from its environment."""

    amqp_url: SecretStr


async def consume() -> None:
    """Act on messages and sweep, until SIGTERM."""
    settings = load(ConsumerSettings)
    configure_logs("credits", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="credits-consumer",
        pool_size=settings.database_pool_size,
    )
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="credits")
    consumers.listen(broker, engine)
    sweeping = asyncio.create_task(consumers.sweep_for_ever(engine))
    await consuming.run(broker)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    await engine.dispose()


async def prove_the_books(head: str | None) -> int:
    """Print what the audit found; 1 if anything drifted, or if this head is none of the books'."""
    settings = load(ServiceSettings)
    engine = create_engine(
        settings.database_url.get_secret_value(), name="credits-audit", pool_size=1
    )
    findings = await audit.audit(engine)
    is_known = head is None or await seals.knows(engine, head)
    await engine.dispose()
    sys.stdout.write(audit.table(findings) + "\n")
    if not is_known:
        sys.stdout.write("These are not the books that were sealed with this head.\n")
    return int(not is_known or any(finding.drift for finding in findings))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m services.credits",
        description="Credits: balances, holds, receipts.",
        epilog="The HTTP side: uvicorn services.credits.app:create_app --factory",
    )
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    roles.add_parser(
        "consumer",
        help="act on messages, expire old holds, add monthly credits (DATABASE_URL, AMQP_URL)",
    )
    proof = roles.add_parser(
        "audit",
        help="prove that every balance is the sum of its entries; 1 on any drift (DATABASE_URL)",
    )
    proof.add_argument("--head", help="and that these are the books of a `books.sealed` in the log")
    options = parser.parse_args()
    if options.role == "audit":
        return uvloop.run(prove_the_books(options.head))
    uvloop.run(consume())
    return 0


if __name__ == "__main__":
    sys.exit(main())
