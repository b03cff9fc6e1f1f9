"""The other processes of uploads, and its operator's commands: `python -m services.uploads -h`."""

import argparse
import asyncio
import sys

import uvloop

from services.kit import bus, consuming
from services.kit.db import create_engine, opened_engine
from services.kit.settings import load
from services.kit.storage import open_storage
from services.kit.telemetry import configure_logs
from services.uploads import auditing, consumers, removal
from services.uploads.settings import ConsumerSettings, UploadsSettings


async def consume() -> None:
    """Hear how preparations ended, and sweep, until told to stop."""
    settings = load(ConsumerSettings)
    configure_logs("uploads", level=settings.log_level)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="uploads-consumer",
        pool_size=settings.database_pool_size,
    )
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="uploads")
    async with open_storage(settings) as storage:
        consumers.listen(broker, engine, storage)
        sweeping = asyncio.create_task(removal.sweep_for_ever(engine, storage))
        await consuming.run(broker)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
    await engine.dispose()


async def sweep_now() -> None:
    """Sweep once and say how many photos were due."""
    settings = load(UploadsSettings)
    configure_logs("uploads", level=settings.log_level)
    engine = create_engine(settings.database_url.get_secret_value(), name="uploads-sweep")
    async with open_storage(settings) as storage:
        photos = await removal.sweep(engine, storage)
    await engine.dispose()
    sys.stdout.write(f"{photos} photos were due.\n")


async def audit_now() -> None:
    """Print where the bucket and the rows differ; exit code 1 if they do anywhere."""
    settings = load(UploadsSettings)
    configure_logs("uploads", level=settings.log_level)
    url = settings.database_url.get_secret_value()
    async with (
        opened_engine(url, name="uploads-audit", pool_size=1) as engine,
        open_storage(settings) as storage,
    ):
        drift = await auditing.audit(engine, storage)
    sys.stdout.write(f"{drift}\n")
    sys.exit(0 if drift.is_clean else 1)


def main() -> None:
    """Run the role that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m services.uploads",
        description="Photos from announcement to deletion. Settings come from the environment.",
        epilog="The HTTP process: uvicorn services.uploads.app:create_app --factory",
    )
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    roles.add_parser("consumer", help="hear how preparations ended, and sweep; runs until stopped")
    roles.add_parser("sweep", help="remove, now and once, every file that must not stay")
    roles.add_parser("audit", help="compare photos with the bucket; exit code 1 if they differ")
    role = parser.parse_args().role
    uvloop.run({"consumer": consume, "sweep": sweep_now, "audit": audit_now}[role]())


if __name__ == "__main__":
    main()
