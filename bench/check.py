"""The truth check on results whose verdict is known: good ones pass, ruined ones are refused.

Photos that ship in packages, and those of `photos=folder`, are worn by seeds of their own, restored
and coloured by the CPU engine, and then ruined as models ruin photos (`bench.untrue`).
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from bench import photos, untrue
from bench.options import Options
from bench.report import Goal, Report
from bench.training.wear import worn
from bench.untrue import Face
from services.processing import identity, truth
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.restoration import restore

SIDE, SEEDS, LEVEL = 560, 2, 0.8
UNSEEN = (1 << 31) + 1_000
COLOURED = "coloured"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Case:
    """A result (BGR) of a master, and whether it may be shown."""

    name: str
    master: Pixels
    result: Pixels
    is_good: bool


async def measure(options: Options) -> Report:
    """Count verdicts by what was done; then what one check costs."""
    report = Report("check", "The truth check: good results pass, ruined ones are refused")
    pictures = {
        name: np.ascontiguousarray(picture[..., ::-1])
        for name, picture in photos.clean_pictures(SIDE).items()
    }
    if options.photos:
        pictures |= photos.of_folder(options.photos, SIDE)
    verdicts: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    spent: list[float] = []
    for case in _cases(pictures):
        began = time.perf_counter()
        judged = judge(case)
        spent.append(time.perf_counter() - began)
        verdicts[case.is_good, case.name].append(judged.verdict == "refused")
        if case.is_good == (judged.verdict == "refused"):
            report.notes.append(f"wrong: {case.name}, {judged.score}, {' '.join(judged.reasons)}")
    for is_good in (True, False):
        every = [refused for key, some in verdicts.items() if key[0] is is_good for refused in some]
        kind, goal = ("good", Goal(at_most=0.01)) if is_good else ("ruined", Goal(at_least=0.99))
        report.add(f"{kind}, of {len(every)} refused", [float(np.mean(every))], goal=goal)
        for (_, name), some in (item for item in verdicts.items() if item[0][0] is is_good):
            report.add(f"  {name}, of {len(some)}", [float(np.mean(some))])
    report.add("one check", spent, "s")
    return report


def judge(case: Case) -> truth.Truth:
    """What the service would say, colours of a colourized photo being a guess."""
    seen = (np.ascontiguousarray(some[..., ::-1]) for some in (case.master, case.result))
    return truth.judge(*seen, colours_are_new=case.name == COLOURED)


def _cases(pictures: Mapping[str, Pixels]) -> Iterator[Case]:
    names = list(pictures)
    somebody, their_face = donor()
    for place, name in enumerate(names):
        other = pictures[names[place - 1]]
        found = largest_face(pictures[name])
        for seed in range(SEEDS):
            master = worn(pictures[name], UNSEEN + SEEDS * place + seed, level=LEVEL).picture
            good = restore(master, seed=seed)
            for what, result in faultless(good):
                yield Case(what, master, result, is_good=True)
            for what, result in untrue.pictures(good, other):
                yield Case(what, master, result, is_good=False)
            if found and largest_face(master):
                for what, result in untrue.people(good, found, somebody, their_face):
                    yield Case(what, master, result, is_good=False)
        if found:
            somebody, their_face = pictures[name], found


def faultless(good: Pixels) -> Iterator[tuple[str, Pixels]]:
    """A good result, and what may be done to it."""
    yield "restored", good
    yield COLOURED, colourize(good).picture
    lighter = (255 * (good / 255) ** 0.7).astype(np.uint8)
    yield "lighter", lighter
    grey = cv2.cvtColor(good, cv2.COLOR_BGR2GRAY)
    yield "grey", np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    twice = cv2.resize(good, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    yield "twice the size", np.asarray(twice, np.uint8)
    soft = cv2.GaussianBlur(good, (0, 0), 1.5)
    yield "sharpened", np.asarray(cv2.addWeighted(good, 1.8, soft, -0.8, 0), np.uint8)


def largest_face(picture: Pixels) -> Face | None:
    """The largest face, if there is one that is large enough to be looked at."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    boxes = [box for box, _ in identity.find(grey, identity.CERTAIN)]
    boxes = [box for box in boxes if box[2] - box[0] >= identity.WIDTH_LEAST]
    if not boxes:
        return None
    points = identity.landmarks(grey, max(boxes, key=lambda box: box[2] - box[0]))
    return Face(points[:4].reshape(2, 2, 2), (float(points[4, 0]), float(points[4, 1])))


def donor() -> tuple[Pixels, Face]:
    """One of the faces that scikit-image ships, 25 pixels wide, and where its eyes and nose are."""
    small = data.lfw_subset()[0]  # type: ignore[no-untyped-call]
    large = cv2.resize(small, (250, 250), interpolation=cv2.INTER_CUBIC)
    grey = np.clip(large * 255, 0, 255).astype(np.uint8)
    eyes = np.array([[[60, 90], [100, 90]], [[150, 90], [190, 90]]], np.float32)
    return np.dstack([grey] * 3), Face(eyes, (125.0, 150.0))
