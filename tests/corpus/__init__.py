"""Every sort of file that people and attackers upload, and what is to become of it.

`variants()` is data: header inspection, decoding, the table in docs/formats.md and the fuzzer all
take it from here. Nothing is made before it is asked for.
"""

from tests.corpus import bombs, heics, jpegs, metadata, pngs, profiles, strangers, webps
from tests.corpus.variant import ACCEPTED, Variant

__all__ = ["ACCEPTED", "Variant", "variants"]


def variants() -> list[Variant]:
    """All of them, in the order of docs/formats.md; names are unique."""
    modules = (jpegs, pngs, webps, heics, profiles, metadata, bombs, strangers)
    return [variant for module in modules for variant in module.variants()]
