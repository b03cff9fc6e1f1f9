"""What each program is told by its environment: one place that knows who may speak to whom."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from deploy.local import database, s3
from deploy.local.home import Home
from deploy.local.places import WEB_EXPORT
from deploy.local.runpod.worker_environment import worker_environment

AUDIENCE = "https://api.rekindle.local/"
WEB_CLIENT = "rekindle-web"
CLI_CLIENT = "rekindle-cli"
DEMO_EMAIL = "demo@rekindle.local"
DEMO_SUBJECT = "auth0|demo"
RUNPOD_ENDPOINT = "rekindle-local"
GPU_SLOTS = 1
# What programs may know of the machine: its proxies and credentials are not among it.
INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Addresses:
    """Where everything answers."""

    ports: Mapping[str, int]
    admin_database_url: str
    amqp_urls: Sequence[str]
    management_urls: Sequence[str]
    """Of every node of RabbitMQ, in the same order."""

    s3: s3.Account
    through: Mapping[str, int] = field(default_factory=dict)
    """Ports of proxies, by the name of what they stand before: who calls it is sent there."""

    @property
    def amqp_url(self) -> str:
        """Of the first node: the client library knows one address only.

        A proxy named `amqp` leads to whichever node accepts.
        """
        return self.amqp_urls[0]

    @property
    def management_url(self) -> str:
        return self.management_urls[0]

    def url(self, name: str) -> str:
        """Where its callers find a program."""
        return f"http://127.0.0.1:{self.through.get(name, self.ports[name])}"

    def door(self, name: str) -> str:
        """Where a program itself listens."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def via(self, name: str, url: str) -> str:
        """Lead the address of a server through the proxy before it, if there is one."""
        if name not in self.through:
            return url
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.through[name]}"))


def base() -> dict[str, str]:
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    measured = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
    return {
        **inherited,
        **measured,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # Many small programs on few cores: arenas and thread pools cost memory and win nothing.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "REKINDLE_ENV": "local",
    }


def of_services(
    home: Home, addresses: Addresses, *, gpu_slots: int = GPU_SLOTS
) -> dict[str, dict[str, str]]:
    """Return the environment of each of the five services."""
    database_url = addresses.via("postgres", addresses.admin_database_url)
    return {
        service: {
            **base(),
            "DATABASE_URL": role_url(home, database_url, service),
            "AMQP_URL": addresses.via("amqp", addresses.amqp_url),
            "INTERNAL_SECRETS": home.secret(f"internal_{service}"),
            **_own(service, home, addresses, gpu_slots=gpu_slots),
        }
        for service in database.SERVICES
    }


def demo_password(home: Home) -> str:
    """Return one that a person can type."""
    return home.secret("demo_password")[:12]


def role_url(home: Home, admin_url: str, service: str) -> str:
    password = home.secret(f"role_{service}")
    return database.database_url(admin_url, "rekindle", role=service, password=password)


def of_relay(services: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    urls = {service: environment["DATABASE_URL"] for service, environment in services.items()}
    any_service = services["gateway"]
    return {**base(), "RELAY_DATABASES": json.dumps(urls), "AMQP_URL": any_service["AMQP_URL"]}


def of_issuer(home: Home, addresses: Addresses) -> dict[str, str]:
    gateway = addresses.url("gateway")
    clients = {
        WEB_CLIENT: {
            "callbacks": [f"{gateway}/callback"],
            "logout": [f"{gateway}/"],
            "origins": [gateway],
        },
        # A program listens at whatever port is free, as RFC 8252 has it.
        CLI_CLIENT: {"callbacks": ["http://127.0.0.1/callback"], "logout": [], "origins": []},
    }
    return {
        **base(),
        "ISSUER_URL": f"{addresses.url('issuer')}/",
        "ISSUER_HOME": str(home.data / "issuer"),
        "ISSUER_AUDIENCE": AUDIENCE,
        "ISSUER_CLIENTS": json.dumps(clients),
        "ISSUER_DEMO_EMAIL": DEMO_EMAIL,
        "ISSUER_DEMO_PASSWORD": demo_password(home),
    }


def of_emulator(home: Home) -> dict[str, str]:
    return {
        **base(),
        "RUNPOD_EMULATOR_API_KEY": home.secret("runpod_api_key"),
        "RUNPOD_EMULATOR_ENDPOINT_ID": RUNPOD_ENDPOINT,
    }


def of_stripe(home: Home, addresses: Addresses) -> dict[str, str]:
    """The emulator of Stripe; its webhooks take the way from outside, by the gateway."""
    return {
        **base(),
        "STRIPE_EMULATOR_URL": addresses.url("stripe"),
        "STRIPE_EMULATOR_API_KEY": _stripe_key(home),
        "STRIPE_EMULATOR_HOME": str(home.data / "stripe"),
        "STRIPE_EMULATOR_WEBHOOK_URL": f"{addresses.url('gateway')}/hooks/stripe",
        "STRIPE_EMULATOR_WEBHOOK_SECRETS": _stripe_webhook_secret(home),
    }


def of_worker(home: Home, addresses: Addresses, *, name: str = "worker") -> dict[str, str]:
    emulated = worker_environment(
        base_url=f"{addresses.door('runpod')}/v2",
        endpoint_id=RUNPOD_ENDPOINT,
        api_key=home.secret("runpod_api_key"),
        worker_id=f"local-{name}",
    )
    return {**base(), **emulated, "ENGINE": "cpu", "RUNPOD_DEBUG_LEVEL": "INFO"}


def _own(service: str, home: Home, addresses: Addresses, *, gpu_slots: int) -> dict[str, str]:
    storage = {
        "S3_ENDPOINT": addresses.via("s3", addresses.s3.endpoint),
        "S3_PUBLIC_ENDPOINT": addresses.via("s3", addresses.s3.endpoint),
        "S3_REGION": s3.REGION,
        "S3_BUCKET": s3.bucket(),
        "S3_ACCESS_KEY": addresses.s3.access_key,
        "S3_SECRET_KEY": addresses.s3.secret_key,
    }
    if service == "uploads":
        return storage
    if service == "processing":
        gpu = _gpu(home, addresses, slots=gpu_slots)
        return {**storage, **_callee("credits", home, addresses), **gpu}
    if service == "gateway":
        return _gateway(home, addresses)
    if service == "billing":
        return {**_callee("credits", home, addresses), **_stripe(home, addresses)}
    return {}


def _stripe(home: Home, addresses: Addresses) -> dict[str, str]:
    return {
        "STRIPE_API_URL": addresses.url("stripe"),
        "STRIPE_API_KEY": _stripe_key(home),
        "STRIPE_WEBHOOK_SECRETS": _stripe_webhook_secret(home),
        "PUBLIC_URL": addresses.url("gateway"),
    }


def _stripe_key(home: Home) -> str:
    return f"sk_test_{home.secret('stripe_api_key')}"


def _stripe_webhook_secret(home: Home) -> str:
    return f"whsec_{home.secret('stripe_webhook')}"


def _gpu(home: Home, addresses: Addresses, *, slots: int) -> dict[str, str]:
    return {
        "RUNPOD_API_URL": f"{addresses.url('runpod')}/v2",
        "RUNPOD_ENDPOINTS": json.dumps([{"id": RUNPOD_ENDPOINT, "slots": slots}]),
        "RUNPOD_BILLING_URL": f"{addresses.url('runpod')}/v2/billing/serverless",
        "RUNPOD_API_KEY": home.secret("runpod_api_key"),
        "RUNPOD_WEBHOOK_BASE": addresses.url("gateway"),
        "WEBHOOK_SECRET": home.secret("webhook"),
    }


def _gateway(home: Home, addresses: Addresses) -> dict[str, str]:
    callees: dict[str, str] = {}
    for service in ("uploads", "credits", "processing", "billing"):
        callees |= _callee(service, home, addresses)
    return {
        **callees,
        "OIDC_ISSUER": f"{addresses.url('issuer')}/",
        "OIDC_AUDIENCE": AUDIENCE,
        "OIDC_CLIENT_ID": WEB_CLIENT,
        "OIDC_ALLOWED_CLIENTS": f"{WEB_CLIENT},{CLI_CLIENT}",
        "PUBLIC_URL": addresses.url("gateway"),
        "STORAGE_ORIGIN": addresses.via("s3", addresses.s3.endpoint),
        "SESSION_SECRET": home.secret("session"),
        "WEB_EXPORT": str(WEB_EXPORT) if (WEB_EXPORT / "index.html").is_file() else "",
    }


def _callee(service: str, home: Home, addresses: Addresses) -> dict[str, str]:
    return {
        f"{service.upper()}_URL": addresses.url(service),
        f"{service.upper()}_SECRET": home.secret(f"internal_{service}"),
    }
