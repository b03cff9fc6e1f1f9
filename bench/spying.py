"""Where a program spends its time: py-spy looks at it while it works, a hundred times a second."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.report import RESULTS
from deploy.local.places import BENCH_PYTHON

RATE_HZ = 100
SHOWN = 25
STOPS_WITHIN_S = 20.0


@asynccontextmanager
async def watching(programs: Mapping[str, int]) -> AsyncIterator[dict[str, Path]]:
    """Watch each program for as long as the block lasts; its stacks are in files then."""
    RESULTS.mkdir(exist_ok=True)
    files = {name: RESULTS / f"profile-{name}.txt" for name in programs}
    watchers = [await _watch(pid, files[name]) for name, pid in programs.items()]
    try:
        yield files
    finally:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
        for watcher in watchers:
            await asyncio.wait_for(watcher.wait(), STOPS_WITHIN_S)


def summary(stacks: Path) -> str:
    """The functions that were found on most stacks, each once per stack, in per cent."""
    found: Counter[str] = Counter()
    total = 0
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        total += int(count)
        for frame in {_without_line(one) for one in stack.split(";")}:
            found[frame] += int(count)
    shown = (f"{seen / total:7.1%}  {frame}" for frame, seen in found.most_common(SHOWN))
    return "\n".join([f"{stacks.stem}: {total} samples", *shown])


async def _watch(pid: int, file: Path) -> asyncio.subprocess.Process:
    spy = BENCH_PYTHON.with_name("py-spy")
    how = ("--nonblocking", "--subprocesses", "--rate", str(RATE_HZ), "--format", "raw")
    return await asyncio.create_subprocess_exec(
        *(str(spy), "record", *how, "--output", str(file), "--pid", str(pid)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


def _without_line(frame: str) -> str:
    return frame.rpartition(":")[0] or frame
