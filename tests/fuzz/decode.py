"""Sends broken files through both doors: the header inspection, and the sandbox behind it."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from services.kit.problems import Problem
from services.processing.sandbox import TASK_TIMEOUT_S, WARDEN_GRACE_S, Crashed, Sandbox, TaskFailed
from services.uploads.arrivals import HEAD_BYTES, TAIL_BYTES
from services.uploads.inspection import HeaderIncomplete, inspect
from tests.fuzz.mutations import mutated
from tests.fuzz.report import Report
from tests.fuzz.resources import held

FILES_AT_ONCE = 20
"""Decoded by one process, which saves forks; a file that ends it is then looked for alone."""

REFUSED_DECODED_EACH = 4
"""Of the files that the header refuses every fourth is decoded all the same."""

PREPARED_EACH = 25
SETTLED_AFTER = 0.1
"""Part of the run after which memory is first looked at: caches are full then."""

HEADER_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class File:
    number: int
    data: bytes
    sort: str


async def run(
    originals: Sequence[bytes], *, files: int, seed: int, workers: int, until: float = float("inf")
) -> Report:
    """Break `files` files, or as many as there is time for, and see what becomes of them."""
    report = Report(seed)
    box = Sandbox(workers=workers, tasks="tests.fuzz.tasks")
    with TemporaryDirectory(prefix="rekindle-fuzz-") as folder:
        try:
            await asyncio.gather(*(box.run("look", folder=Path(folder)) for _ in range(workers)))
            settled_at = max(FILES_AT_ONCE * workers, int(files * SETTLED_AFTER))
            made = _broken(originals, files, seed, until, report)
            await _decode_all(box, Path(folder), _first(made, settled_at), report)
            report.before = held(box, Path(folder))
            await _decode_all(box, Path(folder), made, report)
            report.after = held(box, Path(folder))
        finally:
            box.close()
    return report


def _broken(
    originals: Sequence[bytes], files: int, seed: int, until: float, report: Report
) -> Iterator[File]:
    """Files that get past the first door, and some that do not."""
    for number in range(files):
        if time.monotonic() > until:
            return
        data = mutated(originals, seed=seed, number=number)
        file = File(number, data, _sort(data))
        outcome = _look(file, report)
        report.count(file.sort, "header", outcome)
        if outcome == "accepted" or number % REFUSED_DECODED_EACH == 0:
            yield file


def _look(file: File, report: Report) -> str:
    """What uploads makes of a file: the same calls with the same parts of it."""
    started = time.thread_time()
    outcome = "file-damaged"
    try:
        for bytes_max in HEAD_BYTES:
            try:
                inspect(file.data[:bytes_max], file.data[-TAIL_BYTES:], size=len(file.data))
            except HeaderIncomplete:
                continue
            outcome = "accepted"
            break
    except Problem as refusal:
        outcome = refusal.code
    except Exception as error:  # noqa: BLE001  # this is what we are looking for
        outcome = f"! {type(error).__name__}"
        report.breach(f"header inspection raised {error!r}", file.number, file.data)
    took = time.thread_time() - started
    report.took("header", file.sort, took)
    if took > HEADER_S_MAX:
        report.breach(f"header inspection took {took:.1f} s", file.number, file.data)
    return outcome


async def _decode_all(box: Sandbox, folder: Path, files: Iterator[File], report: Report) -> None:
    async def keep_one_warden_busy() -> None:
        # The next files are only made when there is somebody to decode them.
        while batch := list(islice(files, FILES_AT_ONCE)):
            await _decode(box, folder, batch, report)

    async with asyncio.TaskGroup() as wardens:
        for _ in box._all:
            wardens.create_task(keep_one_warden_busy())


async def _decode(box: Sandbox, folder: Path, batch: Sequence[File], report: Report) -> None:
    """Decode files together; if their process ends, each by itself."""
    with TemporaryDirectory(dir=folder) as own:
        sources = [Path(own, str(file.number)) for file in batch]
        for file, source in zip(batch, sources, strict=True):
            source.write_bytes(file.data)
        try:
            seen = await box.run("decode_all", folder=Path(own), sources=[str(s) for s in sources])
        except Crashed as crash:
            if len(batch) == 1:
                report.count(batch[0].sort, "decoder", str(crash))
                report.crash(str(crash), batch[0].number, batch[0].data)
                return
            for file in batch:
                await _decode(box, folder, [file], report)
            return
        for file, (outcome, took) in zip(batch, seen["outcomes"], strict=True):
            report.count(file.sort, "decoder", outcome)
            report.took("decoder", file.sort, took)
            if outcome.startswith("!"):
                report.breach(f"decode raised {outcome}", file.number, file.data)
            if file.number % PREPARED_EACH == 0:
                await _prepare(box, Path(own), file, report)


async def _prepare(box: Sandbox, folder: Path, file: File, report: Report) -> None:
    """The whole task as the service asks for it, one process for one file."""
    started = time.monotonic()
    places = {name: str(folder / name) for name in ("master", "thumbnail")}
    try:
        source = str(folder / str(file.number))
        await box.run("prepare", folder=folder, source=source, quad=None, **places)
        outcome = "prepared"
    except TaskFailed as refusal:
        outcome = refusal.facts.get("code", f"! {refusal.name}")
    except Crashed as crash:
        outcome = str(crash)
    report.count(file.sort, "prepare", outcome)
    if outcome.startswith("!"):
        report.breach(f"preparation raised {outcome}", file.number, file.data)
    if time.monotonic() - started > TASK_TIMEOUT_S + WARDEN_GRACE_S:
        report.breach("preparation outlived its limit", file.number, file.data)


def _sort(data: bytes) -> str:
    starts = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"RI": "WebP"}
    if data[4:8] == b"ftyp":
        return "HEIC"
    return starts.get(data[:2], "other")


def _first(files: Iterator[File], until_number: int) -> Iterator[File]:
    for file in files:
        yield file
        if file.number >= until_number:
            return
