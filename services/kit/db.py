"""One engine per process, one transaction per request or message, and time-ordered ids."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30
POOL_WAIT_S = 10

CONNECTION_EXCEPTION = "08"
"""The class of errors of a connection that broke, wherever its bytes were at that moment."""

CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
RETRIED_SQLSTATES = {
    *CONFLICTS,
    *("57P01", "57P02", "57P03"),  # the server goes down or comes up
    *("53100", "53200", "53300"),  # its disk or memory is full, or it has too many connections
}
"""What passes by itself, or when an operator has made room."""

Connection = AsyncConnection


def create_engine(url: str, *, name: str, pool_size: int = 5) -> AsyncEngine:
    """Connect lazily to `postgresql://…`; a dead connection is noticed before it is used."""
    engine = create_async_engine(
        asyncpg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        connect_args=_connect_args(name),
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


@asynccontextmanager
async def opened_engine(url: str, *, name: str, pool_size: int) -> AsyncIterator[AsyncEngine]:
    """An engine for one command, and its connections closed afterwards."""
    engine = create_engine(url, name=name, pool_size=pool_size)
    try:
        yield engine
    finally:
        await engine.dispose()


def create_unpooled_engine(url: str, *, name: str) -> AsyncEngine:
    """For session locks: the lock must die with its connection, so none is ever reused."""
    return create_async_engine(
        asyncpg_url(url),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=_connect_args(name),
    )


def asyncpg_url(url: str) -> str:
    """The same address with the driver named, as SQLAlchemy wants it."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def is_transient(error: BaseException) -> bool:
    """Whether the database was merely away, so that the same work may succeed later.

    A killed Postgres shows itself in asyncpg as `InternalClientError`, which belongs to no other
    family of errors.
    """
    if isinstance(error, DBAPIError):
        original = error.orig
        if error.connection_invalidated or isinstance(error, InterfaceError | OperationalError):
            return True
        state = getattr(original, "sqlstate", None) or ""
        return state in RETRIED_SQLSTATES or state.startswith(CONNECTION_EXCEPTION)
    # Some errors of a connection that is closed already reach us as the driver raised them.
    return isinstance(
        error,
        asyncpg.InternalClientError
        | asyncpg.InterfaceError
        | asyncpg.PostgresConnectionError
        | NoConnectionFree,
    )


def is_away(error: BaseException) -> bool:
    """Whether whatever else is asked of the same database right now would fail as well."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, OSError | TimeoutError) or (
        is_transient(error) and state not in CONFLICTS
    )


def uuid7() -> UUID:
    """A new id that sorts by time of making (RFC 9562, version 7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def _refuse_closed(connection: Any, *_: object) -> None:
    """The driver hears of it when the server closes a connection; a ping would cost a round trip.

    The pool then takes another connection.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _connect_args(name: str) -> dict[str, object]:
    return {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": STATEMENT_TIMEOUT_S,
        "server_settings": {
            "application_name": name,
            "jit": "off",
            "idle_in_transaction_session_timeout": "60000",
        },
    }
