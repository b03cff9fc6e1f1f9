"""What a run of the fuzzer has seen: a table, and the files that did harm."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.resources import Held

REPRODUCERS = Path(".rekindle") / "fuzz"
REPRODUCERS_MAX = 50
SORTS = ("JPEG", "PNG", "WebP", "HEIC", "other")
DOORS = {"header": "header", "decoder": "decoded", "prepare": "prepared"}


@dataclass
class Report:
    """Counts by sort of file and door; `breaches` are promises that were broken."""

    seed: int
    outcomes: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    slowest: dict[tuple[str, str], float] = field(default_factory=dict)
    crashes: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    before: Held | None = None
    after: Held | None = None
    kept: int = 0

    def count(self, sort: str, door: str, outcome: str) -> None:
        """One file met one door."""
        self.outcomes.setdefault(door, Counter())[sort, outcome] += 1

    def took(self, door: str, sort: str, cpu_s: float) -> None:
        """How much CPU time it cost there."""
        self.slowest[door, sort] = max(cpu_s, self.slowest.get((door, sort), 0.0))

    def crash(self, reason: str, number: int, data: bytes) -> None:
        """A decoder died behind its walls: that is what they are for, and worth a look."""
        self.crashes[reason] += 1
        self._keep(reason, number, data)

    def breach(self, what: str, number: int, data: bytes) -> None:
        """A promise was broken."""
        self.breaches.append(f"file {number}: {what}")
        self._keep("breach", number, data)

    def files(self, door: str = "header") -> int:
        """How many files one door has seen."""
        return sum(self.outcomes.get(door, Counter()).values())

    def broken(self) -> list[str]:
        """Every promise that was broken, leaks among them."""
        grown = self.before.growth_to(self.after) if self.before and self.after else ["not seen"]
        return [*self.breaches, *(f"grew: {what}" for what in grown)]

    def text(self) -> str:
        """The table."""
        lines = [f"seed {self.seed}: {self.files():,} files"]
        for door, done in DOORS.items():
            lines += ["", f"{done}: {self.files(door):,}"]
            for sort in SORTS:
                lines += self._line(door, sort)
        lines += ["", f"decoders that died behind their walls: {dict(self.crashes) or 'none'}"]
        if self.before and self.after:
            for name in Held.__slots__:
                was, is_ = getattr(self.before, name), getattr(self.after, name)
                lines.append(f"{name.replace('_', ' '):16} {was:>12,} -> {is_:>12,}")
        lines += ["", *(f"BROKEN  {what}" for what in self.broken())]
        return "\n".join(lines)

    def _line(self, door: str, sort: str) -> list[str]:
        seen = {
            outcome: count
            for (of, outcome), count in self.outcomes.get(door, Counter()).most_common()
            if of == sort
        }
        if not seen:
            return []
        told = ", ".join(f"{outcome} {count:,}" for outcome, count in seen.items())
        slowest = self.slowest.get((door, sort))
        cpu = f"{slowest * 1000:6.1f} ms" if slowest is not None else 9 * " "
        return [f"  {sort:6}{sum(seen.values()):>9,}  slowest {cpu}  {told}"]

    def _keep(self, what: str, number: int, data: bytes) -> None:
        if self.kept < REPRODUCERS_MAX:
            self.kept += 1
            REPRODUCERS.mkdir(parents=True, exist_ok=True)
            name = what.replace(" ", "-").replace("/", "-")[:40]
            (REPRODUCERS / f"{name}-seed{self.seed}-{number}").write_bytes(data)
