"""The size of the picture in a HEIC file, read from its boxes (ISO/IEC 23008-12).

Written in Python on purpose: a native library must not meet a stranger's bytes in the process that
serves everybody. It meets them in preparation, which has limits and may die.
"""

from collections.abc import Iterator

from services.uploads.formats import not_supported

BOXES_MAX = 4_096
CODED_OR_DERIVED = {b"hvc1", b"grid", b"iovl", b"iden"}

_FULL_BOX_BYTES = 4
_SIZE_IN_64_BITS, _TO_THE_END = 1, 0


class CutOff(Exception):  # noqa: N818  # says of the bytes at hand, not of the file
    """The structure goes on beyond the bytes we have."""


def dimensions(head: bytes) -> tuple[int, int]:
    """Width and height of the primary picture, as stored."""
    meta = dict(_boxes(_meta(head), _FULL_BOX_BYTES))
    primary = _primary_item(meta[b"pitm"])
    kind = _item_type(meta[b"iinf"], primary)
    if kind not in CODED_OR_DERIVED:
        raise not_supported("this sort of HEIF")
    properties = dict(_boxes(meta[b"iprp"]))
    sizes = list(_boxes(properties[b"ipco"]))
    for index in _properties_of(properties[b"ipma"], primary):
        name, body = sizes[index - 1]
        if name == b"ispe":
            return _number(body, 4, 4), _number(body, 8, 4)
    raise ValueError("no size")


def end(head: bytes, tail: bytes, size: int) -> int:
    """Where the last box that can be seen from both ends of the file says it ends."""
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
        if position + 8 > len(head):
            raise CutOff
        name, body_at, length = _header(head, position, left=len(head) - position)
        if name == b"meta":
            if position + length > len(head):
                raise CutOff
            return head[position + body_at : position + length]
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
    length, name, body_at = _number(data, position, 4), data[position + 4 : position + 8], 8
    if length == _SIZE_IN_64_BITS:
        length, body_at = _number(data, position + 8, 8), 16
    elif length == _TO_THE_END:
        length = left
    if length < body_at:
        raise ValueError("a box smaller than its header")
    return name, body_at, length


def _primary_item(pitm: bytes) -> int:
    return _number(pitm, 4, 4 if pitm[0] else 2)


def _item_type(iinf: bytes, item: int) -> bytes:
    entries_at = _FULL_BOX_BYTES + (4 if iinf[0] else 2)
    for name, infe in _boxes(iinf, entries_at):
        id_bytes = 4 if infe[0] > 2 else 2  # noqa: PLR2004  # version 3 has longer ids
        if name == b"infe" and _number(infe, 4, id_bytes) == item:
            return infe[4 + id_bytes + 2 :][:4]
    raise ValueError("no such item")


def _properties_of(ipma: bytes, item: int) -> Iterator[int]:
    id_bytes = 4 if ipma[0] else 2
    index_bytes = 2 if ipma[3] & 1 else 1
    position = 8
    for _ in range(min(_number(ipma, 4, 4), len(ipma))):
        found, count = _number(ipma, position, id_bytes), _number(ipma, position + id_bytes, 1)
        position += id_bytes + 1
        if found == item:
            for at in range(position, position + count * index_bytes, index_bytes):
                essential = 1 << (index_bytes * 8 - 1)
                yield _number(ipma, at, index_bytes) & ~essential
        position += count * index_bytes


def _number(data: bytes, position: int, length: int) -> int:
    if position + length > len(data):
        raise CutOff
    return int.from_bytes(data[position : position + length], "big")
