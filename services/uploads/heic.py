"""The size of the picture in a HEIC file, read from its boxes (ISO/IEC 23008-12).

Written in Python on purpose: a native library must not meet a stranger's bytes in the process that
serves everybody. It meets them in preparation, which has limits and may die.
"""

from collections.abc import Iterator

from services.uploads.formats import not_supported
from services.uploads.reading import CutOff, number, part

BOXES_MAX = 4_096
ITEMS_MAX = 1_000
"""More are not read by libheif either; an iPhone's largest picture has some 200."""

CODED, DERIVED = b"hvc1", {b"grid", b"iovl", b"iden"}
DERIVATIONS_MAX = 4
"""A picture made of pictures that are made of pictures."""

_FULL_BOX_BYTES = 4
_SIZE_IN_64_BITS, _TO_THE_END = 1, 0


def dimensions(head: bytes) -> tuple[int, int]:
    """Width and height of the primary picture, as stored; it must be HEVC down to every tile."""
    meta = dict(_boxes(_meta(head), _FULL_BOX_BYTES))
    primary = _primary_item(meta[b"pitm"])
    kinds = _item_types(meta[b"iinf"])
    _check_codecs(primary, kinds, _sources(meta.get(b"iref", b"\0\0\0\0")))
    properties = dict(_boxes(meta[b"iprp"]))
    sizes = list(_boxes(properties[b"ipco"]))
    for index in _properties_of(properties[b"ipma"], primary):
        name, body = sizes[index - 1]
        if name == b"ispe":
            return number(body, 4, 4), number(body, 8, 4)
    raise ValueError("no size")


def has_end(head: bytes, tail: bytes, size: int) -> bool:
    """Whether the last box that can be seen from both ends of the file ends within it."""
    try:
        return _end(head, tail, size) <= size
    except ValueError:
        return False


def _check_codecs(primary: int, kinds: dict[int, bytes], sources: dict[int, list[int]]) -> None:
    """Refuse a picture that is not, or is made of what is not, coded in HEVC."""
    items = [primary]
    for _ in range(DERIVATIONS_MAX):
        if any(kinds[item] not in {CODED, *DERIVED} for item in items):
            raise not_supported("HEIF", which="whose codec is not HEVC")
        made = [item for item in items if kinds[item] != CODED]
        if not made:
            return
        items = [source for item in made for source in sources[item]]
        if len(items) > ITEMS_MAX:
            raise not_supported("HEIC", which=f"of more than {ITEMS_MAX:,} tiles")
    raise ValueError("a picture made of itself")


def _end(head: bytes, tail: bytes, size: int) -> int:
    position, tail_at = 0, size - len(tail)
    for _ in range(BOXES_MAX):
        if position + 8 <= len(head):
            window, offset = head, position
        elif tail_at <= position <= size - 8:
            window, offset = tail, position - tail_at
        else:
            return position
        try:
            _, _, length = _header(window, offset, left=size - position)
        except CutOff:
            return size + 1
        position += length
    raise ValueError("too many boxes")


def _meta(head: bytes) -> bytes:
    position = 0
    for _ in range(BOXES_MAX):
        part(head, position, 8)
        name, body_at, length = _header(head, position, left=len(head) - position)
        if name == b"meta":
            return part(head, position + body_at, length - body_at)
        position += length
    raise ValueError("too many boxes")


def _boxes(data: bytes, position: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Each box inside a box: its name and body."""
    for _ in range(BOXES_MAX):
        if position + 8 > len(data):
            return
        name, body_at, length = _header(data, position, left=len(data) - position)
        yield name, data[position + body_at : position + length]
        position += length
    raise ValueError("too many boxes")


def _header(data: bytes, position: int, *, left: int) -> tuple[bytes, int, int]:
    """Name, where the body begins, and the length of the whole box."""
    length, name, body_at = number(data, position, 4), data[position + 4 : position + 8], 8
    if length == _SIZE_IN_64_BITS:
        length, body_at = number(data, position + 8, 8), 16
    elif length == _TO_THE_END:
        length = left
    if length < body_at:
        raise ValueError("a box smaller than its header")
    return name, body_at, length


def _primary_item(pitm: bytes) -> int:
    return number(pitm, 4, 4 if pitm[0] else 2)


def _item_types(iinf: bytes) -> dict[int, bytes]:
    kinds: dict[int, bytes] = {}
    for name, infe in _boxes(iinf, _FULL_BOX_BYTES + (4 if iinf[0] else 2)):
        id_bytes = 4 if infe[0] > 2 else 2  # noqa: PLR2004  # version 3 has longer ids
        if name == b"infe":
            kinds[number(infe, 4, id_bytes)] = infe[4 + id_bytes + 2 :][:4]
    if len(kinds) > ITEMS_MAX:
        raise not_supported("HEIC", which=f"of more than {ITEMS_MAX:,} parts")
    return kinds


def _sources(iref: bytes) -> dict[int, list[int]]:
    """Which items each derived picture is made of."""
    id_bytes = 4 if iref[0] else 2
    found: dict[int, list[int]] = {}
    for name, body in _boxes(iref, _FULL_BOX_BYTES):
        if name == b"dimg":
            first, count = id_bytes + 2, number(body, id_bytes, 2)
            found[number(body, 0, id_bytes)] = [
                number(body, first + at * id_bytes, id_bytes) for at in range(count)
            ]
    return found


def _properties_of(ipma: bytes, item: int) -> Iterator[int]:
    id_bytes = 4 if ipma[0] else 2
    index_bytes = 2 if ipma[3] & 1 else 1
    position = 8
    for _ in range(min(number(ipma, 4, 4), len(ipma))):
        found, count = number(ipma, position, id_bytes), number(ipma, position + id_bytes, 1)
        position += id_bytes + 1
        if found == item:
            for at in range(position, position + count * index_bytes, index_bytes):
                essential = 1 << (index_bytes * 8 - 1)
                yield number(ipma, at, index_bytes) & ~essential
        position += count * index_bytes
