"""docs/formats.md: what really happens to every file of the corpus, as a page to read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.kit.problems import Problem
from services.processing.decoding import Unusable, decode
from services.uploads import inspection
from tests.corpus import ACCEPTED, Variant, variants

PAGE = Path("docs/formats.md")
HEAD_BYTES, TAIL_BYTES = (256 * 1024, 8 * 2**20), 64 * 1024
SIDE_NEEDED = 4096

INTRODUCTION = """# What becomes of an uploaded file

Written by `make formats` from what the code did to every file of `tests/corpus`; a test fails
when it is stale.

A file is what its bytes say: neither its name nor the type its browser declares is asked. It may
have 50 MB and 50 megapixels (a JPEG 120: it shrinks while it is decoded), and has at least 16
pixels each way. The master made of it is upright, in sRGB on white paper, and carries the capture
date, the caption, the copyright and its colour profile; nothing else of the metadata gets out. A
refused file is removed at once, and the refusal has a code and says what to do instead.

**At the door** means that the first and last bytes were enough, before any decoder; **while
decoding**, in a child process with limits.
"""


def look(data: bytes) -> None:
    """What the uploads service does with a file that has arrived: its problem is raised."""
    for head in HEAD_BYTES:
        try:
            inspection.inspect(data[:head], data[-TAIL_BYTES:], size=len(data))
        except inspection.HeaderIncomplete:
            continue
        return
    raise inspection.damaged()


def outcome(variant: Variant, folder: Path) -> str:
    """What happens to one file, in words."""
    try:
        look(variant.data)
    except Problem as refusal:
        return f"`{refusal.code}` at the door: {refusal.detail}"
    source = folder / "source"
    source.write_bytes(variant.data)
    try:
        decode(source, side_needed=SIDE_NEEDED)
    except Unusable as refusal:
        return f"`{refusal.code}` while decoding: {refusal.detail}"
    return f"{ACCEPTED}, {variant.why}" if variant.why else ACCEPTED


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_families()])


def _families() -> Iterator[str]:
    members = variants()
    with tempfile.TemporaryDirectory() as folder:
        for family in dict.fromkeys(variant.family for variant in members):
            yield f"## {family}\n\n| file | what happens |\n|---|---|"
            for variant in members:
                if variant.family == family:
                    yield f"| {variant.name} | {outcome(variant, Path(folder))} |"
            yield ""
