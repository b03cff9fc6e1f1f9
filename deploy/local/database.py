"""One database, five services: each has a role that may touch its own schema and nothing else."""

import hashlib
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.places import ROOT
from deploy.local.trouble import StackError

SERVICES = ("gateway", "uploads", "credits", "processing", "billing")
CONNECT_TIMEOUT_S = 10
ROLE_CONNECTIONS_MAX = 80


async def create_database(admin_url: str, name: str, passwords: Mapping[str, str]) -> None:
    """Create the database, its roles and schemas; what exists is only corrected."""
    admin = await _connect(admin_url)
    try:
        if not await admin.fetchval("select 1 from pg_database where datname = $1", name):
            await admin.execute(f"create database {_name(name)}")
        for service, password in passwords.items():
            await admin.execute(await _role(admin, service, password))
    finally:
        await admin.close()
    inside = await _connect(database_url(admin_url, name))
    try:
        async with inside.transaction():
            for statement in _rights(name, list(passwords)):
                await inside.execute(statement)
    finally:
        await inside.close()


async def migrate(admin_url: str, urls: Mapping[str, str]) -> None:
    """Bring each service's schema to its newest version, one after the other.

    Alembic keeps its context in a global, so two must not be under way at once. What was done
    is noted on the database itself, so that the note cannot outlive the data.
    """
    wanted = _migrations_fingerprint()
    name = urlsplit(next(iter(urls.values()))).path.lstrip("/")
    admin = await _connect(admin_url)
    try:
        noted = "select shobj_description(oid, 'pg_database') from pg_database where datname = $1"
        if await admin.fetchval(noted, name) == wanted:
            return
        from services.kit.migrations import upgrade  # noqa: PLC0415 - half a second, rarely needed

        for service, url in urls.items():
            await upgrade(service, url)
        await admin.execute(f"comment on database {_name(name)} is {_text(wanted)}")
    finally:
        await admin.close()


def _migrations_fingerprint() -> str:
    files = sorted(ROOT.glob("services/*/migrations/**/*.py"))
    content = b"".join(file.read_bytes() for file in files)
    return f"migrated {hashlib.sha256(content).hexdigest()}"


def database_url(url: str, name: str, *, role: str = "", password: str = "") -> str:
    """Point a URL at another database, and at another role if one is given."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(role)}:{quote(password, safe='')}@{place}" if role else parts.netloc
    return urlunsplit((parts.scheme, netloc, f"/{name}", parts.query, ""))


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as refusal:
        place = urlsplit(url)
        raise StackError(
            f"PostgreSQL at {place.hostname}:{place.port} refused its administrator ({refusal}): "
            "check DATABASE_URL."
        ) from refusal


async def _role(admin: "asyncpg.Connection[asyncpg.Record]", service: str, password: str) -> str:
    known = await admin.fetchval("select 1 from pg_roles where rolname = $1", service)
    verb = "alter" if known else "create"
    return (
        f"{verb} role {_name(service)} login nosuperuser nocreatedb nocreaterole noinherit "
        f"connection limit {ROLE_CONNECTIONS_MAX} password {_text(password)}"
    )


def _rights(database: str, services: list[str]) -> list[str]:
    statements = [
        f"revoke all on database {_name(database)} from public",
        "revoke all on schema public from public",
    ]
    for service in services:
        role = _name(service)
        statements += [
            f"grant connect on database {_name(database)} to {role}",
            f"create schema if not exists {role} authorization {role}",
            f"revoke all on schema {role} from public",
            f"alter role {role} in database {_name(database)} set search_path = {role}",
        ]
    return statements


def _name(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
