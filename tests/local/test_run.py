"""Runs of the stack as a user starts and ends them, with PostgreSQL alone to be quick."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local import lock
from deploy.local.home import Home
from deploy.local.places import ROOT

pytestmark = pytest.mark.stack


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    local("down", home)


def local(
    action: str, home: Home, *options: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", action, "--home", str(home.folder), *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def up(home: Home) -> "subprocess.CompletedProcess[str]":
    return local("up", home, "--only", "postgres", "--any-port", "--detach")


def test_a_run_is_shown_refused_twice_and_stopped(home: Home) -> None:
    assert up(home).returncode == 0

    assert "postgres              runs" in local("status", home).stdout
    again = up(home)
    assert again.returncode == 2
    assert "already runs" in again.stderr
    assert "Stopped after" in local("down", home).stdout
    assert not home.state_file.exists()


async def test_a_killed_run_is_cleaned_up_by_the_next_and_keeps_its_data(home: Home) -> None:
    up(home)
    before = home.state()
    connection = await asyncpg.connect(before["admin_database_url"])
    await connection.execute("create table kept (id int)")
    await connection.close()

    os.kill(before["supervisor_pid"], signal.SIGKILL)
    await_end(before["supervisor_pid"])
    assert lock.is_alive(before["processes"]["postgres"])
    assert up(home).returncode == 0

    said = (home.logs / "supervisor.log").read_text()
    assert "The last run was killed and left 1 programs behind (postgres)" in said
    assert not lock.is_alive(before["processes"]["postgres"])
    connection = await asyncpg.connect(home.state()["admin_database_url"])
    assert await connection.fetchval("select count(*) from kept") == 0
    await connection.close()


def test_state_and_secrets_are_for_their_owner_only(home: Home) -> None:
    up(home)

    for file in ("state.json", "secrets.json"):
        assert (home.folder / file).stat().st_mode & 0o077 == 0
    assert home.data.stat().st_mode & 0o077 == 0


def test_cleaning_stops_and_forgets(home: Home) -> None:
    up(home)

    assert local("clean", home).returncode == 0
    assert lock.owner(home) is None
    assert list(home.folder.iterdir()) == []


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 5
    while lock.born(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
