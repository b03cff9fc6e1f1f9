"""S3: signed addresses for browsers and workers, and bounded reads and writes for services.

Every signature has an end. Bytes of users pass a service only where it must look at them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aioboto3
import aiohttp
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from yarl import URL

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3, 30
TRIES_MAX = 4
CONNECTIONS_MAX = 20
CHUNK_BYTES = 1024 * 1024
READ_EXPIRES_S = 60


class StorageSettings(BaseSettings):
    """Where the bucket is, and with which key."""

    s3_endpoint: str | None = None
    s3_public_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_bucket: str
    s3_access_key: SecretStr
    s3_secret_key: SecretStr


class NoSuchObject(Exception):  # noqa: N818  # an answer, not a fault
    """There is no object of that key."""


class StorageAway(ConnectionError):  # noqa: N818  # a state of S3, seen from here
    """S3 does not answer, or not to us, right now; the same call may succeed later."""


class ObjectTooLarge(Exception):  # noqa: N818  # an answer, not a fault
    """The object is larger than the caller wanted to read."""


@dataclass(frozen=True, slots=True)
class SignedPost:
    """An address and the form fields that a browser must send with the file, file last."""

    url: str
    fields: dict[str, str]


class _Signer:
    """Signs addresses of one bucket as one endpoint is reached: S3's version 4, in the query.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, by botocore's own
    class for it. The client's way to it works out the endpoint anew for each address, which costs
    ten times the signature, and every job takes three.
    """

    def __init__(self, base_url: str, credentials: Credentials, region: str) -> None:
        self._base_url, self._credentials, self._region = base_url, credentials, region

    def sign(self, method: str, key: str, *, expires_s: int, **given: Any) -> str:
        """An address that is good for one method on one object, till then."""
        request = AWSRequest(method=method, url=f"{self._base_url}/{quote(key)}", **given)
        auth = S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=expires_s)
        auth.add_auth(request)
        return str(request.url)


class Storage:
    """One private bucket: `inside` is how we reach it ourselves, `outside` how browsers do."""

    def __init__(
        self,
        client: Any,
        browsers: Any,
        http: aiohttp.ClientSession,
        *,
        inside: _Signer,
        outside: _Signer,
        bucket: str,
    ) -> None:
        self._client, self._browsers, self._http = client, browsers, http
        self._bucket = bucket
        self._inside, self._outside = inside, outside

    async def sign_post(
        self, key: str, *, bytes_min: int, bytes_max: int, expires_s: int
    ) -> SignedPost:
        """Let somebody upload one file to exactly this key, within these sizes, till then."""
        post = await self._browsers.generate_presigned_post(
            self._bucket,
            key,
            Conditions=[["content-length-range", bytes_min, bytes_max]],
            ExpiresIn=expires_s,
        )
        return SignedPost(post["url"], post["fields"])

    def sign_get(self, key: str, *, expires_s: int, download_as: str | None = None) -> str:
        """Let somebody read one object; `download_as` makes browsers save it under that name."""
        disposition = f'attachment; filename="{download_as}"'
        params = {"response-content-disposition": disposition} if download_as else {}
        return self._outside.sign("GET", key, expires_s=expires_s, params=params)

    def sign_put(self, key: str, *, media_type: str, expires_s: int) -> str:
        """Let somebody write one object that does not exist yet.

        The writer must send `Content-Type: <media_type>` and `If-None-Match: *`.
        """
        headers = {"content-type": media_type, "if-none-match": "*"}
        return self._outside.sign("PUT", key, expires_s=expires_s, headers=headers)

    async def size(self, key: str) -> int:
        """Bytes of an object, or `NoSuchObject`."""
        with _answers():
            head = await self._client.head_object(Bucket=self._bucket, Key=key)
        return int(head["ContentLength"])

    async def read_start(self, key: str, *, bytes_max: int) -> bytes:
        """The first bytes of an object, at most `bytes_max`."""
        return await self._read(key, f"bytes=0-{bytes_max - 1}", bytes_max=bytes_max)

    async def read_end(self, key: str, *, bytes_max: int) -> bytes:
        """The last bytes of an object, at most `bytes_max`."""
        return await self._read(key, f"bytes=-{bytes_max}", bytes_max=bytes_max)

    async def download(self, key: str, path: Path, *, bytes_max: int) -> None:
        """Write an object to a file without holding it in memory."""
        url = URL(self._inside.sign("GET", key, expires_s=READ_EXPIRES_S), encoded=True)
        with _answers():
            async with self._http.get(url) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    raise NoSuchObject
                if answer.status != HTTPStatus.OK:
                    raise StorageAway(f"S3 answered {answer.status}")
                if answer.content_length is None or answer.content_length > bytes_max:
                    raise ObjectTooLarge(key)
                with path.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                        file.write(chunk)

    async def upload(self, path: Path, key: str, *, media_type: str) -> None:
        """Store a file, replacing what was there."""
        with _answers(), path.open("rb") as file:
            await self._client.put_object(
                Bucket=self._bucket, Key=key, Body=file, ContentType=media_type
            )

    async def delete(self, *keys: str) -> None:
        """Delete objects; those that do not exist are no error."""
        with _answers():
            for key in keys:
                await self._client.delete_object(Bucket=self._bucket, Key=key)

    async def check(self) -> None:
        """Raise unless the bucket answers."""
        with _answers():
            await self._client.head_bucket(Bucket=self._bucket)

    async def _read(self, key: str, span: str, *, bytes_max: int) -> bytes:
        with _answers():
            answer = await self._client.get_object(Bucket=self._bucket, Key=key, Range=span)
            if answer["ContentLength"] > bytes_max:
                raise ObjectTooLarge(key)
            async with answer["Body"] as body:
                # All of it: `read(n)` gives what happens to have arrived.
                return bytes(await body.read())


@asynccontextmanager
async def open_storage(settings: StorageSettings) -> AsyncIterator[Storage]:
    """Connect to the bucket for as long as the process works."""
    session = aioboto3.Session(
        aws_access_key_id=settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
        region_name=settings.s3_region,
    )
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=CONNECTIONS_MAX,
        retries={"total_max_attempts": TRIES_MAX, "mode": "standard"},
        s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
    )
    public = settings.s3_public_endpoint or settings.s3_endpoint
    credentials = Credentials(
        settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
    )

    async def signer(client: Any) -> _Signer:
        # What comes before the key is for the client to say: it knows every region's address.
        probe = await client.generate_presigned_url(
            "get_object", {"Bucket": settings.s3_bucket, "Key": "key"}
        )
        return _Signer(probe.partition("/key?")[0], credentials, settings.s3_region)

    async with (
        session.client("s3", endpoint_url=settings.s3_endpoint, config=config) as client,
        # Signatures cover the host, so they are made for the one that browsers reach.
        session.client("s3", endpoint_url=public, config=config) as browsers,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as http,
    ):
        yield Storage(
            client,
            browsers,
            http,
            inside=await signer(client),
            outside=await signer(browsers),
            bucket=settings.s3_bucket,
        )


class _answers:  # noqa: N801  # reads as a statement: `with _answers():`
    """Turn the many errors of the S3 client into the two that callers can act on."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                raise NoSuchObject from error
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # A clock that jumped or a key that was changed says nothing about the object.
            if status == HTTPStatus.FORBIDDEN:
                raise StorageAway("S3 takes our signature for a wrong or late one") from error
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise StorageAway("S3 failed") from error
        if isinstance(error, ConnectionFailed | HTTPClientError | aiohttp.ClientError):
            raise StorageAway("S3 does not answer") from error
