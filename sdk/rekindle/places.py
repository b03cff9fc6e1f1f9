"""Which Rekindle to talk to: the one that is named, or else the one that runs on this machine."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.rekindle.problems import RekindleError

STATE_FILE = Path(".rekindle") / "state.json"
STATE_BYTES_MAX = 1024 * 1024
PARENTS_MAX = 32
SERVICES = ("gateway", "uploads", "credits", "processing", "billing")

State = dict[str, Any]


class NoPlace(RekindleError):  # noqa: N818  # an outcome
    """Neither an address nor a running local stack was found."""

    code = "no-rekindle-found"


@dataclass(frozen=True)
class Place:
    """An address, its issuer, and (if it is the local stack) what that one wrote about itself."""

    base_url: str
    issuer_url: str | None = None
    state: State = field(default_factory=dict)
    state_file: Path | None = None


def find_place() -> Place:
    """Take REKINDLE_URL (and REKINDLE_ISSUER), or the local stack's `.rekindle/state.json`."""
    file, state = _find_state()
    local_url = str(state.get("gateway_url", "")).rstrip("/")
    base_url = os.environ.get("REKINDLE_URL", "").rstrip("/") or local_url
    if not base_url:
        raise NoPlace("No Rekindle is running here and REKINDLE_URL is not set.")
    if base_url != local_url:
        return Place(base_url, os.environ.get("REKINDLE_ISSUER"))
    issuer_url = os.environ.get("REKINDLE_ISSUER") or str(state["issuer_url"])
    return Place(base_url, issuer_url, state, file)


def _find_state() -> tuple[Path | None, State]:
    here = Path.cwd()
    folders = [here, *here.parents][:PARENTS_MAX]
    for file in [
        *(folder / STATE_FILE for folder in folders),
        Path(sys.prefix).parent / STATE_FILE,
    ]:
        if state := _read(file):
            return file, state
    return None, {}


def _read(file: Path) -> State:
    try:
        if file.stat().st_size > STATE_BYTES_MAX:
            return {}
        state = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) and "gateway_url" in state else {}
