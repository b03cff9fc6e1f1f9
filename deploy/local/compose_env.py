"""Write the secrets of `docker compose up` into `.env`: `make compose-env`.

Standard library only, so that a machine with Docker needs nothing but Python for it. What the
file already says is kept: a new password would lock us out of the data that exists.
"""

import os
import secrets
import sys
from pathlib import Path
from uuid import uuid4

FILE = Path(__file__).resolve().parents[2] / ".env"
SERVICES = ("GATEWAY", "UPLOADS", "CREDITS", "PROCESSING", "BILLING")
SECRETS = (
    "POSTGRES_PASSWORD",
    "RABBITMQ_PASSWORD",
    *(f"{service}_DATABASE_PASSWORD" for service in SERVICES),
    *(f"{service}_SECRET" for service in SERVICES),
    "SESSION_SECRET",
    "WEBHOOK_SECRET",
    "RUNPOD_API_KEY",
    "STRIPE_API_SECRET",
    "STRIPE_WEBHOOK_SECRET",
    "S3_ADMIN_ACCESS_KEY",
    "S3_ADMIN_SECRET_KEY",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "S3_JWT_WRITE",
    "S3_JWT_READ",
    "S3_JWT_FILER_WRITE",
    "S3_JWT_FILER_READ",
    "DEMO_PASSWORD",
)
SECRET_BYTES = 24
HEADER = "# Secrets of this machine's `docker compose up`. Never commit this file.\n"


def main() -> int:
    known = read(FILE)
    values = completed(known)
    if values == known:
        print(f"{FILE} has every secret already.")
        return 0
    write(FILE, values)
    print(f"{FILE} is written; `docker compose up --build` starts everything.")
    print(f"Then log in as demo@rekindle.local with the password {values['DEMO_PASSWORD']}.")
    return 0


def completed(known: dict[str, str]) -> dict[str, str]:
    """Add what is missing, at random."""
    values = {name: secrets.token_hex(SECRET_BYTES) for name in SECRETS}
    return {**values, "DEMO_ACCOUNT_ID": str(uuid4()), **known}


def read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    lines = [line.strip() for line in file.read_text().splitlines()]
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name: value for name, value in pairs if value}


def write(file: Path, values: dict[str, str]) -> None:
    """Replace the file at once, readable by its owner only."""
    new = file.with_name(f".env.{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))
    new.replace(file)


if __name__ == "__main__":
    sys.exit(main())
