"""Programs whose clocks can be set while they run, one without the other."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local import clocks, packages
from deploy.local.home import Home

pytestmark = pytest.mark.skipif(not packages.apt_is_there(), reason="no apt on this machine")

TWO_HOURS_S = 7_200.0
# As the nursery does it: the library is there from the start, the file is named after the fork.
PROGRAM = """
import json, os, sys, time
if os.fork() == 0:
    os.environ.clear()
    os.environ.update(json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(time.time(), time.monotonic(), flush=True)
else:
    os.wait()
"""


class Told:
    """A running program that tells its clocks when asked."""

    def __init__(self, home: Home, name: str) -> None:
        told = json.dumps(clocks.of_program(home, name))
        self._program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, told],
            env={**os.environ, **clocks.of_nursery()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def offsets_s(self) -> tuple[float, float]:
        """How far the wall clock and the monotonic one are from the machine's."""
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.write("\n")
        self._program.stdin.flush()
        wall, monotonic = map(float, self._program.stdout.readline().split())
        return round(wall - time.time()), round(monotonic - time.monotonic())

    def end(self) -> None:
        self._program.communicate()


def test_a_clock_jumps_and_comes_back_while_the_others_are_right(tmp_path: Path) -> None:
    home = Home(tmp_path)
    gateway, relay = Told(home, "gateway"), Told(home, "relay")
    told = []

    for offset_s in (0.0, TWO_HOURS_S, -TWO_HOURS_S, 0.0):
        clocks.put(home, "gateway", offset_s)
        time.sleep(clocks.HEARD_WITHIN_S + 0.1)
        told.append((gateway.offsets_s(), relay.offsets_s()))
    gateway.end()
    relay.end()

    right = (0, 0)
    assert told == [
        (right, right),
        ((TWO_HOURS_S, 0), right),
        ((-TWO_HOURS_S, 0), right),
        (right, right),
    ]


def test_a_clean_home_keeps_no_clock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    clocks.put(home, "gateway", TWO_HOURS_S)

    home.forget()

    assert not (tmp_path / "clocks").exists()
