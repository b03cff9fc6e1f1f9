"""Compare a bucket with the rows that speak of it: what is missing, and what nobody knows.

After a restored backup neither is to be mended silently: the one may be lost, the other is
somebody's photo. Keys are `<folder>/<account>/…`, and one account is looked at after the other, so
that memory is bounded by the largest.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.kit.storage import Storage

NEW_FOR = timedelta(minutes=30)
"""What was written lately may have its row on the way still."""

SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the rows of an account say: objects that must be there, and those that may."""

    must: frozenset[str]
    may: frozenset[str]


NOTHING = Known(frozenset(), frozenset())


@dataclass(slots=True)
class Drift:
    """What a comparison found; of each sort the first few by name."""

    objects: int = 0
    missing: int = 0
    unknown: int = 0
    shown: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.missing and not self.unknown

    def note(self, missing: Iterable[str], unknown: Iterable[str]) -> None:
        """Add what an account lacks, and what nobody knows of it."""
        lacking, strange = sorted(missing), sorted(unknown)
        self.missing, self.unknown = self.missing + len(lacking), self.unknown + len(strange)
        named = [f"missing: {key}" for key in lacking] + [f"unknown: {key}" for key in strange]
        self.shown += named[: max(0, SHOWN_MAX - len(self.shown))]

    def __str__(self) -> str:
        lines = [f"{self.objects} objects: {self.missing} missing, {self.unknown} unknown."]
        lines += [f"  {line}" for line in self.shown]
        more = self.missing + self.unknown - len(self.shown)
        return "\n".join([*lines, *([f"  and {more} more"] if more else [])])


async def compare(
    storage: Storage,
    folders: Iterable[str],
    *,
    accounts: Iterable[str],
    known: Callable[[UUID], Awaitable[Known]],
) -> Drift:
    """Look at every account that has rows, or objects in one of these folders."""
    drift = Drift()
    folders, seen = tuple(folders), set(accounts)
    for folder in folders:
        seen |= {account async for account in _accounts(storage, folder)}
    for account in sorted(seen):
        there: dict[str, datetime] = {}
        for folder in folders:
            there |= {key: at async for key, at in _objects(storage, f"{folder}/{account}/")}
        # Asked after the bucket was, so that what was deleted meanwhile is not missed.
        account_id = _id(account)
        rows = await known(account_id) if account_id else NOTHING
        old = datetime.now(UTC) - NEW_FOR
        strange = {key for key, at in there.items() if at < old} - rows.must - rows.may
        drift.objects += len(there)
        drift.note(rows.must - there.keys(), strange)
    return drift


def _id(account: str) -> UUID | None:
    """A folder that is named otherwise belongs to no account."""
    try:
        return UUID(account)
    except ValueError:
        return None


async def _accounts(storage: Storage, folder: str) -> AsyncIterator[str]:
    async for page in _pages(storage, Prefix=f"{folder}/", Delimiter="/"):
        for entry in page.get("CommonPrefixes", ()):
            yield entry["Prefix"].split("/")[1]


async def _objects(storage: Storage, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
    async for page in _pages(storage, Prefix=prefix):
        for entry in page.get("Contents", ()):
            yield entry["Key"], entry["LastModified"]


async def _pages(storage: Storage, **asked: str) -> AsyncIterator[dict[str, Any]]:
    more: dict[str, str] = {}
    while True:
        page = await storage.ask("list_objects_v2", **asked, **more)
        yield page
        if not page["IsTruncated"]:
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}
