"""Chromium for the tests of the app: installed, or the distribution's own, unpacked privately."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import packages

NAMES = ("chromium", "chromium-browser", "google-chrome")
WANTED = ("chromium", "chromium-common", "fontconfig-config")
SYSTEM_FONTS = Path("/etc/fonts/fonts.conf")


@dataclass(frozen=True)
class Chromium:
    """The program, and what it has to be told to run."""

    program: Path
    libraries: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def find() -> Chromium:
    """The machine's own Chromium, else a private copy (about 460 MB, once)."""
    for name in NAMES:
        if installed := shutil.which(name):
            return Chromium(Path(installed))
    folder = packages.unpacked("chromium", WANTED)
    libraries = packages.libraries(folder)
    # One library of sound keeps its own in a folder below.
    deeper = [str(place) for place in folder.glob("usr/lib/*-linux-gnu*/pulseaudio")]
    settings = {} if SYSTEM_FONTS.exists() else {"FONTCONFIG_PATH": str(folder / "etc" / "fonts")}
    return Chromium(
        folder / "usr" / "lib" / "chromium" / "chromium",
        libraries=":".join([libraries, *deeper]),
        settings=settings,
    )
