"""The gateway's other roles and its operator's commands: `python -m services.gateway --help`."""

import argparse
import sys
from pathlib import Path
from uuid import UUID

import uvloop

from services.gateway import accounts, consumers
from services.gateway.settings import ConsumerSettings, OperatorSettings
from services.kit import telemetry
from services.kit.db import create_engine
from services.kit.settings import load

CONTRACT = Path("docs/api/openapi.json")


def main() -> None:
    """Run one role or command."""
    parser = argparse.ArgumentParser(
        prog="python -m services.gateway",
        description=__doc__,
        epilog="The HTTP role: uvicorn services.gateway.app:create_app --factory"
        " --no-proxy-headers --no-server-header --timeout-graceful-shutdown 5",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("consumer", help="write the users' feeds until told to stop")
    opening = commands.add_parser(
        "open-account",
        help="give a person of the issuer an account with a chosen id; again is no error",
    )
    opening.add_argument("subject", help="the issuer's name for the person, `sub` in its tokens")
    opening.add_argument("account_id", type=UUID, help="the id the account gets")
    writing = commands.add_parser("openapi", help="write the public contract (make openapi)")
    writing.add_argument("--out", type=Path, default=CONTRACT, help=f"default: {CONTRACT}")
    arguments = parser.parse_args()
    if arguments.command == "consumer":
        _consume()
    elif arguments.command == "open-account":
        uvloop.run(_open_account(arguments.subject, arguments.account_id))
    else:
        _write_contract(arguments.out)


def _consume() -> None:
    settings = load(ConsumerSettings)
    telemetry.configure_logs("gateway-consumer", level=settings.log_level)
    uvloop.run(consumers.run(settings))


async def _open_account(subject: str, account_id: UUID) -> None:
    settings = load(OperatorSettings)
    engine = create_engine(settings.database_url.get_secret_value(), name="gateway-operator")
    async with engine.begin() as connection:
        found = await accounts.find_or_open(
            connection, issuer=settings.oidc_issuer, subject=subject, account_id=account_id
        )
    await engine.dispose()
    if found != account_id:
        sys.exit(f"{subject} already has the account {found}; nothing was changed.")
    print(found)  # noqa: T201


def _write_contract(path: Path) -> None:
    # Imported when needed: a consumer has no use for a web framework.
    from services.gateway.app import contract  # noqa: PLC0415
    from services.gateway.openapi import written  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(contract()))


if __name__ == "__main__":
    main()
