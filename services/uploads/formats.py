"""Which sort of file some bytes begin. Names and declared types are not asked."""

import re

from services.uploads.errors import FormatNotSupported, NotAPhoto

JPEG, PNG, WEBP, HEIC = "image/jpeg", "image/png", "image/webp", "image/heic"

_AS_JPEG = "Save it as JPEG or PNG and upload that."
_AS_STILL = "Save the picture you want from it as JPEG and upload that."
_AS_EXPORT = "Export it as JPEG (best quality) and upload that."
_AS_PAGE = "Save the picture in it as JPEG or PNG and upload that."

_HEVC_STILLS = {b"heic", b"heix", b"heim", b"heis"}
_SEQUENCES = {b"hevc", b"hevx", b"msf1", b"avis"}
_BRANDS_MAX = 64

_NOT_SUPPORTED: tuple[tuple[bytes, str, str], ...] = (
    (b"GIF87a", "GIF", _AS_JPEG),
    (b"GIF89a", "GIF", _AS_JPEG),
    (b"II*\x00", "TIFF or camera raw", _AS_EXPORT),
    (b"MM\x00*", "TIFF or camera raw", _AS_EXPORT),
    (b"II+\x00", "BigTIFF", _AS_EXPORT),
    (b"MM\x00+", "BigTIFF", _AS_EXPORT),
    (b"FUJIFILMCCD-RAW", "camera raw", _AS_EXPORT),
    (b"II\x1a\x00\x00\x00HEAP", "camera raw", _AS_EXPORT),
    (b"IIU\x00", "camera raw", _AS_EXPORT),
    (b"IIR", "camera raw", _AS_EXPORT),
    (b"FOVb", "camera raw", _AS_EXPORT),
    (b"\x00MRM", "camera raw", _AS_EXPORT),
    (b"%PDF-", "PDF", _AS_PAGE),
    (b"%!PS", "PostScript", _AS_PAGE),
    (b"\xc5\xd0\xd3\xc6", "PostScript", _AS_PAGE),
    (b"8BPS", "Photoshop", _AS_EXPORT),
    (b"gimp xcf", "GIMP", _AS_EXPORT),
    (b"\xff\x0a", "JPEG XL", _AS_JPEG),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", _AS_JPEG),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", _AS_JPEG),
    (b"\xff\x4f\xff\x51", "JPEG 2000", _AS_JPEG),
    (b"II\xbc", "JPEG XR", _AS_JPEG),
    (b"\x00\x00\x01\x00", "Windows icon", _AS_JPEG),
    (b"\x00\x00\x02\x00", "Windows icon", _AS_JPEG),
    (b"icns", "Apple icon", _AS_JPEG),
    (b"\xd7\xcd\xc6\x9a", "WMF", _AS_JPEG),
    (b"\x76\x2f\x31\x01", "OpenEXR", _AS_EXPORT),
    (b"#?RADIANCE", "Radiance", _AS_EXPORT),
    (b"SIMPLE  =", "FITS", _AS_EXPORT),
    (b"DDS ", "DDS", _AS_JPEG),
    (b"qoif", "QOI", _AS_JPEG),
    (b"BPG\xfb", "BPG", _AS_JPEG),
    (b"FLIF", "FLIF", _AS_JPEG),
    (b"\x1a\x45\xdf\xa3", "video", _AS_STILL),
    (b"\x00\x00\x01\xba", "video", _AS_STILL),
    (b"\x00\x00\x01\xb3", "video", _AS_STILL),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video", _AS_STILL),
)
_ELSEWHERE = (
    (4, b"moov", "video", _AS_STILL),
    (4, b"wide", "video", _AS_STILL),
    (8, b"AVI ", "video", _AS_STILL),
    (128, b"DICM", "DICOM", _AS_EXPORT),
)
"""Where the words that give it away do not begin the file."""

_PNM = re.compile(rb"P[1-7]\s[\s#\d]")
_VIDEOS = ("isom", "iso2", "iso4", "iso5", "iso6", "mp4", "avc", "m4v", "qt", "3g", "dash", "f4v")
_TEXT_START_BYTES = 1024


def media_type(head: bytes) -> str:
    """The accepted media type of a file that begins so; anything else is refused."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _media_type_of_brands(head)
    _refuse_known(head)
    raise NotAPhoto(
        "This file is no photo, whatever its name says. Upload JPEG, PNG, HEIC or WebP."
    )


def not_supported(name: str, instead: str = _AS_JPEG, *, which: str = "") -> FormatNotSupported:
    """The refusal of a sort of file we know but do not read, or of some files of a sort."""
    files = f"{name} files {which}".strip()
    return FormatNotSupported(f"We cannot read {files}. {instead}", format=name)


def _media_type_of_brands(head: bytes) -> str:
    """HEIF is a container for many codecs: only still pictures in HEVC are HEIC."""
    box_bytes = min(int.from_bytes(head[:4], "big"), 16 + 4 * _BRANDS_MAX)
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, box_bytes - 3, 4))}
    if major in _SEQUENCES:
        raise not_supported("moving HEIF", _AS_STILL)
    if major != b"avif" and brands & _HEVC_STILLS:
        return HEIC
    if b"avif" in brands:
        raise not_supported("AVIF")
    if brands & {b"mif1", b"mif2"}:
        raise not_supported("HEIF", which="whose codec is not HEVC")
    if major == b"crx ":
        raise not_supported("camera raw", _AS_EXPORT)
    if major.decode("latin-1").lower().startswith(_VIDEOS):
        raise not_supported("video", _AS_STILL)
    raise not_supported("media", which="of this sort")


def _refuse_known(head: bytes) -> None:
    for start, name, instead in _NOT_SUPPORTED:
        if head.startswith(start):
            raise not_supported(name, instead)
    for position, word, name, instead in _ELSEWHERE:
        if head.startswith(word, position):
            raise not_supported(name, instead)
    # A text may begin with "BM" as well; a bitmap has four zeros where a text has letters.
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        raise not_supported("BMP", _AS_JPEG)
    if _PNM.match(head):
        raise not_supported("PNM", _AS_JPEG)
    if _is_svg(head):
        raise not_supported("SVG", _AS_JPEG)


def _is_svg(head: bytes) -> bool:
    start = head[:_TEXT_START_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in start
