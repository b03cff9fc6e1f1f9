import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import lock
from deploy.local.home import Home
from deploy.local.trouble import StackError

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def entry(pid: int, born: str) -> dict[str, Any]:
    return {"pid": pid, "born": born, "port": None, "log": "", "stop_group": True}


def test_a_second_run_is_refused_by_a_sentence(home: Home) -> None:
    with (
        lock.only_run(home),
        pytest.raises(StackError, match=r"already runs \(process \d+\): stop it with `make stop`"),
        lock.only_run(home),
    ):
        pytest.fail("two runs at once")


def test_a_lock_without_its_owner_is_replaced(home: Home) -> None:
    (home.folder / "lock").write_text("12345")
    home.write_state({"processes": {}, "ready": True})

    with lock.only_run(home) as notes:
        assert "stale" in notes[0]

    assert lock.owner(home) is None


def test_what_a_killed_run_left_is_ended(home: Home, sleeper: "subprocess.Popen[bytes]") -> None:
    left = entry(sleeper.pid, lock.born(sleeper.pid))
    home.write_state({"processes": {"relay": left}})

    with lock.only_run(home) as notes:
        assert "left 1 programs behind (relay)" in notes[0]

    assert sleeper.wait(1) != 0


def test_a_later_process_of_the_same_number_is_left_alone(
    home: Home, sleeper: "subprocess.Popen[bytes]"
) -> None:
    home.write_state({"processes": {"relay": entry(sleeper.pid, "1")}})

    with lock.only_run(home):
        pass

    assert sleeper.poll() is None


def test_a_state_file_that_was_cut_short_counts_as_none(home: Home) -> None:
    home.state_file.write_text('{"processes": {"rel')

    with lock.only_run(home) as notes:
        assert notes == []
