"""The table of programs that make up Rekindle on one machine, and where each is found.

    layer 2  gateway uploads credits processing billing, their consumers, relay, dispatcher
    layer 1  postgres, rabbitmq, s3, issuer, stripe (emulated), runpod (the emulated GPU service)
             and its worker
    layer 0  epmd

With `copies` every program of layer 2 runs several times: `gateway`, `gateway-2`, `gateway-3`.
With `rabbitmq_nodes` RabbitMQ is a cluster: `rabbitmq`, `rabbitmq-2`, `rabbitmq-3`.
With `clocks` the clock of each nursed program can be set while it runs.
Higher layers are stopped first; who needs whom is in the table itself.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.local import clocks, environments, ports, servers
from deploy.local.database import SERVICES as DOORS
from deploy.local.environments import Addresses
from deploy.local.home import Home, State
from deploy.local.places import WORKER_PYTHON
from deploy.local.process import Preparation, Process, answers_http

DRAIN_S = 5
# A service may write its last words after draining.
STOP_TIMEOUT_S = DRAIN_S + 0.5
GATEWAY_PORT = 8080
NODE = ("amqp", "rabbitmq-management", "rabbitmq-distribution")
"""Where one node of RabbitMQ listens."""

PORTS: Mapping[str, int | None] = dict.fromkeys(
    (
        "gateway", "uploads", "credits", "processing", "billing", "issuer", "runpod", "stripe",
        "postgres", *NODE, "epmd",
        "s3", "s3-master", "s3-volume", "s3-filer", "s3-admin",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    only: tuple[str, ...] = ()
    coverage: bool = False
    gateway_port: int | None = GATEWAY_PORT
    copies: int = 1
    workers: int = 1
    gpu_slots: int = environments.GPU_SLOTS
    rabbitmq_nodes: int = 1
    clocks: bool = False
    through: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the services are told beyond, or instead of, what `environments` says."""
    runpod: str = "deploy.local.runpod.app"
    """The module that plays RunPod."""

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only


ALONE = Options()


@dataclass(frozen=True)
class Stack:
    processes: list[Process]
    # For servers that others run: there is no start of ours to wait for.
    preparations: list[Preparation]
    facts: State
    notes: list[str]
    nursery: Mapping[str, str] = field(default_factory=dict)


def build(home: Home, options: Options) -> Stack:
    """Find every program, choose ports and secrets, and write the servers' configuration."""
    more = {name: None for door in DOORS for name in names(door, options.copies)}
    more |= {name: None for part in NODE for name in names(part, options.rabbitmq_nodes)}
    wishes = {**PORTS, **more, "gateway": options.gateway_port}
    chosen, notes = ports.choose(home.folder / "ports.json", wishes)
    addresses = servers.addresses(
        home, chosen, through=options.through, rabbitmq_nodes=options.rabbitmq_nodes
    )
    services = {
        service: {**environment, **options.settings}
        for service, environment in environments.of_services(
            home, addresses, gpu_slots=options.gpu_slots
        ).items()
    }
    found = servers.find(home, addresses, wants=options.wants)
    programs = python_programs(home, addresses, services, options=options)
    if options.coverage:  # it begins to measure when Python starts, and a fork is past that
        programs = [replace(program, nursed=False) for program in programs]
    if options.clocks:
        programs = [_with_a_clock(home, program) for program in programs]
    return Stack(
        processes=[p for p in (*found.processes, *programs) if options.wants(p.name)],
        preparations=found.preparations,
        facts=_facts(home, addresses, services),
        notes=notes,
        nursery=clocks.of_nursery() if options.clocks else {},
    )


def names(program: str, copies: int) -> list[str]:
    """Name each copy of a program; the first one is called as it is when it is alone."""
    return [program, *(f"{program}-{number}" for number in range(2, copies + 1))]


def python_programs(
    home: Home,
    addresses: Addresses,
    services: Mapping[str, Mapping[str, str]],
    *,
    options: Options = ALONE,
) -> list[Process]:
    issuer = environments.of_issuer(home, addresses)
    emulator = environments.of_emulator(home)
    stripe = environments.of_stripe(home, addresses)
    relay = environments.of_relay(services)
    chosen, copies = addresses.ports, options.copies
    roles = {
        **{
            f"{name}-consumer": ([f"services.{name}", "consumer"], services[name]) for name in DOORS
        },
        "relay": (["services.kit.relay"], relay),
        "dispatcher": (["services.processing", "dispatcher"], services["processing"]),
    }
    return [
        _http("issuer", "deploy.local.issuer.app", issuer, chosen, path="/.well-known/jwks.json"),
        _http("runpod", options.runpod, emulator, chosen, path="/ready"),
        _http("stripe", "deploy.local.stripe.app", stripe, chosen, path="/ready"),
        *(_worker(home, addresses, name=name) for name in names("worker", options.workers)),
        *(
            _http(name, f"services.{door}.app", services[door], chosen)
            for door in DOORS
            for name in names(door, copies)
        ),
        *(
            _role(name, arguments, environment)
            for role, (arguments, environment) in roles.items()
            for name in names(role, copies)
        ),
    ]


def _with_a_clock(home: Home, program: Process) -> Process:
    return replace(
        program, environment={**program.environment, **clocks.of_program(home, program.name)}
    )


def _http(
    name: str,
    module: str,
    environment: Mapping[str, str],
    chosen: Mapping[str, int],
    *,
    path: str = "/readyz",
) -> Process:
    own = module.startswith("services.")
    place = ("--host", "127.0.0.1", "--port", str(chosen[name]), "--no-access-log")
    drain = ("--timeout-graceful-shutdown", str(DRAIN_S))
    # Nothing stands in front: who calls is who connects, whatever X-Forwarded-For says.
    honest = ("--no-proxy-headers", "--no-server-header")
    return Process(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", f"{module}:create_app", "--factory"),
            *place,
            *drain,
            *honest,
        ),
        environment=environment,
        ready=answers_http(chosen[name], path),
        needs=("postgres",) if own else (),
        port=chosen[name],
        layer=2 if own else 1,
        nursed=True,
        stop_timeout_s=STOP_TIMEOUT_S,
    )


def _role(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Process:
    return Process(
        name=name,
        command=(sys.executable, "-m", *arguments),
        environment=environment,
        needs=("postgres",),
        layer=2,
        nursed=True,
        stop_timeout_s=STOP_TIMEOUT_S,
    )


def _worker(home: Home, addresses: Addresses, *, name: str) -> Process:
    return Process(
        name=name,
        command=(str(WORKER_PYTHON), "-m", "worker.handler"),
        environment=environments.of_worker(home, addresses, name=name),
        needs=("runpod",),
        layer=1,
        # The SDK takes its time to hear SIGTERM; a job it loses is taken again.
        stop_timeout_s=DRAIN_S,
    )


def _facts(home: Home, addresses: Addresses, services: Mapping[str, Mapping[str, str]]) -> State:
    return {
        "home": str(home.folder),
        "gateway_url": addresses.url("gateway"),
        "issuer_url": addresses.url("issuer"),
        "runpod_url": addresses.door("runpod"),
        "stripe_url": addresses.door("stripe"),
        "s3_endpoint": addresses.s3.endpoint,
        "admin_database_url": addresses.admin_database_url,
        "amqp_url": addresses.amqp_url,
        "amqp_management_url": addresses.management_url,
        "amqp_urls": list(addresses.amqp_urls),
        "amqp_management_urls": list(addresses.management_urls),
        "demo": {
            "email": environments.DEMO_EMAIL,
            "password": environments.demo_password(home),
        },
        "environments": {name: dict(environment) for name, environment in services.items()},
    }
