"""What of a photo's metadata is kept: when, what and whose. Not where, with what, nor by whom.

Whatever is read here is somebody's text: bounded, made printable, and dropped when it is junk.
"""

import contextlib
import html
import re
from collections.abc import Iterator
from typing import Any

from PIL import Image

TEXT_LENGTH_MAX = 500
PACKET_BYTES_MAX = 1024 * 1024
"""Of XMP or IPTC; longer ones are thumbnails and histories."""

PROCESSED_BY, OURSELVES = 0x000B, "Rekindle"
"""Written into a picture that was enhanced: what is made of it later is not enhanced once more."""

DESCRIPTION, COPYRIGHT = 0x010E, 0x8298
DETAILS, CAPTURED_AT = 0x8769, 0x9003

_IPTC, _IPTC_CAPTION = 0x0404, re.compile(rb"\x1c\x02\x78(..)", re.DOTALL)
_XMP_DESCRIPTION = re.compile(
    rb"<dc:description>\s*<rdf:Alt>\s*<rdf:li[^<>]{0,200}>([^<>]{1,4000})</rdf:li>"
)


def kept(image: Image.Image, found: Image.Exif) -> Image.Exif:
    """Capture date, caption and copyright, of what was found and elsewhere, as EXIF in UTF-8."""
    texts: dict[int, str] = {}
    with contextlib.suppress(Exception):  # junk in metadata is no fault of the photo
        texts[COPYRIGHT] = _plain(found.get(COPYRIGHT))
        texts[CAPTURED_AT] = _plain(found.get_ifd(DETAILS).get(CAPTURED_AT))
    texts[DESCRIPTION] = next(filter(None, map(_plain, _captions(image, found))), "")
    written = Image.Exif()
    for tag in (DESCRIPTION, COPYRIGHT):
        if texts.get(tag):
            written[tag] = texts[tag].encode()
    if is_enhanced(found):
        mark_enhanced(written)
    if texts.get(CAPTURED_AT):
        written.get_ifd(DETAILS)[CAPTURED_AT] = texts[CAPTURED_AT]
    return written


def is_enhanced(found: Image.Exif) -> bool:
    """Whether this is a picture that we enhanced, or was made of one."""
    return found.get(PROCESSED_BY) == OURSELVES


def mark_enhanced(written: Image.Exif) -> None:
    """Say so in what is kept of a picture."""
    written[PROCESSED_BY] = OURSELVES


def _captions(image: Image.Image, found: Image.Exif) -> Iterator[Any]:
    """What programs have written under the picture, the commonest place first."""
    with contextlib.suppress(Exception):
        yield found.get(DESCRIPTION)
    with contextlib.suppress(Exception):
        record = image.info["photoshop"][_IPTC][:PACKET_BYTES_MAX]
        if at := _IPTC_CAPTION.search(record):
            yield record[at.end() :][: int.from_bytes(at[1], "big")]
    with contextlib.suppress(Exception):
        if described := _XMP_DESCRIPTION.search(image.info["xmp"][:PACKET_BYTES_MAX]):
            yield html.unescape(described[1].decode())
    yield image.info.get("Description")


def _plain(text: object) -> str:
    if isinstance(text, str):
        with contextlib.suppress(
            UnicodeError
        ):  # what Pillow read as Latin-1 is UTF-8 nearly always
            text = text.encode("latin-1").decode()
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not isinstance(text, str):
        return ""
    return "".join(c for c in text[:TEXT_LENGTH_MAX] if c.isprintable()).strip()
