"""What a benchmark found: each figure in every round, its goal, and whether that is met."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for the median of a figure."""

    at_most: float | None = None
    at_least: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether the value keeps every bound there is."""
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )

    def __str__(self) -> str:
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        return " ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured in every round; `unit` says of what."""

    label: str
    values: Sequence[float]
    unit: str = ""
    goal: Goal | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.is_met(self.median) else "missed"


@dataclass(slots=True)
class Report:
    """A titled table of figures, with notes on what is counted."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What must not be, and so makes the run fail."""

    def add(
        self, label: str, values: Sequence[float], unit: str = "", *, goal: Goal | None = None
    ) -> None:
        """Note one figure, with its value in every round."""
        assert values, label
        self.figures.append(Figure(label, list(values), unit, goal))

    def table(self) -> str:
        """For a person: median, least and most of the rounds."""
        width = max(len(figure.label) for figure in self.figures)
        lines = [f"\n{self.title}", f"{'':{width}}{'median':>12}{'min':>12}{'max':>12}"]
        for figure in self.figures:
            shown = (figure.median, min(figure.values), max(figure.values))
            numbers = "".join(f"{_shown(value):>12}" for value in shown)
            goal = f"  goal {figure.goal}: {figure.verdict}" if figure.goal else ""
            lines.append(f"{figure.label:{width}}{numbers}  {figure.unit}{goal}".rstrip())
        return "\n".join([*lines, *(f"  {note}" for note in [*self.notes, *self.broken])])

    def write(self) -> Path:
        """For a program: `bench/results/<name>.json`."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        figures: list[dict[str, Any]] = [
            {
                "label": figure.label,
                "unit": figure.unit,
                "median": figure.median,
                "min": min(figure.values),
                "max": max(figure.values),
                "rounds": list(figure.values),
                "goal": str(figure.goal or ""),
                "verdict": figure.verdict,
            }
            for figure in self.figures
        ]
        document = {"title": self.title, "figures": figures, "notes": self.notes}
        document["broken"] = self.broken
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times the peer's figure ours is, round by round."""
    return [mine / peers for mine, peers in zip(ours, theirs, strict=True)]


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part (0 to 1) of all values lies."""
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"  # noqa: PLR2004
