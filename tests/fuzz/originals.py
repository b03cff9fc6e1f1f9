"""The good files that are broken: every sort of file of the corpus that is small."""

from functools import cache

from tests.corpus import variants

BYTES_MAX = 16 * 1024
"""In small files a broken byte is seldom one of a pixel."""

TOO_COSTLY = "Bombs"
"""Making them takes minutes, and they are broken already."""


@cache
def originals() -> list[bytes]:
    """Every format, and every way of writing it that people and attackers have."""
    made = (variant.data for variant in variants() if variant.family != TOO_COSTLY)
    return [data for data in made if 0 < len(data) <= BYTES_MAX]
