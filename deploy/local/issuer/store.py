"""The file that users and refresh tokens are kept in."""

import sqlite3
from pathlib import Path

BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
create table if not exists users (
    subject text primary key,
    email text not null unique,
    salt blob not null,
    digest blob not null,
    email_verified integer not null,
    created_at integer not null
) strict;
create table if not exists refresh_tokens (
    digest blob primary key,
    family text not null,
    client_id text not null,
    subject text not null,
    scope text not null,
    audience text not null,
    session_id text not null,
    created_at integer not null,
    expires_at integer not null,
    used integer not null default 0
) strict;
create index if not exists refresh_tokens_by_family on refresh_tokens (family);
create index if not exists refresh_tokens_by_subject on refresh_tokens (subject);
"""


def open_store(home: Path) -> sqlite3.Connection:
    """Open it, each statement a transaction of its own, readable by the owner alone."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "issuer.sqlite3"
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.executescript(_SCHEMA)
    return connection
