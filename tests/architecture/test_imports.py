"""The import rules of pyproject.toml hold, and each of them would notice."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 120


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "", "HOME": str(folder), "COLUMNS": "200"},
    )


def test_every_import_rule_is_kept() -> None:
    outcome = lint_imports(Path.cwd())

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("services/credits/ledger.py", "import services.uploads.facts", "Services never import"),
        ("contracts/message.py", "import sqlalchemy", "Contracts are plain data"),
        ("services/kit/outbox.py", "import contracts.uploads.v1", "The kit knows no service"),
        ("services/uploads/models.py", "import services.uploads.api", "A service reads top-down"),
        ("services/uploads/photos.py", "import services.uploads.removal", "uploads: doors"),
        ("services/credits/ledger.py", "import services.kit.http", "Rules know neither"),
        ("services/uploads/consumers.py", "import services.kit.http", "Processes without HTTP"),
        ("services/uploads/api.py", "import services.kit.bus", "Processes with HTTP"),
        ("services/uploads/removal.py", "import aioboto3", "S3 is reached through"),
        ("services/processing/submitting.py", "import runpod", "RunPod's SDK"),
        ("sdk/rekindle/client.py", "import contracts.message", "The client and the worker"),
    ],
    ids=lambda value: value if value.endswith(".py") else "",
)
def test_a_broken_rule_is_noticed(tmp_path: Path, module: str, line: str, rule: str) -> None:
    for package in ("services", "contracts", "sdk", "worker"):
        for path in Path(package).rglob("*.py"):
            copy = tmp_path / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes(Path("pyproject.toml").read_bytes())
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")

    outcome = lint_imports(tmp_path)

    broken = [text for text in outcome.stdout.splitlines() if " BROKEN" in text]
    assert [text for text in broken if text.startswith(rule)], outcome.stdout + outcome.stderr
