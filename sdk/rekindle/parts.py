"""A large file in parts: several at a time, each tried again, and only those that are missing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx

from sdk.rekindle import files
from sdk.rekindle.files import CHUNK_BYTES, TIMEOUT, TRIES_MAX, Progress, s3_reason
from sdk.rekindle.models import PartAddress, PartsUpload
from sdk.rekindle.problems import AddressExpired, Unreachable, UploadRefused

AT_ONCE = 4
STALE = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND)
"""What S3 says to an address that was good: its time is over, or its upload is."""


async def send_parts(
    http: httpx.AsyncClient, upload: PartsUpload, path: Path, progress: Progress | None = None
) -> None:
    """Send the missing parts; `AddressExpired` when fresh addresses are needed for the rest."""
    total = (await asyncio.to_thread(path.stat)).st_size
    missing = sum(part.bytes for part in upload.parts)
    sent = dict.fromkeys((part.number for part in upload.parts), 0)
    free = asyncio.Semaphore(AT_ONCE)

    async def send(part: PartAddress) -> None:
        def tell(sent_bytes: int) -> None:
            sent[part.number] = sent_bytes
            if progress:
                progress(total - missing + sum(sent.values()), total)

        async with free:
            start = (part.number - 1) * upload.part_bytes
            await _send(http, part, path, start, tell)

    try:
        async with asyncio.TaskGroup() as group:
            for part in upload.parts:
                group.create_task(send(part))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _send(
    http: httpx.AsyncClient, part: PartAddress, path: Path, start: int, tell: Callable[[int], None]
) -> None:
    name = f"part {part.number} of {path.name}"
    for attempt in range(TRIES_MAX):
        if attempt:
            await asyncio.sleep(files.PAUSE_S * 2**attempt)
        try:
            answer = await http.put(
                part.url,
                content=_read(path, start, part.bytes, tell),
                headers={"content-length": str(part.bytes)},
                timeout=TIMEOUT,
            )
        except httpx.TransportError:
            continue
        if answer.is_success:
            return
        if answer.status_code in STALE:
            raise AddressExpired(f"The storage refused {name}: {s3_reason(answer)}.")
        if not answer.is_server_error:
            raise UploadRefused(f"The storage refused {name}: {s3_reason(answer)}.")
    raise Unreachable(f"The storage did not take {name} in {TRIES_MAX} tries.")


async def _read(
    path: Path, start: int, length: int, tell: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The bytes of one part; a file that has become shorter ends early, and S3 refuses it."""
    with path.open("rb") as file:
        file.seek(start)
        left = length
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
            tell(length - left)
