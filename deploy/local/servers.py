"""PostgreSQL, RabbitMQ and S3: our own private ones, or those that the environment names."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy.local import broker, database, environments, postgres, rabbitmq, s3
from deploy.local.environments import Addresses
from deploy.local.home import Home
from deploy.local.process import Preparation, Process
from deploy.local.trouble import StackError

Wants = Callable[[str], bool]


@dataclass(frozen=True)
class Servers:
    processes: list[Process] = field(default_factory=list)
    # For servers that others run: there is no start of ours to wait for.
    preparations: list[Preparation] = field(default_factory=list)

    def add(self, *processes: Process) -> None:
        self.processes.extend(processes)


def addresses(
    home: Home,
    chosen: Mapping[str, int],
    *,
    through: Mapping[str, int] | None = None,
    rabbitmq_nodes: int = 1,
) -> Addresses:
    management = os.environ.get("RABBITMQ_MANAGEMENT_URL", "")
    if "AMQP_URL" in os.environ and not management:
        raise StackError(
            "AMQP_URL is set and RABBITMQ_MANAGEMENT_URL is not: set it too "
            "(http://user:password@host:15672), for the queues are imported through it."
        )
    nodes = rabbitmq.nodes(chosen, rabbitmq_nodes)
    amqp_urls = [rabbitmq.amqp_url(home, node) for node in nodes]
    management_urls = [rabbitmq.management_url(home, node) for node in nodes]
    ours = s3.services_account(home, f"http://127.0.0.1:{chosen['s3']}")
    return Addresses(
        ports=chosen,
        admin_database_url=os.environ.get("DATABASE_URL")
        or postgres.admin_url(home, chosen["postgres"]),
        amqp_urls=[os.environ["AMQP_URL"]] if "AMQP_URL" in os.environ else amqp_urls,
        management_urls=[management] if management else management_urls,
        s3=s3.given_account() or ours,
        through=through or {},
    )


def find(home: Home, addresses: Addresses, *, wants: Wants) -> Servers:
    """Describe each server and how it is prepared once it answers."""
    servers = Servers()
    _database(servers, home, addresses, wants)
    _broker(servers, home, addresses, wants)
    _storage(servers, home, addresses, wants)
    return servers


def _database(servers: Servers, home: Home, addresses: Addresses, wants: Wants) -> None:
    admin_url = addresses.admin_database_url
    passwords = {name: home.secret(f"role_{name}") for name in database.SERVICES}
    urls = {name: environments.role_url(home, admin_url, name) for name in database.SERVICES}

    async def prepare() -> None:
        await database.create_database(admin_url, "rekindle", passwords)
        if any(wants(name) for name in database.SERVICES):
            await database.migrate(admin_url, urls)

    if "DATABASE_URL" in os.environ:
        servers.preparations.append(prepare)
    elif wants("postgres"):
        port = addresses.ports["postgres"]
        servers.add(postgres.process(home, port=port, prepare=prepare))


def _broker(servers: Servers, home: Home, addresses: Addresses, wants: Wants) -> None:
    async def prepare() -> None:
        await broker.import_definitions(addresses.management_url, rabbitmq.VHOST)

    if "AMQP_URL" in os.environ:
        servers.preparations.append(prepare)
    elif wants("rabbitmq"):
        nodes = rabbitmq.nodes(addresses.ports, len(addresses.amqp_urls))
        servers.add(*rabbitmq.processes(home, nodes, prepare=prepare))


def _storage(servers: Servers, home: Home, addresses: Addresses, wants: Wants) -> None:
    chosen = addresses.ports
    origins = [f"http://{host}:{chosen['gateway']}" for host in ("127.0.0.1", "localhost")]

    async def prepare() -> None:
        await asyncio.to_thread(s3.prepare, home, addresses.s3, origins)

    if s3.given_account():
        servers.preparations.append(prepare)
    elif wants("s3"):
        servers.add(s3.process(home, _s3_ports(chosen), origins=origins, prepare=prepare))


def _s3_ports(chosen: Mapping[str, int]) -> s3.Ports:
    return s3.Ports(
        s3=chosen["s3"],
        master=chosen["s3-master"],
        volume=chosen["s3-volume"],
        filer=chosen["s3-filer"],
        admin=chosen["s3-admin"],
    )
