"""Which port each program listens on: the same as last time if it is free, else another one."""

import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from deploy.local.home import read_json
from deploy.local.trouble import StackError

# Below the ports that outgoing connections use. SeaweedFS also listens at its port + 10,000.
LOWEST = 20_000
HIGHEST = 22_700
TWIN = 10_000
TRIES_MAX = 500


def choose(file: Path, preferred: Mapping[str, int | None]) -> tuple[dict[str, int], list[str]]:
    """Give every name a free port, remembered in `file`, and say which had to change."""
    remembered = read_json(file)
    chosen: dict[str, int] = {}
    notes: list[str] = []
    for name, wish in preferred.items():
        before = remembered.get(name)
        candidates = [port for port in (before, wish) if isinstance(port, int)]
        free = [port for port in candidates if port not in chosen.values() and is_free(port)]
        chosen[name] = free[0] if free else _another(chosen)
        if candidates and not free:
            notes.append(
                f"Port {candidates[0]} is taken by another program: {name} uses {chosen[name]}."
            )
    file.write_text(json.dumps({**remembered, **chosen}, indent=1))
    return chosen, notes


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, so that a port whose last connections still linger counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _another(chosen: Mapping[str, int]) -> int:
    for _ in range(TRIES_MAX):
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - not a secret
        if port not in chosen.values() and is_free(port) and is_free(port + TWIN):
            return port
    raise StackError(
        f"No free port was found between {LOWEST} and {HIGHEST}: stop some programs, then start "
        "again."
    )
