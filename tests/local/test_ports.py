import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.trouble import StackError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_replaced_and_said(tmp_path: Path, taken_port: int) -> None:
    chosen, notes = ports.choose(tmp_path / "ports.json", {"gateway": taken_port})

    assert chosen["gateway"] != taken_port
    assert ports.is_free(chosen["gateway"])
    assert notes == [
        f"Port {taken_port} is taken by another program: gateway uses {chosen['gateway']}."
    ]


def test_ports_are_the_same_next_time(tmp_path: Path) -> None:
    wishes = dict.fromkeys(("gateway", "uploads", "s3"))

    first, _ = ports.choose(tmp_path / "ports.json", wishes)
    second, notes = ports.choose(tmp_path / "ports.json", wishes)

    assert second == first
    assert notes == []


def test_no_two_programs_share_a_port(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({"gateway": 21_000, "uploads": 21_000}))

    chosen, _ = ports.choose(tmp_path / "ports.json", {"gateway": None, "uploads": None})

    assert len(set(chosen.values())) == 2


def test_no_free_port_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST", ports.LOWEST + 1)
    wishes = dict.fromkeys(("gateway", "uploads"))

    with pytest.raises(StackError, match="stop some programs, then start again"):
        ports.choose(tmp_path / "ports.json", wishes)
