"""The run as a picture: faults by kind as bars, and below what users got meanwhile."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.chaos.history import Record
from tests.chaos.nemesis import Strike

WIDTH, LEFT, RIGHT, TOP = 1600, 220, 24, 56
ROW, GRAPH, GAP = 16, 130, 34
BAR_MIN = 3
PAPER, INK, FAINT = (252, 251, 248), (40, 40, 44), (222, 219, 212)
COLOURS = {
    "kill": (196, 62, 54),
    "freeze": (70, 120, 180),
    "link": (212, 144, 44),
    "runpod": (120, 86, 160),
    "other": (90, 90, 96),
}
GOOD, BAD = (66, 140, 92), (196, 62, 54)
TICKS = (5, 10, 15, 30, 60, 120, 300, 600)
TICKS_MAX = 14
STEPS_MAX = 300


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds to pixels."""

    ends_s: float

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s / self.ends_s, 0.0), 1.0)

    @property
    def step_s(self) -> float:
        """Seconds that one column of a graph stands for."""
        return max(1.0, self.ends_s / STEPS_MAX)

    @property
    def ticks_s(self) -> list[int]:
        every = next((tick for tick in TICKS if self.ends_s / tick <= TICKS_MAX), TICKS[-1])
        return list(range(0, int(self.ends_s) + 1, every))


def draw(
    path: Path,
    *,
    title: str,
    strikes: Sequence[Strike],
    records: Sequence[Record],
    finished_s: Sequence[float],
    ends_s: float,
) -> None:
    """Draw and save it. `finished_s` is when jobs ended, in seconds of the run."""
    kinds = sorted({strike.kind for strike in strikes}, key=lambda kind: (_family(kind), kind))
    graphs = {
        "calls answered, per s": ([r.ended_s for r in records if r.outcome != "unknown"], GOOD),
        "jobs ended, per s": (finished_s, GOOD),
        "calls without an answer, per s": (
            [r.ended_s for r in records if r.outcome == "unknown"],
            BAD,
        ),
    }
    height = TOP + ROW * len(kinds) + (GRAPH + GAP) * len(graphs) + GAP
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    pen, axis = ImageDraw.Draw(picture), Axis(ends_s)
    pen.text((LEFT, 14), title, INK, _font(20))
    _grid(pen, axis, top=TOP, bottom=height - GAP)
    for place, kind in enumerate(kinds):
        _row(pen, axis, kind, strikes, top=TOP + ROW * place)
    top = TOP + ROW * len(kinds) + GAP
    for name, (moments_s, colour) in graphs.items():
        _graph(pen, axis, name, moments_s, colour=colour, top=top)
        top += GRAPH + GAP
    picture.save(path)


def _row(
    pen: ImageDraw.ImageDraw, axis: Axis, kind: str, strikes: Iterable[Strike], *, top: int
) -> None:
    ours = [strike for strike in strikes if strike.kind == kind]
    label = f"{kind}  {len(ours)}"
    pen.text((LEFT - 10, top + ROW / 2), label, INK, _font(12), anchor="rm")
    for strike in ours:
        left = axis.x(strike.began_s)
        right = max(axis.x(strike.ended_s), left + BAR_MIN)
        pen.rectangle((left, top + 3, right, top + ROW - 3), fill=COLOURS[_family(kind)])


def _graph(
    pen: ImageDraw.ImageDraw,
    axis: Axis,
    name: str,
    moments_s: Iterable[float],
    *,
    colour: tuple[int, int, int],
    top: int,
) -> None:
    step_s = axis.step_s
    counts = Counter(int(moment_s / step_s) for moment_s in moments_s)
    most = max((count / step_s for count in counts.values()), default=0.0)
    pen.text((LEFT - 10, top + GRAPH / 2), name, INK, _font(12), anchor="rm")
    pen.text((LEFT + 4, top), f"up to {most:.1f}", INK, _font(11), anchor="lb")
    pen.line((LEFT, top + GRAPH, WIDTH - RIGHT, top + GRAPH), FAINT)
    for step, count in counts.items():
        left, right = axis.x(step * step_s), axis.x((step + 1) * step_s)
        high = GRAPH * (count / step_s) / most
        pen.rectangle((left, top + GRAPH - high, max(left + 1, right - 1), top + GRAPH), colour)


def _grid(pen: ImageDraw.ImageDraw, axis: Axis, *, top: int, bottom: int) -> None:
    for tick_s in axis.ticks_s:
        x = axis.x(tick_s)
        pen.line((x, top, x, bottom), FAINT)
        pen.text((x, bottom + 4), f"{tick_s} s", INK, _font(12), anchor="ma")


def _family(kind: str) -> str:
    for family in ("kill", "freeze", "runpod"):
        if kind.startswith(family):
            return family
    return "link" if kind.endswith("link") else "other"


def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)
