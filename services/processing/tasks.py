"""What a decoding process can be asked: each task by its name, with JSON in and a dataclass out.

Imported by the warden only, so that nobody else pays for OpenCV or runs a decoder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import PIL
import pillow_heif
from PIL import features

from services.processing import (
    blending,
    checking,
    copies,
    copy_names,
    imaging,
    proposing,
    walls,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is around a decoding process, and in it: walls that hold, versions of what decodes."""

    walls: dict[str, bool]
    versions: dict[str, str | None]


def prepare(source: str, quad: Any, **places: str) -> imaging.Prepared:
    paths: dict[str, Any] = {name: Path(place) for name, place in places.items()}
    return imaging.prepare(Path(source), quad=quad, **paths)


def propose(source: str) -> proposing.Proposal:
    return proposing.propose_for(Path(source))


def check(path: str, master: str, **expected: Any) -> checking.Result:
    return checking.check(Path(path), master=Path(master), **expected)


def copy(name: copy_names.Name, **places: str) -> copies.Copied:
    paths: dict[str, Any] = {role: Path(place) for role, place in places.items()}
    return copies.copy(name, **paths)


def blend(
    before: str, after: str, target: str, strength: int, faces_strength: int | None
) -> blending.Blended:
    places = (Path(place) for place in (before, after, target))
    return blending.blend_files(*places, strength=strength, faces_strength=faces_strength)


def look() -> Seen:
    heif = pillow_heif.libheif_info()
    return Seen(
        walls.look().standing,
        {
            "pillow": PIL.__version__,
            "pillow-heif": pillow_heif.__version__,
            "libheif": heif["libheif"],
            "libde265": _number_in(heif["decoders"].get("libde265", "")),
            "libwebp": features.version_module("webp"),
            "libjpeg-turbo": features.version_feature("libjpeg_turbo"),
            "zlib": features.version_codec("zlib"),
            "littlecms2": features.version_module("littlecms2"),
            "opencv": cv2.__version__,
            "opencv-libpng": _number_in(_line("PNG:", cv2.getBuildInformation())),
        },
    )


def _line(beginning: str, text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line.startswith(beginning)), "")


def _number_in(text: str) -> str | None:
    found = re.search(r"\bver(?:sion)? (\d[\d.]*)", text)
    return found[1] if found else None


TASKS: dict[str, Callable[..., Any]] = {
    "prepare": prepare,
    "propose": propose,
    "check": check,
    "copy": copy,
    "blend": blend,
    "look": look,
}
