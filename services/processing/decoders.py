"""Which decoders are really in use, and whether one is older than what is known to be safe.

Asked by `rekindle doctor` through `python -m services.processing decoders`. The versions are those
that a decoding process has loaded, not those that a package's metadata promises: wheels bring their
own copies of the libraries in C.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from services.processing.sandbox import Sandbox, task_folder

ADVISORIES = Path(__file__).with_name("advisories.toml")


@dataclass(frozen=True, slots=True)
class Decoder:
    """One library: the version in use, and the oldest that is known to be safe."""

    name: str
    version: str
    at_least: str
    ids: tuple[str, ...]

    @property
    def is_safe(self) -> bool:
        """A version that cannot be told is not known to be safe."""
        return _numbers(self.version) >= _numbers(self.at_least) > ()


async def main(asked: Sequence[str]) -> None:
    """Start a sandbox as the service does, and tell what is in it; exit code 1 if it is unsafe."""
    parser = argparse.ArgumentParser(prog="decoders", description=main.__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args(asked)
    # What is asked for goes to the standard output, and nothing else does.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    box = Sandbox(workers=1)
    try:
        with task_folder() as folder:
            seen = await box.run("look", folder=folder)
    finally:
        box.close()
    found = judged(seen["versions"])
    told = _as_json if options.as_json else _as_text
    print(told(found, seen["walls"]))  # noqa: T201  # it is what was asked for
    if not all(decoder.is_safe for decoder in found):
        sys.exit(1)


def judged(versions: Mapping[str, str | None]) -> list[Decoder]:
    """Every decoder there is something to know about; one that is not found has no version."""
    known = tomllib.loads(ADVISORIES.read_text())
    return [
        Decoder(name, versions.get(name) or "", one["at_least"], tuple(one["ids"]))
        for name, one in known.items()
        if isinstance(one, dict)
    ]


def _numbers(version: str) -> tuple[int, ...]:
    """`1.6.0` and `12.3.0.dev1` by their leading numbers."""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def _as_json(found: Sequence[Decoder], walls: Mapping[str, bool]) -> str:
    decoders = [asdict(decoder) | {"safe": decoder.is_safe} for decoder in found]
    return json.dumps({"decoders": decoders, "walls": dict(walls)})


def _as_text(found: Sequence[Decoder], walls: Mapping[str, bool]) -> str:
    lines = [
        f"{'✓' if one.is_safe else '✗'} {one.name:15} {one.version or '?':10} at least "
        f"{one.at_least:8} {', '.join(one.ids)}"
        for one in found
    ]
    lines += [f"{'✓' if stands else '✗'} wall: {wall}" for wall, stands in walls.items()]
    return "\n".join(lines)
