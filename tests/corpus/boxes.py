"""HEIF files put together by hand (ISO/IEC 14496-12 and 23008-12), around pictures of x265."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from tests.corpus.variant import saved

Property = tuple[bytes, bool]
"""A box, and whether a reader that does not know it must not show the picture."""


def box(name: bytes, *parts: bytes) -> bytes:
    """Length, name and body."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def full_box(name: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def size_of(width: int, height: int) -> Property:
    """`ispe`: how large the picture is before it is turned."""
    return full_box(b"ispe", struct.pack(">II", width, height)), False


def turned(quarters: int) -> Property:
    """`irot`: quarter turns, anticlockwise."""
    return box(b"irot", bytes((quarters,))), True


def mirrored(axis: int) -> Property:
    """`imir`: 0 swaps upper and lower, 1 swaps left and right."""
    return box(b"imir", bytes((axis,))), True


def auxiliary(kind: bytes) -> Property:
    """`auxC`: what a picture that belongs to another is for."""
    return full_box(b"auxC", kind + b"\0"), True


def colour_profile(icc: bytes) -> Property:
    """`colr` with an ICC profile, as iPhones write it."""
    return box(b"colr", b"prof", icc), False


@dataclass(frozen=True)
class Item:
    """A picture, or something about one. References are kind and item numbers, from 1."""

    kind: bytes
    data: bytes
    properties: Sequence[Property] = ()
    references: Sequence[tuple[bytes, Sequence[int]]] = ()
    hidden: bool = False


def coded(image: Image.Image, *more: Property, **options: object) -> Item:
    """A picture as x265 codes it."""
    file = saved(image, "HEIF", **({"quality": 95, "chroma": 444} | options))
    found = [(_first(file, name), name == b"hvcC") for name in (b"hvcC", b"colr", b"pixi")]
    payload = _first(file, b"mdat")[8:]
    return Item(b"hvc1", payload, (*found, size_of(*image.size), *more))


def grid(
    rows: int, columns: int, size: tuple[int, int], tiles: Sequence[int], *more: Property
) -> Item:
    """A picture of tiles that are items of their own."""
    data = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return Item(b"grid", data, (size_of(*size), *more), [(b"dimg", tiles)])


def heif(
    *items: Item,
    primary: int = 1,
    major: bytes = b"heic",
    brands: bytes = b"mif1heic",
) -> bytes:
    """A file of items, numbered from 1; derived pictures lie in `idat`, as iPhones do it."""
    head = box(b"ftyp", major, bytes(4), brands)
    # The place of the pixels is known when the length of what goes before is.
    length = len(head) + len(_meta(items, primary, pixels_at=0))
    meta = _meta(items, primary, pixels_at=length + 8)
    return head + meta + box(b"mdat", *(item.data for item in items if not _derived(item)))


def _derived(item: Item) -> bool:
    return item.kind in (b"grid", b"iovl", b"iden")


def _meta(items: Sequence[Item], primary: int, *, pixels_at: int) -> bytes:
    places, inline = b"", b""
    for number, item in enumerate(items, 1):
        at = len(inline) if _derived(item) else pixels_at
        places += struct.pack(">HHHHII", number, _derived(item), 0, 1, at, len(item.data))
        if _derived(item):
            inline += item.data
        else:
            pixels_at += len(item.data)
    entries = [
        full_box(
            b"infe", struct.pack(">HH", number, 0), item.kind, b"\0", version=2, flags=item.hidden
        )
        for number, item in enumerate(items, 1)
    ]
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", struct.pack(">H", primary)),
        full_box(b"iloc", b"\x44\x00", struct.pack(">H", len(items)), places, version=1),
        full_box(b"iinf", struct.pack(">H", len(items)), *entries),
        _references(items),
        _properties(items),
        box(b"idat", inline),
    )


def _references(items: Sequence[Item]) -> bytes:
    found = [
        box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to))
        for number, item in enumerate(items, 1)
        for kind, to in item.references
    ]
    return full_box(b"iref", *found) if found else b""


def _properties(items: Sequence[Item]) -> bytes:
    known = list(dict.fromkeys(body for item in items for body, _ in item.properties))
    associations = b""
    for number, item in enumerate(items, 1):
        indices = [known.index(body) + 1 | essential << 7 for body, essential in item.properties]
        associations += struct.pack(">HB", number, len(indices)) + bytes(indices)
    listed = full_box(b"ipma", struct.pack(">I", len(items)), associations)
    return box(b"iprp", box(b"ipco", *known), listed)


def _first(file: bytes, name: bytes) -> bytes:
    at = file.index(name) - 4
    return file[at : at + int.from_bytes(file[at : at + 4], "big")]
