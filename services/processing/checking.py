"""Is this file what a worker may deliver, and true to its photo? Runs in a child process."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from services.processing import truth
from services.processing.identity import Picture
from services.processing.truth import Truth

RESULT_BYTES_MAX = 100 * 1024 * 1024
RESULT_PIXELS_MAX = 50_000_000
ASPECT_TOLERANCE = 0.03
SHORT_SIDE_PART_MIN = 0.9
"""Models work in steps of 16 or 32 pixels, so a result may be a little smaller than asked for."""

COMPARED_SIDE = 1024
"""Pixels of the longer side at which a result and its master are compared: faces need no more."""


class Refused(Exception):  # noqa: N818  # an answer, not a fault
    """The result must not be shown. The reason is for operators."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of a result that may be shown."""

    width: int
    height: int
    bytes: int
    sha256: str
    truth: Truth


def check(
    path: Path,
    *,
    master: Path,
    sha256: str | None,
    master_width: int,
    master_height: int,
    short_side_max: int,
    colours_are_new: bool,
) -> Result:
    """The facts of a good result, or `Refused`.

    `sha256` is what the worker reported; None when its report was lost, and only the file is left.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 not in (None, digest):
        raise Refused("the stored file is not the one the worker reported")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=["PNG"]) as image:
                _check_size(image, master_width, master_height, short_side_max)
                width, height = image.size
                seen = _reduced(image)
    except (Refused, MemoryError):
        raise
    except Exception as error:  # decoders raise from a dozen families
        raise Refused(f"the result does not decode: {type(error).__name__}") from error
    with Image.open(master, formats=["JPEG"]) as photo:
        photo.draft("RGB", (COMPARED_SIDE, COMPARED_SIDE))
        original = _reduced(photo)
    cv2.setNumThreads(1)
    judged = truth.judge(original, seen, colours_are_new=colours_are_new)
    if judged.verdict == "refused":
        raise Refused(f"the result is not true to the photo: {', '.join(judged.reasons)}")
    return Result(width, height, path.stat().st_size, digest, judged)


def _reduced(image: Image.Image) -> Picture:
    """Height x width x 3 (RGB), the longer side COMPARED_SIDE at most."""
    plain = image if image.mode == "RGB" else image.convert("RGB")
    plain.thumbnail((COMPARED_SIDE, COMPARED_SIDE), Image.Resampling.BOX)
    return np.asarray(plain, np.uint8)


def _check_size(image: Image.Image, width: int, height: int, short_side_max: int) -> None:
    if image.width * image.height > RESULT_PIXELS_MAX:
        raise Refused("the result has too many pixels")
    aspect, wanted = image.width / image.height, width / height
    if abs(aspect / wanted - 1) > ASPECT_TOLERANCE:
        raise Refused(f"the result has another shape: {aspect:.3f} instead of {wanted:.3f}")
    short, short_max = min(image.size), min(width, height, short_side_max)
    # Never enlarged; and not so small that the customer would get less than was paid for.
    if not SHORT_SIDE_PART_MIN * short_max <= short <= short_max:
        raise Refused(f"the short side is {short} pixels instead of {short_max}")
