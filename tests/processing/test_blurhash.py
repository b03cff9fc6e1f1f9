"""BlurHashes are those that everybody's decoder reads."""

import numpy as np
import pytest

from services.processing.blurhash import ALPHABET, blurhash


def gradient() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    down, across = np.mgrid[0:24, 0:32]
    tones = (across * 8, down * 10, across * down % 256)
    return np.stack(tones, axis=-1).astype(np.uint8)


def test_a_picture_has_the_hash_that_the_reference_implementation_gives_it() -> None:
    """Of woltapp's algorithm, in its Python port, with 4 x 3 components."""
    assert blurhash(gradient()) == "LxH27h2lwtX3mAWUjwfAgFfmfTfi"


@pytest.mark.parametrize(("tone", "mean"), [(0, "0000"), (255, "TSUA")])
def test_an_even_picture_has_its_colour_and_no_details(tone: int, mean: str) -> None:
    written = blurhash(np.full((16, 16, 3), tone, np.uint8))

    assert len(written) == 28
    assert written[2:6] == mean
    assert set(written) <= set(ALPHABET)


@pytest.mark.parametrize("size", [(1, 1), (1, 32), (32, 1)])
def test_the_smallest_picture_has_a_hash(size: tuple[int, int]) -> None:
    assert len(blurhash(np.full((*size, 3), 90, np.uint8))) == 28
