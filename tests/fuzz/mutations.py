"""Makes one broken file out of good ones. The same seed and number give the same file again."""

from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz.parts import Part, mend_checksums, parts

MUTATIONS_MAX = 4
BLOCK_BYTES_MAX = 2048
GROWN_BYTES_MAX = 256 * 1024
TELLING = (0, 1, 2, 3, 8, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
"""Numbers at which decoders have been wrong."""

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutated(originals: Sequence[bytes], *, seed: int, number: int) -> bytes:
    """File `number` of the run with this seed."""
    chance = Random(f"{seed}:{number}")
    data = bytearray(chance.choice(originals))
    for _ in range(chance.randint(1, MUTATIONS_MAX)):
        if data:
            chance.choice(MUTATIONS)(data, chance, originals)
    if chance.random() < 0.8:
        mend_checksums(data)
    return bytes(data[:GROWN_BYTES_MAX])


def flip_bits(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    for _flip in range(chance.randint(1, 8)):
        data[_somewhere(data, chance)] ^= 1 << chance.randrange(8)


def flip_bits_of_a_header(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    """Most bytes of a file are pixels; what decoders believe stands in the small parts."""
    small = [part for part in parts(bytes(data)) if part.end - part.start < 200]
    if not small:
        return
    part = chance.choice(small)
    for _flip in range(chance.randint(1, 4)):
        data[chance.randrange(part.start, part.end)] ^= 1 << chance.randrange(8)


def write_a_telling_number(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    size = chance.choice((1, 2, 4))
    at = _somewhere(data, chance)
    number = chance.choice(TELLING) % (1 << 8 * size)
    data[at : at + size] = number.to_bytes(size, chance.choice(("big", "little")))


def splice_bytes(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _somewhere(data, chance)
    data[at : at + chance.randint(0, 32)] = chance.randbytes(chance.randint(0, 32))


def cut_off(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    del data[_somewhere(data, chance) :]


def repeat_a_block(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _somewhere(data, chance)
    block = data[at : at + chance.randint(1, BLOCK_BYTES_MAX)]
    data[at:at] = block * chance.choice((1, 1, 2, 10))


def drop_a_block(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    at = _somewhere(data, chance)
    del data[at : at + chance.randint(1, BLOCK_BYTES_MAX)]


def lie_about_a_length(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if part := _some_part(data, chance):
        true = int.from_bytes(data[part.length_at : part.length_at + part.length_bytes], part.order)
        near = true + chance.choice((-8, -1, 1, 8))
        part.with_length(data, chance.choice((near, true * 2, *TELLING)))


def repeat_a_part(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if part := _some_part(data, chance):
        data[part.end : part.end] = data[part.start : part.end] * chance.choice((1, 2, 50))
        del data[GROWN_BYTES_MAX:]


def drop_a_part(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if part := _some_part(data, chance):
        del data[part.start : part.end]


def move_a_part(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if part := _some_part(data, chance):
        moved = data[part.start : part.end]
        del data[part.start : part.end]
        at = chance.randint(0, len(data))
        data[at:at] = moved


def cross_over(data: bytearray, chance: Random, originals: Sequence[bytes]) -> None:
    """The beginning of this file with the end of another, of whatever format."""
    other = chance.choice(originals)
    data[_somewhere(data, chance) :] = other[chance.randrange(len(other)) :]


def take_a_part_of_another(data: bytearray, chance: Random, originals: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(originals))
    given, taken = _some_part(other, chance), _some_part(data, chance)
    if given and taken:
        data[taken.start : taken.end] = other[given.start : given.end]


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, flip_bits_of_a_header, flip_bits_of_a_header, write_a_telling_number),
    *(splice_bytes, cut_off, repeat_a_block, drop_a_block, lie_about_a_length, lie_about_a_length),
    *(repeat_a_part, drop_a_part, move_a_part, cross_over, take_a_part_of_another),
)


def _somewhere(data: bytearray, chance: Random) -> int:
    return chance.randrange(len(data)) if data else 0


def _some_part(data: bytearray, chance: Random) -> Part | None:
    found = parts(bytes(data))
    return chance.choice(found) if found else None
