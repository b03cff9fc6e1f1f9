"""HEIC: what phones write, and the other codecs that the same container may hold."""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from tests.corpus.boxes import (
    Item,
    Property,
    auxiliary,
    box,
    coded,
    grid,
    heif,
    mirrored,
    size_of,
    turned,
)
from tests.corpus.jpegs import orientation, stored_for
from tests.corpus.variant import (
    COLOURS,
    GREYS,
    HALF_CLEAR,
    HEIGHT,
    WHITE,
    WIDTH,
    Variant,
    greys,
    half_clear,
    noise,
    pixels,
    quarters,
    saved,
)

OTHER = "format-not-supported"
ALPHA, DEPTH = b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:auxid:2"
TILE = 64


def heic(image: Image.Image | None = None, **options: Any) -> bytes:
    """A good HEIC of the quarters, as pillow-heif writes it."""
    return saved(image or quarters(), "HEIF", **({"quality": 95, "chroma": 444} | options))


def of_tiles(*more: Property, image: Image.Image | None = None, exif: int | None = None) -> bytes:
    """What iPhones write: hidden tiles, a grid of them, a thumbnail, EXIF."""
    whole = image or quarters()
    rows, columns = -(-whole.height // TILE), -(-whole.width // TILE)
    tiles = [
        Item(tile.kind, tile.data, tile.properties, hidden=True)
        for tile in (coded(part) for part in _cut(whole, rows, columns))
    ]
    numbers = range(1, len(tiles) + 1)
    picture = grid(rows, columns, whole.size, numbers, *more)
    number = len(tiles) + 1
    small = coded(whole.resize((whole.width // 4, whole.height // 4)), *more)
    thumbnail = Item(small.kind, small.data, small.properties, [(b"thmb", [number])])
    items = [*tiles, picture, thumbnail]
    if exif is not None:
        said = orientation(exif).tobytes()
        items.append(Item(b"Exif", struct.pack(">I", 6) + said, (), [(b"cdsc", [number])]))
    return heif(*items, primary=number)


def _cut(whole: Image.Image, rows: int, columns: int) -> list[Image.Image]:
    """Tiles of one size; those at the edges repeat its last pixels."""
    padded = np.pad(
        np.asarray(whole),
        ((0, rows * TILE - whole.height), (0, columns * TILE - whole.width), (0, 0)),
        mode="edge",
    )
    return [
        Image.fromarray(padded[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE])
        for y in range(rows)
        for x in range(columns)
    ]


def with_exif_alone(number: int) -> bytes:
    """A picture that only EXIF says how to turn, as some converters write it."""
    said = struct.pack(">I", 6) + orientation(number).tobytes()
    return heif(coded(stored_for(number)), Item(b"Exif", said, (), [(b"cdsc", [1])]))


def with_both(number: int) -> bytes:
    """Turned by `irot` and `imir`, and EXIF says the same once more."""
    return heic(stored_for(number), exif=orientation(number).tobytes())


def of_ten_bits(mode: str = "RGB;16") -> bytes:
    """HDR cameras and newer phones: 10 bits per channel."""
    deep = (pixels() if mode == "RGB;16" else pixels(GREYS)[..., 0]).astype(np.uint16) * 257
    file = pillow_heif.from_bytes(mode, (WIDTH, HEIGHT), deep.tobytes())
    out = _Memory()
    file.save(out, quality=95, chroma=444)
    return bytes(out)


class _Memory(bytearray):
    """A file of bytes, for pillow-heif asks for nothing but `write`."""

    def write(self, more: bytes) -> int:
        self.extend(more)
        return len(more)


def several(primary: int) -> bytes:
    """Two pictures, of which one is the primary one."""
    pictures = [coded(Image.new("RGB", (WIDTH, HEIGHT), WHITE)) for _ in range(3)]
    pictures[primary - 1] = coded(quarters())
    return heif(*pictures, primary=primary)


def with_auxiliary(kind: bytes) -> bytes:
    """A picture and another one that belongs to it."""
    plane = coded(half_clear().getchannel("A"), auxiliary(kind))
    return heif(coded(quarters()), Item(plane.kind, plane.data, plane.properties, [(b"auxl", [1])]))


def of_codec(kind: bytes, *, major: bytes = b"mif1", brands: bytes = b"mif1heic") -> bytes:
    """A picture whose item says that another codec made it."""
    picture = coded(quarters())
    return heif(Item(kind, picture.data, picture.properties), major=major, brands=brands)


def derived() -> bytes:
    """The same picture as another item, but turned: how editors keep what they were given."""
    given = coded(stored_for(3))
    turn = (size_of(WIDTH, HEIGHT), turned(2))
    edited = Item(b"iden", b"", turn, [(b"dimg", [1])])
    return heif(Item(given.kind, given.data, given.properties, hidden=True), edited, primary=2)


def that_claims(width: int, height: int) -> bytes:
    """A small HEIC whose size is overwritten."""
    written = size_of(WIDTH, HEIGHT)[0]
    return heic().replace(written, size_of(width, height)[0])


def grid_of(tiles: Sequence[int], rows: int, columns: int, *, kind: bytes = b"hvc1") -> bytes:
    """A grid whose tiles are all the same item, or whatever `tiles` says."""
    tile = coded(quarters(width=TILE, height=TILE))
    size = (columns * TILE, rows * TILE)
    return heif(
        Item(kind, tile.data, tile.properties, hidden=True),
        grid(rows, columns, size, tiles),
        primary=2,
    )


def variants() -> list[Variant]:
    """HEIC and HEIF."""
    return [*_accepted(), *_turned(), *_other_codecs(), *_refused()]


def _accepted() -> list[Variant]:
    family = "HEIC"
    return [
        Variant("one picture", family, heic),
        Variant("chroma at half size", family, lambda: heic(chroma=420), by=10),
        Variant("grey", family, lambda: heic(greys()), shows=GREYS),
        Variant("10 bits", family, of_ten_bits),
        Variant("grey of 10 bits", family, lambda: of_ten_bits("I;16"), shows=GREYS),
        Variant(
            "an odd number of pixels",
            family,
            lambda: of_tiles(image=quarters(width=161, height=121)),
            size=(161, 121),
        ),
        Variant("derived from another picture", family, derived, why="turned as it says"),
        Variant("tiles", family, of_tiles, why="put together"),
        Variant("tiles of pillow-heif", family, lambda: heic(tile_size=TILE), why="put together"),
        Variant("brand mif1, HEVC inside", family, lambda: of_codec(b"hvc1")),
        Variant(
            "the second of three pictures is the primary one",
            family,
            lambda: several(2),
            why="the primary one",
        ),
        Variant(
            "the first of three pictures is the primary one",
            family,
            lambda: several(1),
            why="the primary one",
        ),
        Variant(
            "alpha",
            family,
            lambda: with_auxiliary(ALPHA),
            shows=HALF_CLEAR,
            why="on white paper",
            by=8,
        ),
        Variant("depth map", family, lambda: with_auxiliary(DEPTH), why="the map is dropped"),
    ]


def _turned() -> list[Variant]:
    family = "HEIC"
    on_its_side = quarters((COLOURS[1], COLOURS[2], COLOURS[3], COLOURS[0]), HEIGHT, WIDTH)
    return [
        Variant(
            "tiles turned by irot, and EXIF says the same",
            family,
            lambda: of_tiles(turned(3), image=on_its_side, exif=6),
            why="turned upright once",
        ),
        Variant(
            "mirrored by imir",
            family,
            lambda: of_tiles(mirrored(1), image=stored_for(2)),
            why="mirrored once",
        ),
        *(
            Variant(
                f"irot and imir as EXIF orientation {number}",
                family,
                lambda number=number: with_both(number),  # type: ignore[misc]
                why="turned upright once",
            )
            for number in range(2, 9)
        ),
        *(
            Variant(
                f"EXIF orientation {number} alone",
                family,
                lambda number=number: with_exif_alone(number),  # type: ignore[misc]
                why="turned upright once",
            )
            for number in range(2, 9)
        ),
    ]


def _other_codecs() -> list[Variant]:
    family = "HEIF of other codecs"
    uncompressed = box(b"uncC", bytes(4))
    return [
        Variant("AVIF", family, lambda: saved(quarters(), "AVIF"), OTHER),
        Variant("AV1 under HEIC's brand", family, lambda: of_codec(b"av01", major=b"heic"), OTHER),
        Variant(
            "tiles of AV1 under HEIC's brand",
            family,
            lambda: grid_of([1] * 4, 2, 2, kind=b"av01"),
            OTHER,
        ),
        Variant("AVC", family, lambda: of_codec(b"avc1", major=b"avci", brands=b"mif1avci"), OTHER),
        Variant("VVC", family, lambda: of_codec(b"vvc1", major=b"vvic", brands=b"mif1vvic"), OTHER),
        Variant("EVC", family, lambda: of_codec(b"evc1", major=b"evbi", brands=b"mif1evbi"), OTHER),
        Variant(
            "JPEG inside",
            family,
            lambda: of_codec(b"jpeg", major=b"jpeg", brands=b"mif1jpeg"),
            OTHER,
        ),
        Variant(
            "JPEG 2000 inside",
            family,
            lambda: of_codec(b"j2k1", major=b"j2ki", brands=b"mif1j2ki"),
            OTHER,
        ),
        Variant(
            "uncompressed",
            family,
            lambda: heif(
                Item(
                    b"unci",
                    bytes(WIDTH * HEIGHT * 3),
                    [(uncompressed, True), size_of(WIDTH, HEIGHT)],
                ),
                major=b"mif1",
                brands=b"mif1mif2",
            ),
            OTHER,
        ),
        Variant(
            "uncompressed under HEIC's brand",
            family,
            lambda: of_codec(b"unci", major=b"heic"),
            OTHER,
        ),
        Variant(
            "a sequence", family, lambda: heic(chroma=420).replace(b"ftypheic", b"ftyphevc"), OTHER
        ),
        Variant(
            "an image sequence of any codec",
            family,
            lambda: heic(chroma=420).replace(b"ftypheic", b"ftypmsf1"),
            OTHER,
        ),
        Variant(
            "an AVIF sequence",
            family,
            lambda: heic(chroma=420).replace(b"ftypheic", b"ftypavis"),
            OTHER,
        ),
    ]


def _refused() -> list[Variant]:
    family, damaged = "HEIC", "file-damaged"
    loop = grid(1, 1, (WIDTH, HEIGHT), [1])
    return [
        Variant("cut off in its header", family, lambda: _whole()[:200], damaged),
        Variant("cut off half-way", family, lambda: _whole()[: len(_whole()) // 2], damaged),
        Variant("cut off at the end", family, lambda: _whole()[:-20], damaged),
        Variant("no size", family, _without_size, damaged),
        Variant(
            "a primary picture that is missing",
            family,
            lambda: heif(coded(quarters()), primary=7),
            damaged,
        ),
        Variant("a grid of itself", family, lambda: heif(loop), damaged),
        Variant(
            "a grid that lacks tiles", family, lambda: grid_of([1] * 3, 2, 2), damaged, late=True
        ),
        Variant(
            "pixels that are noise",
            family,
            lambda: heif(Item(b"hvc1", bytes(range(256)) * 8, coded(quarters()).properties)),
            damaged,
            late=True,
        ),
        Variant("pixels that lie behind the end", family, _without_pixels, damaged, late=True),
        Variant(
            "15 pixels high",
            family,
            lambda: heif(coded(noise(64, 16))).replace(size_of(64, 16)[0], size_of(64, 15)[0]),
            "too-small",
        ),
    ]


@cache
def _whole() -> bytes:
    return heic(noise())


def _without_size() -> bytes:
    picture = coded(quarters())
    left = [found for found in picture.properties if b"ispe" not in found[0]]
    return heif(Item(picture.kind, picture.data, left))


def _without_pixels() -> bytes:
    picture = coded(quarters())
    return heif(picture)[: -len(picture.data) - 8] + box(b"free", bytes(40))
