"""The stack that is measured: one copy of each program, in a home that starts empty."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local import broker, run, stack
from deploy.local.home import Home
from deploy.local.places import PRIVATE
from services.kit.db import create_engine

FOLDER = PRIVATE / "bench"
PEERS_VHOST = "peers"
PLENTY = {
    "RATE_LIMIT_FACTOR": "100000",
    "COST_LIMIT_FREE_USD": "1000000",
    "COST_LIMIT_PAID_USD": "1000000",
    "COST_LIMIT_FREE_ACCOUNT_USD": "1000000",
    "COST_LIMIT_PAID_ACCOUNT_USD": "1000000",
    "LOG_LEVEL": "warning",
}
"""What protects against abuse and bills must not be what is measured."""

EVERYTHING = (
    *("epmd", "rabbitmq", "postgres", "s3", "issuer", "runpod"),
    *("gateway", "uploads", "credits", "processing", "billing"),
    *("gateway-consumer", "uploads-consumer", "credits-consumer"),
    *("processing-consumer", "billing-consumer", "relay", "dispatcher"),
)
"""All but the worker, in whose place the GPU does nothing."""

SERVERS = ("epmd", "rabbitmq", "postgres")


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that runs."""

    facts: dict[str, Any]

    @property
    def pids(self) -> dict[str, int]:
        """Every program, by name."""
        return {name: entry["pid"] for name, entry in self.facts["processes"].items()}

    def environment(self, service: str) -> dict[str, str]:
        """What a service is told."""
        told: dict[str, str] = self.facts["environments"][service]
        return told

    def engine(self, service: str, *, pool_size: int = 2) -> AsyncEngine:
        """A service's own database."""
        url = self.environment(service)["DATABASE_URL"]
        return create_engine(url, name="bench", pool_size=pool_size)

    @property
    def peers_amqp_url(self) -> str:
        """The same node of RabbitMQ, in a vhost where peers declare what they like."""
        ours: str = self.facts["amqp_url"]
        return f"{ours.rpartition('/')[0]}/{PEERS_VHOST}"


@asynccontextmanager
async def running(
    *, only: Sequence[str] = EVERYTHING, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Start a stack with nothing in it, and stop it after the block."""
    home = Home(FOLDER.resolve())
    run.stop(home)
    home.forget()
    options = stack.Options(
        only=tuple(only),
        gateway_port=None,
        settings={**PLENTY, **(settings or {})},
        runpod="bench.gpu",
    )
    async with run.running(home, options) as facts:
        await broker.import_definitions(facts["amqp_management_url"], PEERS_VHOST)
        yield Running(facts)
