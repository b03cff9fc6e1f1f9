"""The CPU engine on photos that ship in packages: how much nearer to the truth, and how fast.

`photos=folder` colours more photos; for restoration they are worn as well. Every print is worn by a
seed that no training draws (`training/scratches.py` stays below `UNSEEN`), but by the same model.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from bench import photos
from bench.likeness import luma_likeness
from bench.options import Options
from bench.report import Goal, Report
from bench.training.wear import Worn, worn
from deploy.local.places import ROOT, WORKER_PYTHON
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.damage import find_damage
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.restoration import restore
from worker.engines.cpu.toning import measure_toning

UNSEEN = 1 << 31
SEEDS, SIDE = 2, 512
TOLERANCE = 2
"""Pixels by which the rim of what is found may be off."""

LARGE, SMALL = (1280, 720), (640, 360)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Restored:
    """One worn print: PSNR and SSIM after the best global tone, before and after, and its mask."""

    worn: tuple[float, float]
    restored: tuple[float, float]
    right: int
    """Pixels that were found, and are damaged or next to damage."""

    found: int
    seen: int
    """Pixels that are damaged, and were found or are next to what was."""

    damaged: int


async def measure(options: Options) -> Report:
    """First how near to the truth, then how long and with how much memory."""
    report = Report("engine", "The CPU engine: worn prints restored, grey ones coloured")
    _measure_pictures(report, "", _shipped(), goals=True)
    if options.photos:
        _measure_pictures(report, "photos: ", photos.of_folder(options.photos, SIDE), goals=False)
    _measure_cost(report, options.rounds)
    report.notes.append(f"load at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return report


def _measure_pictures(
    report: Report, of: str, pictures: Mapping[str, Pixels], *, goals: bool
) -> None:
    restored = {
        name: [_restored(picture, UNSEEN + SEEDS * place + seed) for seed in range(SEEDS)]
        for place, (name, picture) in enumerate(pictures.items())
    }
    every = [one for some in restored.values() for one in some]
    for place, (what, least) in enumerate((("PSNR", 24.5), ("SSIM", 0.78))):
        before = float(np.mean([one.worn[place] for one in every]))
        after = float(np.mean([one.restored[place] for one in every]))
        report.add(f"{of}worn, {what} after tone fit", [before])
        goal = Goal(at_least=least) if goals else None
        report.add(f"{of}restored, {what} after tone fit", [after], goal=goal)
    for what, part, whole, least in (
        ("precision", "right", "found", 0.95),
        ("recall", "seen", "damaged", 0.93),
    ):
        share = sum(getattr(one, part) for one in every) / max(
            1, sum(getattr(one, whole) for one in every)
        )
        report.add(f"{of}mask, {what}", [share], goal=Goal(at_least=least) if goals else None)
    if goals:
        for name, some in restored.items():
            gained = [one.restored[0] - one.worn[0] for one in some]
            report.add(f"{of}{name}: gained", gained, "dB")
    _measure_colours(report, of, pictures, goals=goals)


def _restored(truth: Pixels, seed: int) -> Restored:
    print_ = worn(truth, seed)
    near = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
    toning, faces = measure_toning(print_.picture), find_faces(to_grey(print_.picture))
    found = find_damage(print_.picture, toning, faces)
    around, about = (np.asarray(cv2.dilate(of, near), np.uint8) for of in (print_.mask, found))
    return Restored(
        worn=likeness(truth, print_.picture),
        restored=likeness(truth, restore(print_.picture, seed=seed)),
        right=int(np.count_nonzero(found & around)),
        found=int(np.count_nonzero(found)),
        seen=int(np.count_nonzero(print_.mask & about)),
        damaged=int(np.count_nonzero(print_.mask)),
    )


def likeness(truth: Pixels, picture: Pixels) -> tuple[float, float]:
    """PSNR and SSIM of the luma, after the gain and offset that suit it best.

    Which tones a print should have is a choice; whether its lines are right is not.
    """
    wanted, given = to_grey(truth), to_grey(picture).astype(np.float64)
    gain, offset = np.polyfit(given.ravel(), wanted.ravel().astype(np.float64), 1)
    fitted = np.clip(np.rint(gain * given + offset), 0, 255).astype(np.uint8)
    off = float(np.mean((wanted.astype(np.float64) - fitted) ** 2))
    alike = luma_likeness(*(np.dstack([plane] * 3) for plane in (wanted, fitted)))
    return 10 * float(np.log10(255**2 / max(off, 1e-9))), alike


def _measure_colours(
    report: Report, of: str, pictures: Mapping[str, Pixels], *, goals: bool
) -> None:
    off, off_grey, ratio, ratio_grey = [], [], [], []
    for name, truth in pictures.items():
        grey = np.dstack([to_grey(truth)] * 3)
        coloured = colourize(grey).picture
        off.append(colour_error(truth, coloured))
        off_grey.append(colour_error(truth, grey))
        ratio.append(cv2.PSNR(truth, coloured))
        ratio_grey.append(cv2.PSNR(truth, grey))
        if goals:
            report.add(f"{of}{name}: CIEDE2000 to grey's", [off[-1] / off_grey[-1]], "x")
    mean, grey_mean = float(np.mean(off)), float(np.mean(off_grey))
    report.add(f"{of}grey, CIEDE2000", [grey_mean])
    report.add(f"{of}coloured, CIEDE2000", [mean], goal=Goal(at_most=grey_mean))
    worst = max(mine / greys for mine, greys in zip(off, off_grey, strict=True))
    report.add(f"{of}worst photo, CIEDE2000 to grey's", [worst], "x", goal=Goal(at_most=2.0))
    report.add(f"{of}grey, PSNR", [float(np.mean(ratio_grey))])
    goal = Goal(at_least=21.5) if goals else None
    report.add(f"{of}coloured, PSNR", [float(np.mean(ratio))], goal=goal)


def colour_error(truth: Pixels, picture: Pixels) -> float:
    """The mean CIEDE2000 of two BGR pictures."""
    one, other = (rgb2lab(of[..., ::-1]) for of in (truth, picture))
    apart = deltaE_ciede2000(one, other)  # type: ignore[no-untyped-call]
    return float(apart.mean())


def _measure_cost(report: Report, rounds: int) -> None:
    clean = _shipped()["astronaut.png"]
    prints = {
        size: worn(np.asarray(cv2.resize(clean, size), np.uint8), UNSEEN) for size in (LARGE, SMALL)
    }
    spent: dict[str, list[float]] = {}
    for size, print_ in prints.items():
        grey = np.dstack([to_grey(print_.picture)] * 3)
        restore(print_.picture, seed=1)
        label = f"{size[0]} x {size[1]}"
        spent[f"restore {label}"] = [
            _seconds(restore, print_.picture, seed=1) for _ in range(rounds)
        ]
        spent[f"colourize {label}"] = [_seconds(colourize, grey) for _ in range(rounds)]
    goals = {"restore 1280 x 720": Goal(at_most=4.0), "colourize 1280 x 720": Goal(at_most=0.5)}
    for label, seconds in spent.items():
        report.add(label, seconds, "s", goal=goals.get(label))
    growth = np.median(spent["restore 1280 x 720"]) / np.median(spent["restore 640 x 360"])
    report.add(
        "restore: times for four times the pixels", [float(growth)], "x", goal=Goal(at_most=4.4)
    )
    memory = _memory(prints[LARGE])
    report.add(
        "memory of a process that restored 1280 x 720", [memory], "MB", goal=Goal(at_most=900)
    )


def _seconds(work: Callable[..., object], *of: object, **options: object) -> float:
    began = time.perf_counter()
    work(*of, **options)
    return time.perf_counter() - began


def _memory(print_: Worn) -> float:
    """The most that a process of the worker's own environment held in memory, in MB."""
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        file = Path(folder) / "print.png"
        cv2.imwrite(str(file), print_.picture)
        told = subprocess.run(  # noqa: S603 - our own interpreter
            [WORKER_PYTHON if WORKER_PYTHON.exists() else sys.executable, "-c", MEMORY, str(file)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    return float(told.stdout) / 1e3


MEMORY = """
import resource, sys, cv2
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.restoration import restore
colourize(restore(cv2.imread(sys.argv[1]), seed=1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _shipped() -> dict[str, Pixels]:
    return {
        name: np.ascontiguousarray(picture[..., ::-1])
        for name, picture in photos.clean_pictures(SIDE).items()
    }
