"""What operators ask: `python -m services.billing sync-prices|reconcile|parked|replay`."""

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import event_log
from services.billing.price_sync import Sync
from services.billing.reconciling import Reconciler, Report
from services.billing.settings import StripeSettings, SyncSettings
from services.billing.stripe_client import Stripe
from services.kit.db import opened_engine
from services.kit.settings import ServiceSettings, load

PARKED_SHOWN_MAX = 200
CLEAN, DIFFERS = 0, 1


async def sync_prices(options: argparse.Namespace) -> tuple[str, int]:
    """Bring Stripe's products, prices and portal in line with what is on offer here."""
    settings = load(SyncSettings)
    async with _database() as engine, _at_stripe(settings) as stripe:
        sync = Sync(stripe, is_dry_run=options.dry_run)
        await sync.run(engine, settings.items, return_url=settings.public_url)
    if not sync.done:
        return "Stripe has what is on offer; nothing to do.", CLEAN
    would = "Would make" if options.dry_run else "Made"
    return "\n".join(f"{would} {what}" for what in sync.done), CLEAN


async def reconcile(options: argparse.Namespace) -> tuple[str, int]:
    """Compare the last four days at Stripe with our books; exit code 1 if they differ."""
    settings = load(StripeSettings)
    async with _database() as engine, _at_stripe(settings) as stripe:
        report = await Reconciler(engine, stripe).reconcile(fix=options.fix)
    text = _as_json(report) if options.as_json else _as_text(report, fixed=options.fix)
    return text, CLEAN if report.is_clean else DIFFERS


async def parked(_: argparse.Namespace) -> tuple[str, int]:
    """Stripe's events that wait for somebody to look at them."""
    async with _database() as engine, engine.begin() as connection:
        found = await event_log.parked(connection, limit=PARKED_SHOWN_MAX)
    if not found:
        return "No event is parked.", CLEAN
    return "\n".join(f"{when:%F %T} {name} {kind}: {note}" for name, kind, when, note in found), 0


async def replay(options: argparse.Namespace) -> tuple[str, int]:
    """Act on events again. What they have done already is not done twice."""
    async with _database() as engine, engine.begin() as connection:
        replayed = await event_log.replay(connection, options.event_ids)
    asked = len(set(options.event_ids))
    return f"{replayed} of {asked} events will be acted on again.", int(replayed != asked)


COMMANDS = {
    "sync-prices": sync_prices,
    "reconcile": reconcile,
    "parked": parked,
    "replay": replay,
}


def add_to(roles: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands and what they take."""
    sync = roles.add_parser("sync-prices", help="make Stripe's prices those of PLAN_PRICES_CENTS …")
    sync.add_argument("--dry-run", action="store_true", help="say what would be done, and do not")
    compare = roles.add_parser("reconcile", help="compare four days at Stripe with our books")
    compare.add_argument("--fix", action="store_true", help="make good what is missing here")
    compare.add_argument("--json", action="store_true", dest="as_json")
    roles.add_parser("parked", help="Stripe's events that could not be acted on")
    again = roles.add_parser("replay", help="act on events of Stripe again")
    again.add_argument("event_ids", nargs="+", metavar="evt_…")


def _database() -> AbstractAsyncContextManager[AsyncEngine]:
    url = load(ServiceSettings).database_url.get_secret_value()
    return opened_engine(url, name="billing-desk", pool_size=2)


@asynccontextmanager
async def _at_stripe(settings: StripeSettings) -> AsyncIterator[Stripe]:
    key = settings.stripe_api_key.get_secret_value()
    stripe = Stripe(key, base_url=settings.stripe_api_url)
    try:
        yield stripe
    finally:
        await stripe.close()


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "events": report.events,
            "subjects": report.subjects,
            "missing_events": report.missing_events,
            "differences": report.differences,
            "problems": report.problems,
        },
        indent=2,
    )


def _as_text(report: Report, *, fixed: bool) -> str:
    lines = [f"{report.events} events at Stripe, about {report.subjects} things."]
    lines += [f"never arrived: {event}" for event in report.missing_events]
    lines += [f"differs: {difference}" for difference in report.differences]
    lines += [f"problem: {problem}" for problem in report.problems]
    if report.is_clean:
        lines.append("Our books say the same.")
    elif not fixed:
        lines.append("Nothing was changed: --fix makes it good.")
    return "\n".join(lines)
