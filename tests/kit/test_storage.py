"""What the bucket says to a machine whose clock is off."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from services.kit.storage import Storage, StorageAway, StorageSettings, open_storage

KEY = "kit/test-of-clocks"
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
