"""What a user sees when something is amiss: a sentence with its mend, never a traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import trouble
from deploy.local.places import ROOT
from deploy.local.trouble import StackError, plain_words, require_free_space


def local(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_status_of_nothing_says_how_to_start(tmp_path: Path) -> None:
    shown = local("status", "--home", str(tmp_path))

    assert shown.returncode == 1
    assert shown.stdout == "Nothing runs: `make run` starts it.\n"


def test_stopping_nothing_is_fine(tmp_path: Path) -> None:
    shown = local("down", "--home", str(tmp_path))

    assert (shown.returncode, shown.stdout) == (0, "Nothing was running.\n")


def test_a_photo_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    shown = local("run", "--home", str(tmp_path), "--photo", str(tmp_path / "old.heic"))

    assert shown.returncode == 2
    assert "There is no photo at" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_broker_without_its_management_address_is_refused(tmp_path: Path) -> None:
    shown = local("up", "--home", str(tmp_path), AMQP_URL="amqp://somewhere/rekindle")

    assert shown.returncode == 2
    assert "RABBITMQ_MANAGEMENT_URL is not: set it too" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_full_disk_is_said_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "disk_usage", lambda _: os.statvfs_result)
    monkeypatch.setattr(os.statvfs_result, "free", 3 * 2**20, raising=False)

    with pytest.raises(StackError, match="has 3 MB free and this needs 500 MB: free some space"):
        require_free_space(tmp_path)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full (/data): free some space, then start again."),
        (errno.EACCES, "This user may not write or run something here (/data): mend its rights."),
        (errno.ENOENT, "/data is missing: run `make run` again, which puts it back."),
        (errno.EIO, "The operating system refused: Input/output error (/data)."),
    ],
)
def test_the_system_s_refusals_become_sentences(number: int, sentence: str) -> None:
    with pytest.raises(StackError) as refusal, plain_words():
        raise OSError(number, os.strerror(number), "/data")

    assert str(refusal.value) == sentence


def test_make_alone_lists_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    for target in ("run", "test", "check", "stop", "status", "logs", "clean"):
        assert f"\n  {target} " in shown
