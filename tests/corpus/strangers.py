"""Files of other sorts, under whatever name: refused, and told what to do instead."""

import gzip
import struct
from io import BytesIO
from zipfile import ZipFile

from tests.corpus.jpegs import jpeg, segment, with_segments
from tests.corpus.pngs import RGB, chunk, colours, png
from tests.corpus.variant import Variant, quarters, saved

HTML = b"<!doctype html><html><body><script>alert(1)</script></body></html>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(private) show\n"
OTHER, NO_PHOTO = "format-not-supported", "not-a-photo"


def film(brand: bytes) -> bytes:
    """The beginning of a film."""
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + brand + b"isom" + bytes(200)


def tiff(*, little: bool = True, maker: bytes = b"Maker") -> bytes:
    """A TIFF, which most camera raws are as well."""
    head = b"II*\0\x08\0\0\0" if little else b"MM\0*\0\0\0\x08"
    return head + bytes(100) + maker + bytes(2000)


def _zip() -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("photo.jpg", jpeg())
    return out.getvalue()


def variants() -> list[Variant]:
    """Everything else."""
    return [*_pictures(), *_raws(), *_films(), *_documents(), *_polyglots()]


def _pictures() -> list[Variant]:
    made = {
        "GIF": lambda: saved(quarters().convert("P"), "GIF"),
        "BMP": lambda: saved(quarters(), "BMP"),
        "TIFF": lambda: saved(quarters(), "TIFF"),
        "TIFF, big-endian": lambda: tiff(little=False),
        "BigTIFF": lambda: b"II+\0\x08\0\0\0" + bytes(500),
        "JPEG 2000": lambda: saved(quarters(), "JPEG2000"),
        "JPEG 2000, bare": lambda: b"\xff\x4f\xff\x51" + bytes(500),
        "JPEG XL": lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(500),
        "JPEG XL, bare": lambda: b"\xff\x0a" + bytes(500),
        "Photoshop": lambda: b"8BPS\0\1" + bytes(500),
        "ICO": lambda: saved(quarters(), "ICO"),
        "Windows cursor": lambda: b"\0\0\2\0\1\0" + bytes(500),
        "Apple icon": lambda: b"icns" + struct.pack(">I", 500) + bytes(492),
        "EPS": lambda: EPS,
        "EPS with a preview": lambda: b"\xc5\xd0\xd3\xc6\x1e\0\0\0" + bytes(22) + EPS,
        "SVG": lambda: b'<?xml version="1.0"?>\n' + SVG,
        "SVG with a long preface": lambda: b"<!-- " + b"x" * 700 + b" -->" + SVG,
        "DDS": lambda: b"DDS \x7c\0\0\0" + bytes(500),
        "OpenEXR": lambda: b"\x76\x2f\x31\x01" + bytes(500),
        "Radiance": lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + bytes(500),
        "QOI": lambda: b"qoif" + bytes(500),
        "PPM": lambda: saved(quarters(), "PPM"),
        "GIMP": lambda: b"gimp xcf v011\0" + bytes(500),
        "Windows metafile": lambda: b"\xd7\xcd\xc6\x9a" + bytes(500),
        "DICOM": lambda: bytes(128) + b"DICM" + bytes(500),
        "FITS": lambda: b"SIMPLE  =                    T" + bytes(500),
        "JPEG XR": lambda: b"II\xbc\x01" + bytes(500),
        "BPG": lambda: b"BPG\xfb" + bytes(500),
        "FLIF": lambda: b"FLIF\x44" + bytes(500),
    }
    return [Variant(name, "Other pictures", make, OTHER) for name, make in made.items()]


def _raws() -> list[Variant]:
    made = {
        "Canon CR2": lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(2000),
        "Canon CR3": lambda: film(b"crx "),
        "Canon CRW": lambda: b"II\x1a\0\0\0HEAPCCDR" + bytes(500),
        "Nikon NEF": lambda: tiff(little=False, maker=b"NIKON CORPORATION"),
        "Adobe DNG": lambda: tiff(maker=b"DNG"),
        "Sony ARW": lambda: tiff(maker=b"SONY"),
        "Fujifilm RAF": lambda: b"FUJIFILMCCD-RAW 0201" + bytes(500),
        "Panasonic RW2": lambda: b"IIU\0\x18\0\0\0" + bytes(500),
        "Olympus ORF": lambda: b"IIRO\x08\0\0\0" + bytes(500),
        "Sigma X3F": lambda: b"FOVb" + bytes(500),
        "Minolta MRW": lambda: b"\0MRM" + bytes(500),
    }
    return [Variant(name, "Camera raw", make, OTHER) for name, make in made.items()]


def _films() -> list[Variant]:
    made = {
        "MP4": lambda: film(b"mp42"),
        "QuickTime": lambda: film(b"qt  "),
        "QuickTime without a brand": lambda: struct.pack(">I4s", 500, b"moov") + bytes(492),
        "3GP": lambda: film(b"3gp5"),
        "AVI": lambda: b"RIFF\0\0\0\0AVI LIST" + bytes(200),
        "Matroska": lambda: b"\x1a\x45\xdf\xa3" + bytes(200),
        "MPEG": lambda: b"\0\0\1\xba" + bytes(200),
        "Windows Media": lambda: b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(200),
    }
    return [Variant(name, "Video", make, OTHER) for name, make in made.items()]


def _documents() -> list[Variant]:
    pictured = {"PDF": lambda: PDF, "PostScript": lambda: b"%!PS\nshowpage\n"}
    made = {
        "empty": lambda: b"",
        "one byte": lambda: b"\xff",
        "a letter": lambda: b"Dear grandmother,\n",
        "a letter that begins like a BMP": lambda: b"BM Dear grandmother,\n",
        "HTML": lambda: HTML,
        "JSON": lambda: b'{"photo": true}',
        "zeros": lambda: bytes(5000),
        "ZIP": _zip,
        "SVG, compressed": lambda: gzip.compress(SVG, mtime=0),
        "Windows program": lambda: b"MZ\x90\0\3\0\0\0" + bytes(500),
        "Linux program": lambda: b"\x7fELF\2\1\1" + bytes(500),
        "sound": lambda: b"RIFF\0\0\0\0WAVEfmt " + bytes(200),
        "MP3": lambda: b"ID3\4\0\0" + bytes(200),
    }
    return [
        *(Variant(name, "Documents", make, OTHER) for name, make in pictured.items()),
        *(Variant(name, "No pictures", make, NO_PHOTO) for name, make in made.items()),
    ]


def _polyglots() -> list[Variant]:
    family = "Polyglots"
    script = b"<script>alert(document.cookie)</script>"
    return [
        Variant(
            "JPEG, and ZIP behind it", family, lambda: jpeg() + _zip(), why="the archive is dropped"
        ),
        Variant(
            "JPEG, and a web page in its comment",
            family,
            lambda: with_segments(jpeg(), segment(0xFE, HTML)),
            why="the page is dropped",
        ),
        Variant(
            "JPEG, and a script for PHP in its EXIF",
            family,
            lambda: with_segments(jpeg(), segment(0xE1, b"Exif\0\0<?php system($_GET[0]);")),
            why="the script is dropped",
        ),
        Variant(
            "PNG, and a web page before its pixels",
            family,
            lambda: png(colours(), depth=8, colour=RGB, before=_text(script)),
            why="the page is dropped",
            by=2,
        ),
        Variant(
            "GIF and JavaScript", family, lambda: b"GIF89a=1;/*" + bytes(50) + b"*/alert(1)", OTHER
        ),
        Variant("PDF, and JPEG in it", family, lambda: PDF + jpeg(), OTHER),
        Variant(
            "HTML that begins like a JPEG", family, lambda: b"\xff\xd8\xff" + HTML, "file-damaged"
        ),
        Variant(
            "SVG that begins like a PNG", family, lambda: b"\x89PNG\r\n\x1a\n" + SVG, "file-damaged"
        ),
        Variant("JPEG behind a text", family, lambda: b"hello" + jpeg(), NO_PHOTO),
    ]


def _text(body: bytes) -> bytes:
    return chunk(b"tEXt", b"Comment\0" + body)
