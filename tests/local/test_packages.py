"""Private copies of the distribution's packages, on machines that have apt."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import packages, postgres, rabbitmq
from deploy.local.places import PACKAGES
from deploy.local.trouble import StackError

NAME = "tests-netbase"

pytestmark = pytest.mark.skipif(not packages.apt_is_there(), reason="no apt on this machine")


@pytest.fixture
def copy() -> Iterator[Path]:
    yield packages.unpacked(NAME, ["netbase"])
    shutil.rmtree(PACKAGES / NAME)


def test_a_package_is_unpacked_privately(copy: Path) -> None:
    assert (copy / "etc" / "services").is_file()
    assert not list(PACKAGES.glob(f".{NAME}*"))


def test_a_copy_is_made_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked apt again")

    monkeypatch.setattr(subprocess, "run", refuse)

    assert packages.unpacked(NAME, ["netbase"]) == copy


def test_a_moved_copy_is_made_anew(copy: Path) -> None:
    (copy / ".complete").write_text("/elsewhere\n")
    (copy / "etc" / "services").unlink()

    assert (packages.unpacked(NAME, ["netbase"]) / "etc" / "services").is_file()


def test_a_package_that_does_not_exist_is_a_sentence() -> None:
    with pytest.raises(StackError, match="failed"):
        packages.unpacked(NAME, ["rekindle-does-not-exist"])


def test_the_servers_found_are_new_enough_and_private() -> None:
    assert postgres.find().version() >= postgres.VERSION_MIN
    assert PACKAGES in rabbitmq.find().server.parents


def test_without_apt_the_sentence_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", Path("/nonexistent"))
    for attempt in ("_of_next_release", "_private", "_installed"):
        monkeypatch.setattr(rabbitmq, attempt, _refuse)

    with pytest.raises(StackError, match="set AMQP_URL and RABBITMQ_MANAGEMENT_URL"):
        rabbitmq.find()


def test_what_the_next_release_cannot_give_comes_from_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Path("unpacked")
    this_release = rabbitmq.Programs(here, here, here, library_path="", origin="private packages")
    monkeypatch.setattr(rabbitmq, "_of_next_release", _refuse)
    monkeypatch.setattr(rabbitmq, "_private", lambda: this_release)

    assert rabbitmq.find() is this_release


def _refuse() -> rabbitmq.Programs:
    raise StackError("None is installed.")
