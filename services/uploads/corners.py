"""The corners of a print, as somebody gives them."""

from typing import Annotated

from pydantic import AfterValidator

from contracts.uploads.v1 import Quad

AREA_PART_MIN = 0.005
"""A print smaller than this part of its picture is a slip of the finger."""

WHOLE: Quad = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
"""The picture's own corners: nothing is cut off, and nothing is looked for."""


def _convex(quad: Quad) -> Quad:
    """Refuse corners that no print has: crossed, in a line, or counted the wrong way round."""
    for corner in range(4):
        (ax, ay), (bx, by), (cx, cy) = (quad[(corner + step) % 4] for step in range(3))
        if (bx - ax) * (cy - by) - (by - ay) * (cx - bx) <= 0:
            raise ValueError("give the corners of the print clockwise from the upper left")
    return quad


def _large_enough(quad: Quad) -> Quad:
    following = quad[1:] + quad[:1]
    pairs = zip(quad, following, strict=True)
    area = sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs) / 2
    if area < AREA_PART_MIN:
        raise ValueError("the marked print is too small")
    return quad


GivenQuad = Annotated[Quad, AfterValidator(_convex), AfterValidator(_large_enough)]
