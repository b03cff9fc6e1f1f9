"""Prepare the servers of `docker compose up`, once: `python -m deploy.local.provision database`.

The same functions prepare those of `make run`; here they take what they need from the environment.
"""

import argparse
import asyncio
import os
import sys

from deploy.local import broker, database, s3
from deploy.local.trouble import StackError

NAME = "rekindle"


async def prepare_database() -> None:
    """Create the database, its roles and schemas, and bring each schema up to date."""
    admin_url = _setting("ADMIN_DATABASE_URL")
    passwords = {name: _setting(f"{name.upper()}_DATABASE_PASSWORD") for name in database.SERVICES}
    await database.create_database(admin_url, NAME, passwords)
    urls = {
        service: database.database_url(admin_url, NAME, role=service, password=password)
        for service, password in passwords.items()
    }
    await database.migrate(admin_url, urls)


async def prepare_broker() -> None:
    """Import exchanges, queues, bindings and policies."""
    await broker.import_definitions(_setting("RABBITMQ_MANAGEMENT_URL"), NAME)


async def prepare_bucket() -> None:
    """Make the bucket: private, encrypted, open to the app's origins only."""
    account = s3.Account(
        _setting("S3_ENDPOINT"), _setting("S3_ADMIN_ACCESS_KEY"), _setting("S3_ADMIN_SECRET_KEY")
    )
    origins = _setting("S3_ORIGINS").split(",")
    await asyncio.to_thread(s3.prepare_bucket, account, _setting("S3_BUCKET"), origins=origins)


PARTS = {"database": prepare_database, "broker": prepare_broker, "bucket": prepare_bucket}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.provision", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    try:
        asyncio.run(PARTS[parser.parse_args().part]())
    except StackError as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise StackError(f"{name} is missing: run `make compose-env`, then start again.")
    return value


if __name__ == "__main__":
    sys.exit(main())
