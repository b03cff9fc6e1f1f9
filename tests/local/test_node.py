"""Which Node builds the app."""

from pathlib import Path

import pytest

from deploy.local import node
from deploy.local.places import ROOT
from deploy.local.trouble import StackError


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_old_node_is_passed_over_for_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "node", "echo v18.19.0")
    program(tmp_path, "npm", "echo 9.2.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = node.find()

    assert found.origin == "private package"
    version = found.run("--version", folder=ROOT).strip().removeprefix("v")
    assert int(version.split(".")[0]) >= 20
    assert found.run_npm("--version", folder=ROOT).strip()


def test_a_new_enough_one_of_the_machine_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "node", "echo v20.9.0")
    program(tmp_path, "npm", "echo 10.1.0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = node.find()

    assert (found.origin, found.program) == ("installed", tmp_path / "node")


def test_what_fails_is_said_in_its_own_last_words(tmp_path: Path) -> None:
    program(tmp_path, "npm", "echo the registry is away; exit 1")
    broken = node.Node(Path("/bin/sh"), (str(tmp_path / "npm"),), "installed")

    with pytest.raises(StackError, match="the registry is away"):
        broken.run_npm("ci", folder=tmp_path)
