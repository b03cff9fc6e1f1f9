"""What the users of a chaos run asked for and were told, in the order in which it happened."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Outcome = Literal["ok", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Record:
    """One call: `unknown` means that no answer came, so that it may or may not have happened."""

    account: str
    call: str
    outcome: Outcome
    at_s: float
    took_s: float
    facts: dict[str, str] = field(default_factory=dict)


class History:
    """Everything recorded, kept in memory and written line by line."""

    def __init__(self, path: Path) -> None:
        self.records: list[Record] = []
        self._file = path.open("w", buffering=1)
        self._began = time.monotonic()

    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def add(
        self, account: str, call: str, outcome: Outcome, *, since_s: float, **facts: str
    ) -> None:
        took_s = self.now_s() - since_s
        record = Record(account, call, outcome, since_s, took_s, facts)
        self.records.append(record)
        self._file.write(json.dumps(asdict(record)) + "\n")

    def close(self) -> None:
        self._file.close()
