"""BENCH row 8, enhancement: what it costs at 720p, and that it never takes a print further away.

Cost: a warp and everything that enhancement can do, against the decode path without it; beside them
what OpenCV would do: a warp, CLAHE and an unsharp mask. Likeness: clean pictures aged in ten ways,
and SSIM to the clean ones after enhancement less before. Uprightness: each picture in four turns,
and which are turned by the faces in it. `photos=folder` adds those of a folder.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench import likeness, photos
from bench.likeness import AGEING, BLURRED, Case
from bench.options import Options
from bench.report import Goal, Report, ratios
from services.processing import enhancing, faces, geometry, imaging, proposing
from services.processing.faces import QUARTERS
from tests.processing.pictures import textured

REPEATS, SEEDS = 3, 3
SIDE, PICTURE_SIDE = 960, 512
QUAD = [(0.05, 0.04), (0.96, 0.02), (0.98, 0.97), (0.03, 0.95)]
COST_GOAL = Goal(at_most=0.6)
NEVER_LOWER = Goal(at_least=0.0)
OWN_PHOTOS_MAX = 100

Pixels = NDArray[np.uint8]


async def measure(options: Options) -> Report:
    """First the cost, in turns, then the likeness."""
    report = Report("enhance", "8. Enhancement at 720p, and what it does to SSIM")
    _cost(report, options.rounds)
    made = {f"generated {seed}": np.asarray(textured(512, 384, seed)) for seed in range(SEEDS)}
    pictures = photos.clean_pictures(PICTURE_SIDE) | made
    _likeness(report, "", list(likeness.cases(pictures, SEEDS)))
    _uprightness(report, "", pictures)
    if options.photos:
        photographed = _of(options.photos)
        _likeness(report, "photos: ", list(likeness.cases(photographed, 1)))
        _uprightness(report, "photos: ", photographed)
    return report


def _cost(report: Report, rounds: int) -> None:
    path = photos.photo("12 MP", "jpg")
    clean = photos.clean_pictures(SIDE)["astronaut.png"]
    sharp = np.asarray(cv2.resize(clean, (SIDE, 720), interpolation=cv2.INTER_AREA), np.uint8)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), likeness.BLUR_SIGMA), np.uint8)
    faded = likeness.aged(soft, 1, ("faded",))
    assert enhancing.enhance(faded) is not faded
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        ways: dict[str, Callable[[], object]] = {
            "decode path": lambda: _decode(path, Path(folder)),
            "warp and enhancement": lambda: enhancing.enhance(_warped(faded, cv2.INTER_CUBIC)),
            "warp, nothing to enhance": lambda: enhancing.enhance(_warped(sharp, cv2.INTER_CUBIC)),
            "OpenCV: warp, CLAHE, unsharp": lambda: _usual(_warped(faded, cv2.INTER_LINEAR)),
        }
        spent = _in_turns(ways, rounds)
    decoding = spent["decode path"]
    for name, cpu_ms in spent.items():
        if cpu_ms is not decoding:
            goal = COST_GOAL if name == "warp and enhancement" else None
            report.add(f"{name} / decode path", ratios(cpu_ms, decoding), "x CPU", goal=goal)
    for name, cpu_ms in spent.items():
        report.add(name, cpu_ms, "CPU ms")


def _in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():  # once to load what it needs
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            before = time.process_time()
            for _ in range(REPEATS):
                way()
            spent[name].append((time.process_time() - before) / REPEATS * 1e3)
    return spent


def _decode(path: Path, folder: Path) -> None:
    master, thumbnail = folder / "master", folder / "thumbnail"
    whole = proposing.UNSURE.quad
    imaging.prepare(
        path, quad=whole, master=master, thumbnail=thumbnail, enhanced=False, side_max=SIDE
    )


def _warped(pixels: Pixels, resampling: int) -> Pixels:
    height, width = pixels.shape[:2]
    corners = geometry.corners_in_pixels(QUAD, width, height)
    if resampling == cv2.INTER_CUBIC:
        return geometry.flatten(pixels, corners, (width, height))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return np.asarray(cv2.warpPerspective(pixels, matrix, (width, height), flags=resampling))


def _usual(pixels: Pixels) -> Pixels:
    lightness, *colours = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(2.0, (8, 8)).apply(lightness)
    even = cv2.cvtColor(cv2.merge((lightness, *colours)), cv2.COLOR_LAB2RGB)
    return np.asarray(cv2.addWeighted(even, 1.5, cv2.GaussianBlur(even, (0, 0), 2), -0.5, 0))


def _likeness(report: Report, of: str, cases: Sequence[Case]) -> None:
    for kind in (*AGEING, BLURRED):
        some = [case for case in cases if case.kind == kind]
        changed = sum(case.changed for case in some)
        label = f"{of}{kind} ({changed} of {len(some)} changed)"
        report.add(f"{label}: luma", [case.luma for case in some], "SSIM")
        report.add(f"{label}: colour", [case.colour for case in some], "SSIM")
    for what in ("luma", "colour"):
        worst = min(cases, key=lambda case: getattr(case, what))
        report.add(f"{of}worst of all, {what}", [getattr(worst, what)], "SSIM", goal=NEVER_LOWER)
        report.notes.append(f"{of}worst {what}: {worst.picture}, {worst.kind}, seed {worst.seed}")


def _uprightness(report: Report, of: str, pictures: dict[str, Pixels]) -> None:
    """How many were put upright, and how many were turned that should not have been."""
    righted = wrong = 0
    began = time.process_time()
    for picture in pictures.values():
        for turns in range(QUARTERS):
            made = faces.quarter_turns(np.rot90(picture, -turns))
            righted += made == turns != 0
            wrong += made not in {0, turns}
    cpu_ms = (time.process_time() - began) / len(pictures) / QUARTERS * 1e3
    lying = len(pictures) * (QUARTERS - 1)
    report.add(f"{of}put upright by their faces, of {lying}", [righted], "pictures")
    total = len(pictures) * QUARTERS
    report.add(f"{of}turned wrongly, of {total}", [wrong], "pictures", goal=Goal(at_most=0))
    report.add(f"{of}looking for faces", [cpu_ms], "CPU ms")


def _of(folder: Path) -> dict[str, Pixels]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    pictures = {}
    for path in paths[:: max(1, len(paths) // OWN_PHOTOS_MAX)]:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (PICTURE_SIDE, PICTURE_SIDE))
            picture = image.convert("RGB")
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
        pictures[path.name] = np.asarray(picture)
    return pictures
