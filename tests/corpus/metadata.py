"""Photos with a secret in every place that metadata has, and words that are to be kept.

Each secret names its place, so that one that gets out says where it was.
"""

import struct
import zlib

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from tests.corpus import jpegs, pngs, webps
from tests.corpus.boxes import Item, auxiliary, coded, colour_profile, heif
from tests.corpus.profiles import SRGB, curve, light_of, rgb_profile, text
from tests.corpus.variant import Variant, pixels, quarters, saved

SECRET = "canary"
CAPTION, COPYRIGHT, TAKEN = "Grandmother at the lake", "Keller & Sons", "1931:05:01 12:00:00"

_DETAILS, _PLACE, _THUMBNAIL = 0x8769, 0x8825, 1
_STRINGS = {0x010F: "make", 0x0110: "model", 0x0131: "software", 0x013B: "artist", 0x013C: "host"}
_XP = {0x9C9B: "xptitle", 0x9C9C: "xpcomment", 0x9C9D: "xpauthor", 0x9C9E: "xpkeywords"}
_OF_CAMERA = {0xA430: "owner", 0xA431: "serial", 0xA433: "lens", 0xA435: "lensserial", 0xA420: "id"}


def secret(place: str) -> str:
    """A word that must not get out, and where it was."""
    return f"{SECRET}-{place}"


def exif(*, caption: str | bytes = CAPTION) -> bytes:
    """Every field that tells something, with a thumbnail that shows what was cropped away."""
    told = Image.Exif()
    told[0x010E], told[0x8298] = caption, COPYRIGHT
    told.update({tag: secret(place) for tag, place in _STRINGS.items()})
    told.update({tag: secret(place).encode("utf-16-le") for tag, place in _XP.items()})
    details = told.get_ifd(_DETAILS)
    details |= {tag: secret(place) for tag, place in _OF_CAMERA.items()}
    details |= {0x9003: TAKEN, 0x927C: secret("makernote").encode()}
    details |= {0x9286: b"ASCII\0\0\0" + secret("usercomment").encode()}
    place = told.get_ifd(_PLACE)
    place |= {1: "N", 2: (IFDRational(48), IFDRational(8), IFDRational(1))}
    place |= {0x1B: secret("gpsmethod").encode(), 0x1C: secret("gpsarea").encode()}
    return _with_thumbnail(told.tobytes())


def _with_thumbnail(told: bytes) -> bytes:
    """Behind IFD0 an IFD1 whose thumbnail carries a comment; Pillow writes none itself."""
    body = bytearray(told.removeprefix(b"Exif\0\0"))
    order = "<" if body[:2] == b"II" else ">"
    thumbnail = jpegs.with_segments(
        jpegs.jpeg(quarters(width=32, height=24)),
        jpegs.segment(0xFE, secret("thumbnail").encode()),
    )
    first = struct.unpack_from(f"{order}I", body, 4)[0]
    entries = struct.unpack_from(f"{order}H", body, first)[0]
    at = len(body) + len(body) % 2
    struct.pack_into(f"{order}I", body, first + 2 + 12 * entries, at)
    body += bytes(len(body) % 2)
    picture_at = at + 2 + 12 * 3 + 4
    body += struct.pack(f"{order}H", 3)
    body += struct.pack(f"{order}HHIHH", 0x0103, 3, 1, 6, 0)
    body += struct.pack(f"{order}HHII", 0x0201, 4, 1, picture_at)
    body += struct.pack(f"{order}HHII", 0x0202, 4, 1, len(thumbnail))
    return b"Exif\0\0" + bytes(body) + bytes(4) + thumbnail


def xmp(*, caption: str = "") -> bytes:
    """A packet with its history, its author, the place, and perhaps the caption."""
    words = f'<rdf:Alt><rdf:li xml:lang="x-default">{caption}</rdf:li></rdf:Alt>'
    described = f"<dc:description>{words}</dc:description>"
    return f"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmpMM:DocumentID="{secret("xmpid")}">
<dc:creator><rdf:Seq><rdf:li>{secret("xmpcreator")}</rdf:li></rdf:Seq></dc:creator>
{described if caption else ""}
<xmpMM:History><rdf:Seq><rdf:li>{secret("xmphistory")}</rdf:li></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


def iptc(*, caption: str = "") -> bytes:
    """Photoshop's resources with a record of IPTC."""
    fields = {80: secret("iptcbyline"), 90: secret("iptccity"), 25: secret("iptckeyword")}
    fields |= {120: caption} if caption else {}
    record = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(words.encode())) + words.encode()
        for number, words in fields.items()
    )
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(record)) + record
    return b"Photoshop 3.0\0" + resource + bytes(len(record) % 2)


def profile() -> bytes:
    """sRGB, whose description tells where it was made."""
    tones = curve(light_of(np.linspace(0, 1, 256)))
    return rgb_profile(SRGB, tones, desc=text(b"desc", secret("iccdescription")))


def jpeg(*segments: bytes) -> bytes:
    """A JPEG with a secret in every segment, in its second picture and behind its end."""
    spoken = jpegs.segment(0xFE, secret("comment").encode())
    told = [
        *segments,
        jpegs.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp()),
        jpegs.segment(
            0xE1, b"http://ns.adobe.com/xmp/extension/\0" + secret("xmpextension").encode()
        ),
        jpegs.segment(0xED, iptc()),
        jpegs.segment(0xE5, secret("app5").encode()),
        jpegs.segment(0xEC, secret("ducky").encode()),
    ]
    second = jpegs.with_segments(
        jpegs.jpeg(), jpegs.segment(0xFE, secret("secondpicture").encode())
    )
    whole = jpegs.with_segments(jpegs.jpeg(icc_profile=profile()), *told, spoken)
    return whole + second + secret("trailing").encode()


def png(*, caption: bytes = b"") -> bytes:
    """A PNG with a secret in every chunk that may hold one."""
    words = pngs.chunk(b"tEXt", b"Author\0" + secret("text").encode())
    words += pngs.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(secret("ztxt").encode()))
    words += pngs.chunk(b"iTXt", b"Software\0\0\0\0\0" + secret("itxt").encode())
    words += pngs.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp())
    words += pngs.chunk(b"iCCP", secret("iccname").encode() + b"\0\0" + zlib.compress(profile()))
    words += pngs.chunk(b"prVt", secret("privatechunk").encode())
    words += pngs.chunk(b"eXIf", exif().removeprefix(b"Exif\0\0"))
    words += caption
    whole = pngs.png(pixels(), depth=8, colour=pngs.RGB, before=words)
    return whole + secret("trailing").encode()


def turned_by_late_exif(number: int) -> bytes:
    """A PNG that says how to turn it when all pixels are read."""
    told = pngs.chunk(b"eXIf", jpegs.orientation(number).tobytes().removeprefix(b"Exif\0\0"))
    whole = saved(jpegs.stored_for(number), "PNG")
    return whole[:-12] + told + whole[-12:]


def webp() -> bytes:
    """A WebP with a secret in every chunk that may hold one."""
    whole = webps.webp(exif=exif(), xmp=xmp(), icc_profile=profile(), lossless=True)
    return whole + secret("trailing").encode()


def heic() -> bytes:
    """A HEIC with a secret in every item and box that may hold one."""
    described = [(b"cdsc", [1])]
    thumbnail = coded(quarters(width=32, height=24))
    depth = coded(Image.new("L", (64, 48)), auxiliary(b"urn:mpeg:hevc:2015:auxid:2"))
    return (
        heif(
            coded(quarters(), colour_profile(profile())),
            Item(b"Exif", struct.pack(">I", 6) + exif(), (), described),
            Item(b"mime", xmp(), (), described),
            Item(b"hvc1", thumbnail.data, thumbnail.properties, [(b"thmb", [1])]),
            Item(b"hvc1", depth.data, depth.properties, [(b"auxl", [1])]),
        )
        + struct.pack(">I", 8 + len(secret("freebox")))
        + b"free"
        + secret("freebox").encode()
    )


def variants() -> list[Variant]:
    """Metadata."""
    family = "Metadata"
    why = "caption, copyright and date are kept; no secret gets out"
    caption = pngs.chunk(b"tEXt", b"Description\0" + CAPTION.encode())
    described = pngs.png(pixels(), depth=8, colour=pngs.RGB, before=caption)
    told = jpegs.segment(
        0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(caption="Grandmother &amp; I")
    )
    junk = [
        b"Exif\0\0MM\0*junk",
        b"Exif\0\0" + b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 600,
        b"\xff" * 900,
    ]
    loop = (
        b"Exif\0\0MM\0*\0\0\0\x08"
        + struct.pack(">HHHII", 1, _DETAILS, 4, 1, 8)
        + struct.pack(">I", 8)
    )
    return [
        Variant(
            "a secret everywhere in JPEG",
            family,
            lambda: jpeg(jpegs.segment(0xE1, exif())),
            why=why,
        ),
        Variant("a secret everywhere in PNG", family, png, why=why, by=2),
        Variant("a secret everywhere in WebP", family, webp, why=why, by=2),
        Variant("a secret everywhere in HEIC", family, heic, why=why),
        Variant(
            "a caption of IPTC",
            family,
            lambda: jpegs.with_segments(jpegs.jpeg(), jpegs.segment(0xED, iptc(caption=CAPTION))),
            why="the caption is kept",
        ),
        Variant(
            "a caption of XMP",
            family,
            lambda: jpegs.with_segments(jpegs.jpeg(), told),
            why="the caption is kept",
        ),
        Variant(
            "EXIF behind the pixels of PNG",
            family,
            lambda: turned_by_late_exif(6),
            why="turned upright once",
            by=2,
        ),
        Variant("a caption of PNG", family, lambda: described, why="the caption is kept", by=2),
        *(
            Variant(
                f"EXIF that is junk ({number})",
                family,
                lambda body=body: jpegs.with_segments(  # type: ignore[misc]
                    jpegs.jpeg(), jpegs.segment(0xE1, body)
                ),
                why="dropped",
            )
            for number, body in enumerate(junk, 1)
        ),
        Variant(
            "EXIF that goes round in circles",
            family,
            lambda: jpegs.with_segments(jpegs.jpeg(), jpegs.segment(0xE1, loop)),
            why="dropped",
        ),
        Variant(
            "XMP that grows a million times",
            family,
            lambda: jpegs.with_segments(
                jpegs.jpeg(), jpegs.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _entities())
            ),
            why="dropped",
        ),
    ]


def _entities() -> bytes:
    """Ten entities, each of them ten times the one before."""
    defined = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    described = "<dc:description><rdf:li>&e9;</rdf:li></dc:description>"
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{defined}]><x>{described}</x>'.encode()
