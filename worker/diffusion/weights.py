"""Where a model's weights are: this only looks, it never downloads.

A worker finds them in folders laid out as Hugging Face's cache is (`models--ORG--NAME/snapshots`).
On RunPod these are the endpoint's cached model, a network volume, or the image:
https://docs.runpod.io/serverless/endpoints/model-caching
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.failures import AttemptError

FOLDERS_VARIABLE = "MODEL_FOLDERS"
FOLDERS = ("/runpod-volume/huggingface-cache/hub", "/runpod-volume/models", "/models")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One revision of a model, complete, on this machine."""

    folder: Path
    revision: str


def folders(environment: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where to look, in this order; MODEL_FOLDERS names others, separated by colons."""
    named = environment.get(FOLDERS_VARIABLE)
    return tuple(Path(folder) for folder in (named.split(":") if named else FOLDERS))


def find_snapshot(
    model: str, *, file: str, revision: str | None = None, places: tuple[Path, ...] | None = None
) -> Snapshot:
    """Find the revision of a model that has this file.

    Without a revision it is what `main` was when the model was fetched.
    """
    looked_in = folders() if places is None else places
    for place in looked_in:
        home = place / f"models--{model.replace('/', '--')}"
        for wanted in [revision] if revision else _revisions(home):
            folder = home / "snapshots" / wanted
            if (folder / file).is_file():
                return Snapshot(folder, wanted)
    raise AttemptError(
        "infra",
        f"the model {model}{f' at {revision}' if revision else ''} is not on this machine: "
        f"{file} is in none of {', '.join(str(place) for place in looked_in)}",
    )


def _revisions(home: Path) -> list[str]:
    """Tell what `main` is; a cache without that note has the one revision that was fetched."""
    main = home / "refs" / "main"
    snapshots = home / "snapshots"
    if main.is_file():
        return [main.read_text().strip()]
    there = [folder.name for folder in snapshots.iterdir()] if snapshots.is_dir() else []
    return there if len(there) == 1 else []
