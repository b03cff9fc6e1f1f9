"""S3: signed addresses for browsers and workers, and bounded reads and writes for services.

Every signature has an end. Bytes of users pass a service only where it must look at them.
"""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aioboto3
import aiohttp
from botocore.config import Config
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
ALGORITHM = "AWS4-HMAC-SHA256"
_quoted = lru_cache(maxsize=256)(quote)  # nearly all of an address is that of the one before


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


class ObjectChanged(Exception):  # noqa: N818  # an answer, not a fault
    """The object is not the one (any more) that the caller knows."""


class ObjectTooLarge(Exception):  # noqa: N818  # an answer, not a fault
    """The object is larger than the caller wanted to read."""


@dataclass(frozen=True, slots=True)
class SignedPost:
    """An address and the form fields that a browser must send with the file, file last."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of an object, and of how many; other bytes would have another ETag."""

    data: bytes
    size_bytes: int
    etag: str


class Signer:
    """Signs addresses of one bucket as one endpoint is reached: S3's version 4, in the query.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, by hand: botocore
    costs five times as much for each, every job takes three, and a large file one for each part.
    """

    def __init__(self, base_url: str, settings: StorageSettings) -> None:
        self._base_url, self._region = base_url, settings.s3_region
        self._name = settings.s3_access_key.get_secret_value()
        self._secret = settings.s3_secret_key.get_secret_value()

    def sign(
        self, method: str, key: str, *, expires_s: int, headers: Mapping[str, str], **query: str
    ) -> str:
        """An address that is good for one method on one object, with these headers, till then."""
        url = urlsplit(f"{self._base_url}/{quote(key)}")
        time = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        scope = f"{time[:8]}/{self._region}/s3/aws4_request"
        signed = dict(sorted({"host": url.netloc, **headers}.items()))
        query |= {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self._name}/{scope}",
            "X-Amz-Date": time,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": ";".join(signed),
        }
        asked = "&".join(f"{name}={_quoted(query[name], safe='')}" for name in sorted(query))
        said = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = "\n".join((method, url.path, asked, said, ";".join(signed), "UNSIGNED-PAYLOAD"))
        proof = f"{ALGORITHM}\n{time}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = f"AWS4{self._secret}".encode()
        for text in (*scope.split("/"), proof):
            signature = hmac.digest(signature, text.encode(), "sha256")
        return f"{url.geturl()}?{asked}&X-Amz-Signature={signature.hex()}"


class Storage:
    """One private bucket: `inside` is how we reach it ourselves, `outside` how browsers do."""

    def __init__(
        self,
        client: Any,
        browsers: Any,
        http: aiohttp.ClientSession,
        *,
        inside: Signer,
        outside: Signer,
        bucket: str,
    ) -> None:
        self._client, self._browsers, self._http = client, browsers, http
        self._bucket, self._inside, self.outside = bucket, inside, outside

    async def sign_post(
        self, key: str, *, size_bytes: int, expires_s: int, **fields: str
    ) -> SignedPost:
        """Let somebody upload one file of exactly this key, size and these fields, till then."""
        exactly = [{name: value} for name, value in fields.items()]
        conditions = [["content-length-range", size_bytes, size_bytes], *exactly]
        post = await self._browsers.generate_presigned_post(
            self._bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=expires_s
        )
        return SignedPost(post["url"], post["fields"])

    def sign_get(self, key: str, *, expires_s: int, download_as: str | None = None) -> str:
        """Let somebody read one object; `download_as` makes browsers save it under that name."""
        disposition = f'attachment; filename="{download_as}"'
        query = {"response-content-disposition": disposition} if download_as else {}
        return self.outside.sign("GET", key, expires_s=expires_s, headers={}, **query)

    def sign_put(self, key: str, *, media_type: str, expires_s: int) -> str:
        """Let somebody write one object that does not exist yet.

        The writer must send `Content-Type: <media_type>` and `If-None-Match: *`.
        """
        headers = {"content-type": media_type, "if-none-match": "*"}
        return self.outside.sign("PUT", key, expires_s=expires_s, headers=headers)

    async def ask(self, operation: str, **given: Any) -> Any:
        """One request about this bucket in S3's own words: for what only one service needs."""
        with _answers():
            return await getattr(self._client, operation)(Bucket=self._bucket, **given)

    async def size(self, key: str) -> int:
        """Bytes of an object, or `NoSuchObject`."""
        return int((await self.ask("head_object", Key=key))["ContentLength"])

    async def read(self, key: str, span: str, *, bytes_max: int, etag: str | None = None) -> Piece:
        """The bytes of a span such as `bytes=0-99` or `bytes=-100` (the last ones).

        With an `etag`, `ObjectChanged` unless it is the object that had it.
        """
        condition = {"IfMatch": etag} if etag else {}
        answer = await self.ask("get_object", Key=key, Range=span, **condition)
        if answer["ContentLength"] > bytes_max:
            raise ObjectTooLarge(key)
        with _answers():
            async with answer["Body"] as body:
                # All of it: `read(n)` gives what happens to have arrived.
                data = bytes(await body.read())
        return Piece(data, int(answer["ContentRange"].rpartition("/")[2]), answer["ETag"])

    async def download(
        self, key: str, path: Path, *, bytes_max: int, etag: str | None = None
    ) -> str:
        """Write an object to a file, never all in memory; its SHA-256. `etag` as for `read`."""
        url = self._inside.sign("GET", key, expires_s=READ_EXPIRES_S, headers={})
        condition, digest = {"if-match": etag} if etag else {}, sha256()
        with _answers():
            async with self._http.get(URL(url, encoded=True), headers=condition) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    raise NoSuchObject
                if answer.status == HTTPStatus.PRECONDITION_FAILED:
                    raise ObjectChanged
                if answer.status != HTTPStatus.OK:
                    raise StorageAway(f"S3 answered {answer.status}")
                if answer.content_length is None or answer.content_length > bytes_max:
                    raise ObjectTooLarge(key)
                with path.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                        digest.update(chunk)
                        file.write(chunk)
        return digest.hexdigest()

    async def upload(self, path: Path, key: str, *, media_type: str) -> None:
        """Store a file, replacing what was there."""
        with path.open("rb") as file:
            await self.ask("put_object", Key=key, Body=file, ContentType=media_type)

    async def copy(self, key: str, target: str) -> None:
        """Store an object a second time; no byte of it comes here."""
        await self.ask("copy_object", Key=target, CopySource=f"{self._bucket}/{key}")

    async def delete(self, *keys: str) -> None:
        """Delete objects; those that do not exist are no error."""
        for key in keys:
            await self.ask("delete_object", Key=key)


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

    async def signer(client: Any) -> Signer:
        # What comes before the key is for the client to say: it knows every region's address.
        probe = await client.generate_presigned_url(
            "get_object", {"Bucket": settings.s3_bucket, "Key": "key"}
        )
        return Signer(probe.partition("/key?")[0], settings)

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
    """Turn the many errors of the S3 client into the few that callers can act on."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            code = error.response["Error"]["Code"]
            if code in ("404", "NoSuchKey", "NoSuchUpload", "NotFound"):
                raise NoSuchObject from error
            if code in ("412", "PreconditionFailed", "InvalidPart"):
                raise ObjectChanged from error
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # A clock that jumped or a key that was changed says nothing about the object.
            if status == HTTPStatus.FORBIDDEN:
                raise StorageAway("S3 takes our signature for a wrong or late one") from error
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise StorageAway("S3 failed") from error
        if isinstance(error, ConnectionFailed | HTTPClientError | aiohttp.ClientError):
            raise StorageAway("S3 does not answer") from error
