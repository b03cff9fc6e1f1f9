"""BENCH row 7: the other formats at 12 megapixels, to 720 pixels and a thumbnail.

PNG and WebP against pyvips, HEIC against pillow-heif.
"""

from bench import photos, ways
from bench.options import Options
from bench.report import Goal, Report, ratios
from bench.ways import OURS

SIDE = 960
PEERS = {"png": ("pyvips", 1.1), "webp": ("pyvips", 1.1), "heic": ("pillow_heif", 1.05)}


async def measure(options: Options) -> Report:
    """One format after the other, ours and its peer in turns."""
    report = Report("formats", "7. Prepare PNG, WebP and HEIC of 12 MP to 720 px")
    for ending, (peer, goal) in PEERS.items():
        measured = await ways.in_turns(
            (peer, OURS),
            photos.photo("12 MP", ending),
            side=SIDE,
            rounds=options.rounds,
            repeats=1,
        )
        ours, theirs = measured[OURS], measured[peer]
        ratio = ratios(ours.cpu_ms, theirs.cpu_ms)
        report.add(f"{ending}: {OURS} / {peer}", ratio, "x CPU", goal=Goal(at_most=goal))
        for way, one in measured.items():
            report.add(f"{ending}: {way}", one.cpu_ms, "CPU ms")
            report.add(f"{ending}: {way}, wall", one.wall_ms, "ms")
            report.add(f"{ending}: {way}, peak", [one.peak_mb], "MB")
    return report
