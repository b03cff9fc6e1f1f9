"""Roles and operator commands of billing: `python -m services.billing --help`."""

import argparse
import asyncio
import sys
from uuid import UUID

import uvloop

from services.billing import consumers, desk, erasing, plans, subscriptions
from services.billing.acting import Actor
from services.billing.reconciling import Reconciler
from services.billing.settings import ConsumerSettings
from services.billing.stripe_client import Stripe
from services.kit import bus, consuming
from services.kit.db import create_engine
from services.kit.settings import ServiceSettings, load
from services.kit.telemetry import configure_logs


async def consume() -> None:
    """Act on messages, on Stripe's events and on what becomes due, until SIGTERM."""
    settings = load(ConsumerSettings)
    configure_logs("billing", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="billing-consumer",
        pool_size=settings.database_pool_size,
    )
    stripe = Stripe(settings.stripe_api_key.get_secret_value(), base_url=settings.stripe_api_url)
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="billing")
    consumers.listen(broker, engine)
    loops = [
        asyncio.create_task(loop)
        for loop in (
            consumers.forget_for_ever(engine),
            Actor(engine, stripe).act_for_ever(),
            Reconciler(engine, stripe).reconcile_for_ever(),
            erasing.erase_for_ever(engine, stripe),
        )
    ]
    try:
        await consuming.run(broker)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await stripe.close()
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


async def answer(options: argparse.Namespace) -> int:
    """Do what an operator asks; the exit code."""
    text, code = await desk.COMMANDS[options.role](options)
    sys.stdout.write(f"{text}\n")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m services.billing",
        description="Billing: plans, prices, subscriptions, payments.",
        epilog="The HTTP side: uvicorn services.billing.app:create_app --factory",
    )
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    roles.add_parser(
        "consumer", help="act on messages and Stripe's events (DATABASE_URL, AMQP_URL, STRIPE_…)"
    )
    gift = roles.add_parser(
        "subscribe", help="put an account on a plan as a gift, or back on free (DATABASE_URL)"
    )
    gift.add_argument("account_id", type=UUID)
    gift.add_argument("plan", choices=list(plans.PLANS))
    desk.add_to(roles)
    chosen = parser.parse_args()
    if chosen.role in desk.COMMANDS:
        return uvloop.run(answer(chosen))
    if chosen.role == "subscribe":
        uvloop.run(subscribe(chosen.account_id, chosen.plan))
    else:
        uvloop.run(consume())
    return 0


if __name__ == "__main__":
    sys.exit(main())
