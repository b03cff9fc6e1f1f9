"""Every object, as JSON in one SQLite file: found by id, or listed by kind, newest first."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]

TABLES = """
create table if not exists objects (
    number integer primary key autoincrement,
    id text not null unique,
    kind text not null,
    body text not null
);
create index if not exists by_kind on objects (kind, number);
create index if not exists by_customer on objects (kind, json_extract(body, '$.customer'));
create index if not exists by_due on objects (json_extract(body, '$._due'))
    where json_extract(body, '$._due') is not null;
create table if not exists keys (
    key text primary key,
    request text not null,
    status integer,
    answer text,
    created integer not null
);
create table if not exists deliveries (
    number integer primary key autoincrement,
    event_id text not null,
    due real not null,
    tries integer not null default 0,
    endpoint_id text
);
"""
# Of a file that was made before there were endpoints.
LATER = "alter table deliveries add column endpoint_id text"


class Store:
    """The file. One program writes it, one operation at a time."""

    def __init__(self, file: Path | None = None) -> None:
        # Made in the thread that sets up, used in the thread of the event loop.
        self.connection = sqlite3.connect(
            file or ":memory:", isolation_level=None, check_same_thread=False
        )
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = normal")
        self.connection.executescript(TABLES)
        columns = self.connection.execute("pragma table_info(deliveries)").fetchall()
        if "endpoint_id" not in [column[1] for column in columns]:
            self.connection.execute(LATER)
        # A call that ran when the program was killed left nothing: it may be made again.
        self.connection.execute("delete from keys where status is null")

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is kept, or nothing."""
        self.connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def get(self, object_id: str) -> Object | None:
        row = self.connection.execute(
            "select body from objects where id = ?", (object_id,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, body: Object) -> None:
        self.connection.execute(
            "insert into objects (id, kind, body) values (?, ?, ?)"
            " on conflict (id) do update set body = excluded.body",
            (body["id"], body["object"], json.dumps(body)),
        )

    def delete(self, object_id: str) -> None:
        self.connection.execute("delete from objects where id = ?", (object_id,))

    def number(self, object_id: str) -> int | None:
        row = self.connection.execute(
            "select number from objects where id = ?", (object_id,)
        ).fetchone()
        return int(row[0]) if row else None

    def find(
        self,
        kind: str,
        equal: Mapping[str, Any] | None = None,
        *,
        bounds: Sequence[tuple[str, str, Any]] = (),
        limit: int = -1,
        oldest_first: bool = False,
    ) -> list[Object]:
        """Objects of a kind whose fields (`a.b`) equal these, and keep to these bounds."""
        where, values = ["kind = ?"], [kind]
        for path, value in (equal or {}).items():
            wanted = value if isinstance(value, list) else [value]
            marks = ", ".join("?" for _ in wanted)
            where.append(f"json_extract(body, '$.{path}') in ({marks})")
            values += wanted
        for column, comparison, value in bounds:
            where.append(f"{column} {comparison} ?")
            values.append(value)
        order = "asc" if oldest_first else "desc"
        rows = self.connection.execute(
            f"select body from objects where {' and '.join(where)} order by number {order} limit ?",  # noqa: S608 - names are ours
            (*values, limit),
        )
        return [json.loads(row[0]) for row in rows]

    def due(self, until: int) -> list[Object]:
        """What is to happen until then, earliest first."""
        rows = self.connection.execute(
            "select body from objects where json_extract(body, '$._due') <= ?"
            " order by json_extract(body, '$._due'), number",
            (until,),
        )
        return [json.loads(row[0]) for row in rows]
