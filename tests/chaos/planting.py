"""Plants a bug in a copy of the product, and lets a short chaos run look for it there.

The copy is what git tracks, with this tree's environments and servers; a run starts a stack of
its own in it, as `python -m tests.chaos` does anywhere.
"""

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.places import PRIVATE, ROOT

VERDICTS = PRIVATE / "chaos" / "planted"
RUN_TIMEOUT_S = 180
STOP_TIMEOUT_S = 60
TRIES_MAX = 3
"""A run is short: on a busy machine its users may not come to where the bug is."""

NO_VERDICT = {"no verdict": 1, "details": {"no verdict": ["the run broke off"]}}
LOGS = ".rekindle/chaos/logs"
BORROWED = (".venv", ".rekindle/packages", ".rekindle/tools", ".rekindle/worker-venv")


@dataclass(frozen=True, slots=True)
class Edit:
    """A text of the product that stands there once, and what stands there instead."""

    file: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        """Put the new text in the place of the old one."""
        path = tree / self.file
        path.write_text(self.applied_to(path.read_text()))

    def applied_to(self, text: str) -> str:
        """The text of the file with the bug in it."""
        assert text.count(self.old) == 1, f"{self.file} has {text.count(self.old)}x {self.old!r}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One bug, the rules that have to bite, and the faults that make it show.

    Without rules it is a control: it must not be noticed. Without faults it shows in calm weather.
    """

    name: str
    says: str
    edits: tuple[Edit, ...]
    bites: tuple[str, ...]
    faults: tuple[str, ...] = ()
    faults_s: float = 12.0
    patience_s: float = 8.0
    """After so long without a movement what is left is stuck; short, for most bugs make it so."""

    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runs with the bug in it said."""

    bug: Bug
    found: dict[str, int]
    """How many anomalies of each kind there were."""

    tries: int

    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether every expected rule bit; for a control, whether none did."""
        if not self.bug.bites:
            return not self.found
        return self.found.keys() >= set(self.bug.bites)


def look_for(bug: Bug) -> Outcome:
    """Plant the bug, run until every rule has bitten, and tell what was found."""
    began = time.monotonic()
    VERDICTS.mkdir(parents=True, exist_ok=True)
    found: Counter[str] = Counter()
    with copied_tree() as tree:
        for edit in bug.edits:
            edit.apply(tree)
        for tries in range(1, TRIES_MAX + 1):
            verdict = _run(tree, bug, seed=bug.seed + tries - 1)
            kept = VERDICTS / f"{bug.name}-{tries}"
            kept.with_suffix(".json").write_text(json.dumps(verdict, indent=2))
            shutil.copytree(tree / LOGS, kept, dirs_exist_ok=True)
            found.update(_counts(verdict))
            outcome = Outcome(bug, dict(found), tries, time.monotonic() - began)
            if outcome.is_right or not bug.bites:
                break
    return outcome


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of what git tracks, for as long as the block lasts."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with tempfile.TemporaryDirectory(prefix="rekindle-planted-") as folder:
        tree = Path(folder)
        for name in filter(None, tracked.stdout.split("\0")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        for name in BORROWED:
            (tree / name).parent.mkdir(exist_ok=True)
            (tree / name).symlink_to(ROOT / name)
        yield tree


def _run(tree: Path, bug: Bug, *, seed: int) -> dict[str, Any]:
    python = str(tree / ".venv" / "bin" / "python")
    minutes = bug.faults_s / 60 if bug.faults else 0
    options = ["--scale=tiny", f"--patience={bug.patience_s}"]
    options += [f"--minutes={minutes}", f"--seed={seed}"]
    options += [f"--fault={fault}" for fault in bug.faults]
    with subprocess.Popen(
        [python, "-m", "tests.chaos", *options], cwd=tree, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            said, _ = running.communicate(timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Interrupted, it stops its stack.
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=STOP_TIMEOUT_S)
    verdict: dict[str, Any] = json.loads(said) if said else NO_VERDICT
    return verdict


def _counts(verdict: dict[str, Any]) -> dict[str, int]:
    return {kind: verdict[kind] for kind in verdict["details"]}
