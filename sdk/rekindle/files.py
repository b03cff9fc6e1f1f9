"""Bytes between this machine and the storage, by signed addresses: never through the gateway."""

import asyncio
import io
import re
from collections.abc import Callable
from hashlib import file_digest, sha256
from pathlib import Path

import httpx

from sdk.rekindle.models import FormUpload, JobResult
from sdk.rekindle.problems import DownloadDamaged, Unreachable, UploadRefused

TRIES_MAX = 3
PAUSE_S = 0.5
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
RESULT_BYTES_MAX = 200 * 1024 * 1024
CHUNK_BYTES = 256 * 1024

Progress = Callable[[int, int], object]
"""Is given the bytes sent so far and those there are."""


def fingerprint(path: Path) -> tuple[int, str]:
    """How many bytes a file has, and their SHA-256."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


async def send_file(
    http: httpx.AsyncClient, upload: FormUpload, path: Path, progress: Progress | None = None
) -> None:
    """Stream a file to its signed form; storing the same bytes twice does no harm."""
    for attempt in range(TRIES_MAX):
        if attempt:
            await asyncio.sleep(PAUSE_S * 2**attempt)
        with _Watched(path, progress) as file:
            try:
                # httpx writes the fields in their order and the file last, as S3 demands.
                answer = await http.post(
                    upload.url,
                    data=upload.fields,
                    files={"file": (path.name, file)},
                    timeout=TIMEOUT,
                )
            except httpx.TransportError:
                continue
        if answer.is_success:
            return
        if not answer.is_server_error:
            raise UploadRefused(f"The storage refused {path.name}: {s3_reason(answer)}.")
    raise Unreachable(f"The storage did not take {path.name} in {TRIES_MAX} tries.")


async def fetch_result(http: httpx.AsyncClient, result: JobResult, path: Path) -> None:
    """Download a result and compare its hash; `path` appears only once it is whole."""
    part = path.with_name(f".{path.name}.part")
    digest, received = sha256(), 0
    try:
        async with http.stream("GET", result.url, timeout=TIMEOUT) as answer:
            if not answer.is_success:
                raise Unreachable(f"The storage answered HTTP {answer.status_code} for the result.")
            with part.open("wb") as file:
                async for chunk in answer.aiter_bytes(CHUNK_BYTES):
                    received += len(chunk)
                    if received > RESULT_BYTES_MAX:
                        raise DownloadDamaged("The result is larger than any result can be.")
                    digest.update(chunk)
                    file.write(chunk)
        if digest.hexdigest() != result.sha256:
            raise DownloadDamaged("The result's hash is not the one that was stored.")
        part.replace(path)
    except httpx.TransportError as error:
        raise Unreachable("The storage stopped answering while the result came.") from error
    finally:
        part.unlink(missing_ok=True)


class _Watched(io.FileIO):
    """A file that tells how much of it has been read."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        super().__init__(path, "rb")
        self._progress, self._total = progress, path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(-1 if size is None else size)
        if chunk and self._progress:
            self._progress(self.tell(), self._total)
        return chunk or b""


def s3_reason(answer: httpx.Response) -> str:
    """Why S3 refused, in its own word."""
    code = re.search(r"<Code>(\w+)</Code>", answer.text)
    return code[1] if code else f"HTTP {answer.status_code}"
