"""Where the ledger's machine plays: many short histories, with as little waiting as can be."""

from typing import Any

import asyncpg
import uvloop
from sqlalchemy import event, text

from services.kit.db import create_engine


class Database:
    """The books, two connections to them, and how many steps were taken there."""

    EMPTY = (
        "grant truncate on all tables in schema credits to current_user",
        "truncate accounts, movements, entries, causes, outbox, inbox cascade",
        "revoke truncate on all tables in schema credits from current_user",
    )

    def __init__(self, url: str) -> None:
        # Not a `Runner`, which minds Ctrl-C anew each time: that takes longer than most statements.
        self._loop = uvloop.new_event_loop()
        self.run = self._loop.run_until_complete
        self.engine = create_engine(url, name="machine", pool_size=1)
        event.listen(self.engine.sync_engine, "connect", _lose_what_power_would_cut)
        self.looking: asyncpg.Connection[Any] = self.run(asyncpg.connect(url))
        self.steps = 0

    def empty(self) -> None:
        async def empty() -> None:
            async with self.engine.begin() as connection:
                for statement in self.EMPTY:
                    await connection.execute(text(statement))

        self.run(empty())

    def close(self) -> None:
        self.run(self.looking.close())
        self.run(self.engine.dispose())
        self._loop.close()


def _lose_what_power_would_cut(connection: Any, _: object) -> None:
    """Nobody cuts the power here, and waiting for the disk is most of a step."""
    connection.run_async(lambda driver: driver.execute("set synchronous_commit to off"))
