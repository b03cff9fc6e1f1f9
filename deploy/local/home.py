"""A home: the folder where one running copy of the stack keeps its data, logs, keys and state."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET_BYTES = 24
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

State = dict[str, Any]


@dataclass(frozen=True)
class Home:
    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def demo(self) -> Path:
        return self.folder / "demo"

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    def create(self) -> None:
        for folder in (self.folder, self.logs, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        self.data.chmod(PRIVATE_FOLDER)

    def forget(self) -> None:
        """Delete what this home keeps; private servers and environments stay."""
        for folder in (self.data, self.logs, self.demo, self.folder / "clocks"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in ("state.json", "secrets.json", "ports.json", "lock"):
            (self.folder / file).unlink(missing_ok=True)

    def state(self) -> State:
        return read_json(self.state_file)

    def write_state(self, state: State) -> None:
        write_private(self.state_file, json.dumps(state, indent=1))

    def secret(self, name: str) -> str:
        """Return this home's secret of that name, made at random when it is first asked for."""
        file = self.folder / "secrets.json"
        known = read_json(file)
        if name not in known:
            known[name] = secrets.token_hex(SECRET_BYTES)
            write_private(file, json.dumps(known, indent=1))
        return str(known[name])


def read_json(file: Path) -> dict[str, Any]:
    """Read what we wrote; a file that is missing or was cut short counts as empty."""
    try:
        content = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as stream:
        stream.write(text)
    new.replace(file)
