"""Signatures, and what the bucket says to a machine whose clock is off."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.kit.storage import Signer, Storage, StorageAway, StorageSettings, open_storage

KEY = "kit/test-of-clocks"
AWS_SAYS = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
"""The signature of the example in sigv4-query-string-auth.html."""
Ask = Callable[[Storage, Path], Awaitable[object]]


ASK: dict[str, Ask] = {
    "upload": lambda bucket, file: bucket.upload(file, KEY, media_type="text/plain"),
    "download": lambda bucket, file: bucket.download(KEY, file, bytes_max=100),
    "size": lambda bucket, _: bucket.size(KEY),
    "delete": lambda bucket, _: bucket.delete(KEY),
}


# Addresses that are signed for later this bucket takes at once; S3 itself would not.
@pytest.mark.parametrize(
    ("what", "hours"),
    [*((what, -2) for what in ASK), *((what, 2) for what in ASK if what != "download")],
)
async def test_a_signature_of_another_hour_is_tried_again_later(
    what: str, hours: int, s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("hello")
    settings = StorageSettings.model_validate({name.lower(): v for name, v in s3.items()})

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return super().now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("services.kit.storage.datetime", Clock)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda: Clock.now(UTC).replace(tzinfo=None)
    )

    async with open_storage(settings) as bucket:
        with pytest.raises(StorageAway):
            await ASK[what](bucket, file)


def test_an_address_is_signed_as_in_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    class ThatDay(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "ThatDay":
            return cls(2013, 5, 24, tzinfo=tz)

    monkeypatch.setattr("services.kit.storage.datetime", ThatDay)
    settings = StorageSettings(
        s3_bucket="examplebucket",
        s3_access_key=SecretStr("AKIAIOSFODNN7EXAMPLE"),
        s3_secret_key=SecretStr("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    )
    signer = Signer("https://examplebucket.s3.amazonaws.com", settings)

    url = signer.sign("GET", "test.txt", expires_s=86400, headers={})

    assert url.partition("?")[0] == "https://examplebucket.s3.amazonaws.com/test.txt"
    assert url.endswith(f"&X-Amz-Signature={AWS_SAYS}")


@pytest.mark.parametrize("key", ["a b/ü~(1).png", "x+y%2F&=?#'", "plain"])
async def test_an_address_says_what_the_librarys_own_says(
    key: str, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StorageSettings.model_validate({name.lower(): v for name, v in s3.items()})
    now = datetime.now(UTC)

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Now":
            return cls.fromtimestamp(now.timestamp(), tz)

    monkeypatch.setattr("services.kit.storage.datetime", Now)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None))
    async with open_storage(settings) as bucket:
        ours = bucket.outside.sign(
            "PUT",
            key,
            expires_s=60,
            headers={"content-length": "7"},
            partNumber="3",
            uploadId="a/b+c",
        )
        given = {"Bucket": bucket._bucket, "Key": key, "UploadId": "a/b+c", "PartNumber": 3}
        theirs = await bucket._browsers.generate_presigned_url(
            "upload_part", {**given, "ContentLength": 7}, ExpiresIn=60
        )

    assert httpx.URL(ours).params["X-Amz-Signature"] == httpx.URL(theirs).params["X-Amz-Signature"]
