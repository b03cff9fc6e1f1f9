"""An armed failpoint does what was asked for, once; production does not start with one."""

import os
import subprocess
import sys
import time

import pytest

from services.kit import failpoints
from services.kit.failpoints import EXIT_CODE, HANG_S, VARIABLE

PASSES = """
import asyncio
from services.kit import failpoints

failpoints.arm()

async def passes(name):
    try:
        await failpoints.reach(name)
    except ConnectionError as error:
        print("raised", error)
    print("passed", name)

async def main():
    for name in ("mid_hold", "mid_release", "mid_release"):
        await passes(name)

asyncio.run(main())
"""


def start(armed: str | None, *, env: str = "local") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "REKINDLE_ENV": env}
    if armed is not None:
        environment[VARIABLE] = armed
    return subprocess.run(
        [sys.executable, "-c", PASSES], env=environment, capture_output=True, text=True, check=False
    )


def passed(process: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in process.stdout.splitlines() if line.startswith(("passed", "raised"))]


def test_what_is_not_armed_is_passed() -> None:
    process = start(None)

    assert process.returncode == 0, process.stderr
    assert passed(process) == ["passed mid_hold", "passed mid_release", "passed mid_release"]


def test_exit_ends_the_process_at_that_line() -> None:
    process = start("mid_release:exit")

    assert process.returncode == EXIT_CODE
    assert passed(process) == ["passed mid_hold"]
    assert "failpoint.reached" in process.stdout


def test_raise_looks_like_a_connection_that_broke_and_happens_once() -> None:
    process = start("mid_release:raise")

    assert passed(process) == [
        "passed mid_hold",
        "raised mid_release",
        "passed mid_release",
        "passed mid_release",
    ]


def test_several_points_can_be_armed_at_once() -> None:
    process = start("mid_hold:raise,mid_release:exit")

    assert process.returncode == EXIT_CODE
    assert passed(process) == ["raised mid_hold", "passed mid_hold"]


def test_hang_goes_on_later() -> None:
    began = time.monotonic()
    process = start("mid_release:hang")

    assert time.monotonic() - began > HANG_S
    assert passed(process)[-1] == "passed mid_release"


@pytest.mark.parametrize("armed", ["mid_release", "mid_release:explode", "nowhere:exit"])
def test_a_misspelt_point_ends_the_process(armed: str) -> None:
    process = start(armed)

    assert process.returncode == 1
    assert "Cannot start" in process.stderr


def test_production_does_not_start_with_a_point_armed() -> None:
    process = start("mid_release:exit", env="production")

    assert process.returncode == 1
    assert "REKINDLE_ENV=local" in process.stderr
    assert not passed(process)


async def test_a_point_that_is_not_armed_costs_next_to_nothing() -> None:
    passes, cost_s_max = 20_000, 2e-6
    began = time.perf_counter()
    for _ in range(passes):
        await failpoints.reach("mid_release")

    assert (time.perf_counter() - began) / passes < cost_s_max
