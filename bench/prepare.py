"""BENCH row 6: prepare a JPEG of 12 and of 48 megapixels.

Two paths, each against its own floor. To a picture of 720 pixels on the shorter side and a
thumbnail, the floor is the entropy decoding alone, which no reduced decoding can avoid; the peers
do the same work. To a master of 4096 pixels the floor is decoding every pixel that is needed.
"""

from collections.abc import Mapping

from bench import photos, ways
from bench.options import Options
from bench.report import Goal, Report, ratios
from bench.ways import OURS, Measured

SMALL_SIDE, MASTER_SIDE = 960, 4096
REPEATS = 5
PEERS = ("opencv", "pillow", "pyvips")
SMALL_GOALS = {"12 MP": 1.35, "48 MP": 1.2}
MASTER_GOAL, PEAK_GOAL_MB = 1.25, 70.0


async def measure(options: Options) -> Report:
    """Both sizes and both paths, one after the other; everything of one of them in turns."""
    report = Report("prepare", "6. Prepare a JPEG: decode, turn, shrink, enhance, encode")
    for size, goal in SMALL_GOALS.items():
        path = photos.photo(size, "jpg")
        small = await ways.in_turns(
            ("entropy", *PEERS, OURS),
            path,
            side=SMALL_SIDE,
            rounds=options.rounds,
            repeats=REPEATS,
        )
        _add(report, f"{size} to 720 px", small, floor="entropy", goal=goal)
        peak = small[OURS].peak_mb
        bound = Goal(at_most=PEAK_GOAL_MB) if size == "48 MP" else None
        report.add(f"{size} to 720 px: {OURS}, peak", [peak], "MB", goal=bound)
        master = await ways.in_turns(
            ("decoded", "copied", OURS),
            path,
            side=MASTER_SIDE,
            rounds=options.rounds,
            repeats=1,
        )
        _add(report, f"{size} to a master", master, floor="decoded", goal=MASTER_GOAL)
        report.add(f"{size} to a master: {OURS}, peak", [master[OURS].peak_mb], "MB")
    report.notes += [
        "Ours makes a WebP thumbnail and looks for what to enhance; peers make JPEG thumbnails.",
        "copied: Pillow decodes, shrinks where it must, and encodes as a master is encoded.",
    ]
    return report


def _add(
    report: Report, title: str, measured: Mapping[str, Measured], *, floor: str, goal: float
) -> None:
    least = measured[floor].cpu_ms
    for way, one in measured.items():
        if way != floor:
            bound = Goal(at_most=goal) if way == OURS else None
            report.add(f"{title}: {way} / {floor}", ratios(one.cpu_ms, least), "x CPU", goal=bound)
    for way, one in measured.items():
        report.add(f"{title}: {way}", one.cpu_ms, "CPU ms")
