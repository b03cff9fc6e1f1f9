"""What the users of a chaos run asked for and were told, in the order in which it happened."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Outcome = Literal["ok", "refused", "unknown"]
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Record:
    """One call: `unknown` means that no answer came, so that it may or may not have happened."""

    account: str
    call: str
    outcome: Outcome
    at_s: float
    took_s: float
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def ended_s(self) -> float:
        return self.at_s + self.took_s


@dataclass(frozen=True, slots=True)
class ServerError:
    """One answer of 500 or more, as it came over the wire."""

    at_s: float
    status: int
    path: str
    says_when: bool
    """Whether it said when to try again."""


class History:
    """Everything recorded, kept in memory and written line by line."""

    def __init__(self, path: Path) -> None:
        self.records: list[Record] = []
        self.statuses: Counter[int] = Counter()
        self.server_errors: list[ServerError] = []
        self._file = path.open("w", buffering=1)
        self._began = time.monotonic()
        self.began_at = time.time()
        """The same moment on the clock that the databases' times are of."""

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

    def answered(self, status: int, path: str, *, says_when: bool) -> None:
        """Note an answer as it came over the wire, also those that the SDK asks again after."""
        self.statuses[status] += 1
        if status >= SERVER_ERROR:
            self.server_errors.append(ServerError(self.now_s(), status, path, says_when))

    def close(self) -> None:
        self._file.close()
