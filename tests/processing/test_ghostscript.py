"""EPS never reaches Ghostscript: a program of that name is there, and would leave a mark."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.strangers import EPS
from tests.corpus.variant import quarters, saved

OURS = "from services.processing.decoding import decode; decode(source, side_needed=99)"
PILLOWS = "from PIL import Image; Image.open(source).load()"
PROGRAM = "import sys; from pathlib import Path; source = Path(sys.argv[1])\n"


@pytest.fixture(name="mark")
def _mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the false Ghostscript writes that it was called."""
    mark, programs = tmp_path / "called", tmp_path / "programs"
    programs.mkdir()
    ghostscript = programs / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return mark


def run(program: str, source: Path) -> int:
    """In a process of its own: Pillow looks for Ghostscript once."""
    command = [sys.executable, "-c", PROGRAM + program, str(source)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def test_the_false_ghostscript_is_found_by_who_looks_for_it(mark: Path, tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(saved(quarters(), "EPS"))

    run(PILLOWS, source)

    assert mark.exists()


@pytest.mark.parametrize("make", [lambda: saved(quarters(), "EPS"), lambda: EPS])
def test_ghostscript_is_never_called(make: object, mark: Path, tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(make())  # type: ignore[operator]

    assert run(OURS, source) != 0
    assert not mark.exists()
