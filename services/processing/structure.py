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

SIDE = 256  # pixels at which pictures are compared; smaller ones as they are
CALM, CALM_FOR_EDGES = 1.2, 2.0  # Gaussian blur: grain is no structure
EDGES_FROM, EDGES_TO = 80, 97  # per cent of the pixels have weaker edges than those compared
STRONG = 2.5  # typical edges: in a flat picture, what is weaker is grain
DARKEST, BRIGHTEST = 3, 252  # beyond them a pixel is clipped


@dataclass(frozen=True, slots=True)
class Structure:
    """How alike two pictures are."""

    correlation: float
    """Of the equalized luminance: 1 is the same."""

    direction: float
    """How parallel the strongest edges are: 1 is the same, two thirds are chance."""

    moved: float
    """How far a typical edge moved, in parts of the longer side."""

    sharpness: float
    """Of edges that are strong in both, in parts of the master's, each by its contrast."""

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
    before, after = (np.hypot(*edge) for edge in edges)
    strong = _strong(before)
    # A scratch was the strongest edge there was; where there is none now, it was mended.
    kept = _strong(after) & (before >= np.percentile(before, EDGES_FROM))
    kept = kept if kept.any() else strong
    along = np.abs(edges[0][0] * edges[1][0] + edges[0][1] * edges[1][1]) / (after + 1e-3)
    flow = cv2.calcOpticalFlowFarneback(
        even_one, even_other, np.zeros((*one.shape, 2), np.float32), 0.5, 4, 25, 3, 7, 1.5, 0
    )
    moved = np.hypot(flow[..., 0], flow[..., 1])[strong]
    return Structure(
        correlation=correlation(even_one, even_other),
        direction=float(along[strong].sum() / (before[strong].sum() + 1e-3)),
        moved=float(np.median(moved)) / max(one.shape),
        sharpness=float(np.median(after[kept] / (before[kept] + 1e-3)))
        * float(one.std() / (other.std() + 1e-3)),
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
    scale = min(1.0, SIDE / max(plane.shape))
    height, width = (max(1, round(side * scale)) for side in plane.shape)
    small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def _strong(strengths: Plane) -> NDArray[np.bool_]:
    """Where edges are that are worth comparing."""
    low, middle, high = np.percentile(strengths, [EDGES_FROM, 50, EDGES_TO])
    return np.asarray(strengths >= min(max(low, STRONG * middle), high), np.bool_)


def _edges(plane: Grey) -> tuple[Plane, Plane]:
    calm = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), CALM_FOR_EDGES)
    across, down = cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _clipped(plane: Grey) -> float:
    return float(((plane < DARKEST) | (plane > BRIGHTEST)).mean())
