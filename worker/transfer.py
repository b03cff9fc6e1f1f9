"""Bytes in and bytes out, through presigned addresses, with a limit on everything.

An address is a key to someone's photo: it appears in no error and no log.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx

from worker.failures import AttemptError

DOWNLOAD_BYTES_MAX = 60 * 1024 * 1024
DOWNLOAD_SECONDS_MAX = 120.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
TRIES_MAX = 3
PAUSE_SECONDS = 0.5  # doubled after every try
ALREADY_THERE = 412
GONE = {404, 410}
# Made once: it takes 15 ms, and every attempt opens a client of its own.
TRUSTED = httpx.create_ssl_context(trust_env=False)

Answer = TypeVar("Answer")


def open_client() -> httpx.Client:
    """A client that follows no redirect and reads no proxy or password from the machine."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False, verify=TRUSTED)


def download(client: httpx.Client, url: str, *, sha256: str | None = None) -> bytes:
    """Fetch a photo, giving up as soon as it is too large, too slow, or not the one meant."""
    data = _persist(lambda: _fetch(client, url), "the photo could not be fetched")
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise AttemptError("input", "the photo is not the one whose hash was given")
    return data


def upload(client: httpx.Client, url: str, headers: Mapping[str, str], data: bytes) -> bool:
    """Store a result. False if one was stored before: then that one stays."""

    def put() -> bool:
        answer = client.put(url, headers=dict(headers), content=data)
        if answer.status_code == ALREADY_THERE:
            return False
        _refuse_unless_ok(answer, "the result could not be stored")
        return True

    return _persist(put, "the result could not be stored")


def _fetch(client: httpx.Client, url: str) -> bytes:
    deadline = time.monotonic() + DOWNLOAD_SECONDS_MAX
    data = bytearray()
    with client.stream("GET", url) as answer:
        if answer.status_code in GONE:
            raise AttemptError("input", "the photo is not there any more")
        _refuse_unless_ok(answer, "the photo could not be fetched")
        if int(answer.headers.get("Content-Length", 0)) > DOWNLOAD_BYTES_MAX:
            raise AttemptError("input", f"the photo has over {DOWNLOAD_BYTES_MAX} bytes")
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) > DOWNLOAD_BYTES_MAX:
                raise AttemptError("input", f"the photo has over {DOWNLOAD_BYTES_MAX} bytes")
            if time.monotonic() > deadline:
                raise AttemptError("infra", "the photo came too slowly")
    return bytes(data)


def _refuse_unless_ok(answer: httpx.Response, what: str) -> None:
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise _BusyError(f"the storage answered {answer.status_code}")
    if not answer.is_success:
        raise AttemptError("infra", f"{what}: the storage answered {answer.status_code}")


class _BusyError(Exception):
    """The storage had a bad moment."""


def _persist(act: Callable[[], Answer], what: str) -> Answer:
    pause = PAUSE_SECONDS
    reason = ""
    for remaining in reversed(range(TRIES_MAX)):
        try:
            return act()
        except (_BusyError, httpx.TransportError) as error:
            reason = str(error) if isinstance(error, _BusyError) else type(error).__name__
        if remaining:
            time.sleep(pause)
            pause *= 2
    raise AttemptError("infra", f"{what}: {reason}")
