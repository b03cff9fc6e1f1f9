"""Roles and operator commands of credits: `python -m services.credits --help`."""

import argparse
import asyncio
import sys

import uvloop
from pydantic import SecretStr

from services.credits import consumers, desk
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


async def answer(options: argparse.Namespace) -> int:
    """Do what an operator asks; the exit code."""
    text, code = await desk.COMMANDS[options.role](options)
    sys.stdout.write(f"{text}\n")
    return code


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
    desk.add_to(roles)
    chosen = parser.parse_args()
    if chosen.role in desk.COMMANDS:
        return uvloop.run(answer(chosen))
    uvloop.run(consume())
    return 0


if __name__ == "__main__":
    sys.exit(main())
