"""The command: it teaches, it refuses in sentences, and it speaks JSON to programs."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sdk.rekindle.cli import cli
from sdk.rekindle.cli.door import MENDS
from sdk.rekindle.places import find_place
from sdk.rekindle.tokens import Tokens, TokenStore
from tests.sdk.scripted import measured

ROOT = Path(__file__).parents[2]

Rekindle = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def nobody_there() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def rekindle(tmp_path: Path) -> Rekindle:
    """The program as a user starts it, in a home of its own."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from sdk.rekindle.cli import main; main()", *arguments],
            cwd=tmp_path,
            env={
                **measured(),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "REKINDLE_URL": "http://127.0.0.1:9",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def commands() -> list[list[str]]:
    found: list[list[str]] = [[]]
    for name, command in cli.commands.items():
        found += [[name], *([name, inner] for inner in getattr(command, "commands", {}))]
    return found


def test_help_teaches_every_command_with_examples(rekindle: Rekindle) -> None:
    known = {
        "login",
        "logout",
        "restore",
        "batch",
        "photos",
        "handoff",
        "jobs",
        "credits",
        "buy",
        "plan",
        "erase",
        "doctor",
    }
    for_operators = {"dead", "costs", "billing", "audit"}
    assert known | for_operators == set(cli.commands)
    top = rekindle("--help")

    assert top.returncode == 0
    assert "rekindle login --demo" in top.stdout
    assert "rekindle restore old.jpg --kind restore_colourize" in top.stdout
    assert all(command.help for command in cli.commands.values())


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli([*command, "--help"])

    assert ended.value.code == 0


def test_without_a_login_the_way_to_one_is_said(rekindle: Rekindle) -> None:
    outcome = rekindle("credits")

    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert "not logged in" in outcome.stderr
    assert "rekindle login" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_program_gets_the_problem_as_json(rekindle: Rekindle) -> None:
    outcome = rekindle("photos", "list", "--json")

    assert outcome.returncode == 1
    assert json.loads(outcome.stdout)["problem"]["code"] == "not-logged-in"


def test_a_missing_file_and_a_bad_name_are_refused_before_anything_is_asked(
    rekindle: Rekindle, tmp_path: Path
) -> None:
    (tmp_path / "old.png").write_bytes(b"x")

    for arguments, words in (
        (("old.png", "--out", "new.jpg"), "Results are PNG"),
        (("old.png", "--out", "nowhere/new.png"), "There is no folder nowhere"),
        (("old.png", "--out", "old.png"), "would replace the photo"),
    ):
        outcome = rekindle("restore", *arguments)
        assert outcome.returncode == 1
        assert words in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_a_gateway_that_is_away_is_said_with_its_mend(
    rekindle: Rekindle, tmp_path: Path, nobody_there: str
) -> None:
    store = TokenStore(tmp_path / "config" / "rekindle" / "tokens.json")
    store.write(nobody_there, Tokens("a", "r", time.time() + 600, nobody_there))

    outcome = rekindle("jobs", "list", REKINDLE_URL=nobody_there)

    assert outcome.returncode == 1
    assert f"Rekindle at {nobody_there} does not answer." in outcome.stderr
    assert MENDS["unreachable"] in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_doctor_says_what_is_missing_and_fails(rekindle: Rekindle, nobody_there: str) -> None:
    outcome = rekindle("doctor", "--json", REKINDLE_URL=nobody_there)
    examined = json.loads(outcome.stdout)
    parts = {part["part"]: part for part in examined["parts"]}

    assert outcome.returncode == 1
    assert examined["well"] is False
    assert parts["gateway"]["well"] is False
    assert "make run" in parts["gateway"]["mend"]
    assert parts["disk"] == {
        "part": "disk",
        "well": True,
        "seen": parts["disk"]["seen"],
        "mend": None,
    }


def write_state(folder: Path, url: str) -> None:
    (folder / ".rekindle").mkdir()
    state = {"gateway_url": url, "issuer_url": "http://issuer/", "demo": {}}
    (folder / ".rekindle" / "state.json").write_text(json.dumps(state))


def test_the_running_stack_is_found_from_any_folder_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(tmp_path, "http://127.0.0.1:4242/")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("REKINDLE_URL", raising=False)
    monkeypatch.delenv("REKINDLE_ISSUER", raising=False)

    place = find_place()

    assert (place.base_url, place.issuer_url) == ("http://127.0.0.1:4242", "http://issuer/")


def test_the_running_stack_is_found_beside_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(tmp_path, "http://127.0.0.1:4242")
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.delenv("REKINDLE_URL", raising=False)

    assert find_place().base_url == "http://127.0.0.1:4242"


def test_a_named_address_wins_and_keeps_the_local_secrets_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(tmp_path, "http://127.0.0.1:4242")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REKINDLE_URL", "https://rekindle.example/")
    monkeypatch.delenv("REKINDLE_ISSUER", raising=False)

    place = find_place()

    assert (place.base_url, place.issuer_url, place.state) == ("https://rekindle.example", None, {})
