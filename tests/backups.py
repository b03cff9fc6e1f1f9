"""A backup of some schemas, and the day when it has to be restored."""

from dataclasses import dataclass
from io import BytesIO

import asyncpg

# What a table works out by itself is not in a backup of it.
_TABLES = """
    select n.nspname, c.relname, array_agg(a.attname::text order by a.attnum)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid
    where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    group by 1, 2 order by 1, 2
"""


@dataclass(frozen=True)
class Table:
    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Backup:
    """All rows that there were at one moment."""

    admin_url: str
    rows: dict[Table, bytes]


async def back_up(admin_url: str, *schemas: str) -> Backup:
    """Read every table of these schemas in one snapshot."""
    admin = await asyncpg.connect(admin_url)
    try:
        async with admin.transaction(isolation="repeatable_read", readonly=True):
            found = await admin.fetch(_TABLES, list(schemas))
            tables = [Table(schema, name, tuple(columns)) for schema, name, columns in found]
            return Backup(admin_url, {table: await _read(admin, table) for table in tables})
    finally:
        await admin.close()


async def restore(backup: Backup) -> None:
    """Put its rows in the place of what is there, without any of the tables' own rules."""
    admin = await asyncpg.connect(backup.admin_url)
    try:
        async with admin.transaction():
            await admin.execute("set local session_replication_role to replica")
            names = [f'"{table.schema}"."{table.name}"' for table in backup.rows]
            await admin.execute(f"truncate {', '.join(names)} cascade")
            for table, rows in backup.rows.items():
                await admin.copy_to_table(
                    table.name,
                    schema_name=table.schema,
                    columns=table.columns,
                    source=BytesIO(rows),
                    format="binary",
                )
    finally:
        await admin.close()


async def _read(admin: "asyncpg.Connection[asyncpg.Record]", table: Table) -> bytes:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    rows = BytesIO()
    await admin.copy_from_query(
        f'select {columns} from "{table.schema}"."{table.name}"', output=rows, format="binary"
    )
    return rows.getvalue()
