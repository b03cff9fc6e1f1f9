"""Row "outline": how well the corners of prints are found in snapshots whose corners are known."""

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench import pictures, snapshots
from bench.options import Options
from bench.report import Goal, Report, percentile
from bench.snapshots import Corners, Snapshot
from services.processing import geometry
from services.processing.outlines import WHOLE, Outline, find_outline, find_prints

SINGLES, PAGES, SCANS, SPLIT, FROM_PHOTOS = 320, 60, 60, 60, 42
GOOD = 0.9
PHOTOS = Path("../shared/photos")
BINS = ((0.6, 0.75), (0.75, 0.85), (0.85, 0.95), (0.95, 1.01))


@dataclass(frozen=True, slots=True)
class Answer:
    """How well one snapshot was answered."""

    iou: float
    whole: float
    """The whole frame's own overlap with the print."""

    confidence: float
    cpu: float
    traits: frozenset[str]


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """How well an album page was answered."""

    prints: int
    found: int
    false: int
    in_order: bool
    cpu: float


async def measure(options: Options) -> Report:
    """Single prints, full frames, album pages, and prints of the photos in `options.photos`."""
    report = Report("outline", f"outline: {SINGLES} snapshots, {PAGES} album pages, {SCANS} scans")
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        singles = list(pool.map(_single, range(SINGLES)))
        scans = list(pool.map(_scan, range(SCANS)))
        pages = list(pool.map(_page, range(PAGES)))
        split = list(pool.map(_is_split, range(SPLIT)))
        _add_singles(report, singles)
        _add_kinds(report, singles)
        _add_confidence(report, singles)
        kept = [answer.iou >= answer.whole for answer in scans]
        report.add("full frames kept whole", [float(np.mean(kept))], goal=Goal(at_least=0.95))
        _add_pages(report, pages)
        label = f"single prints taken for several (of {SPLIT})"
        report.add(label, [float(sum(split))], goal=Goal(at_most=0))
        _add_photos(report, pool, options.photos or PHOTOS)
    return report


def _single(seed: int) -> Answer:
    return _answered(snapshots.snapshot(seed))


def _scan(seed: int) -> Answer:
    return _answered(snapshots.without_print(seed))


def _page(seed: int) -> PageAnswer:
    page = snapshots.album_page(seed)
    before = time.thread_time()
    outlines = find_prints(page.pixels)
    cpu = (time.thread_time() - before) * 1000
    return PageAnswer(len(page.quads), *matched(outlines, page.quads), cpu)


def _is_split(seed: int) -> bool:
    return bool(find_prints(snapshots.snapshot(seed).pixels))


def overlap(one: Corners, other: Corners) -> float:
    """Intersection over union of two convex quadrilaterals."""
    common = geometry.common_area(one, other)
    together = abs(geometry.area(one)) + abs(geometry.area(other)) - common
    return common / max(together, 1e-9)


def _answered(snapshot: Snapshot) -> Answer:
    before = time.thread_time()
    outline = find_outline(snapshot.pixels)
    cpu = (time.thread_time() - before) * 1000
    truth = snapshot.quads[0]
    return Answer(
        overlap(np.array(outline.quad), truth),
        overlap(np.array(WHOLE), truth),
        outline.confidence,
        cpu,
        snapshot.traits,
    )


def _add_singles(report: Report, answers: Sequence[Answer]) -> None:
    ious = np.array([answer.iou for answer in answers])
    report.add("single prints, mean IoU", [float(ious.mean())], goal=Goal(at_least=0.97))
    report.add("  median IoU", [float(np.median(ious))])
    report.add("  with IoU ≥ 0.9", [float((ious >= GOOD).mean())], goal=Goal(at_least=0.95))
    worse = [answer.iou < answer.whole for answer in answers]
    report.add("  worse than the whole frame", [float(sum(worse))], goal=Goal(at_most=0))
    whole = [answer.iou == answer.whole for answer in answers]
    report.add("  answered with the whole frame", [float(np.mean(whole))])
    cpu = [answer.cpu for answer in answers]
    report.add("  CPU, median", [percentile(cpu, 0.5)], "ms", goal=Goal(at_most=60))
    report.add("  CPU, 95 in 100", [percentile(cpu, 0.95)], "ms")


def _add_kinds(report: Report, answers: Sequence[Answer]) -> None:
    by_trait: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        for trait in answer.traits:
            by_trait[trait].append(answer.iou)
    for trait, ious in sorted(by_trait.items()):
        report.add(f"  {trait} ({len(ious)}): mean IoU", [float(np.mean(ious))])
        report.add(f"  {trait} ({len(ious)}): ≥ 0.9", [float(np.mean(np.array(ious) >= GOOD))])


def _add_confidence(report: Report, answers: Sequence[Answer]) -> None:
    for low, high in BINS:
        within = [answer for answer in answers if low <= answer.confidence < high]
        if within:
            good = float(np.mean([answer.iou >= GOOD for answer in within]))
            label = f"  confidence {low:g} to {min(high, 1):g} ({len(within)}): IoU ≥ 0.9"
            report.add(label, [good])


def _add_pages(report: Report, pages: Sequence[PageAnswer]) -> None:
    prints = sum(page.prints for page in pages)
    found = sum(page.found for page in pages) / prints
    report.add(f"prints on pages ({prints}), found", [found], goal=Goal(at_least=0.95))
    false = sum(page.false for page in pages) / prints
    report.add("  false, per print", [false], goal=Goal(at_most=0.02))
    disordered = sum(not page.in_order for page in pages)
    report.add("  pages out of order", [float(disordered)], goal=Goal(at_most=0))
    report.add("  CPU per page, median", [percentile([page.cpu for page in pages], 0.5)], "ms")


def matched(outlines: Sequence[Outline], quads: Sequence[Corners]) -> tuple[int, int, bool]:
    """Prints found (IoU ≥ 0.9), outlines that fit none so well, and whether the order is right."""
    fits = np.array([[overlap(np.array(o.quad), quad) for quad in quads] for o in outlines])
    if not len(outlines):
        return 0, 0, True
    right = fits.max(axis=1) >= GOOD
    found = fits.argmax(axis=1)[right]
    return len(set(found)), len(outlines) - len(set(found)), bool((np.diff(found) > 0).all())


def _add_photos(report: Report, pool: ProcessPoolExecutor, folder: Path) -> None:
    """Prints of real old photos, and those files themselves, from which nothing is to be cut."""
    if not folder.is_dir():
        report.notes.append(f"Prints of the photos in {folder} were not tried: it is not there.")
        return
    answers = list(pool.map(_of_photos, range(9000, 9000 + FROM_PHOTOS), repeat(folder)))
    ious = [answer.iou for answer in answers]
    report.add(f"prints of shared photos ({len(ious)}), mean IoU", [float(np.mean(ious))])
    report.add("  with IoU ≥ 0.9", [float(np.mean(np.array(ious) >= GOOD))])
    kept = [overlap(np.array(find_outline(p).quad), np.array(WHOLE)) for p in _photos(folder)]
    report.add(f"  the {len(kept)} files themselves: least part kept", [min(kept)])


def _of_photos(seed: int, folder: Path) -> Answer:
    return _answered(snapshots.snapshot(seed, [_drawer(photo) for photo in _photos(folder)]))


@cache
def _photos(folder: Path) -> list[snapshots.Pixels]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".png", ".jpg"})
    return [_opened(path) for path in paths]


def _opened(path: Path) -> snapshots.Pixels:
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


def _drawer(photo: snapshots.Pixels) -> pictures.Drawer:
    square = cv2.resize(photo, (pictures.SIDE, pictures.SIDE), interpolation=cv2.INTER_AREA)
    return lambda _: np.asarray(square, np.float32)
