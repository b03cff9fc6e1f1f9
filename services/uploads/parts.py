"""A large file at S3: opened, sent in parts by its owner, joined, or ended.

No byte passes here: each part has an address of its own, good for exactly its number of bytes.
Which parts have arrived S3 knows, so nobody else has to remember it, and whoever died can go on.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.kit.storage import NoSuchObject, Storage

PART_BYTES = 5 * 2**20
"""The least that S3 takes for any part but the last."""

OF_ORIGINALS = {
    # What a file is, its bytes decide; until then no browser may take it for a page.
    "Content-Type": "application/octet-stream",
    "x-amz-server-side-encryption": "AES256",
}
"""What S3 writes down about each original, however it comes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file: the first has number 1."""

    number: int
    size_bytes: int


def parts_of(size_bytes: int) -> list[Part]:
    """How a file of this size is cut."""
    starts = range(0, size_bytes, PART_BYTES)
    return [
        Part(number, min(PART_BYTES, size_bytes - start)) for number, start in enumerate(starts, 1)
    ]


async def start(storage: Storage, key: str) -> str:
    """The id of a new upload to this key."""
    started = await storage.ask(
        "create_multipart_upload",
        Key=key,
        ContentType=OF_ORIGINALS["Content-Type"],
        ServerSideEncryption=OF_ORIGINALS["x-amz-server-side-encryption"],
    )
    return str(started["UploadId"])


async def left_open(storage: Storage, *, prefix: str) -> list[dict[str, Any]]:
    """The first thousand uploads to keys of this prefix, in S3's words, that nobody ended."""
    answer = await storage.ask("list_multipart_uploads", Prefix=prefix)
    found: list[dict[str, Any]] = answer.get("Uploads", [])
    return found


def address(storage: Storage, key: str, upload_id: str, part: Part, *, expires_s: int) -> str:
    """Let somebody send one part: so many bytes, which S3 compares with the signature."""
    return storage.outside.sign(
        "PUT",
        key,
        expires_s=expires_s,
        headers={"content-length": str(part.size_bytes)},
        partNumber=str(part.number),
        uploadId=upload_id,
    )


async def arrived(storage: Storage, key: str, upload_id: str) -> dict[Part, str]:
    """The parts that S3 has, with their ETags; `NoSuchObject` if the upload was joined or ended."""
    # A page has a thousand, and a photo of 50 MB has ten.
    page = await storage.ask("list_parts", Key=key, UploadId=upload_id)
    return {Part(one["PartNumber"], one["Size"]): one["ETag"] for one in page.get("Parts", ())}


async def join(storage: Storage, key: str, upload_id: str, etags: Sequence[str]) -> None:
    """Make one object of the parts, whose ETags are given in their order."""
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    await storage.ask(
        "complete_multipart_upload",
        Key=key,
        UploadId=upload_id,
        MultipartUpload={"Parts": listed},
    )


async def end(storage: Storage, key: str, upload_id: str) -> None:
    """End an upload, and with it its parts; one that is over is no error."""
    with suppress(NoSuchObject):
        await storage.ask("abort_multipart_upload", Key=key, UploadId=upload_id)


async def end_all(storage: Storage, *, prefix: str, begun_before: datetime | None = None) -> int:
    """End every upload to keys of this prefix (begun before then); how many there were.

    At most a thousand: more are for the next sweep.
    """
    uploads = [
        upload
        for upload in await left_open(storage, prefix=prefix)
        if begun_before is None or upload["Initiated"] < begun_before
    ]
    for upload in uploads:
        await end(storage, upload["Key"], upload["UploadId"])
    return len(uploads)
