"""Is it the same picture? Two pictures compared whole, however their tones differ.

Both are seen at a small size and equalized, so fading, toning and contrast do not count: edges that
run elsewhere, or another way, do. A restoration moves nothing; models that paint anew often zoom or
shift by a few per cent (docs of Qwen-Image-Edit call it drift).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]

SIDE, SHORT_SIDE_LEAST = 256, 16  # pixels at which pictures are compared
CALM = 1.2  # Gaussian blur before equalizing: grain is no structure
EDGES_FROM = 70  # per cent of the pixels have weaker edges than those that are compared
DARKEST, BRIGHTEST = 3, 252  # beyond them a pixel is clipped


@dataclass(frozen=True, slots=True)
class Structure:
    """How alike two pictures are."""

    correlation: float
    """Of the equalized luminance: 1 is the same."""

    direction: float
    """How parallel the strongest edges are: 1 is the same, 0.64 is chance."""

    moved: float
    """How far a typical edge moved, in parts of the longer side."""

    sharpness: float
    """Fine detail in the result, in parts of that in the master, each by its own contrast."""

    clipped: float
    """How much more of the result is black or white without detail, in parts of the picture."""

    contrast: float
    """The result's standard deviation in grey levels."""


def compare(master: Grey, result: Grey) -> Structure:
    """Two pictures of one shape, height x width, of whatever sizes."""
    one = _reduced(master)
    other = np.asarray(
        cv2.resize(_reduced(result), one.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8
    )
    even_one, even_other = equalized(one), equalized(other)
    edges = [_edges(plane) for plane in (one, other)]
    strengths = [np.hypot(*edge) for edge in edges]
    strong = strengths[0] >= np.percentile(strengths[0], EDGES_FROM)
    along = np.abs(edges[0][0] * edges[1][0] + edges[0][1] * edges[1][1])
    parallel = along / (strengths[0] * strengths[1] + 1e-3)
    flow = cv2.calcOpticalFlowFarneback(
        even_one, even_other, np.zeros((*one.shape, 2), np.float32), 0.5, 4, 25, 3, 7, 1.5, 0
    )
    moved = np.hypot(flow[..., 0], flow[..., 1])[strong]
    return Structure(
        correlation=correlation(even_one, even_other),
        direction=float(parallel[strong].mean()),
        moved=float(np.median(moved)) / max(one.shape),
        sharpness=_detail(other) / (_detail(one) + 1e-6),
        clipped=_clipped(other) - _clipped(one),
        contrast=float(other.std()),
    )


def equalized(plane: Grey) -> Grey:
    return cv2.equalizeHist(cv2.GaussianBlur(plane, (0, 0), CALM)).astype(np.uint8, copy=False)


def correlation(one: Grey, other: Grey) -> float:
    """Pearson's, of all pixels; nothing is like a flat picture."""
    a, b = (plane.astype(np.float64) - plane.mean() for plane in (one, other))
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-6))


def _reduced(plane: Grey) -> Grey:
    scale = SIDE / max(plane.shape)
    height, width = (max(SHORT_SIDE_LEAST, round(side * scale)) for side in plane.shape)
    small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def _edges(plane: Grey) -> tuple[Plane, Plane]:
    calm = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.5)
    across, down = cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _detail(plane: Grey) -> float:
    calm = cv2.GaussianBlur(plane, (0, 0), 0.8)
    return float(cv2.Laplacian(calm, cv2.CV_32F).std() / (plane.std() + 1e-3))


def _clipped(plane: Grey) -> float:
    return float(((plane < DARKEST) | (plane > BRIGHTEST)).mean())
