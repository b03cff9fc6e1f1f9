"""Roles and operator commands of billing: `python -m services.billing --help`."""

import argparse
import asyncio
import sys
from uuid import UUID

import uvloop
from pydantic import SecretStr

from services.billing import consumers, plans, subscriptions
from services.kit import bus, consuming
from services.kit.db import create_engine
from services.kit.settings import ServiceSettings, load
from services.kit.telemetry import configure_logs


class ConsumerSettings(ServiceSettings):
    """What the consumer process reads from its environment."""

    amqp_url: SecretStr


async def consume() -> None:
    """Act on messages until SIGTERM."""
    settings = load(ConsumerSettings)
    configure_logs("billing", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="billing-consumer",
        pool_size=settings.database_pool_size,
    )
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="billing")
    consumers.listen(broker, engine)
    forgetting = asyncio.create_task(consumers.forget_for_ever(engine))
    try:
        await consuming.run(broker)
    finally:
        forgetting.cancel()
        await engine.dispose()


async def subscribe(account_id: UUID, plan: str) -> None:
    """Put an account on a plan without money changing hands."""
    settings = load(ServiceSettings)
    engine = create_engine(
        settings.database_url.get_secret_value(), name="billing-subscribe", pool_size=1
    )
    async with engine.begin() as connection:
        changed = await subscriptions.give(connection, account_id=account_id, plan=plan)
    await engine.dispose()
    sys.stdout.write(f"{account_id} is {'now' if changed else 'already'} on the plan {plan}.\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m services.billing",
        description="Billing: plans, prices, subscriptions.",
        epilog="The HTTP side: uvicorn services.billing.app:create_app --factory",
    )
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    roles.add_parser("consumer", help="act on messages (DATABASE_URL, AMQP_URL)")
    gift = roles.add_parser(
        "subscribe", help="put an account on a plan as a gift, or back on free (DATABASE_URL)"
    )
    gift.add_argument("account_id", type=UUID)
    gift.add_argument("plan", choices=list(plans.PLANS))
    chosen = parser.parse_args()
    if chosen.role == "subscribe":
        uvloop.run(subscribe(chosen.account_id, chosen.plan))
    else:
        uvloop.run(consume())
    return 0


if __name__ == "__main__":
    sys.exit(main())
